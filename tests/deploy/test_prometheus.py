"""A real Prometheus with the rules of `deploy/prometheus/`, before a real gateway at work."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from tests.deploy.test_rules import RECORDED
from tests.faults import until
from tests.gateway.runs import short_run, started
from tests.gateway.serving import Broker, broker
from tests.proxy.proxies import tool
from tests.sse import stream
from tools.observability.board import Query
from tools.observability.files import BOARDS
from tools.observability.slo import FAILED, LATE
from tools.pictures.asked import VARIABLE
from tools.prometheus import Prometheus, prometheus

WATCHERS: Final = 3
QUIET: Final = {
    "Dialects translated",  # nobody speaks one here
    "Errors of the service",  # there are none
    "Storm: opens against the hour before",  # there is no hour before
}
"""Panels that have nothing to show of this test."""


async def test_prometheus_records_and_every_panel_shows_something(tmp_path: Path) -> None:
    async with at_work(tmp_path) as p:

        async def recorded() -> bool:
            return None not in [await p.value(f"{name}5m") for name in (LATE, FAILED)]

        await until(recorded)
        assert 1 == await p.value("up")
        late, failed = await p.value(f"{LATE}5m"), await p.value(f"{FAILED}5m")
        assert late is not None
        assert 0 <= late < 0.5
        assert 0 == failed
        assert WATCHERS <= (await p.value("sum(progress_broker_connections)") or 0)
        assert 7 == await p.value("count(progress_broker_stream_has_leader == 1)")

        (target,) = (await p.ask("targets"))["activeTargets"]
        assert ("up", "gateway-1") == (target["health"], target["labels"]["instance"])
        for group in (await p.ask("rules"))["groups"]:
            for rule in group["rules"]:
                assert "ok" == rule["health"], rule
                assert "firing" != rule.get("state"), rule
        names = set(await p.ask("label/__name__/values"))
        assert {name for name in RECORDED if name.endswith("5m")} <= names

        async def shown() -> bool:
            return not await empty_panels(p) - QUIET

        await until(shown)


async def empty_panels(p: Prometheus) -> set[str]:
    """The panels of which not one query has a value; Prometheus takes all of them."""
    return {
        panel.title
        for board in BOARDS
        for panel in board.panels()
        if not any([await has_values(p, each) for each in panel.queries])
    }


async def has_values(p: Prometheus, query: Query) -> bool:
    """Whether a query, with everything chosen, has a value now."""
    expr = VARIABLE.sub(".*", query.expr.replace("$__rate_interval", "1m"))
    return bool((await p.ask("query", query=expr))["result"])


@asynccontextmanager
async def at_work(folder: Path) -> AsyncIterator[Prometheus]:
    """A gateway with producers and watchers, and a Prometheus that looks every half second."""
    (folder / "prometheus").mkdir()
    async with (
        broker(folder / "broker") as b,
        prometheus(
            folder / "prometheus",
            {"gateway-1": b.url.removeprefix("http://")},
            every="500ms",
            command=tool("prometheus"),
        ) as p,
        AsyncExitStack() as watching,
        asyncio.TaskGroup() as tasks,
    ):
        await b.publish("watched", started())
        for _ in range(WATCHERS):
            watcher = await watching.enter_async_context(stream(b.url, "watched"))
            await watcher.until("snapshot")
        working = tasks.create_task(runs_one_after_another(b))
        yield p
        working.cancel()


async def runs_one_after_another(b: Broker) -> None:
    """Each stored over HTTP event by event, watched to its end, and cancelled too late."""
    for number in itertools.count():
        run = f"r{number}"
        first, *rest = short_run()
        await b.post(f"/v1/runs/{run}/events", first)
        async with stream(b.url, run, "events") as frames:
            for event in rest:
                await b.post(f"/v1/runs/{run}/events", event)
            await frames.until("end")
        await b.post(f"/v1/runs/{run}/cancel", b"{}")
