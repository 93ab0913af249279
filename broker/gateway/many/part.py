"""One run of an event stream of many."""

from typing import TYPE_CHECKING

from broker.hub.run_hub import RunHub
from broker.hub.subscriber import Subscriber
from broker.model.subjects import RunKey
from broker.protocol.named import NamedEvents

if TYPE_CHECKING:
    from broker.gateway.many.bundle import Bundle


class Part:
    """One run of a bundle: the sink of a hub's client, which is of the hub alone."""

    __slots__ = ("bundle", "client", "failed", "hub", "missing", "run", "seen", "upto", "write")

    def __init__(self, bundle: "Bundle", run: RunKey, upto: int) -> None:
        self.bundle = bundle
        self.run = run
        self.write = bundle.write
        self.upto = upto
        """Of a run that has not gone on since, the client has everything."""
        self.seen = 0
        """The run's head when it ended; 0 while it has not."""
        self.missing = False
        """Whether the client was told that there is no such run."""
        self.failed = False
        """Whether it could not be opened, and is to be tried again."""
        self.hub: RunHub | None = None
        self.client: Subscriber | None = None
        """Of that hub; None while the run is not open, and when it has ended."""

    @property
    def wanted(self) -> bool:
        """Whether the bundle still shows the run."""
        return self.bundle.parts.get(self.run) is self

    @property
    def head(self) -> int:
        """Up to where the run was shown, once it was."""
        return self.seen if self.hub is None else self.hub.seq

    @property
    def framing(self) -> NamedEvents:
        """How the run's messages are framed for it."""
        return NamedEvents(self.bundle.events, self.run.run)

    def pending(self) -> int:
        """Bytes that the connection has not taken."""
        return self.bundle.pending()

    def close(self) -> None:
        """The hub is done with it: the run has ended, or its hub is closed."""
        hub = self.hub
        self.leave()
        if hub is not None and hub.state.ended:
            self.seen = hub.seq
            self.bundle.ways.over(self)
        else:
            self.bundle.ways.interrupted(self.bundle)

    def abort(self) -> None:
        """The client takes nothing: the connection goes, with every run."""
        self.bundle.abort("slow")

    def leave(self) -> None:
        """Be no client of the run's hub any more."""
        client, self.client, self.hub = self.client, None, None
        if client is not None:
            client.gone()
