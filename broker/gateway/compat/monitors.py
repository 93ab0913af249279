"""`WS /ws`: every job, live, to clients that do not say what they want to see.

The index of runs tells which jobs begin and go on; each is then shown by its own hub, whose frames
all sockets share. The index may be a second behind: a job that begins and ends meanwhile is shown
with its end.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from broker.errors import IndexNotBuilt
from broker.gateway.compat.job_queries import (
    ACTIVE,
    ENDED,
    FILTERED,
    LONGEST_TAIL,
    TAIL,
    Wanted,
    number,
    wanted_by,
)
from broker.gateway.compat.monitor import JOBS_MAX, Monitor
from broker.gateway.compat.shown_jobs import complaint
from broker.gateway.compat.sockets import refuse
from broker.gateway.endpoints.websocket import upgrade
from broker.gateway.process.rounds import Rounds
from broker.gateway.sockets.socket import Socket
from broker.gateway.sockets.sockets import Sockets
from broker.model.state import TERMINAL
from broker.model.subjects import RunKey
from broker.model.summary import Summary
from broker.protocol.close import Close
from broker.protocol.websocket import text_frame
from broker.runs.index import Index

RECENT: Final = 60.0
"""Seconds after its last event that a job which has ended is still news: so who was cut off for a
moment sees the end of what it saw begin ..."""
RECENT_MAX: Final = 500
"""... of so many jobs at most."""
KNOWN: Final = 10_000
"""Runs of which it is remembered how they stood when they were judged last."""

_PONG: Final = text_frame(b'{"type":"pong"}')


class _Said(msgspec.Struct):
    type: str


_read: Final = msgspec.json.Decoder(_Said).decode
_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Monitors:
    """Every open monitor."""

    def __init__(self, index: Index, sockets: Sockets, now: Callable[[], float]) -> None:
        self._index = index
        self._sockets = sockets
        self._now = now
        self._open: dict[Wanted, list[Monitor]] = {}
        self._known: OrderedDict[RunKey, tuple[object, ...]] = OrderedDict()
        self._rounds = Rounds(1)
        index.subscribe(self._fed)

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """Turn the connection into a socket that shows the jobs."""
        wanted = wanted_by(request)
        tail = number(request, "tail", least=0, most=LONGEST_TAIL, otherwise=TAIL)
        await self._rounds.turn()  # to begin with a thousand jobs takes some milliseconds
        if not self._index.built:
            raise IndexNotBuilt(len(self._index))
        return upgrade(request, partial(self._begin, wanted, tail), _hear)

    def _begin(self, wanted: Wanted, tail: int, socket: Socket) -> None:
        monitor = Monitor(socket, wanted, tail, show=self._sockets.show, has_ended=self._has_ended)
        self._prune()
        self._open.setdefault(wanted, []).append(monitor)
        monitor.begin(self._shown_first(wanted))

    def _shown_first(self, wanted: Wanted) -> list[str]:
        """The jobs to begin with: the one that is named, else those active, or with the status."""
        if wanted.job is not None:
            summary = self._index.get(wanted.job, wanted.query.tenant)
            return [wanted.job] if summary is not None and wanted.admits(summary) else []
        if wanted.query.statuses:
            return self._index.matching(wanted.query, JOBS_MAX)
        ended = msgspec.structs.replace(wanted.query, statuses=ENDED, limit=RECENT_MAX)
        rows = [row.summary for row in self._index.page(ended).rows]
        return self._active(wanted) + [row.run for row in rows if self._is_recent(row)]

    def _active(self, wanted: Wanted) -> list[str]:
        statuses = wanted.query.statuses or ACTIVE
        query = msgspec.structs.replace(wanted.query, statuses=statuses)
        return self._index.matching(query, JOBS_MAX)

    def _has_ended(self, job: str) -> bool:
        summary = self._index.get(job)
        return summary is not None and summary.status in TERMINAL

    def _fed(self, changed: Sequence[Summary]) -> None:
        self._prune()
        if not self._index.built:
            self._send_away()
        if not self._open:
            self._known.clear()
            return
        news = [summary for summary in changed if self._is_news(summary)]
        for wanted, monitors in self._open.items():
            for summary in news:
                if wanted.admits(summary):
                    for monitor in monitors:
                        monitor.hear_of(summary)
            wanting = [monitor for monitor in monitors if monitor.short and not monitor.full]
            if wanting:
                jobs = self._active(wanted)
                for monitor in wanting:
                    monitor.fill(jobs)

    def _is_news(self, summary: Summary) -> bool:
        """Whether a run stands otherwise than when it was judged last, for any of the filters."""
        owner = [summary.labels.get(name) for name in FILTERED.values()]
        stands = (summary.attempt, summary.status, *owner)
        key = RunKey(summary.tenant, summary.run)
        if self._known.get(key) == stands:
            return False
        self._known[key] = stands
        self._known.move_to_end(key)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return summary.status not in TERMINAL or self._is_recent(summary)

    def _is_recent(self, summary: Summary) -> bool:
        at = summary.updated_at
        return at is not None and self._now() - at.timestamp() < RECENT

    def _send_away(self) -> None:
        """The streams were made anew: what the sockets have shown is void, let them come back."""
        for monitors in self._open.values():
            for monitor in monitors:
                monitor.socket.close(Close.RESTART)
        self._open.clear()

    def _prune(self) -> None:
        """Forget the monitors whose clients have gone."""
        for wanted, monitors in list(self._open.items()):
            left = [monitor for monitor in monitors if not monitor.closed]
            if left:
                self._open[wanted] = left
            else:
                del self._open[wanted]


def _hear(socket: Socket, text: bytes) -> None:
    try:
        said = _read(text)
    except _BROKEN:
        refuse(socket, complaint, 'a message is a JSON object with a type: {"type": "ping"}')
        return
    if said.type == "ping":
        socket.write(_PONG)
    else:
        detail = (
            f"{said.type[:64]!r} is not understood: this socket shows every job, and takes ping"
        )
        refuse(socket, complaint, detail)
