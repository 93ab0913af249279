"""Messages of dialects become events: judged by how their run stands where that matters, stored.

Where a message's meaning depends on the run, it is judged against the run as it will be after the
messages before it, and stored on condition that the run has not gone on meanwhile; else it is
judged again.
"""

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from broker.errors import (
    BrokerError,
    InvalidName,
    InvalidRequest,
    MalformedEvent,
    NotFound,
    Superseded,
    TooLarge,
)
from broker.gateway.foreign.heard import Heard, events_of, stored_as
from broker.gateway.runs.standing import standing
from broker.hub.registry import Registry
from broker.model.bounds import Bounds
from broker.model.events import Event, LogAppended
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import RunState, initial
from broker.model.subjects import RunKey
from broker.stream.connection import Connection
from broker.stream.live import LiveRuns
from broker.stream.publish import Message, Stored, publish, publish_all
from broker.stream.replay import PAGE, page_since, read
from broker.stream.topology import LOGS, PROGRESS

SKEW: Final = timedelta(seconds=5)
"""How much the clocks of two servers may differ."""

LOOK_BACK: Final = 8 * PAGE
"""Events of a run among which a repeated message is looked for, about."""

_TRIES: Final = 5
"""How often a run may go on while messages to it are judged."""

_REFUSALS: Final = (InvalidName, InvalidRequest, MalformedEvent, TooLarge)
_ID: Final = re.compile(rb'"id":"([0-9A-Z]{26})"')


class Plan(NamedTuple):
    """What messages of one run become: nothing is stored yet.

    `last` is the sequence that the run must stand at; None where that does not matter. `refused`
    are the messages, by their index, that cannot be stored, with the reason.
    """

    key: RunKey
    heard: Sequence[Heard]
    events: Sequence[Message]
    lines: Sequence[Message]
    last: int | None
    refused: dict[int, BrokerError]


class Translated(NamedTuple):
    """What became of a plan: how the server acknowledged it, and what was refused in the end."""

    events: Sequence[Stored]
    lines: Sequence[Stored]
    refused: dict[int, BrokerError]


class Translator:
    """Stores what messages stand for."""

    def __init__(
        self,
        registry: Registry,
        runs: LiveRuns,
        writes: Connection,
        *,
        bounds: Bounds,
        now: Callable[[], datetime],
    ) -> None:
        self._registry = registry
        self._runs = runs
        self._writes = writes
        self._bounds = bounds
        self._now = now

    async def plan(self, key: RunKey, heard: Sequence[Heard]) -> Plan:
        """Judge messages of a run, in their order. Raises StreamUnavailable, Overloaded."""
        times = [each.since for each in heard if each.since is not None]
        known = await self._stored(key.subject, times, PROGRESS)
        judged = [index for index, each in enumerate(heard) if each.said.judged is not None]
        course, last = await self._course(key) if judged else (None, None)
        events: list[Message] = []
        lines: list[Message] = []
        refused: dict[int, BrokerError] = {}
        for index, each in enumerate(heard):
            again = each.since is not None and each.last_id in known
            if again and each.said.judged is not None:
                continue
            try:
                state = None if course is None else course.state
                told = stored_as(key, each, events_of(each.said, state))
            except _REFUSALS as error:
                refused[index] = error
                continue
            for event, message in told:
                if isinstance(event, LogAppended):
                    lines.append(message)
                elif not again:
                    events.append(message)
                    if course is not None and index < judged[-1]:
                        course.add(event)
        if lines:
            known = await self._stored(key.log_subject, times, LOGS)
            lines = [line for line in lines if line.message_id not in known]
        return Plan(key, heard, events, lines, last, refused)

    async def _course(self, key: RunKey) -> "tuple[_Course, int]":
        """How the run goes on, and the sequence that it stands at.

        To be used before anything else is awaited: the run's hub goes on with its state.
        """
        try:
            found = await standing(self._registry, self._runs, key)
        except NotFound:
            return _Course(key, None, self._bounds, self._now), 0
        return _Course(key, found.hub.state, self._bounds, self._now), found.last

    async def _stored(self, subject: str, times: Sequence[datetime], stream: str) -> set[str]:
        """The ids of what was stored under a subject since the earliest of these times."""
        if not times:
            return set()
        reads = self._runs.reads
        records = await page_since(reads, subject, min(times) - SKEW, PAGE, stream=stream)
        known = _ids_in(records)
        if not records:
            return known
        seen = len(records)
        async for page in read(reads, subject, records[-1].seq, stream=stream):
            known |= _ids_in(page)
            seen += len(page)
            if seen >= LOOK_BACK:
                break
        return known

    async def store(self, plan: Plan, *, whole: bool) -> Translated:
        """Store what is planned, judged again where the run has gone on.

        With `whole` that must not refuse what was not refused before: Superseded is raised then,
        as it is where the run goes on faster than it is judged. Raises StreamUnavailable.
        """
        for _ in range(_TRIES):
            try:
                events = await self._store_events(plan)
            except Superseded:
                plan = await self.plan(plan.key, plan.heard)
                if whole and plan.refused:
                    break
            else:
                lines = await publish_all(self._writes, plan.lines)
                self._registry.known(plan.key)
                return Translated(events, lines, plan.refused)
        raise Superseded(plan.key.subject)

    async def _store_events(self, plan: Plan) -> list[Stored]:
        if plan.last is None or not plan.events:
            return await publish_all(self._writes, plan.events)
        first = await publish(self._writes, plan.events[0], expected_last=plan.last)
        return [first, *await publish_all(self._writes, plan.events[1:])]


class _Course:
    """How a run will stand after messages that are not stored yet."""

    def __init__(
        self, key: RunKey, state: RunState | None, bounds: Bounds, now: Callable[[], datetime]
    ) -> None:
        self._key = key
        self._known = state
        self._bounds = bounds
        self._now = now
        self._fold: Fold | None = None
        """Of a copy, which costs more than all else of a message: made where it must go on."""

    @property
    def state(self) -> RunState | None:
        """None as long as nothing is known of the run."""
        return self._known if self._fold is None else self._fold.state

    def add(self, event: Event) -> None:
        """Go on by an event."""
        if self._fold is None:
            known = self._known
            state = initial(*self._key) if known is None else deepcopy(known)
            self._fold = Fold(state, self._bounds)
        self._fold.add(event, self._fold.seq + 1, self._now())


def _ids_in(records: Sequence[Record]) -> set[str]:
    return {id.decode() for record in records for id in _ID.findall(record.payload)}
