"""`GET /v1/runs`: a page of the runs that a query finds."""

from pathlib import Path
from typing import Any

import pytest

from broker.stream.topology import PROGRESS, api
from tests.faults import link, until
from tests.gateway.lists import listing, live, put, runs, summary, target
from tests.gateway.runs import completed, short_run, started
from tests.gateway.serving import Broker, broker, gateway
from tests.stream.serving import nats
from tests.unit.index.rows import at

NONE = dict.fromkeys(("queued", "running", "paused", "completed", "failed", "cancelled", "lost"), 0)


async def test_a_run_is_listed_as_its_snapshot_shows_it(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", *short_run())
        await b.publish("r2", {**started(), "labels": {"env": "prod"}, "name": "Nightly"})

        async def both() -> bool:
            page = await listing(b)
            return ["r2", "r1"] == runs(page) and page["counts"]["completed"] == 1

        await until(both)
        page = await listing(b)
        assert {"items", "counts"} == page.keys()
        assert NONE | {"running": 1, "completed": 1} == page["counts"]
        for item in page["items"]:
            snapshot = await b.snapshot(item["run"])
            assert {"tenant", "durations"}.isdisjoint(item)
            item.pop("unanswered", None)
            for name in item.keys() - {"active", "counts", "eta"}:
                assert snapshot[name] == item[name], name


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["c", "b", "a"]),
        ({"status": "failed"}, ["b"]),
        ({"status": ["failed", "running"]}, ["b", "a"]),
        ({"pipeline": "import"}, ["b", "a"]),
        ({"label": ["env:prod", "n:7"]}, ["a"]),
        ({"q": "xpor"}, ["c"]),
        ({"q": "prod imp"}, ["a"]),
        ({"parent": "a"}, ["c"]),
        ({"since": at(10).isoformat()}, ["c", "b"]),
        ({"until": at(10).isoformat().replace("+00:00", "Z")}, ["a"]),
        ({"sort": "name"}, ["c", "b", "a"]),
        ({"sort": "-duration", "limit": 1}, ["b"]),
    ],
)
async def test_filters_and_orders(
    tmp_path: Path, query: dict[str, Any], expected: list[str]
) -> None:
    async with broker(tmp_path) as b:
        await put(b, *ROWS)
        page = await listing(b, **query)
        assert expected == runs(page)
        assert ("next" in page) == (query.get("limit") == 1)


ROWS = [
    summary("a", 1, pipeline="import", name="z", labels={"env": "prod", "n": 7}, started_at=1),
    summary("b", 2, pipeline="import", name="Y", status="failed", queued_at=10, duration=2.5),
    summary("c", 3, pipeline="export", name="x", status="completed", parent="a", started_at=11),
]


async def test_counts_are_of_all_statuses_whichever_is_asked_for(tmp_path: Path) -> None:
    """So that tabs with numbers need one request."""
    async with broker(tmp_path) as b:
        await put(b, *ROWS)
        page = await listing(b, status="failed", pipeline="import")
        assert NONE | {"running": 1, "failed": 1} == page["counts"]


async def test_a_walk_by_tokens_while_runs_change(tmp_path: Path) -> None:
    """From one gateway to the other: their tokens mean the same."""
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        await put(b, *(summary(f"r{n:02}", n) for n in range(20)))
        first = await listing(b, limit=8)
        await put(b, summary("r19", 50), summary("r05", 51), summary("new", 52))
        second = await listing(b, limit=8, page_token=first["next"])
        b.url = other.url

        async def caught_up() -> bool:
            return runs(await listing(b, limit=3)) == ["new", "r05", "r19"]

        await until(caught_up)
        third = await listing(b, limit=8, page_token=second["next"])
        walked = [*runs(first), *runs(second), *runs(third)]
        assert [f"r{n:02}" for n in reversed(range(20)) if n != 5] == walked
        assert "next" not in third


@pytest.mark.parametrize(
    "query",
    [
        {"status": "done"},
        {"label": "env"},
        {"sort": "size"},
        {"limit": "0"},
        {"offset": "-1"},
        {"since": "monday"},
        {"page_token": "x"},
        {"stauts": "failed"},
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_what_cannot_be_is_refused_by_name(
    tmp_path: Path, query: dict[str, str], accept: str
) -> None:
    async with broker(tmp_path) as b:
        answer = await b.get(target(query), headers={"Accept": accept})
        problem = answer.json()
        [parameter] = query
        assert (422, parameter) == (answer.status, problem["parameter"])
        assert "urn:progress-broker:problem:invalid-request" == problem["type"]
        assert problem["detail"].startswith(f"{parameter}: ")


async def test_a_list_can_be_jumped_into(tmp_path: Path) -> None:
    """At any row, with the totals; a token leads on from there, and takes no offset."""
    async with broker(tmp_path) as b:
        await put(b, *(summary(f"r{n}", n) for n in range(9)))
        page = await listing(b, offset=5, limit=2)
        assert ["r3", "r2"] == runs(page)
        assert 9 == page["counts"]["running"]
        assert ["r1", "r0"] == runs(await listing(b, limit=2, page_token=page["next"]))
        beyond = await listing(b, offset=9)
        assert ([], False) == (beyond["items"], "next" in beyond)
        answer = await b.get(target({"offset": 1, "page_token": page["next"]}))
        assert (422, "offset") == (answer.status, answer.json()["parameter"])


async def test_the_token_of_another_query_is_refused(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await put(b, *ROWS)
        token = (await listing(b, limit=1))["next"]
        answer = await b.get(target({"limit": 1, "q": "x", "page_token": token}))
        assert (422, "page_token") == (answer.status, answer.json()["parameter"])


async def test_bytes_that_are_no_text_are_refused_or_found_nowhere(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        for text in ("%ff", "%ED%A0%80", "%00", "a%0Ab"):
            answer = await b.get(f"/v1/runs?q={text}&pipeline={text}")
            assert answer.status in (200, 422)
            assert answer.status == 422 or [] == answer.json()["items"]


async def test_a_page_that_did_not_change_is_not_sent_again(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await put(b, summary("a", 1))
        answer = await b.get("/v1/runs")
        tag = answer.headers["etag"]
        assert ("max-age=1", "Accept") == (answer.headers["cache-control"], answer.headers["vary"])
        again = await b.get("/v1/runs", headers={"If-None-Match": tag})
        assert (304, b"", tag) == (again.status, again.body, again.headers["etag"])
        assert "Accept" == again.headers["vary"]
        await put(b, summary("a", 2))
        changed = await b.get("/v1/runs", headers={"If-None-Match": tag})
        assert 200 == changed.status
        assert tag != changed.headers["etag"]


async def test_asking_too_often_is_refused(tmp_path: Path) -> None:
    async with broker(tmp_path, poll_rate=0.01, poll_burst=2) as b:
        answers = [await b.get(f"/v1/runs?limit={n}") for n in (1, 2, 3)]
        assert [200, 200, 429] == [answer.status for answer in answers]
        assert "poll_rate" == answers[-1].json()["limit"]


async def test_runs_beyond_the_setting_are_left_out(tmp_path: Path) -> None:
    async with broker(tmp_path, index_max=2) as b:
        await put(b, *ROWS)
        assert ["c", "b"] == runs(await listing(b))
        assert 2 == await b.metric("index_runs")
        assert 1 == await b.metric("index_evicted_total")
        assert 1 == await b.metric("index_built")


async def test_runs_of_before_the_start_are_listed_once_it_is_ready(tmp_path: Path) -> None:
    """Until then lists and readiness say that the index is being built."""
    async with broker(tmp_path) as b:
        await put(b, *(summary(f"r{n:04}", n) for n in range(1_500)))
        async with gateway(b.nats.url) as later:
            b.url = later.url
            early = await b.get("/v1/runs")
            readiness = await b.get("/readyz")
            if early.status != 200:  # it may have been as fast as that
                assert (503, "1") == (early.status, early.headers["retry-after"])
                problem = early.json()
                assert "urn:progress-broker:problem:index-not-built" == problem["type"]
                assert "index of runs is being built" in problem["detail"]
                assert 503 == readiness.status or 200 == readiness.status

            async def ready() -> bool:
                return (await b.get("/readyz")).status == 200

            await until(ready)
            assert 1_500 == sum((await listing(b))["counts"].values())


async def test_it_is_as_fresh_as_a_second(tmp_path: Path) -> None:
    """From the event to the page; `until` asks often."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())

        async def is_(status: str) -> bool:
            return [status] == [item["status"] for item in (await listing(b))["items"]]

        await until(lambda: is_("running"))
        await b.publish("r1", completed())
        await until(lambda: is_("completed"))


async def test_after_the_stream_was_made_anew_the_list_begins_anew(tmp_path: Path) -> None:
    """What was listed of the old one is void, also for who watches; NATS was away meanwhile."""
    async with nats(tmp_path) as server, link(server.url) as way, gateway(way.url) as started_one:
        b = Broker(started_one, server)
        await b.publish("old", started())

        async def lists(*expected: str) -> bool:
            answer = await b.get("/v1/runs")
            return answer.status == 200 and list(expected) == runs(answer.json())

        await until(lambda: lists("old"))
        async with live(b) as frames:
            await frames.until("snapshot")
            await way.close()
            await api(server.connection, f"STREAM.DELETE.{PROGRESS}")
            await way.open()
            await until(lambda: lists(), 20)
            await b.publish("new", started())
            await until(lambda: lists("new"))
            patches = await frames.until("patch")
            while "new" not in patches[-1].data.get("order", []):
                patches += await frames.until("patch")
            assert None in [patch.data.get("rows", {}).get("old", 0) for patch in patches]
