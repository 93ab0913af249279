"""Exit codes, in one table."""

from collections.abc import Iterable, Mapping
from typing import Final

from broker.errors import (
    BrokerError,
    CannotListen,
    EmbeddedServerError,
    GatewayUnreachable,
    NatsRefused,
    NatsUnfit,
    RequestRefused,
    SettingsError,
    StorageFull,
    StreamRefused,
    TopologyMismatch,
)

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
CANCELLED: Final = 3
UNKNOWN_RUN: Final = 4
NO_ANSWER: Final = 5
CANNOT_LISTEN: Final = 6
NATS_REFUSES: Final = 7
NATS_UNFIT: Final = 8
STREAMS_DIFFER: Final = 9
NO_EMBEDDED_SERVER: Final = 10
NO_ROOM: Final = 11
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
TERMINATED: Final = 143

SERVING: Final[Mapping[int, str]] = {
    DONE: "told to stop: SIGINT, or SIGTERM and all streams have ended",
    FAILED: "a mistake of the program; its log has the traceback",
    USAGE: "a flag, a variable or the settings file is wrong",
    CANNOT_LISTEN: "an address to listen on is taken",
    NATS_REFUSES: "NATS does not know the user, or does not let it do what a gateway must",
    NATS_UNFIT: "NATS is too old, or without JetStream",
    STREAMS_DIFFER: "a stream is there with other settings, or cannot be made",
    NO_EMBEDDED_SERVER: "the embedded NATS server does not start, or cannot write its data",
    NO_ROOM: "the embedded NATS server has no room on its disk",
}
"""What the codes of `serve` and `demo` mean."""

NEEDS_A_PERSON: Final = frozenset(SERVING) - {DONE, FAILED}
"""Those after which the same start would only fail again."""

_OF_SERVING: Final[Mapping[type[BrokerError], int]] = {
    SettingsError: USAGE,
    CannotListen: CANNOT_LISTEN,
    NatsRefused: NATS_REFUSES,
    NatsUnfit: NATS_UNFIT,
    TopologyMismatch: STREAMS_DIFFER,
    StreamRefused: STREAMS_DIFFER,
    EmbeddedServerError: NO_EMBEDDED_SERVER,
    StorageFull: NO_ROOM,
}

_GRAVEST: Final = (DONE, CANCELLED, FAILED, UNKNOWN_RUN, NO_ANSWER)


class WorkersGaveUp(BrokerError):
    """A worker said why it cannot begin, and ended with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code

    def __str__(self) -> str:
        return f"a worker cannot begin (exit code {self.code}): mend what it says above"


def table(codes: Mapping[int, str]) -> str:
    """The codes of a command as its help shows them; some are those of every command."""
    common = {USAGE: "called wrongly", NO_ANSWER: "the gateway is not reached, or refused it"}
    return listed({**common, **codes})


def listed(codes: Mapping[int, str]) -> str:
    """Codes as a help shows them."""
    rows = sorted(codes.items())
    return "exit codes:\n" + "".join(f"  {code:>3}  {text}\n" for code, text in rows)


def of_error(error: BrokerError) -> int:
    """The exit code for an error."""
    if isinstance(error, GatewayUnreachable):
        return NO_ANSWER
    if isinstance(error, RequestRefused):
        if error.name == "run-not-found":
            return UNKNOWN_RUN
        return FAILED if error.status == 409 else NO_ANSWER
    if isinstance(error, WorkersGaveUp):
        return error.code
    return _OF_SERVING.get(type(error), FAILED)


def of_status(status: str | None) -> int:
    """The exit code for how a run ended."""
    return {"completed": DONE, "cancelled": CANCELLED}.get(status or "", FAILED)


def gravest(codes: Iterable[int]) -> int:
    """The one code for several runs."""
    return max(codes, key=_GRAVEST.index, default=DONE)


def explained(error: BrokerError) -> str:
    """An error with what to do about it, where the commands know that better than the gateway."""
    if of_error(error) == UNKNOWN_RUN:
        return f"{error}: see `progress-broker runs` for those there are"
    return str(error)
