"""A stream of the runs that a filter selects: they enter, and they leave."""

from datetime import timedelta
from pathlib import Path

import pytest

from broker.gateway.endpoints import many as handler
from broker.gateway.many import showing
from tests.faults import until
from tests.gateway.bundle import Page, many, refused, target
from tests.gateway.runs import completed, step_progress
from tests.gateway.serving import Broker, broker, gateway


def begins(pipeline: str, **labels: str) -> dict[str, object]:
    return {"type": "run.started", "pipeline": pipeline, "labels": labels}


async def begun(b: Broker, pipeline: str, *runs: str, **labels: str) -> None:
    """Runs of a pipeline, which the gateway's index knows."""
    before = await b.metric("index_runs")
    for run in runs:
        await b.publish(run, begins(pipeline, **labels))

    async def known() -> bool:
        return await b.metric("index_runs") == before + len(runs)

    await until(known)


async def test_runs_enter_and_leave(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await begun(b, "import", "r1", "r2")
        await begun(b, "export", "r3")
        page = Page()
        async with many(b.url, pipeline="import", status="running") as frames:
            await page.until_cursor(frames)
            assert ({"r1", "r2"}, 2) == (set(page.states), page.hello["runs"])
            await b.publish("r4", begins("import"))
            page.take_all(await frames.until("snapshot"))
            assert "r4" in page.states
            await b.publish("r1", completed())
            page.take_all(await frames.until("left"))
            assert (["r1"], {"r1": "completed"}) == (page.left, page.ended)
            await b.publish("r2", step_progress("fetch", 7))
            page.take_all(await frames.until("patch"))
            assert {run: await b.snapshot(run) for run in ("r2", "r4")} == page.states
            await b.publish("r1", {"type": "run.started", "attempt": 2})
            page.take_all(await frames.until("snapshot"))
        assert ("running", 2) == (page.states["r1"]["status"], page.states["r1"]["attempt"])


async def test_a_run_that_ends_and_is_still_selected_comes_back(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await begun(b, "import", "r1", team="blue")
        page = Page()
        async with many(b.url, label="team:blue") as frames:
            await page.until_cursor(frames)
            await b.publish("r1", completed())
            page.take_all(await frames.until("end"))
            assert (["r1"], []) == (list(page.states), page.left)
            await b.publish("r1", {"type": "run.started", "attempt": 2})
            page.take_all(await frames.until("snapshot"))
            assert "running" == page.states["r1"]["status"]
            await b.publish("r1", {"type": "run.annotated", "labels": {"team": None}})
            page.take_all(await frames.until("left"))
        assert {} == page.states


async def test_where_nothing_is_selected_it_waits(tmp_path: Path) -> None:
    async with broker(tmp_path, heartbeat=0.2) as b, many(b.url, status="running") as frames:
        hello = await frames.next()
        assert hello is not None
        assert 0 == hello.data["runs"]
        await frames.comment()
        await b.publish("r1", begins("import"))
        assert "snapshot" == (await frames.until("snapshot"))[-1].event


async def test_who_comes_back_to_the_same_runs_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If others are selected meanwhile, everything is sent: the client must forget some."""
    monkeypatch.setattr(handler, "SLACK", timedelta(0))
    async with broker(tmp_path) as here, gateway(here.nats.url) as other:
        await begun(here, "import", "r1", "r2", "r3")
        there = Broker(other, here.nats)

        async def known() -> bool:
            return await there.metric("index_runs") == 3

        await until(known)
        page = Page()
        async with many(here.url, status="running") as frames:
            await page.until_cursor(frames)
        cursor = page.last_id
        page.snapshots.clear()
        async with many(other.url, status="running", last_id=cursor) as frames:
            await page.until_cursor(frames)
        assert page.hello["resumed"]
        assert page.snapshots.total() < 3
        await here.publish("r1", completed())

        async def left() -> bool:
            again = Page()
            async with many(other.url, status="running") as frames:
                await again.until_cursor(frames)
            return set(again.states) == {"r2", "r3"}

        await until(left)
        again = Page()
        async with many(other.url, status="running", last_id=cursor) as frames:
            await again.until_cursor(frames)
        assert (False, {"r2": 1, "r3": 1}) == (again.hello["resumed"], again.snapshots)


async def test_a_filter_that_selects_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, and ended where it comes to be so; the reconnect is then refused."""
    monkeypatch.setattr(showing, "RUNS_MAX", 3)
    monkeypatch.setattr(handler, "RUNS_MAX", 3)
    async with broker(tmp_path) as b:
        await begun(b, "import", "r1", "r2", "r3")
        async with many(b.url, pipeline="import") as frames:
            await frames.until("cursor")
            await b.publish("r4", begins("import"))
            await frames.rest()
            assert frames.complete
            assert frames.retry
        answer = await refused(b.url, target(pipeline="import"))
        assert 422 == answer.status
        assert "more than the 3 runs that one stream shows" in answer.json()["detail"]
        async with many(b.url, pipeline="import", status="failed") as frames:
            assert 200 == frames.status


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (target("r1", pipeline="import"), "runs are named, and pipeline selects some"),
        (target(status="over"), "status"),
        (target(label="x"), "label"),
        (target(pipline="x"), "did you mean pipeline?"),
        (target(pipeline="x", sort="name"), "sort"),
        (target(pipeline="x", view="events"), "one cursor cannot say"),
    ],
)
async def test_a_filter_that_is_none(tmp_path: Path, path: str, words: str) -> None:
    async with broker(tmp_path) as b:
        answer = await refused(b.url, path)
        assert 422 == answer.status
        assert words in answer.json()["detail"]


async def test_runs_that_a_filter_selects_count_before_they_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "PARTS_MAX", 2)
    async with broker(tmp_path) as b:
        await begun(b, "import", "r1", "r2")
        async with many(b.url, pipeline="import") as frames:
            await Page().until_cursor(frames)
            answer = await refused(b.url, target(pipeline="import"))
            assert (503, "stream_runs_total") == (answer.status, answer.json()["limit"])
