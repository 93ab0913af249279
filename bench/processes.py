"""The processes of a measurement, each on its core, and what they cost.

What is measured has core 0 for itself; the load generator, the publisher and nats-server share
core 1 (nats-server and publisher take little of it; the figures tell how much the generator had).
"""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from broker.settings import described
from broker.stream.child import child
from broker.stream.embedded import embedded_server

START = 60.0
"""Seconds that a process has to start."""

SERVED, OTHERS = 0, 1
"""The cores of what is measured, and of everything else."""

FAVOUR: Final = -15
"""Nice value of the measured processes' scheduling groups on a machine that others use too."""

T = TypeVar("T")


class Sharing:
    """Whether others use the machine meanwhile; then what is measured goes before them."""

    others = False

    @classmethod
    def favour(cls, pid: int) -> None:
        """Let the session of a process go before others (sched(7), autogroups)."""
        if cls.others:
            Path(f"/proc/{pid}/autogroup").write_text(str(FAVOUR))


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started within the block runs on one core."""
    before = os.sched_getaffinity(0)
    if core in before:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Cost(NamedTuple):
    """What a process has used so far."""

    seconds: float
    memory: int
    """Bytes resident."""
    writes: int
    """Calls of write and writev."""


class Server(NamedTuple):
    """A server under measurement."""

    host: str
    port: int
    pid: int
    nats_url: str = ""

    @property
    def nats_port(self) -> int:
        return urlsplit(self.nats_url).port or 4222

    def cost(self) -> Cost:
        """What it has used so far."""
        return cost(self.pid)


def cost(pid: int) -> Cost:
    """What a process has used so far, from the kernel's books."""
    folder = Path(f"/proc/{pid}")
    ran = [int(path.read_text().split()[0]) for path in folder.glob("task/*/schedstat")]
    pages = int((folder / "statm").read_text().split()[1])
    writes = re.search(r"syscw: (\d+)", (folder / "io").read_text())
    return Cost(
        sum(ran) / 1e9,  # the scheduler's own clock; `stat` counts ticks, and may be wrong by half
        pages * os.sysconf("SC_PAGE_SIZE"),
        int(writes[1]) if writes else 0,
    )


@asynccontextmanager
async def nats() -> AsyncIterator[str]:
    """A NATS server of its own; gives its URL."""
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_server(Path(folder), 0) as url:
            for pid in os.listdir("/proc"):
                if pid.isdigit() and folder.encode() in _command(int(pid)):
                    _move(int(pid), OTHERS)
                    Sharing.favour(int(pid))
            yield url


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _move(pid: int, core: int) -> None:
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {core})


@asynccontextmanager
async def gateway(*flags: str, nats_url: str = "") -> AsyncIterator[Server]:
    """Run a gateway as users do, on free ports; without a NATS given, with one of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "-m",
            "broker.cli",
            "serve",
            "--listen=127.0.0.1:0",
            *([f"--nats-url={nats_url}"] if nats_url else ["--nats-port=0"]),
            f"--data-dir={folder}/data",
            *unlimited(),
            *flags,
        ]
        async with python(command, r"at http://(\S+):(\d+), NATS at (\S+)") as (pid, told):
            yield Server(told[1], int(told[2]), pid, told[3])


def unlimited() -> list[str]:
    """Flags without which one address could not open and poll as much as all clients do here."""
    wanted = ("--open-rate", "--poll-rate", "--streams-per-client", "--streams-max")
    known = {setting.flag for setting in described()}
    return [f"{flag}=0" for flag in wanted if flag in known]


@asynccontextmanager
async def python(command: Sequence[str], sign: str) -> AsyncIterator[tuple[int, re.Match[str]]]:
    """Run Python as what is measured; gives its process once its output shows a sign."""
    with tempfile.NamedTemporaryFile() as output, on_core(SERVED):
        async with child([sys.executable, *command], output=output.file) as guardian:
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
            Sharing.favour(guardian.pid)
            told = await _sign(guardian, Path(output.name), sign)
            yield child_of(guardian.pid), told


def child_of(pid: int) -> int:
    """The one child of a process. Raises IndexError while it has none."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


async def _sign(process: asyncio.subprocess.Process, log: Path, sign: str) -> re.Match[str]:
    async with asyncio.timeout(START):
        while process.returncode is None:
            found = re.search(sign, _text(log))
            if found:
                return found
            await asyncio.sleep(0.02)  # a log file has no other sign
    raise RuntimeError(f"it did not start: {_text(log)}")


def _text(path: Path) -> str:
    return path.read_text()


class Helper:
    """A generator or publisher: a process that is told and tells JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def running(
        cls, module: str, plan: msgspec.Struct, *pipes: int
    ) -> AsyncIterator["Helper"]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 30,
            pass_fds=[pipe for pipe in pipes if pipe >= 0],
        )
        try:
            helper = cls(process)
            helper.tell(msgspec.json.encode(plan).decode())
            yield helper
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def tell(self, line: str) -> None:
        """Send one line."""
        if self._process.stdin is None:
            raise RuntimeError("no pipe")
        self._process.stdin.write(line.encode() + b"\n")

    async def hear(self, kind: type[T], patience: float) -> T:
        """The next line, as what it must be."""
        if self._process.stdout is None:
            raise RuntimeError("no pipe")
        async with asyncio.timeout(patience):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a helper process ended early")
        return msgspec.json.decode(line, type=kind)
