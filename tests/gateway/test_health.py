"""Health and metrics."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.runs import completed, started
from tests.gateway.serving import broker
from tests.sse import path, watch


async def test_a_gateway_that_runs_is_alive_and_ready(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        alive, ready = await b.get("/healthz"), await b.get("/readyz")
        assert (200, {"status": "alive"}) == (alive.status, alive.json())
        assert (200, {"status": "ready"}) == (ready.status, ready.json())
        assert "no-store" == ready.headers["cache-control"]


async def test_the_metrics_parse_and_name_no_run(tmp_path: Path) -> None:
    """Labels are bounded: neither runs nor invented methods and paths become series."""
    async with broker(tmp_path) as b:
        await b.post(path("secret-run", "/events"), [started(), completed()])
        await watch(b.url, "secret-run")
        for number in range(5):
            await b.get(f"/nowhere/{number}")
            await b.get(path(f"unknown-{number}"))
            await b.get("/healthz", method=f"M{number}")
        answer = await b.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        families = {f.name: f for f in text_string_to_metric_families(answer.body.decode())}
        ours = ("progress_broker_", "process_", "python_gc_")
        assert all(name.startswith(ours) for name in families)
        values = {
            "hubs": 1,
            "events_in": 2,
            "nats_connected": 1,
            "streams_opened": 1,
            "clients": 0,
        }
        assert values == {
            name: sum(
                sample.value
                for sample in families[f"progress_broker_{name}"].samples
                if not sample.name.endswith("_created")
            )
            for name in values
        }
        assert b"secret" not in answer.body
        assert b"nowhere" not in answer.body
        assert b"M1" not in answer.body
        endpoints = {
            s.labels["endpoint"] for s in families["progress_broker_http_requests"].samples
        }
        assert "/v1/runs/{run}" in endpoints
        assert "unknown" in endpoints
