"""The publisher: a process of its own that sends marked events at a rate, or as they are permitted.

It is told a `plans.Feed` on its input and answers with a `plans.Fed`. `nats` sends raw PUB lines,
which the stream stores; `http` sends POST requests over one connection and waits for each answer,
as the HTTP interfaces of the peers want it. An event carries the moment it was sent.
"""

import os
import re
import socket
import sys
import time
from collections.abc import Callable

import msgspec

from bench.marks import EVENTS
from bench.plans import Fed, Feed

TURN = 0.001
"""Seconds between two sendings at high rates: what is due goes out together."""

Send = Callable[[list[tuple[str, bytes]]], None]


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Feed)
    os.sched_setaffinity(0, {plan.core})
    with socket.create_connection(("127.0.0.1", plan.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        send = _nats(connection) if plan.kind == "nats" else _http(connection)
        fed = _permitted(plan, send) if plan.permits >= 0 else _paced(plan, send)
        if plan.kind == "nats":
            _flush(connection)
    sys.stdout.buffer.write(msgspec.json.encode(fed) + b"\n")


def _paced(plan: Feed, send: Send) -> Fed:
    """Send each event when it is due, however long the ones before took."""
    targets, event = plan.targets, EVENTS[plan.event]
    total = int(plan.rate * plan.seconds) // len(targets) * len(targets)
    began = time.monotonic()
    sent, latest = 0, 0.0
    while sent < total:
        wait = began + sent / plan.rate - time.monotonic()
        if wait > 0:
            time.sleep(max(wait, TURN if plan.rate > 1 / TURN else 0))
        now = time.monotonic()
        latest = max(latest, now - began - sent / plan.rate)
        due = min(total, int((now - began) * plan.rate) + 1)
        for begin in range(sent, due, 64):
            moment = time.monotonic_ns()
            send(
                [
                    (targets[n % len(targets)], event(plan.size, moment, n // len(targets) + 1))
                    for n in range(begin, min(due, begin + 64))
                ]
            )
        sent = due
    return Fed(rounds=total // len(targets), seconds=time.monotonic() - began, latest=latest * 1e3)


def _permitted(plan: Feed, send: Send) -> Fed:
    """Send an event to each target for every permit, at the rate at most."""
    event = EVENTS[plan.event]
    began = time.monotonic()
    number = 0
    permits = plan.window
    os.set_blocking(plan.permits, True)
    while (now := time.monotonic()) < began + plan.seconds:
        if not permits:
            permits += len(os.read(plan.permits, 4096))
            continue
        if plan.rate and (wait := began + number / plan.rate - now) > 0:
            time.sleep(wait)
        permits -= 1
        number += 1
        moment = time.monotonic_ns()
        send([(target, event(plan.size, moment, number)) for target in plan.targets])
    return Fed(rounds=number, seconds=time.monotonic() - began, latest=0.0)


def _nats(connection: socket.socket) -> Send:
    _until(connection, rb"INFO .*\r\n")
    connection.sendall(b'CONNECT {"verbose":false,"pedantic":false,"name":"bench"}\r\n')
    _flush(connection)

    def send(events: list[tuple[str, bytes]]) -> None:
        connection.sendall(
            b"".join(
                [b"PUB %b %d\r\n%b\r\n" % (to.encode(), len(data), data) for to, data in events]
            )
        )

    return send


def _http(connection: socket.socket) -> Send:
    def send(events: list[tuple[str, bytes]]) -> None:
        for path, data in events:
            connection.sendall(
                b"POST %b HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (path.encode(), len(data), data)
            )
            answer = _until(connection, rb"HTTP/1\.1 2\d\d[\s\S]*\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", answer)
            missing = answer.index(b"\r\n\r\n") + 4 + int(length[1] if length else 0) - len(answer)
            if missing > 0:
                connection.recv(missing, socket.MSG_WAITALL)

    return send


def _flush(connection: socket.socket) -> None:
    """Wait until the server has read everything."""
    connection.sendall(b"PING\r\n")
    _until(connection, rb"PONG\r\n")


def _until(connection: socket.socket, pattern: bytes) -> bytes:
    read = b""
    while not re.search(pattern, read):
        data = connection.recv(65536)
        if not data or (read + data).startswith(b"HTTP/1.1 4"):
            raise SystemExit(f"the server answered {read + data!r}")
        read += data
    return read


if __name__ == "__main__":
    main()
