"""The runner's `progress_callback`, for pipelines that report their layers to it.

async with progress(producer, run_id) as progress_callback:
    await execute_pipeline(job_id, progress_callback)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from broker.dialects.runner import LAYERS, PIPELINE, PLAN, Update, update_of
from broker.producer.block import STOPS
from broker.producer.channel import quiet
from broker.producer.client import Producer
from broker.producer.run import Run
from broker.producer.step import Step

__all__ = ["LAYERS", "PIPELINE", "PLAN", "ProgressCallback", "progress"]


class ProgressCallback:
    """Reports what it is called with as the progress of a run; it neither waits nor raises.

    A message that makes no sense is left out, with a warning. `complete` after a layer failed, and
    nothing came after it, fails the run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._channel = run._channel
        self._steps: dict[str, Step] = {}
        self._under_way: set[str] = set()
        self._error: str | None = None
        """Of a layer that failed, while nothing came after it."""
        self._ended = False

    async def __call__(self, message: Mapping[str, Any]) -> None:
        self.report(message)

    @quiet
    def report(self, message: Mapping[str, Any]) -> None:
        """The same, for code that is not asynchronous."""
        update = update_of(message)
        if self._ended or update.status == "pending":
            return
        if update.layer is None:
            self._end(update)
        else:
            self._layer(update, update.layer)

    def leave(self) -> None:
        """The pipeline has returned: a failed layer that nothing came after fails the run."""
        if self._error is not None and not self._ended:
            self.run.fail(self._error)

    def stop(self) -> None:
        """The pipeline was stopped, and with it the layers under way."""
        for layer in self._under_way:
            self._steps[layer].cancel()

    def _layer(self, update: Update, layer: str) -> None:
        step = self._steps.get(layer)
        if step is None:
            step = self._steps[layer] = self.run.step(layer, index=update.index)
        elif update.status == "executing" and layer not in self._under_way:
            step.retrying()  # of one that succeeded nothing more is reported
        self._under_way.discard(layer)
        if update.status != "skipped":
            self._error = None
        match update.status:
            case "executing":
                self._under_way.add(layer)
                step.start()
            case "success":
                step.complete(duration=update.duration)
            case "skipped":
                step.skip()
            case _:
                self._error = update.error or "failed"
                step.fail(self._error, duration=update.duration)
        if update.progress is not None and self._error is None:
            self.run.progress(update.progress, 100, unit="%")

    def _end(self, update: Update) -> None:
        self._ended = True
        if update.status == "complete" and self._error is None:
            self.run.complete()
        else:
            self.run.fail(update.error or self._error or "failed")


@asynccontextmanager
async def progress(
    producer: Producer,
    run_id: str | None = None,
    *,
    attempt: int | None = None,
    heartbeat_interval: float | None = 10.0,
) -> AsyncIterator[ProgressCallback]:
    """A run of the runner's pipeline that lasts as long as the block, and its callback.

    Whatever the pipeline raises goes on, and fails the run. A worker of the broker has a run
    already: there `ProgressCallback(run)` is enough.
    """
    async with producer.run(
        PIPELINE, run_id, plan=PLAN, attempt=attempt, heartbeat_interval=heartbeat_interval
    ) as run:
        callback = ProgressCallback(run)
        try:
            yield callback
        except STOPS:
            callback.stop()
            raise
        callback.leave()
