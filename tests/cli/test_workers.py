"""Several gateways on one port."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from broker.stream.child import child
from tests.faults import gone, until
from tests.sse import ask


async def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    """Both serve the one port, each has an admin port; none is left when the supervisor ends."""
    port, admin = free_ports()
    command = [sys.executable, "-m", "broker.cli", "serve", "--workers=2", "--nats-port=0"]
    command += [f"--listen=127.0.0.1:{port}", f"--admin-listen=127.0.0.1:{admin}"]
    command += [f"--data-dir={tmp_path}/data", "--drain-seconds=1"]
    with (tmp_path / "log").open("wb") as output:
        async with asyncio.timeout(50), child(command, output=output) as process:
            for number in range(2):
                await until(lambda at=admin + number: ready(at))
            before = workers(tmp_path)
            assert 2 == len(before)
            os.kill(before[0], signal.SIGKILL)
            await gone(before[0])
            await until(lambda: both_ready(admin), seconds=20)
            after = workers(tmp_path)
            assert (2, True) == (len(after), before[1] in after)
            answer = await ask(f"http://127.0.0.1:{port}", "/v1/runs/r1")
            assert 404 == answer.status
            process.send_signal(signal.SIGTERM)
            assert 0 == await process.wait()
            for pid in after:
                await gone(pid)


async def ready(port: int) -> bool:
    """Whether the gateway with this admin port welcomes clients."""
    try:
        return (await ask(f"http://127.0.0.1:{port}", "/readyz")).status == 200
    except OSError:
        return False


async def both_ready(port: int) -> bool:
    return await ready(port) and await ready(port + 1)


def workers(folder: Path) -> list[int]:
    """The processes that share a port and whose data lies in the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        shares = b"--shares-port" in command and not any(b"guardian" in word for word in command)
        if shares and f"BROKER_DATA_DIR={folder}/data".encode() in environment:
            found.append(int(process.name))
    return sorted(found)


def free_ports() -> tuple[int, int]:
    """A port that is free now, and the first of two that are."""
    while True:
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            one.bind(("127.0.0.1", 0))
            two.bind(("127.0.0.1", 0))
            try:
                three.bind(("127.0.0.1", two.getsockname()[1] + 1))
            except OSError:
                continue
            return one.getsockname()[1], two.getsockname()[1]
