"""Opening the runs of streams of many: a bounded number at a time, the first asked for first."""

import logging
import math
from collections.abc import Callable
from typing import Final

import msgspec

from broker.errors import BrokerError, NotFound
from broker.gateway.http.carrier import Turns
from broker.gateway.many.bundle import Bundle
from broker.gateway.many.part import Part
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.hub.run_hub import RunHub
from broker.hub.subscriber import Subscriber
from broker.logs import Failures, about
from broker.views.native import VIEWS

log = logging.getLogger(__name__)

_STATE: Final = VIEWS["state"]
_TRIES: Final = 3


class Opening(Turns[Bundle, Part]):
    """Makes parts clients of their runs' hubs."""

    def __init__(
        self,
        registry: Registry,
        *,
        absent: Callable[[Part, int], None],
        whole: Callable[[Bundle], object],
        timing: Timing,
    ) -> None:
        super().__init__()
        self._registry = registry
        self._absent = absent
        self._whole = whole
        self._timing = timing
        self._failures = Failures(log)

    def open(self, part: Part) -> None:
        """Open the run of a part, or let it wait until others of its bundle are open."""
        bundle = part.bundle
        if self.tasks is None or not part.wanted:
            return
        if part.failed:
            part.failed = False
            bundle.failed -= 1
        part.seen = 0
        self.queue(bundle, part)

    def _opened(self, carrier: Bundle) -> None:
        if carrier.closing_at is None:
            self._whole(carrier)

    async def _serve(self, part: Part) -> None:
        """Show a run; where that fails it is tried again, since others of the stream go on."""
        try:
            for _ in range(_TRIES):
                if await self._joined(part):
                    return
        except NotFound:
            if part.wanted:
                self._miss(part)
            return
        except BrokerError as error:
            self._failures.tell("opening a run for a stream of many", error)
        except Exception:
            more = about("open_failed", run=part.run.run)
            log.exception("opening a run for a stream of many", extra=more)
            part.bundle.abort("error")
            return
        if part.wanted:
            part.failed = True
            part.bundle.failed += 1
            self._absent(part, -1)

    def _miss(self, part: Part) -> None:
        if not part.missing:
            part.missing = True
            said = msgspec.json.encode({"run": part.run.run})
            part.write(part.bundle.events.message("missing", said))
        self._absent(part, 0)

    async def _joined(self, part: Part) -> bool:
        """Let a part join its run; False if the run was closed meanwhile."""
        hub = await self._registry.hub(part.run)
        await part.bundle.drained()
        if not part.wanted:
            return True
        if not self._registry.holds(hub):
            return False
        self._join(part, hub)
        return True

    def _join(self, part: Part, hub: RunHub) -> None:
        """No await, so that nothing comes between."""
        has_all = hub.seq <= part.upto
        part.upto, part.missing = 0, False
        part.hub = hub
        part.client = Subscriber(part, now=self._timing.now(), expires_at=math.inf)
        hub.join(part.client, _STATE, part.framing, hub.seq if has_all else None, _nothing)


def _nothing(resumed: bool) -> bytes:
    """The stream says hello once, not for each run."""
    return b""
