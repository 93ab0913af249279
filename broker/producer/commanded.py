"""What a run lets its pipeline know of the commands that it is given."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from broker.producer.block import Block
from broker.producer.cancelled import Cancelled
from broker.producer.channel import Channel
from broker.producer.commands import Commands, OnCommand
from broker.producer.past import Command


class Commanded(Block):
    """A run as one that persons can cancel, pause and resume."""

    def __init__(self, channel: Channel, commands: Commands) -> None:
        self._channel = channel
        self._commands = commands

    @property
    def cancelled(self) -> Cancelled:
        """Whether a person cancelled the run: `is_set()`, `by`, `reason`; `await` it to be told."""
        return self._commands.cancelled

    def on_command(self, callback: OnCommand) -> OnCommand:
        """Have a function asked about each command, on the producer's loop; call before `start`.

        It may be asynchronous. It returns False or a reason to reject the command, True to take it
        even where the run alone would not (a retry; a pause without checkpoints), None to leave it
        to the run. What is accepted then has its usual effect. A later callback replaces it.
        """
        self._commands.callback = callback
        return callback

    def on_overtaken(self, callback: Callable[[], None]) -> None:
        """Have a function called on the producer's loop when a later attempt is heard of."""
        self._commands.on_overtaken = callback

    async def checkpoint(self) -> None:
        """A place where the pipeline can stop; costs under a microsecond when nobody asks for it.

        Waits while a person has paused the run, and reports that. Raises asyncio.CancelledError
        where the run was cancelled.
        """
        await self._commands.checkpoint()

    def checkpoint_in_thread(self) -> None:
        """As `checkpoint`, for code in a thread without a loop."""
        self._commands.checkpoint_in_thread()

    def cancel_by(self, command: Command) -> None:
        """Accept a command to cancel the run, and report that this has happened."""
        self._channel.report("command.acknowledged", command=command.id, result="accepted")
        self._end("run.cancelled", by=command.by, reason=command.reason)

    def hand_over(self, attempt: int | None, reason: str) -> None:
        """Stop here as if cancelled: another producer goes on.

        Reports that `attempt` waits for it; None where it has begun.
        """
        if attempt is None:
            self._end(None)
        else:
            self._end("run.queued", attempt=attempt)
        self._commands.cancel(Command("", "cancel", reason=reason))

    async def __aenter__(self) -> Self:
        self._commands.enter(asyncio.current_task())
        return await super().__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await super().__aexit__(kind, error, trace)
        self._commands.leave()

    @abstractmethod
    def _end(self, type_: str | None, /, **fields: Any) -> None: ...
