"""What a `with` block of a run or a step reports: its beginning, and how it ended."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Final, Self

STOPS: Final = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt)
"""Exceptions that mean that somebody stopped the work, not that it failed."""


class Block(ABC):
    """Reports itself as an asynchronous context manager; exceptions go on unchanged."""

    @abstractmethod
    def start(self) -> Any:
        """Report the beginning."""

    @abstractmethod
    def complete(self) -> Any:
        """Report a good end."""

    @abstractmethod
    def fail(self, error: BaseException) -> Any:
        """Report a failure."""

    @abstractmethod
    def cancel(self) -> Any:
        """Report that the work was stopped."""

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.complete()
        elif isinstance(error, STOPS):
            self.cancel()
        else:
            self.fail(error)
