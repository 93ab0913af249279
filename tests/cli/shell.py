"""Commands run as a person runs them: a process of its own, piped or on a terminal."""

import asyncio
import fcntl
import json
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any, NamedTuple

PATIENCE = 30.0
"""Seconds that a command may take; the first import of a busy machine is slow."""

_COMMAND = [sys.executable, "-m", "broker.cli"]


class Result(NamedTuple):
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def objects(self) -> list[Any]:
        """The lines of output, as JSON."""
        return [json.loads(line) for line in self.lines]


class Running:
    """A command that runs. Made by `running`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self, holding: str = "") -> str:
        """Wait for a line of output that holds some text."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := (await self.process.stdout.readline()).decode():
                if holding in line:
                    return line.rstrip("\n")
        raise AssertionError(f"the output ended without {holding!r}")

    async def error(self, holding: str) -> str:
        """Wait for a line on stderr that holds some text."""
        assert self.process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while line := (await self.process.stderr.readline()).decode():
                if holding in line:
                    return line.rstrip("\n")
        raise AssertionError(f"stderr ended without {holding!r}")

    async def result(self) -> Result:
        """Wait for the end; gives what was not read before."""
        async with asyncio.timeout(PATIENCE):
            out, err = await self.process.communicate(b"")
        assert self.process.returncode is not None
        return Result(self.process.returncode, (out or b"").decode(), err.decode())


@asynccontextmanager
async def running(
    url: str, *arguments: str, stdout: int = asyncio.subprocess.PIPE, under: Sequence[str] = ()
) -> AsyncIterator[Running]:
    """Run a command with pipes, `under` another; it is killed if it is left running."""
    process = await asyncio.create_subprocess_exec(
        *under,
        *_COMMAND,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PROGRESS_BROKER_URL": url},
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def shell(url: str, *arguments: str, stdin: bytes = b"", under: Sequence[str] = ()) -> Result:
    """Run a command to its end."""
    async with running(url, *arguments, under=under) as command:
        async with asyncio.timeout(PATIENCE):
            out, err = await command.process.communicate(stdin)
        assert command.process.returncode is not None
        return Result(command.process.returncode, out.decode(), err.decode())


class Terminal:
    """A terminal and the command in it. Made by `terminal`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._data = b""
        self._news = asyncio.Event()
        self._over = asyncio.Event()

    def feed(self, descriptor: int) -> None:
        """Take what the command wrote."""
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # how the other end's closing shows
            piece = b""
        self._data += piece
        self._news.set()
        if not piece:
            self._over.set()
            asyncio.get_running_loop().remove_reader(descriptor)

    @property
    def screen(self) -> str:
        """What stands on the screen, for the few sequences that rich uses."""
        lines, row, column = [""], 0, 0
        tokens = r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+"
        for token in re.findall(tokens, self._data.decode(errors="replace")):
            if token == "\r":
                column = 0
            elif token == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif token.startswith("\x1b"):
                if token.endswith("A"):
                    row -= int(token[2:-1] or 1)
                elif token.endswith("K"):
                    lines[row], column = "", 0
            else:
                line = lines[row].ljust(column)
                lines[row] = line[:column] + token + line[column + len(token) :]
                column += len(token)
        return "\n".join(line.rstrip() for line in lines)

    async def shows(self, wanted: Callable[[str], bool]) -> str:
        """Wait until the screen is as wanted."""
        async with asyncio.timeout(PATIENCE):
            while not wanted(self.screen):
                assert not self._over.is_set(), self.screen
                self._news.clear()
                await self._news.wait()
        return self.screen

    async def ended(self) -> int:
        """Wait for the end of the command; gives its exit code."""
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
            await self._over.wait()
        return code


@asynccontextmanager
async def terminal(
    url: str, *arguments: str, width: int = 100, height: int = 30
) -> AsyncIterator[Terminal]:
    """Run a command on a terminal of a size."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with closing(os.fdopen(ours, "rb", buffering=0)):
        process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            *arguments,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment | {"PROGRESS_BROKER_URL": url, "TERM": "xterm-256color"},
        )
        os.close(theirs)
        shown = Terminal(process)
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, shown.feed, ours)
        try:
            yield shown
        finally:
            loop.remove_reader(ours)
            if process.returncode is None:
                process.kill()
                await process.wait()
