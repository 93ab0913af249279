"""An answer that waits until there is something new."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.faults import until
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.serving import Broker, broker
from tests.sse import Answer, ask, path

PAGE = {"Accept": "application/json"}


async def held(b: Broker, target: str, **how: Any) -> "asyncio.Task[Answer]":
    """A request that is sent and has no answer yet; a later one on the same gateway has."""
    request = asyncio.ensure_future(ask(b.url, target, **how))
    for _ in range(3):
        assert 200 == (await b.get(path("r1"))).status
    assert not request.done()
    return request


async def etag(b: Broker) -> str:
    return (await b.get(path("r1"))).headers["etag"]


@pytest.mark.parametrize("by", ["If-None-Match", "after", "both"])
async def test_a_snapshot_is_held_until_it_changes(tmp_path: Path, by: str) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        tag = await etag(b)
        after = f"&after={tag[1:-1]}" if by != "If-None-Match" else ""
        headers = {"If-None-Match": tag} if by != "after" else {}
        request = await held(b, path("r1", f"?wait=30{after}"), headers=headers)
        await b.publish("r1", step_progress("fetch", 3))
        answer = await request
        assert (200, 3) == (answer.status, answer.json()["steps"]["fetch"]["current"])
        assert answer.headers["etag"] == f'"{answer.json()["cursor"]}"' != tag


async def test_it_is_answered_at_once_where_the_client_is_behind(tmp_path: Path) -> None:
    """Also by a cursor of long ago, of another stream, or from the future."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        old = (await etag(b))[1:-1]
        await b.publish("r1", step_progress("fetch", 3))
        epoch, seq = old.split("-")

        async def arrived() -> bool:
            return (await etag(b))[1:-1] != old

        await until(arrived)
        for cursor in (old, f"x{epoch}-{seq}", f"{epoch}-999"):
            answer = await b.get(path("r1", f"?wait=60&after={cursor}"))
            assert (200, 3) == (answer.status, answer.json()["steps"]["fetch"]["current"])
        answer = await b.get(path("r1", "?wait=60"), headers={"If-None-Match": f'"{old}"'})
        assert 200 == answer.status
        assert 200 == (await b.get(path("r1", "?wait=60"))).status


async def test_when_the_time_is_over_the_client_hears_that_nothing_changed(tmp_path: Path) -> None:
    """304 where it has the state, the state where it only said how far it is."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        tag = await etag(b)
        began = asyncio.get_running_loop().time()
        by_tag, by_cursor = await asyncio.gather(
            b.get(path("r1", "?wait=0.3"), headers={"If-None-Match": tag}),
            b.get(path("r1", f"?wait=0.3&after={tag[1:-1]}")),
        )
        assert 0.3 <= asyncio.get_running_loop().time() - began < 5
        assert (304, b"", tag) == (by_tag.status, by_tag.body, by_tag.headers["etag"])
        assert (200, tag) == (by_cursor.status, by_cursor.headers["etag"])


async def test_many_wait_for_one_change(tmp_path: Path) -> None:
    """All get the same answer, and the run leaves memory when they have gone."""
    async with broker(tmp_path, hub_ttl=0.5) as b:
        await b.publish("r1", started())
        tag = await etag(b)
        target = path("r1", f"?wait=30&after={tag[1:-1]}")
        requests = [asyncio.ensure_future(ask(b.url, target)) for _ in range(200)]
        requests.append(await held(b, target))
        assert not any(request.done() for request in requests)
        await b.publish("r1", completed())
        answers = await asyncio.gather(*requests)
        assert {(200, "completed")} == {(a.status, a.json()["status"]) for a in answers}

        async def forgotten() -> bool:
            return await b.metric("hubs") == 0

        await until(forgotten)


async def test_a_run_is_kept_in_memory_while_someone_waits(tmp_path: Path) -> None:
    async with broker(tmp_path, hub_ttl=0.1) as b:
        await b.publish("r1", started())
        tag = await etag(b)
        answer = await b.get(path("r1", "?wait=2"), headers={"If-None-Match": tag})
        assert 304 == answer.status
        assert 1 == await b.metric("hub_opens_total", outcome="opened")


async def test_who_goes_while_waiting_leaves_nothing_behind(tmp_path: Path) -> None:
    """The run leaves memory, at the latest when the wait would have been over."""
    async with broker(tmp_path, hub_ttl=0.1) as b:
        await b.publish("r1", started())
        tag = await etag(b)
        request = await held(b, path("r1", f"?wait=2&after={tag[1:-1]}"))
        request.cancel()
        await asyncio.wait([request])

        async def forgotten() -> bool:
            return await b.metric("hubs") == 0

        await until(forgotten)


@pytest.mark.parametrize("rest", ["?", "/events?"])
async def test_who_goes_is_not_waited_for(tmp_path: Path, rest: str) -> None:
    """The run leaves memory long before the wait would have been over."""
    async with broker(tmp_path, hub_ttl=0.1) as b:
        await b.publish("r1", started())
        tag = await etag(b)
        target = path("r1", f"{rest}wait=60&after={tag[1:-1]}")
        request = await held(b, target, headers=PAGE if "events" in rest else {})
        request.cancel()
        await asyncio.wait([request])

        async def forgotten() -> bool:
            return await b.metric("hubs") == 0

        await until(forgotten)


async def test_a_drain_answers_who_waits(tmp_path: Path) -> None:
    """At once and whole: with what is known, that nothing changed, and an empty page."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        tag = await etag(b)
        by_cursor = await held(b, path("r1", f"?wait=60&after={tag[1:-1]}"))
        by_tag = await held(b, path("r1", "?wait=60"), headers={"If-None-Match": tag})
        page = await held(b, path("r1", f"/events?wait=60&after={tag[1:-1]}"), headers=PAGE)
        async with asyncio.timeout(5):
            await b.gateway.drain.run(3600)
            answers = await asyncio.gather(by_cursor, by_tag, page)
        assert [200, 304, 200] == [answer.status for answer in answers]
        assert (tag, {"items": []}) == (answers[0].headers["etag"], answers[2].json())
        late = await b.get(path("r1", "?wait=60"), headers={"If-None-Match": tag})
        assert 304 == late.status


async def test_an_empty_page_waits_for_the_next_event(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        cursor = (await etag(b))[1:-1]
        target = path("r1", f"/events?wait=30&after={cursor}")
        request = await held(b, target, headers=PAGE)
        [seq] = await b.publish("r1", step_progress("fetch", 3))
        [event] = (await request).json()["items"]
        assert ("step.progress", 3) == (event["type"], event["current"])
        assert str(seq) == event["cursor"].split("-")[1]


async def test_a_page_with_events_does_not_wait(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        cursor = (await etag(b))[1:-1]
        await b.publish("r1", step_progress("fetch", 1), step_progress("fetch", 2))
        answer = await b.get(path("r1", f"/events?wait=60&limit=1&after={cursor}"), headers=PAGE)
        page = answer.json()
        assert [1] == [event["current"] for event in page["items"]]
        answer = await b.get(path("r1", f"/events?wait=60&after={page['next']}"), headers=PAGE)
        page = answer.json()
        assert [2] == [event["current"] for event in page["items"]]
        assert "next" not in page


async def test_an_empty_page_after_the_wait(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        cursor = (await etag(b))[1:-1]
        answer = await b.get(path("r1", f"/events?wait=0.2&after={cursor}"), headers=PAGE)
        assert (200, {"items": []}) == (answer.status, answer.json())


@pytest.mark.parametrize(
    "wait", ["x", "-1", "61", "nan", "inf", "1e9", "", "0x10", "1,5", "1_0", "%D9%A3"]
)
async def test_a_wait_that_is_none_is_refused(tmp_path: Path, wait: str) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        for rest, headers in (("", {}), ("/events", PAGE)):
            answer = await b.get(path("r1", f"{rest}?wait={wait}"), headers=headers)
            problem = answer.json()
            assert (422, "urn:progress-broker:problem:invalid-request") == (
                answer.status,
                problem["type"],
            )
            assert "wait=" in problem["detail"]


async def test_an_unknown_run_is_not_waited_for(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        assert 404 == (await b.get(path("r1", "?wait=60"))).status
        assert 404 == (await b.get(path("r1", "/events?wait=60"), headers=PAGE)).status


async def test_a_cursor_that_is_none_is_refused(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        answer = await b.get(path("r1", "?wait=60&after=garbage"))
        assert 422 == answer.status
