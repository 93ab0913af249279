"""The commands of one run: what was asked, what is answered, and what follows from it.

A command is decided at once, on the producer's loop, unless a callback takes its time; commands
that come meanwhile wait, so that they act in the order in which they were given.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from broker.producer.cancelled import Cancelled, release
from broker.producer.channel import Channel
from broker.producer.past import Command

OnCancel: TypeAlias = Literal["raise", "ignore"]
Said: TypeAlias = bool | str | None
OnCommand: TypeAlias = Callable[[Command], Said | Awaitable[Said]]
"""What a pipeline says to a command: False or a reason rejects it, True takes it even where the
run alone would not, None leaves the decision to the run."""

PATIENCE: Final = 10.0
"""Seconds that a callback has for its word; then the run decides alone."""

BREATH: Final = 0.01
"""Seconds between two checkpoints that let the loop turn, so that a busy pipeline hears at all."""

_TURNS: Final = 4
"""Turns of the loop from bytes at the socket to a command that has acted."""


class Answer(NamedTuple):
    """What becomes of a command."""

    result: Literal["accepted", "rejected", "ignored"]
    reason: str | None = None


class Commands:
    """Takes the commands of a run. `hear` is for the producer's loop, the rest for any thread."""

    def __init__(
        self,
        channel: Channel,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        *,
        cancellable: bool = True,
        on_cancel: OnCancel = "raise",
    ) -> None:
        self.cancelled = Cancelled()
        self.callback: OnCommand | None = None
        self.on_overtaken: Callable[[], None] | None = None
        self.ended = False
        self._channel = channel
        self._spawn = spawn  # runs what an asynchronous callback does
        self._cancellable = cancellable
        self._on_cancel = on_cancel
        self._task: asyncio.Task[Any] | None = None
        self._requested = False
        self._queue: deque[Command] = deque()
        self._asking = False
        self._has_checkpoints = False
        self._alert = False
        self._breathe_at = 0.0
        self._pause: Command | None = None
        self._pause_reported = False
        self._paused: list[Future[None]] = []

    def enter(self, task: asyncio.Task[Any] | None) -> None:
        """The task that is cancelled when the run is."""
        self._task = task

    def leave(self) -> None:
        """The task is done with the run; what it does next is not ours to cancel."""
        task, self._task = self._task, None
        if task is not None and self._requested:
            task.uncancel()  # our request has ended the block, or the block ended in spite of it

    def end(self) -> None:
        """The run has ended: nothing acts any more."""
        self.ended = True
        release(self._paused)

    def hear(self, command: Command) -> None:
        """Take a command in. Never raises."""
        self._queue.append(command)
        if not self._asking:
            self._answer_all()

    def overtaken(self) -> None:
        """A later attempt of the run was heard of."""
        told, self.on_overtaken = self.on_overtaken, None
        if told is not None and not self.ended:
            told()

    def cancel(self, command: Command) -> None:
        """Cancel the run without an answer to anyone."""
        with self._channel.spool.lock:  # a thread that begins to wait must not miss it
            self._alert = True
            self.cancelled.set(command)
            release(self._paused)
        task = self._task
        if task is None or self._on_cancel != "raise":
            return
        if task.get_loop() is asyncio.get_running_loop():
            self._interrupt(task)
        else:
            with suppress(RuntimeError):  # that loop has ended, and the task with it
                task.get_loop().call_soon_threadsafe(self._interrupt, task)

    async def checkpoint(self) -> None:
        """Stop here if the run is cancelled, wait while it is paused."""
        self._has_checkpoints = True
        now = self._channel.spool.monotonic()
        if now >= self._breathe_at:
            self._breathe_at = now + BREATH
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        while self._alert and (waiter := self._stop_or_wait()) is not None:
            await asyncio.wrap_future(waiter)

    def checkpoint_in_thread(self) -> None:
        """As `checkpoint`, for a thread that is not a loop's."""
        self._has_checkpoints = True
        while self._alert and (waiter := self._stop_or_wait()) is not None:
            waiter.result()

    def _stop_or_wait(self) -> Future[None] | None:
        """Raises CancelledError where the run is cancelled; a future while it is paused."""
        with self._channel.spool.lock:
            if self.cancelled:
                raise asyncio.CancelledError(self._words())
            if self._pause is None or self.ended:
                return None
            if not self._pause_reported:
                self._pause_reported = True
                self._report("run.paused", self._pause)
            waiter: Future[None] = Future()
            self._paused.append(waiter)
            return waiter

    def _interrupt(self, task: asyncio.Task[Any]) -> None:
        """On the task's own loop, where nothing of it runs at the same time."""
        if self._task is task:
            self._requested = True
            task.cancel(self._words())

    def _answer_all(self) -> None:
        while self._queue:
            command = self._queue.popleft()
            said = self._ask(command)
            if inspect.isawaitable(said):
                self._asking = True
                self._spawn(self._answer_later(command, said))
                return
            self._settle(command, said)

    async def _answer_later(self, command: Command, answering: Awaitable[Said]) -> None:
        said: object = None
        try:
            async with asyncio.timeout(PATIENCE):
                said = await answering
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
        except Exception as error:
            self._warn(error)
        self._asking = False
        self._settle(command, said)
        self._answer_all()

    def _ask(self, command: Command) -> object:
        if self.callback is None or self.ended:
            return None
        try:
            return self.callback(command)
        except Exception as error:
            self._warn(error)
            return None

    def _warn(self, error: Exception) -> None:
        self._channel.spool.warn(
            ("command", type(error)),
            "the callback for commands failed, and the run decides alone: %s: %.200s",
            type(error).__name__,
            error,
            cause=error,
        )

    def _settle(self, command: Command, said: object) -> None:
        with self._channel.spool.lock:  # the run may end in another thread meanwhile
            answer = self._decide(command, said)
            self._channel.report(
                "command.acknowledged",
                command=command.id,
                result=answer.result,
                reason=answer.reason,
            )
            if answer.result == "accepted":
                self._act(command)

    def _decide(self, command: Command, said: object) -> Answer:
        taken = said is True
        if self.ended:
            return Answer("ignored", "the run has ended")
        if self.cancelled:
            return Answer("ignored", "the run is being cancelled")
        if isinstance(said, str):
            return Answer("rejected", said)
        if said is False:
            return Answer("rejected", "the pipeline refuses")
        match command.action:
            case "cancel":
                if not (self._cancellable or taken):
                    return Answer("rejected", "this run cannot be cancelled")
            case "pause":
                if self._pause is not None:
                    return Answer("ignored", "the run is paused already")
                if not (self._has_checkpoints or taken):
                    return Answer("rejected", "this pipeline has no checkpoints, or none so far")
            case "resume":
                if self._pause is None and not taken:
                    return Answer("ignored", "no command has paused the run")
            case "retry":
                if not taken:
                    return Answer("rejected", "the run has not ended: cancel it first")
        return Answer("accepted")

    def _act(self, command: Command) -> None:
        match command.action:
            case "cancel":
                self.cancel(command)
            case "pause":
                self._pause, self._alert = command, True
            case "resume":
                self._pause, self._alert = None, False
                if self._pause_reported:
                    self._pause_reported = False
                    self._report("run.resumed", command)
                release(self._paused)
            case "retry":
                pass  # the callback has taken it

    def _words(self) -> str:
        by, reason = self.cancelled.by, self.cancelled.reason
        return f"cancelled{f' by {by}' if by else ''}{f': {reason}' if reason else ''}"

    def _report(self, type_: str, command: Command) -> None:
        reason = command.reason or (f"asked by {command.by}" if command.by else None)
        self._channel.report(type_, reason=reason, by=command.by)
