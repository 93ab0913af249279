"""A run, as the pipeline reports it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from broker.model.events import FailureKind
from broker.producer.channel import Channel, Fields, Meter, number, quiet
from broker.producer.commanded import Commanded
from broker.producer.commands import Commands
from broker.producer.compose import failure
from broker.producer.outbox import Entry
from broker.producer.step import Step


class Run(Commanded):
    """One run of a pipeline: as a context manager, or by `start` and a call that ends it.

    Calls neither block nor raise, from any thread. A run that has ended takes no more reports,
    except log lines, artifacts and annotations.
    """

    def __init__(
        self,
        channel: Channel,
        commands: Commands,
        listen: Callable[[Run], None],
        announced: Fields,
    ) -> None:
        self.id = channel.run_id
        self.outputs: Mapping[str, Any] | None = None
        """What `run.completed` reports when the block ends."""
        super().__init__(channel, commands)
        self._listen = listen
        self._announced = announced
        self._meter = Meter(channel)
        self._groups: dict[str, Meter] = {}
        self._status: Literal["new", "running", "ended"] = "new"
        self._beat: Entry | None = None

    def step(
        self,
        step: str,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        parent: Step | str | None = None,
        index: int | None = None,
        weight: float | None = None,
        after: Sequence[Step | str] | None = None,
    ) -> Step:
        """A step of this run, not yet started; `parent` is the step that it is a part of."""
        return Step(
            self._channel,
            step,
            name=name,
            metadata=metadata,
            parent=parent,
            index=index,
            weight=weight,
            after=after,
        )

    @quiet
    def start(self) -> None:
        """Report that the run, or this attempt of it, began; its heartbeats begin, too."""
        with self._channel.spool.lock:
            if self._status == "new":
                self._channel.report("run.started", **self._announced)
                self.begin()

    def announcement(self) -> Entry | None:
        """What `start` would report, for who stores it otherwise and then calls `begin`."""
        return self._channel.compose("run.started", **self._announced)

    def begin(self) -> None:
        """As `start`, where the announcement is stored already."""
        with self._channel.spool.lock:
            self._status = "running"
            self._await_beat()
            self._listen(self)

    @quiet
    def progress(
        self,
        current: float,
        total: float | None = None,
        unit: str | None = None,
        message: str | None = None,
        total_final: bool | None = None,
    ) -> None:
        """Report how far the run is: at once after a pause, else the latest, ten times a second.

        Not needed where steps report theirs. `total` None is an unknown total; `total_final` says
        that it will not change any more.
        """
        with self._channel.spool.lock:
            if self._status != "ended":
                self._meter.report(
                    "run.progress",
                    current=number(current),
                    total=total,
                    unit=unit,
                    message=message,
                    total_final=total_final,
                )

    @quiet
    def counted(self, group: str, counts: Mapping[str, int], total: int | None = None) -> None:
        """Report how many children of a large map stand where; the latest counts, as progress."""
        with self._channel.spool.lock:
            if self._status != "ended":
                meter = self._groups.setdefault(group, Meter(self._channel))
                meter.report("steps.counted", group=group, counts=dict(counts), total=total)

    @quiet
    def log(self, text: str, level: str = "info", step: Step | str | None = None) -> None:
        """Report a text as log lines of the run, or of one of its steps."""
        self._channel.log(text, level, step.id if isinstance(step, Step) else step)

    @quiet
    def annotate(
        self,
        labels: Mapping[str, str | int | float | bool | None] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Merge into the run's labels and metadata; a value of None removes one."""
        self._add("run.annotated", labels=labels, metadata=metadata)

    @quiet
    def artifact(
        self, name: str, uri: str, kind: str | None = None, media_type: str | None = None
    ) -> None:
        """Report that the run made something that lies at `uri`."""
        self._add("artifact.added", name=name, uri=uri, kind=kind, media_type=media_type)

    @quiet
    def heartbeat(self, resources: Mapping[str, Any] | None = None) -> None:
        """Report that the producer is alive; `resources` are its own measurements."""
        if self._status != "ended":
            self._channel.report("run.heartbeat", "progress", resources=resources)

    @quiet
    def pause(self, reason: str | None = None, prompt: str | None = None) -> None:
        """Report that the run waits, for instance for a person; `prompt` is what it asks."""
        self._report("run.paused", reason=reason, prompt=prompt)

    @quiet
    def resume(self, reason: str | None = None) -> None:
        """Report that the run goes on after a pause."""
        self._report("run.resumed", reason=reason)

    @quiet
    def complete(
        self, outputs: Mapping[str, Any] | None = None, message: str | None = None
    ) -> None:
        """Report that the run ended well; without `outputs`, the attribute counts."""
        outputs = self.outputs if outputs is None else outputs
        self._end("run.completed", message=message, outputs=outputs)

    @quiet
    def fail(
        self,
        error: BaseException | str,
        kind: FailureKind | None = None,
        retryable: bool | None = None,
    ) -> None:
        """Report that the run failed, and why."""
        self._end("run.failed", error=failure(error), kind=kind, retryable=retryable)

    @quiet
    def cancel(self, by: str | None = None, reason: str | None = None) -> None:
        """Report that the run was stopped: by whom a command came from, unless you say it."""
        asked = self.cancelled
        self._end("run.cancelled", by=by or asked.by, reason=reason or asked.reason)

    def _end(self, type_: str | None, /, **fields: Any) -> None:
        with self._channel.spool.lock:
            if self._status != "ended":
                self._channel.flush()  # what its steps hold would come too late after the end
                if type_ is not None:
                    self._report(type_, **fields)
                self._status = "ended"
                self._commands.end()

    def _report(self, type_: str, /, **fields: Any) -> None:
        with self._channel.spool.lock:
            if self._status != "ended":
                self._add(type_, **fields)

    def _add(self, type_: str, /, **fields: Any) -> None:
        with self._channel.spool.lock:
            self._meter.flush()
            self._channel.report(type_, **fields)

    def _await_beat(self) -> None:
        interval = self._announced.get("heartbeat_interval")
        if not isinstance(interval, int | float) or not 0 < interval < float("inf"):
            return
        this = weakref.ref(self)  # a run that the pipeline forgot must not seem alive

        def beat() -> None:
            run = this()
            if run is not None and run._status != "ended":
                if run._beat is None or run._beat.settled:
                    run._beat = run._channel.report("run.heartbeat", "progress")
                run._await_beat()

        spool = self._channel.spool
        spool.later(spool.monotonic() + interval, beat)
