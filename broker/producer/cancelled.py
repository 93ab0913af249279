"""Being told, in any thread and on any loop, that a run was cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from broker.producer.past import Command


class Cancelled:
    """Whether a run was cancelled, and by whom: `run.cancelled`.

    May be asked from any thread, and awaited on any loop: the wait ends with the command when the
    run is cancelled, and never if it is not.
    """

    __slots__ = ("_command", "_waiting")

    def __init__(self) -> None:
        self._command: Command | None = None
        self._waiting: list[Future[None]] = []

    def is_set(self) -> bool:
        """Whether the run was cancelled."""
        return self._command is not None

    __bool__ = is_set

    @property
    def by(self) -> str | None:
        """Who asked for it."""
        return None if self._command is None else self._command.by

    @property
    def reason(self) -> str | None:
        """Why, in the words of who asked."""
        return None if self._command is None else self._command.reason

    def __await__(self) -> Generator[Any, None, Command]:
        return self._wait().__await__()

    async def _wait(self) -> Command:
        waiter: Future[None] = Future()
        self._waiting.append(waiter)  # before the look, so that it cannot be missed
        try:
            while self._command is None:
                await asyncio.wrap_future(waiter)
        finally:
            with suppress(ValueError):
                self._waiting.remove(waiter)
        return self._command

    def set(self, command: Command) -> None:
        """The run was cancelled."""
        self._command = command
        release(self._waiting)


def release(waiting: list[Future[None]]) -> None:
    """End the wait of all who wait, in whatever thread or loop."""
    while waiting:
        waiter = waiting.pop()
        if waiter.set_running_or_notify_cancel():  # else whoever waited has gone
            waiter.set_result(None)
