"""Answers written as one piece of bytes are those that aiohttp would make of their parts."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.runs import short_run, started
from tests.gateway.serving import Broker, broker
from tests.sse import PATIENCE, Answer, Wire, path

APP = "https://app.example"


@asynccontextmanager
async def asking(folder: Path, **settings: Any) -> AsyncIterator[tuple[Broker, Wire]]:
    """A gateway with the run r1, and a connection that stays open."""
    async with broker(folder, **settings) as b:
        await b.publish("r1", *short_run())
        async with Wire.connect(b.url) as wire:
            yield b, wire


async def told(
    wire: Wire, headers: Mapping[str, str] | None = None, method: str = "GET", **how: Any
) -> Answer:
    """The answer to the next request on a connection."""
    await wire.send(method, path("r1"), headers, **how)
    return await wire.answer(method)


@pytest.mark.parametrize("allowed", ["", APP])
@pytest.mark.parametrize("status", [200, 304])
async def test_the_headers_are_the_same(tmp_path: Path, allowed: str, status: int) -> None:
    """As those of an answer on a connection that closes, which aiohttp makes."""
    async with asking(tmp_path, allowed_origins=allowed) as (b, wire):
        condition = {"If-None-Match": (await told(wire)).headers["etag"]} if status == 304 else {}
        here = await told(wire, condition)
        there = await b.get(path("r1"), headers=condition | {"Connection": "close"})
        assert (status, here.body) == (here.status, there.body)
        headers, others = dict(here.headers), dict(there.headers)
        assert "close" == others.pop("connection")
        dates = [parsedate_to_datetime(each.pop("date")) for each in (headers, others)]
        assert (dates[1] - dates[0]).total_seconds() <= PATIENCE
        assert others == headers


async def test_a_page_of_an_allowed_origin_may_read(tmp_path: Path) -> None:
    """On a connection on which others ask too."""
    async with asking(tmp_path, allowed_origins=APP) as (_, wire):
        for origin in (APP, None, "https://evil.example", APP):
            answer = await told(wire, {"Origin": origin} if origin else {})
            assert (200, "Origin") == (answer.status, answer.headers["vary"])
            may = answer.headers.get("access-control-allow-origin")
            assert (origin if origin == APP else None) == may


async def test_head_and_older_clients_are_answered_in_their_way(tmp_path: Path) -> None:
    async with asking(tmp_path) as (_, wire):
        get = await told(wire)
        head = await told(wire, method="HEAD")
        assert (get.headers["content-length"], b"") == (head.headers["content-length"], head.body)
        assert get.body == (await told(wire)).body
        old = await told(wire, {"Connection": "keep-alive"}, version="1.0")
        assert ("keep-alive", get.body) == (old.headers["connection"], old.body)
        last = await told(wire, {"Connection": "close"})
        assert ("close", get.body, b"") == (
            last.headers["connection"],
            last.body,
            await wire.reader.read(),
        )


async def test_requests_that_come_together_are_answered_in_turn(tmp_path: Path) -> None:
    async with asking(tmp_path) as (b, wire):
        await b.publish("r2", started())
        for run in ("r1", "r2", "nobody", "r1"):
            await wire.send("GET", path(run))
        answers = [await wire.answer() for _ in range(4)]
        assert [200, 200, 404, 200] == [answer.status for answer in answers]
        assert ["r1", "r2", "r1"] == [a.json()["run"] for a in answers if a.status == 200]


async def test_they_are_counted(tmp_path: Path) -> None:
    async with asking(tmp_path) as (b, wire):
        tag = (await told(wire)).headers["etag"]
        await told(wire, {"If-None-Match": tag})
        for code in ("200", "304"):
            labels = {"code": code, "endpoint": "/v1/runs/{run}", "method": "GET"}
            assert 1 == await b.metric("http_requests_total", **labels)
