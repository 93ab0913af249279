"""A step of a run, as the pipeline reports it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from broker.producer.block import Block
from broker.producer.channel import Channel, Meter, number, quiet
from broker.producer.compose import failure

Status: TypeAlias = Literal["new", "running", "retrying", "failed", "ended"]


class Step(Block):
    """One step: as a context manager, or by `start` and one of the calls that end it.

    Calls neither block nor raise, from any thread. A step that has ended takes no more reports,
    except log lines, and `retrying` after it failed.
    """

    def __init__(
        self,
        channel: Channel,
        step: str,
        *,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        parent: Step | str | None = None,
        index: int | None = None,
        weight: float | None = None,
        after: Sequence[Step | str] | None = None,
    ) -> None:
        self.id = step
        self.run_id = channel.run_id
        self.outputs: Mapping[str, Any] | None = None
        """What `step.completed` reports when the block ends."""
        self._channel = channel
        self._announced = {
            "name": name,
            "index": index,
            "parent": _id(parent),
            "weight": weight,
            "after": [_id(one) for one in after] if isinstance(after, list | tuple) else after,
            "metadata": metadata,
        }
        self._meter = Meter(channel)
        self._status: Status = "new"

    @quiet
    def start(self) -> None:
        """Report that the step began, or began again after `retrying`."""
        with self._channel.spool.lock:
            if self._status in ("new", "retrying"):
                self._status = "running"
                self._report("step.started", **self._announced)

    @quiet
    def progress(
        self,
        current: float,
        total: float | None = None,
        unit: str | None = None,
        message: str | None = None,
        total_final: bool | None = None,
    ) -> None:
        """Report how far the step is: at once after a pause, else the latest, ten times a second.

        `total` None is an unknown total; `total_final` says that it will not change any more.
        """
        with self._channel.spool.lock:
            if not self._over:
                self._meter.report(
                    "step.progress",
                    step=self.id,
                    current=number(current),
                    total=total,
                    unit=unit,
                    message=message,
                    total_final=total_final,
                )

    @quiet
    def log(self, text: str, level: str = "info") -> None:
        """Report a text as log lines of this step."""
        self._channel.log(text, level, self.id)

    @quiet
    def complete(
        self, outputs: Mapping[str, Any] | None = None, duration: float | None = None
    ) -> None:
        """Report that the step ended well; without `outputs`, the attribute counts.

        `duration` are the seconds that it took, where those since its start are not they.
        """
        outputs = self.outputs if outputs is None else outputs
        self._end("step.completed", outputs=outputs, duration=duration)

    @quiet
    def fail(self, error: BaseException | str, duration: float | None = None) -> None:
        """Report that the step failed, and why; `duration` as of one that ended well."""
        self._end("step.failed", "failed", error=failure(error), duration=duration)

    @quiet
    def skip(self, reason: str | None = None, cached: bool | None = None) -> None:
        """Report that the step was not needed; `cached` where an earlier result stands for it."""
        self._end("step.skipped", reason=reason, cached=cached)

    @quiet
    def cancel(self, reason: str | None = None) -> None:
        """Report that the step was stopped."""
        self._end("step.cancelled", reason=reason)

    @quiet
    def retrying(
        self,
        attempt: int | None = None,
        delay: float | None = None,
        error: BaseException | str | None = None,
    ) -> None:
        """Report that the step failed and will be tried again, the `attempt`-th time."""
        with self._channel.spool.lock:
            if self._status != "ended":
                self._status = "retrying"
                self._report(
                    "step.retrying",
                    step_attempt=attempt,
                    delay=delay,
                    error=None if error is None else failure(error),
                )

    @property
    def _over(self) -> bool:
        return self._status in ("failed", "ended")

    def _end(self, type_: str, status: Status = "ended", **fields: Any) -> None:
        with self._channel.spool.lock:
            if not self._over:
                self._status = status
                self._report(type_, **fields)

    def _report(self, type_: str, /, **fields: Any) -> None:
        self._meter.flush()
        self._channel.report(type_, step=self.id, **fields)


def _id(step: Step | str | None) -> str | None:
    return step.id if isinstance(step, Step) else step
