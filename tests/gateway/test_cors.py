"""Which web pages may read from a browser."""

from pathlib import Path

import aiohttp
import pytest

from tests.gateway.runs import started
from tests.gateway.serving import broker
from tests.sse import Answer, Wire, path, stream

APP, OTHER = "https://app.example", "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}


def allowed(answer: Answer) -> str | None:
    return answer.headers.get("access-control-allow-origin")


async def test_nobody_is_allowed_unless_it_is_said(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        for target in (path("r1"), path("nobody"), "/v1/nothing", "/healthz", "/metrics"):
            answer = await b.get(target, headers={"Origin": APP})
            assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_the_listed_origins_are_allowed_and_no_others(tmp_path: Path) -> None:
    """By name, also on errors and streams; the answer depends on the origin, and caches know."""
    async with broker(tmp_path, allowed_origins=f" {APP} , https://two.example") as b:
        await b.publish("r1", started())
        for target in (path("r1"), path("nobody"), "/v1/nothing"):
            for origin in (APP, "https://two.example"):
                answer = await b.get(target, headers={"Origin": origin})
                assert (origin, "Origin") == (allowed(answer), answer.headers["vary"])
            for origin in (OTHER, "null", f"{APP}.evil.example", APP.upper(), "*", f"{APP}:444"):
                answer = await b.get(target, headers={"Origin": origin})
                assert (None, "Origin") == (allowed(answer), answer.headers["vary"])
            assert None is allowed(await b.get(target))
        async with stream(b.url, "r1", headers={"Origin": APP}) as frames:
            assert APP == frames.headers["access-control-allow-origin"]


async def test_a_preflight_is_answered_for_any_path(tmp_path: Path) -> None:
    """Whether it is allowed, the origin decides."""
    async with broker(tmp_path, allowed_origins=APP) as b:
        for target in (path("r1", "/events"), "/v1/events"):
            ask = {"method": "OPTIONS", "headers": PREFLIGHT | {"Origin": APP}}
            answer = await b.get(target, **ask)
            assert (204, APP, b"") == (answer.status, allowed(answer), answer.body)
            assert "POST" in answer.headers["access-control-allow-methods"]
            assert "Last-Event-ID" in answer.headers["access-control-allow-headers"]
            ask["headers"] = PREFLIGHT | {"Origin": OTHER}
            assert None is allowed(await b.get(target, **ask))


async def test_a_star_allows_everyone_but_no_credentials(tmp_path: Path) -> None:
    async with broker(tmp_path, allowed_origins="*") as b:
        answer = await b.get("/healthz", headers={"Origin": OTHER})
        assert allowed(answer) in (OTHER, "*")
        assert "access-control-allow-credentials" not in answer.headers


READS = (
    (path("r1"), "application/json"),
    (path("r1", "/events"), "application/json"),
    (path("r1", "/events?view=state"), "application/x-ndjson"),
    (path("r1", "/logs"), "application/json"),
    (path("r1", "/logs"), "text/plain"),
    (path("r1", "/estimate"), "application/json"),
    (path("r1", "/badge.svg"), "image/svg+xml"),
    ("/v1/runs?limit=2", "application/json"),
    ("/v1/pipelines", "application/json"),
)
STREAMS = (path("r1", "/events"), path("r1", "/logs"), "/v1/runs", "/v1/stream?run=r1")


async def test_what_an_embedded_part_reads(tmp_path: Path) -> None:
    """On a page of an allowed origin: snapshots, histories, logs and lists; on others nothing."""
    async with broker(tmp_path, allowed_origins=APP) as b:
        await b.publish("r1", started())
        await b.snapshot("r1")
        for target, accept in READS:
            for origin, name in ((APP, APP), (OTHER, None)):
                answer = await b.get(target, headers={"Origin": origin, "Accept": accept})
                assert (200, name) == (answer.status, allowed(answer)), target


@pytest.mark.parametrize("target", STREAMS)
async def test_what_an_embedded_part_watches(tmp_path: Path, target: str) -> None:
    """Event streams say at their beginning who may read them."""
    async with broker(tmp_path, allowed_origins=APP) as b:
        await b.publish("r1", started())
        for origin, name in ((APP, APP), (OTHER, None)):
            async with Wire.connect(b.url) as wire:
                headers = {"Origin": origin, "Accept": "text/event-stream"}
                await wire.send("GET", target, headers)
                status, found = await wire.head()
                assert (200, name) == (status, found.get("access-control-allow-origin"))


async def test_the_one_socket_of_an_embedded_part(tmp_path: Path) -> None:
    """Opened by pages of the gateway itself and of allowed origins alone."""
    async with broker(tmp_path, allowed_origins=APP) as b, aiohttp.ClientSession() as session:
        await b.publish("r1", started())
        for origin in (APP, b.url):
            async with session.ws_connect(f"{b.url}/v1/ws", origin=origin) as ws:
                await ws.receive()
                for what in ({"run": "r1"}, {"list": ""}, {"run": "r1", "view": "logs", "id": 3}):
                    await ws.send_json({"op": "subscribe", **what})
                    assert "hello" == (await ws.receive_json())["type"]
                    if "view" not in what:
                        assert "snapshot" == (await ws.receive_json())["type"]
        for origin in (OTHER, "null", f"{APP}.evil.example"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"{b.url}/v1/ws", origin=origin)
            assert 403 == refused.value.status
