"""Two gateways, each a process of its own."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.cluster.processes import Program, answers_well, steady_ports
from tests.gateway.serving import UNLIMITED

GATEWAYS = 2


class Gateways(NamedTuple):
    """The gateways and where they are."""

    programs: list[Program]
    urls: list[str]


@asynccontextmanager
async def gateways(folder: Path, nats_url: str, *, drain: float) -> AsyncIterator[Gateways]:
    """Run two gateways that end their streams over `drain` seconds when they are told to stop."""
    made = _configured(folder, nats_url, drain)
    async with AsyncExitStack() as life:
        for program in made.programs:
            life.push_async_callback(program.close)
        for program in made.programs:
            await program.start()
        for program in made.programs:
            await program.ready(60)
        yield made


def _configured(folder: Path, nats_url: str, drain: float) -> Gateways:
    folder.mkdir(parents=True, exist_ok=True)
    ports = steady_ports(GATEWAYS)
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    settings = {"nats_url": nats_url, "replicas": 3, "drain_seconds": drain, **UNLIMITED}
    programs = []
    for number, port in enumerate(ports):
        chosen = {**settings, "listen": f"127.0.0.1:{port}"}
        program = Program(
            f"gateway-{number + 1}",
            [sys.executable, "-m", "broker.cli", "serve"],
            {f"BROKER_{name.upper()}": str(value) for name, value in chosen.items()},
            folder / f"gateway-{number}.log",
            answers_well(urls[number], "/readyz"),
        )
        programs.append(program)
    return Gateways(programs, urls)
