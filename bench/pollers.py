"""Pollers: a process of its own that asks for one resource over many connections, again and again.

Each connection asks as soon as it has its answer, with the ETag of the last one if `conditional`.
Told a `Polling` on its input, it answers with a `Polled`. Raw sockets and epoll, as `reader`.
"""

import gc
import os
import re
import select
import socket
import sys
import time

import msgspec

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)")
_TAG = re.compile(rb"(?i)\r\netag: ([^\r]+)")


class Polling(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for."""

    port: int
    path: str
    connections: int
    seconds: float
    conditional: bool
    core: int = 1


class Polled(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered; latencies in ms, of every tenth answer."""

    answers: dict[int, int]
    seconds: float
    latencies: list[float]
    busy: float


class Poller:
    """One connection, its next request, and when the last was sent."""

    __slots__ = ("conditional", "connection", "path", "request", "sent", "tag")

    def __init__(self, plan: Polling) -> None:
        self.connection = socket.create_connection(("127.0.0.1", plan.port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.path = plan.path
        self.conditional = plan.conditional
        self.tag = b""
        self.request = self._request()

    def _request(self) -> bytes:
        tag = b"If-None-Match: %b\r\n" % self.tag if self.tag and self.conditional else b""
        return b"GET %b HTTP/1.1\r\nHost: bench\r\n%b\r\n" % (self.path.encode(), tag)

    def ask(self) -> None:
        """Send the request."""
        self.sent = time.monotonic()
        self.connection.sendall(self.request)

    def take(self) -> int:
        """Read an answer, which is here or nearly; gives its status."""
        data = self.connection.recv(65536)
        while b"\r\n\r\n" not in data:
            data += self._more()
        status = int(data[9:12])
        if status == 200:
            length = _LENGTH.search(data)
            whole = data.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
            while len(data) < whole:
                data += self._more()
            tag = _TAG.search(data)
            if tag is not None and tag[1] != self.tag:
                self.tag = tag[1]
                self.request = self._request()
        return status

    def _more(self) -> bytes:
        data = self.connection.recv(65536)
        if not data:
            raise SystemExit("a connection was closed")
        return data


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Polling)
    os.sched_setaffinity(0, {plan.core})
    gc.disable()
    epoll = select.epoll()
    pollers = {}
    for _ in range(plan.connections):
        poller = Poller(plan)
        pollers[poller.connection.fileno()] = poller
        epoll.register(poller.connection, select.EPOLLIN)
        poller.ask()
    answers: dict[int, int] = {}
    latencies = []
    began, used = time.monotonic(), time.process_time()
    now = began
    total = 0
    while now < began + plan.seconds:
        for fd, _ in epoll.poll(1.0):
            poller = pollers[fd]
            status = poller.take()
            answers[status] = answers.get(status, 0) + 1
            total += 1
            if total % 10 == 0:
                latencies.append((time.monotonic() - poller.sent) * 1e3)
            poller.ask()
        now = time.monotonic()
    busy = (time.process_time() - used) / (now - began)
    polled = Polled(answers=answers, seconds=now - began, latencies=latencies, busy=busy)
    sys.stdout.buffer.write(msgspec.json.encode(polled) + b"\n")


if __name__ == "__main__":
    main()
