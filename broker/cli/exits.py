"""Exit codes, in one table."""

from collections.abc import Iterable, Mapping
from typing import Final

from broker.errors import BrokerError, GatewayUnreachable, RequestRefused

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
CANCELLED: Final = 3
UNKNOWN_RUN: Final = 4
NO_ANSWER: Final = 5
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
TERMINATED: Final = 143

_GRAVEST: Final = (DONE, CANCELLED, FAILED, UNKNOWN_RUN, NO_ANSWER)


def table(codes: Mapping[int, str]) -> str:
    """The codes of a command as its help shows them; some are those of every command."""
    common = {USAGE: "called wrongly", NO_ANSWER: "the gateway is not reached, or refused it"}
    rows = sorted({**common, **codes}.items())
    return "exit codes:\n" + "".join(f"  {code:>3}  {text}\n" for code, text in rows)


def of_error(error: BrokerError) -> int:
    """The exit code for an error."""
    if isinstance(error, GatewayUnreachable):
        return NO_ANSWER
    if isinstance(error, RequestRefused):
        if error.name == "run-not-found":
            return UNKNOWN_RUN
        return FAILED if error.status == 409 else NO_ANSWER
    return FAILED


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
