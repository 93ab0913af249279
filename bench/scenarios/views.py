"""`fanout-rate --view NAME`: the fan-out in an existing interface's view, and in v1's `events`.

Both in turn, three rounds, each with a gateway of its own, and the medians compared: what the
machine does meanwhile meets both alike. The events are the same, such that each makes one frame in
the view, and of such a size that its frame has as many bytes as that of a 256-byte event in
`events`.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from bench.fan import Seen, Side, fan_out
from bench.harness import Figure, median
from bench.marks import EVENTS
from bench.scenarios.sides import RUN, measured, ours
from broker.model.cursor import Cursor
from broker.model.decode import decode
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import initial
from broker.protocol.conversation import RunMessages
from broker.protocol.sse import CHUNKED, Framing
from broker.protocol.texts import TEXTS
from broker.views.executions import ExecutionsStory
from broker.views.message import Change, Message, Moment, Story, View
from broker.views.native import VIEWS as NATIVE
from broker.views.runner import RunnerStory
from broker.views.workflows import WORKFLOWS

CLIENTS: Final = 1_000
ROUNDS: Final = 3
SIZE: Final = 256
LEAST: Final = 0.9
"""What a view must reach of what `events` does."""


class Viewed(NamedTuple):
    """A view, and how its clients and its publisher are."""

    view: View | Story
    path: str
    event: str
    transport: str = "sse"


_FRAMINGS: Final[dict[str, Framing]] = {
    "sse": CHUNKED,
    "ws": RunMessages(RUN, RUN),
    "ws-run": TEXTS,
}

_EVENTS: Final = f"/v1/runs/{RUN}/events?view=events"

AGAINST: Final = {
    "sse": Viewed(NATIVE["events"], _EVENTS, "progress"),
    "ws-run": Viewed(NATIVE["events"], _EVENTS, "progress", "ws"),
}
"""What a view is compared with: v1's over the same kind of connection."""

VIEWS: Final = {
    "runner": Viewed(RunnerStory(), f"/api/runner/jobs/{RUN}/progress", "failure"),
    "workflows": Viewed(WORKFLOWS, f"/workflows/stream/{RUN}", "failure", "ws-run"),
    "executions": Viewed(ExecutionsStory(), f"/executions/{RUN}/progress/ws", "progress", "ws-run"),
}


async def rate(name: str, smoke: bool) -> list[Figure]:
    """The fan-out of a view and of `events`, in turn."""
    viewed = VIEWS[name]
    against = AGAINST[viewed.transport]._replace(event=viewed.event)
    size = SIZE + frame_bytes(against, SIZE) - frame_bytes(viewed, SIZE)
    theirs: list[Seen] = []
    events: list[Seen] = []
    for _ in range(1 if smoke else ROUNDS):
        for found, measure in (
            (events, _measure(against, SIZE, smoke)),
            (theirs, _measure(viewed, size, smoke)),
        ):
            found.append((await measured(ours("--tick=0"), measure))[1])
    return [
        *_compared(name, "deliveries", "/s", events, theirs, lambda seen: seen.rate),
        *_compared(name, "deliveries per second of its core", "", events, theirs, _per_second),
        Figure(f"{name}: events per write", median([seen.joined for seen in theirs]), ""),
        Figure("bytes of a frame", frame_bytes(viewed, size), "B"),
    ]


def _measure(viewed: Viewed, size: int, smoke: bool) -> Callable[[Side], Awaitable[Seen]]:
    async def measure(side: Side) -> Seen:
        return await fan_out(
            side._replace(paths=[viewed.path], event=viewed.event, size=size),
            connections=100 if smoke else CLIENTS,
            window=4,
            seconds=0.3 if smoke else 4.0,
            nap=0.002,
            warm=0.1 if smoke else 1.0,
            transport=viewed.transport,
        )

    return measure


def frame_bytes(viewed: Viewed, size: int) -> int:
    """Bytes on the wire of an event of so many bytes, the hundredth of its run."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    fold = Fold(initial("default", RUN))
    fold.add_record(Record(1, at, b'{"type":"run.started"}'))
    record = Record(100, at, EVENTS[viewed.event](size, 10**18, 99))
    event = decode(record.payload)
    moment = Moment.before(fold.state, event, record)
    fold.add_record(record)
    view, epoch = viewed.view, "mwq4a9sp"
    messages: list[Message]
    if isinstance(view, Story):
        messages = list(view.tell(moment, fold.state, epoch))
    else:
        messages = list(view.changes(Change(epoch, [(event, record)], fold.state, {})))
    [(kind, data, cursor)] = messages
    shown = str(cursor) if isinstance(cursor, Cursor) else None
    return len(_FRAMINGS[viewed.transport].message(kind, data, shown))


def _per_second(seen: Seen) -> float:
    """Tells more than the rate where the load generator is the slower of the two."""
    return seen.load.deliveries / (seen.after.seconds - seen.before.seconds)


def _compared(
    name: str,
    what: str,
    unit: str,
    events: list[Seen],
    theirs: list[Seen],
    value: Callable[[Seen], float],
) -> list[Figure]:
    ours, other = [median([value(seen) for seen in found]) for found in (events, theirs)]
    return [
        Figure(f"events: {what}", ours, unit),
        Figure(f"{name}: {what}", other, unit),
        Figure(f"times events: {what}", other / ours, "x", ">=", LEAST),
    ]
