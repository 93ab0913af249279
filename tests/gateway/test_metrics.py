"""What a running gateway tells, and what `docs/metrics.md` says it tells."""

import asyncio
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from broker.dialects.table import DIALECTS
from broker.metrics import Metrics
from broker.stream import vitals
from tests.gateway.runs import started
from tests.gateway.serving import Broker, broker
from tests.gateway.used import use
from tests.proxy.proxies import tool
from tests.sse import path, watch

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
RUNS = 300
OPEN = {
    "endpoint": re.compile(r"/[\w/{}:.*+-]*|unknown"),
    "code": re.compile(r"[1-5]\d\d"),
    "dialect": re.compile("|".join([*DIALECTS, "unknown"])),
    **dict.fromkeys(("version", "python", "aiohttp", "nats_py"), re.compile(r"[\w.+-]+")),
}
"""What labels may be whose values no list in the code names."""


async def text_of(b: Broker) -> str:
    return (await b.get("/metrics")).body.decode()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What a gateway tells that was used."""

    async def after_use() -> str:
        async with broker(tmp_path_factory.mktemp("used"), poll_burst=20, poll_rate=20) as b:
            await use(b)
            return await text_of(b)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(vitals, "PAUSE", 0.1)
        yield asyncio.run(after_use())


def families(text: str) -> list[Metric]:
    return list(text_string_to_metric_families(text))


def test_the_page_names_every_metric_and_no_other(told: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([`\w, ]*) \|", PAGE.read_text(), re.MULTILINE)
    assert rows
    assert {name: kind for name, kind, _ in rows} == dict(
        re.findall(r"^# TYPE (\w+) (\w+)$", told, re.MULTILINE)
    )
    labelled = {name: {*re.findall(r"\w+", labels)} for name, _, labels in rows}
    for metric in families(told):
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        for sample in metric.samples:
            assert labelled[name] == sample.labels.keys() - {"le"}, name


def test_labels_are_what_the_code_says_they_may_be(told: str) -> None:
    bounds = Metrics().labels
    for metric in families(told):
        for sample in metric.samples:
            for label, value in sample.labels.items():
                allowed = bounds[metric.name][label] if label != "le" else (value,)
                if isinstance(allowed, tuple):
                    assert value in allowed, (sample.name, label, value)
                else:
                    assert OPEN[label].fullmatch(value), (sample.name, label, value)


def test_everything_that_was_done_was_counted(told: str) -> None:
    """A metric that is always 0 would agree with any page."""
    value = {
        (sample.name.removeprefix("progress_broker_"), *sample.labels.values()): sample.value
        for metric in families(told)
        for sample in metric.samples
    }
    for counted in (
        ("events_in_total",),
        ("events_out_total",),
        ("frames_out_total",),
        ("bytes_out_total",),
        ("fanout_delay_seconds_count",),
        ("eventloop_lag_seconds_count",),
        ("malformed_events_total",),
        ("nats_connected",),
        ("ready",),
        ("stream_messages", "PROGRESS"),
        ("stream_last_sequence", "LOGS"),
        ("stream_has_leader", "KV_RUNS"),
        ("stream_replicas_current", "PROGRESS"),
        ("limited_total", "poll_rate"),
        ("limited_total", "body_max"),
        ("streams_closed_total", "client"),
        ("streams_closed_total", "end"),
        ("hub_opens_total", "NotFound"),
        ("commands_total", "cancel", "refused"),
        ("starts_total", "queued"),
        ("process_open_fds",),
        *(("encoded_bytes_total", kind) for kind in ("snapshot", "patch", "log", "list_snapshot")),
    ):
        assert value[counted] > 0, counted
    assert (0, 0) == (value["draining",], value["connections", "poll"])
    assert value["fanout_delay_seconds_count",] <= value["frames_out_total",]


def test_promtool_has_nothing_to_say(told: str) -> None:
    found = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=told, capture_output=True, text=True
    )
    assert (0, "", "") == (found.returncode, found.stdout, found.stderr)


async def test_runs_are_no_series(tmp_path: Path) -> None:
    """However many there are, and whatever is done to each."""

    async def work(b: Broker, run: str) -> None:
        await b.publish(run, started(), {"type": "run.failed", "error": {"message": run}})
        await b.get(path(run))
        await watch(b.url, run)

    async def series(b: Broker) -> set[str]:
        rows = (await text_of(b)).split("\n")
        return {row.rsplit(" ", 1)[0] for row in rows if row and not row.startswith("#")}

    async with broker(tmp_path) as b:
        await work(b, "the-first")
        await series(b)  # to read the metrics is a request too
        before = await series(b)
        for begin in range(0, RUNS, 20):
            await asyncio.gather(*[work(b, f"run-{begin + n}") for n in range(20)])
        assert before == await series(b)
        assert RUNS < await b.metric("hub_opens_total", outcome="opened")
