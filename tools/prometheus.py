"""A real Prometheus on loopback, set up as in `deploy/prometheus/` but quicker, for a while."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from broker.stream.child import child

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "prometheus"
_STARTING: Final = 20.0
_LISTENS: Final = re.compile(
    r'"Listening on" address=(\S+).*"Server is ready to receive web requests', re.DOTALL
)

Series = list[tuple[dict[str, str], list[tuple[float, float]]]]
"""Each with its labels, and its values at their times."""


class Prometheus:
    """Asks a running Prometheus. Made by `prometheus`."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def value(self, expr: str) -> float | None:
        """The one value of an expression now; None where it has none."""
        found = await self.ask("query", query=expr)
        values = [float(each["value"][1]) for each in found["result"]]
        assert len(values) < 2, f"{expr} has {len(values)} values"
        return values[0] if values else None

    async def over(self, expr: str, start: float, end: float, step: float) -> Series:
        """The values of an expression between two times, in seconds since 1970."""
        span = {"start": str(start), "end": str(end), "step": str(step)}
        found = await self.ask("query_range", query=expr, **span)
        return [
            (each["metric"], [(at, float(value)) for at, value in each["values"]])
            for each in found["result"]
        ]

    async def ask(self, what: str, **params: str) -> Any:
        """One call of the HTTP API; a refusal is an error with Prometheus's words."""
        async with self._session.get(f"{self.url}/api/v1/{what}", params=params) as response:
            answer = await response.json()
        if answer["status"] != "success":
            raise RuntimeError(f"{params}: {answer['error']}")
        return answer["data"]


@asynccontextmanager
async def prometheus(
    folder: Path, targets: Mapping[str, str], *, every: str, command: str = "prometheus"
) -> AsyncIterator[Prometheus]:
    """Run Prometheus in a folder, to look at `targets` `every` so often.

    They are hosts and ports, by what Prometheus shall call them. Raises TimeoutError with what it
    logs where it does not start.
    """
    config = folder / "prometheus.yml"
    config.write_text(_configuration(targets, every))
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        async with (
            child(
                [
                    command,
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    "--web.listen-address=127.0.0.1:0",
                ],
                output=output,
            ),
            aiohttp.ClientSession() as session,
        ):
            address = await asyncio.to_thread(_address, log)
            yield Prometheus(f"http://{address}", session)


def _configuration(targets: Mapping[str, str], every: str) -> str:
    """The one of `deploy/`, with other targets and another rhythm."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": every, "evaluation_interval": every}
    config["rule_files"] = [str(FOLDER / pattern) for pattern in config["rule_files"]]
    (job,) = config["scrape_configs"]
    job["static_configs"] = [
        {"targets": [address], "labels": {"instance": name}} for name, address in targets.items()
    ]
    text: str = yaml.safe_dump(config)
    return text


def _address(log: Path) -> str:
    """Where it says that it listens, once it does."""
    patience = time.monotonic() + _STARTING
    while not (found := _LISTENS.search(log.read_text())):
        if time.monotonic() > patience:
            raise TimeoutError(f"Prometheus does not start: {log.read_text()}")
        time.sleep(0.05)  # a log has no signal
    return found[1]
