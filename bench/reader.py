"""Reads many streams as fast as one core can: raw sockets, one epoll, no asyncio.

Each recv takes all that a socket holds, which may be many frames: the events in it are counted,
and the last one's number must be the one before plus that count, so none was missed or doubled.
Only on every tenth connection is each event's time looked at.
"""

import select
import socket
import time
from array import array

from bench.folding import SNAPSHOT
from bench.marks import FULL, MARK, NUMBER
from bench.plans import Load
from bench.transports import TRANSPORTS

BUFFER = 1 << 18
OPENING = 256
"""Connections opened at a time."""
PATIENCE = 20.0
RETRY = 0.1
"""Seconds until a refused connection is tried again."""


class Reader:
    """All connections of a load. Plain arrays; connection n is everywhere the nth."""

    def __init__(self, plan: Load) -> None:
        self.plan = plan
        self.epoll = select.epoll()
        self.last = [0] * plan.connections
        """The number of the last event of each connection."""
        self.kept = {n * plan.connections // plan.asleep: bytearray() for n in range(plan.asleep)}
        """What each sleeper's state follows from: its last snapshot and what came after."""
        self.kept_at = 0.0
        """When a sleeper last read something."""
        self.broke: dict[int, float] = {}
        """Connections that broke and have not resumed, and when."""
        self.recovered: list[float] = []
        self._transport = TRANSPORTS[plan.transport]
        self._sockets: dict[int, socket.socket] = {}
        self._number: dict[int, int] = {}
        """Which connection a descriptor is."""
        self._rest: dict[int, bytes] = {}
        """A beginning whose end has not come; the empty one of a stream that has not begun."""
        self._cursor: dict[int, str] = {}
        self._again: list[tuple[float, int]] = []
        self._opening = 0
        self._buffer = bytearray(BUFFER)
        self._same = b""
        """What was read last: the next connection of the run has the same bytes, if all is well."""
        self._marks = (0, 0)
        """How many events it holds, and the number of the last."""
        self._asks = False
        """Whether it holds a ping."""
        self.reset()

    def reset(self) -> None:
        """Count from now."""
        self.deliveries = self.missed = self.doubled = 0
        self.first = self.latest = 0
        self.latencies = array("q")

    def open(self) -> None:
        """Open every connection and wait until each has begun."""
        for number in range(self.plan.connections):
            self._connect(number, self.plan.port)
            while self._opening >= OPENING:
                self.step(PATIENCE)
        while self._opening:
            self.step(PATIENCE)

    def step(self, patience: float) -> bool:
        """Read what has come; True if something is on standard input."""
        told = False
        ready = self.epoll.poll(patience, 4096)
        if not ready and patience == PATIENCE:
            raise SystemExit(f"{self._opening} streams did not begin")
        for fd, _ in ready:
            if fd:
                self._read(fd)
            else:
                told = True
        if self.plan.nap and ready:
            time.sleep(self.plan.nap)
        while self._again and self._again[0][0] <= time.monotonic():
            self._reconnect(self._again.pop(0)[1])
        return told

    def sleep(self) -> None:
        """The sleepers stop reading."""
        for fd, number in self._number.items():
            if number in self.kept:
                self.epoll.modify(fd, 0)

    def wake(self) -> None:
        """The sleepers read again."""
        for fd, number in self._number.items():
            if number in self.kept:
                self.epoll.modify(fd, select.EPOLLIN)

    def _connect(self, number: int, port: int) -> None:
        made = socket.socket()
        if number in self.kept:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.connect(("127.0.0.1", port))
        if self.plan.first:
            made.sendall(self._transport.request(self.plan.first))
            while not made.recv(4096).endswith(b"\r\n\r\n"):
                pass
        path = self.plan.paths[number % len(self.plan.paths)]
        made.sendall(self._transport.request(path, self._cursor.get(number, "")))
        made.setblocking(False)
        fd = made.fileno()
        self._sockets[fd] = made
        self._number[fd] = number
        self._rest[fd] = b""
        self._opening += 1
        self.epoll.register(fd, select.EPOLLIN)

    def _lost(self, fd: int) -> None:
        """A connection has broken: resume on the other server, if there is one."""
        number = self._number.pop(fd)
        self._sockets.pop(fd).close()
        if self._rest.pop(fd, None) == b"":
            self._opening -= 1
        if not self.plan.other_port:
            raise SystemExit(f"connection {number} was closed by the server")
        self.broke.setdefault(number, time.monotonic())
        self._again.append((time.monotonic(), number))

    def _reconnect(self, number: int) -> None:
        try:
            self._connect(number, self.plan.other_port)
        except OSError:
            self._again.append((time.monotonic() + RETRY, number))

    def _read(self, fd: int) -> None:
        buffer = self._buffer
        try:
            size = self._sockets[fd].recv_into(buffer)
        except BlockingIOError:
            return
        except ConnectionError:
            size = 0
        if not size:
            self._lost(fd)
            return
        number = self._number[fd]
        if (
            fd in self._rest
            or buffer[size - 1] != self._transport.end
            or number in self.kept
            or self.plan.other_port
        ):
            self._read_closely(fd, number, bytes(memoryview(buffer)[:size]))
            return
        if size != len(self._same) or not buffer.startswith(self._same):
            self._same = bytes(memoryview(buffer)[:size])
            at = self._same.rfind(MARK)
            latest = int(self._same[at + NUMBER.start : at + NUMBER.stop]) if at >= 0 else 0
            self._marks = self._same.count(MARK), latest
            self._asks = self._holds_ping(self._same)
        if self._asks:
            self._sockets[fd].send(self._transport.pong)
        count, latest = self._marks
        if count:
            self._take(number, count, latest)
            if number % self.plan.sample == self.plan.sample // 2:
                self._time(FULL.findall(buffer, 0, size))

    def _read_closely(self, fd: int, number: int, data: bytes) -> None:
        """Streams that begin, frames in pieces, sleepers, and streams that are to be resumed."""
        before = self._rest.pop(fd, None)
        if before == b"":
            if not data.startswith(self._transport.opened):
                raise SystemExit(f"a stream was refused: {data[:200]!r}")
            self._opening -= 1
            if number in self.broke:
                self.recovered.append(time.monotonic() - self.broke.pop(number))
        if self._holds_ping(data) or (before and before[-1:] == self._transport.ping[:1]):
            self._sockets[fd].send(self._transport.pong)
        data = (before or b"") + data
        if number in self.kept:
            self._keep(self.kept[number], data)
            return
        end = b"\n\n" if self.plan.other_port else bytes([self._transport.end])
        cut = data.rfind(end) + len(end)
        if cut < len(end):
            cut = 0
        if cut < len(data):
            self._rest[fd] = data[cut:]
        whole = data[:cut]
        at = whole.rfind(b"\nid: ")
        if at >= 0 and self.plan.other_port:
            self._cursor[number] = whole[at + 5 : whole.index(b"\n", at + 5)].decode()
        marks = FULL.findall(whole)
        if marks:
            self._take(number, len(marks), int(marks[-1][1]))
            if number % self.plan.sample == self.plan.sample // 2:
                self._time(marks)

    def _holds_ping(self, data: bytes) -> bool:
        return bool(self._transport.ping) and self._transport.ping in data

    def _keep(self, kept: bytearray, data: bytes) -> None:
        self.kept_at = time.monotonic()
        begin = max(0, len(kept) - len(SNAPSHOT))
        kept += data
        del kept[: max(0, kept.rfind(SNAPSHOT, begin))]

    def _take(self, number: int, count: int, latest: int) -> None:
        before = self.last[number]
        self.last[number] = latest
        if self.plan.exact and latest != before + count:
            self.missed += max(0, latest - before - count)
            self.doubled += max(0, before + count - latest)
        self.deliveries += count
        self.latest = time.monotonic_ns()
        self.first = self.first or self.latest

    def _time(self, marks: list[tuple[bytes, bytes]]) -> None:
        now = time.monotonic_ns()
        self.latencies.extend([now - int(sent) for sent, _ in marks])
