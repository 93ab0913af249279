"""What Chromium's own `EventSource` makes of a stream: it comes back, and stops when told."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import page, showing
from tests.faults import link
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.serving import broker
from tests.sse import path, stream

STREAM = path("r1", "/events")


async def test_the_page_has_the_state_and_stops_at_the_end(tmp_path: Path) -> None:
    """Snapshot and patches make the state at every frame; at the end 204 keeps it away."""
    async with page() as seen, broker(tmp_path, allowed_origins=seen.url) as b:
        await b.publish("r1", started())
        async with showing(seen, b.url + STREAM, tmp_path / "chromium"):
            assert await b.snapshot("r1") == (await seen.until("snapshot"))["state"]
            for n in range(10):
                await b.publish(
                    "r1", step_progress("größe", n + 1, message="line\nnext\r\nlast 😀")
                )
                patch = await seen.until("patch")
                assert await b.snapshot("r1") == patch["state"]
                assert patch["id"] == patch["state"]["cursor"]
            await b.publish("r1", completed())
            end = await seen.until("end")
            assert {"run": "r1", "status": "completed"} == end["data"]
            assert await b.snapshot("r1") == end["state"]
            await seen.until("error", closed=False)
            await seen.until("error", closed=True)
        assert (1, 1, 1) == (seen.count("hello"), seen.count("snapshot"), seen.count("end"))
        answers = {"endpoint": "/v1/runs/{run}/events", "method": "GET"}
        assert 1 == await b.metric("http_requests_total", code="204", **answers)


@pytest.mark.parametrize("how", ["cut", "ended"])
async def test_after_a_break_it_goes_on_from_its_cursor(tmp_path: Path, how: str) -> None:
    """The connection is cut, or the gateway ends it in good order.

    In the latter case nobody watches meanwhile, so that a snapshot may follow.
    """
    settings: dict[str, Any] = {"max_age": 1.5} if how == "ended" else {}
    async with (
        page() as seen,
        broker(tmp_path, allowed_origins=seen.url, **settings) as b,
        link(b.url.replace("http:", "nats:")) as way,
    ):
        await b.publish("r1", started())
        url = way.url.replace("nats:", "http:")
        async with stream(b.url, "r1") as other, showing(seen, url + STREAM, tmp_path / "chromium"):
            await other.until("snapshot")
            first = await seen.until("snapshot")
            if how == "cut":
                way.cut()
            await seen.until("error", closed=False)
            await b.publish("r1", step_progress("fetch", 3), step_progress("fetch", 4))
            again = (await seen.until("hello"))["data"]
            assert first["id"] == again["from"]
            state = await seen.state_at(await b.nats.publish("r1", step_progress("fetch", 6)))
            assert await b.snapshot("r1") == state
            if how == "cut":
                assert again["resumed"] is True
                assert 1 == seen.count("snapshot")
