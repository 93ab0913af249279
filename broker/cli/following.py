"""Runs as a watcher knows them: what their streams say, and how the connection fares."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final

from broker.cli.client import Client, run_path
from broker.cli.stream import Stream, decoded
from broker.errors import BrokerError, GatewayUnreachable, RequestRefused
from broker.model.patch import merge
from broker.model.state import TERMINAL

_ESTIMATE_PAUSE: Final = 5.0
_APPEAR_PAUSE: Final = 0.5
_LAST_LINES: Final = 0.5
"""Seconds that log lines may come after the run's end."""


class Watched:
    """What is known of one run."""

    def __init__(self, run: str, *, lines: int = 8) -> None:
        self.run = run
        self.state: dict[str, Any] | None = None
        self.estimate: Mapping[str, Any] | None = None
        self.lines: deque[dict[str, Any]] = deque(maxlen=lines)
        self.problem: BrokerError | None = None
        """Why it cannot be watched."""
        self.stream: Stream | None = None
        self.known = asyncio.Event()
        """Set when there is a first state."""
        self.over = False
        """Whether nothing more will come."""

    @property
    def status(self) -> str | None:
        """The status, where one is known."""
        return None if self.state is None else str(self.state.get("status"))

    @property
    def lost_for(self) -> float | None:
        """Seconds since the connection to the gateway was lost; None while there is one."""
        return None if self.stream is None else self.stream.lost_for

    @property
    def reason(self) -> str:
        """Why the connection was lost."""
        return "" if self.stream is None else self.stream.reason


async def follow(
    client: Client,
    watched: Watched,
    changed: Callable[[Watched], None],
    *,
    logs: bool = True,
    estimate: bool = True,
    appear: float = 0.0,
) -> None:
    """Keep `watched` up to date until its run has ended; a problem is noted there, not raised.

    A run that is not there yet may take `appear` seconds to appear.
    """
    async with asyncio.TaskGroup() as tasks:
        beside = [tasks.create_task(_estimate(client, watched, changed))] if estimate else []
        lines = tasks.create_task(_lines(client, watched, changed)) if logs else None
        try:
            await _state(client, watched, changed, appear)
        except BrokerError as error:
            watched.problem = error
        else:
            if lines is not None:
                await asyncio.wait([lines], timeout=_LAST_LINES)
        watched.over = True
        changed(watched)
        for task in [*beside, *([lines] if lines is not None else [])]:
            task.cancel()


async def _state(
    client: Client, watched: Watched, changed: Callable[[Watched], None], appear: float
) -> None:
    path = run_path(watched.run, "/events")
    while True:
        watched.stream = Stream(client, path, {"view": "state"}, on_link=lambda: changed(watched))
        try:
            async with aclosing(watched.stream.events()) as events:
                async for event in events:
                    if event.name == "snapshot":
                        watched.state = decoded(event)
                    elif event.name == "patch":
                        watched.state = merge(watched.state, decoded(event))
                    if event.name in ("snapshot", "patch"):
                        watched.known.set()
                        changed(watched)
            return
        except RequestRefused as error:
            if error.status != 404 or appear <= 0:
                raise
        await asyncio.sleep(_APPEAR_PAUSE)
        appear -= _APPEAR_PAUSE


async def _lines(client: Client, watched: Watched, changed: Callable[[Watched], None]) -> None:
    """The last log lines; a gateway that has none to give is no problem of the watcher's."""
    await watched.known.wait()
    stream = Stream(client, run_path(watched.run, "/logs"), {"tail": watched.lines.maxlen})
    with suppress(RequestRefused, GatewayUnreachable):
        async with aclosing(stream.events()) as events:
            async for event in events:
                if event.name == "log":
                    watched.lines.append(decoded(event))
                    changed(watched)


async def _estimate(client: Client, watched: Watched, changed: Callable[[Watched], None]) -> None:
    """Ask again and again when the run will end; a gateway that does not estimate is left alone."""
    await watched.known.wait()
    while True:
        if watched.status not in TERMINAL:
            try:
                watched.estimate = await client.get(run_path(watched.run, "/estimate"))
                changed(watched)
            except GatewayUnreachable:
                pass  # the stream tells of that
            except RequestRefused as error:
                if error.status == 404:
                    return
        await asyncio.sleep(_ESTIMATE_PAUSE)
