"""The load generator: a process of its own, on a core of its own, that opens streams and reads.

It is told a `plans.Load` on the first line of its input and answers `open` once every stream has
begun. Then it obeys, each on a line: `begin` (count from now), `sleep`, `wake`, and `end N S`: it
answers with a `plans.Loaded` once every connection that reads has event N, or after S seconds.
What it can take by itself is measured by `python -m bench generator`.
"""

import contextlib
import gc
import os
import select
import sys
import time
from collections import Counter

import msgspec

from bench.folding import folded
from bench.plans import Load, Loaded
from bench.reader import Reader

LOOK = 0.05
"""Seconds between two looks at whether it is over."""

QUIET = 1.0
"""Seconds without a byte after which sleepers that woke have all that they get."""


def main() -> None:
    commands = Commands()
    plan = msgspec.json.decode(commands.first(), type=Load)
    os.sched_setaffinity(0, {plan.core})
    gc.disable()
    reader = Reader(plan)
    reader.open()
    reader.epoll.register(0, select.EPOLLIN)
    _say(b'"open"')
    permitted = 0
    wanted, until = -1, float("inf")
    began, used = time.monotonic(), time.process_time()
    looked = began
    while True:
        for line in commands.come() if reader.step(LOOK) else ():
            command, *numbers = line.split()
            if command == b"begin":
                reader.reset()
                permitted = 0
                began, used = time.monotonic(), time.process_time()
            elif command == b"sleep":
                reader.sleep()
            elif command == b"wake":
                reader.wake()
            elif command == b"end":
                wanted, until = int(numbers[0]), time.monotonic() + float(numbers[1])
        if plan.permits >= 0:
            due = reader.deliveries // (plan.connections * plan.repeated) - permitted
            if due > 0:
                os.write(plan.permits, b"." * due)
                permitted += due
        now = time.monotonic()
        if now - looked < LOOK or wanted < 0:
            continue
        looked = now
        if now > until or not (_behind(reader, wanted) or now < reader.kept_at + QUIET):
            busy = (time.process_time() - used) / (now - began)
            _say(msgspec.json.encode(_seen(reader, wanted, busy)))
            return


def _behind(reader: Reader, wanted: int) -> int:
    """How many connections have not got event `wanted`; sleepers are looked at by their state."""
    return sum(
        last < wanted for number, last in enumerate(reader.last) if number not in reader.kept
    )


def _seen(reader: Reader, wanted: int, busy: float) -> Loaded:
    return Loaded(
        deliveries=reader.deliveries,
        seconds=(reader.latest - reader.first) / 1e9,
        latencies=[ns / 1e6 for ns in reader.latencies],
        missed=reader.missed,
        doubled=reader.doubled,
        behind=_behind(reader, wanted) + len(reader.broke),
        busy=busy,
        recovered=reader.recovered,
        states=Counter(folded(stream) for stream in reader.kept.values()),
    )


class Commands:
    """The lines of standard input, as far as they have come."""

    def __init__(self) -> None:
        self._rest = b""

    def first(self) -> bytes:
        """Wait for a line."""
        while b"\n" not in self._rest:
            self._more()
        line, self._rest = self._rest.split(b"\n", 1)
        os.set_blocking(0, False)
        return line

    def come(self) -> list[bytes]:
        """Every line that is there."""
        with contextlib.suppress(BlockingIOError):
            self._more()
        *lines, self._rest = self._rest.split(b"\n")
        return lines

    def _more(self) -> None:
        data = os.read(0, 65536)
        if not data:
            sys.exit("the bench has gone")
        self._rest += data


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
