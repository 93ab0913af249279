"""What a request for log lines asks for."""

from collections.abc import Callable
from typing import Final, NamedTuple

from aiohttp import web

from broker.errors import InvalidCursor, InvalidRequest
from broker.gateway.http.parameters import whole_number
from broker.model.events import LARGEST
from broker.model.loglines import LEVELS, Address, Chosen, Position
from broker.protocol.conversation import BadMessage, Subscribe
from broker.views.lines import LinesView

PAGE: Final = 200
LARGEST_PAGE: Final = 1_000
LONGEST_TAIL: Final = 100_000
LONGEST_TEXT: Final = 256


class Asked(NamedTuple):
    """Which lines, and from where on: at most one of `after`, `before` and `tail` is given."""

    chosen: Chosen
    after: Address | None
    before: Address | None
    tail: int | None
    shown: Callable[[Chosen], LinesView] = LinesView


def asked_of(request: web.Request, *, page: bool = False) -> Asked:
    """What the query asks for, where `page` of one page of lines.

    Raises InvalidRequest, and InvalidCursor for what is no address.
    """
    query = request.query
    least, most = (1, LARGEST_PAGE) if page else (0, LONGEST_TAIL)
    given = [name for name in ("after", "before", "tail") if query.get(name)]
    if len(given) > 1:
        raise InvalidRequest(f"{' and '.join(given)} exclude each other: give one of them")
    return Asked(
        choice(
            level=query.get("level") or None,
            step=query.get("step"),
            attempt=whole_number(request, "attempt", least=1, most=LARGEST)
            if query.get("attempt")
            else None,
            text=query.get("q", ""),
        ),
        _address(request, "after"),
        _address(request, "before"),
        whole_number(request, "tail", least=least, most=most) if query.get("tail") else None,
    )


def asked_by(message: Subscribe) -> Asked:
    """What a message of a WebSocket asks for. Raises BadMessage."""
    try:
        chosen = choice(
            level=message.level, step=message.step, attempt=message.attempt, text=message.q
        )
        if message.tail is not None and not 0 <= message.tail <= LONGEST_TAIL:
            raise InvalidRequest(f"tail is a number from 0 to {LONGEST_TAIL}")
    except InvalidRequest as error:
        raise BadMessage(str(error), message.run, message.id) from None
    return Asked(chosen, None, None, message.tail)


def choice(*, level: str | None, step: str | None, attempt: int | None, text: str | None) -> Chosen:
    """The lines that are asked for. Raises InvalidRequest for a wish that cannot be."""
    if level is not None and level not in LEVELS:
        raise InvalidRequest(f"level={level[:32]!r} is unknown: it is one of {', '.join(LEVELS)}")
    if text is not None and len(text) > LONGEST_TEXT:
        raise InvalidRequest(f"q has {len(text)} characters: it may have {LONGEST_TEXT}")
    if attempt is not None and not 1 <= attempt <= LARGEST:
        raise InvalidRequest(f"attempt is a number from 1 to {LARGEST}")
    if step is not None and not 1 <= len(step) <= LONGEST_TEXT:
        raise InvalidRequest(f"step is a step's id, of 1 to {LONGEST_TEXT} characters")
    return Chosen(level=level or "debug", step=step, attempt=attempt, text=text or "")


def limit_of(request: web.Request) -> int:
    """How many lines a page may have. Raises InvalidRequest."""
    tail = "tail" if request.query.get("tail") else "limit"
    if not request.query.get(tail):
        return PAGE
    return whole_number(request, tail, least=1, most=LARGEST_PAGE)


def require_ours(address: Address, parameter: str, epoch: str, last: int) -> Position:
    """Where reading goes on. Raises InvalidCursor for an address of no batch that ever was."""
    if address.epoch != epoch or address.seq > last:
        raise InvalidCursor(str(address), parameter)
    return address.before if parameter == "before" else address.behind


def _address(request: web.Request, parameter: str) -> Address | None:
    text = request.query.get(parameter)
    if not text:
        return None
    address = Address.parse(text)
    if address is None:
        raise InvalidCursor(text, parameter)
    return address
