"""How one run and its steps report: events, conflated progress and batched log lines."""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeAlias, TypeVar

import msgspec

from broker.model.events import LARGEST
from broker.producer.coalesce import INTERVAL, Coalescer
from broker.producer.loglines import Batch, level_of, lines_of
from broker.producer.outbox import Entry, Kind, Lane
from broker.producer.spool import Spool

Fields: TypeAlias = dict[str, Any]

_CARRIED: Final = ("unit", "message", "total_final")
"""What a progress event leaves as it was where it does not say it."""


class Channel:
    """A run's way to the spool. Without lanes it reports nothing: its run cannot be named."""

    def __init__(
        self, spool: Spool, run_id: str, lanes: tuple[Lane, Lane] | None, attempt: object
    ) -> None:
        self.spool = spool
        self.run_id = run_id
        self._lanes = lanes
        self._attempt = attempt
        self._batch = Batch()
        self._flush_awaited = False
        self.held: dict[Meter, None] = {}
        """The meters that hold a value."""

    def report(self, type_: str, rank: Kind = "lifecycle", /, **fields: Any) -> Entry | None:
        """Report an event; fields that are None are left out."""
        return self.spool.put(
            self._lanes and self._lanes[0],
            rank,
            {"type": type_, "attempt": self._attempt, **fields},
        )

    def compose(self, type_: str, /, **fields: Any) -> Entry | None:
        """The event as `report` would have it wait, for who stores it otherwise."""
        if self._lanes is None:
            return None
        with self.spool.lock:
            event = {"type": type_, "attempt": self._attempt, **fields}
            return self.spool.compose(self._lanes[0], "lifecycle", event)

    def log(self, text: object, level: object, step: object) -> None:
        """Report a text as log lines, together with those that come within a moment."""
        spool = self.spool
        known = level_of(level)
        if known is None:
            spool.warn(
                ("level", str(level)[:64]),
                "%.64r is no log level, and its lines are reported as info: "
                "use debug, info, progress, success, warning or error",
                level,
            )
        name = None if step is None else str(step)
        with spool.lock:
            for line in lines_of(str(text), time=spool.now(), level=known or "info", step=name):
                self._append(self._batch.add(line))
            if not self._flush_awaited:
                self._flush_awaited = True
                spool.later(spool.monotonic() + INTERVAL, self._flush_log)

    def flush(self) -> None:
        """Report everything that is held: progress of the run and its steps, and log lines."""
        with self.spool.lock:
            for meter in list(self.held):
                meter.flush()
            self._flush_log()

    def _flush_log(self) -> None:
        self._flush_awaited = False
        self._append(self._batch.take())

    def _append(self, lines: list[bytes]) -> None:
        if lines:
            raw = [msgspec.Raw(line) for line in lines]
            fields = {"type": "log.appended", "attempt": self._attempt, "lines": raw}
            self.spool.put(self._lanes and self._lanes[1], "log", fields)


class Meter:
    """Events of one kind about one thing, of which only the latest counts."""

    __slots__ = ("_awaited", "_channel", "_values")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._values: Coalescer[Fields] = Coalescer(_newer)
        self._awaited = False

    def report(self, type_: str, /, **fields: Any) -> None:
        """Report at once after a pause, else when the interval is over or `flush` is called."""
        spool = self._channel.spool
        with spool.lock:
            fields.update(type=type_, time=spool.now())
            self._send(self._values.offer(fields, spool.monotonic()))
            due = self._values.due
            if due is not None:
                self._channel.held[self] = None
                if not self._awaited:
                    self._awaited = True
                    spool.later(due, self._when_due)

    def flush(self) -> None:
        """Report what is held."""
        spool = self._channel.spool
        with spool.lock:
            self._send(self._values.take(spool.monotonic()))

    def _when_due(self) -> None:
        spool = self._channel.spool
        due = self._values.due
        self._awaited = due is not None and due > spool.monotonic()
        if due is not None and self._awaited:
            spool.later(due, self._when_due)  # it was flushed meanwhile, and holds a newer value
        else:
            self.flush()

    def _send(self, fields: Fields | None) -> None:
        if fields is not None:
            self._channel.held.pop(self, None)
            self._channel.report(fields.pop("type"), "progress", **fields)


def _newer(held: Fields, newer: Fields) -> Fields:
    for name in _CARRIED:
        if newer.get(name) is None and held.get(name) is not None:
            newer[name] = held[name]
    return newer


class _Reports(Protocol):
    @property
    def _channel(self) -> Channel: ...


S = TypeVar("S", bound=_Reports)
P = ParamSpec("P")


def quiet(method: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """A method that never raises: a fault in reporting must not end what is reported on."""

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            what = f"{type(self).__name__}.{method.__name__}".lower()
            self._channel.spool.warn(
                ("call", what, type(error)),
                "%s is not reported: %s: %.200s; the pipeline goes on, correct the call",
                what,
                type(error).__name__,
                error,
            )

    return call


def number(value: object) -> Any:
    """The value, where it can be a progress number; raises ValueError or TypeError."""
    item = getattr(value, "item", None)
    plain = item() if callable(item) else value
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise TypeError(f"progress {plain!r} is not a number")
    if not 0 <= plain <= LARGEST:  # NaN compares false
        raise ValueError(f"progress {plain!r} is not a number from 0 to 2**53")
    return plain
