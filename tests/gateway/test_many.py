"""The states of many runs on one event stream, with one cursor."""

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from broker.errors import BrokerError, NotFound, StreamUnavailable
from broker.gateway.endpoints import many as handler
from broker.gateway.many import bundles, dormant
from broker.gateway.many.showing import RUNS_MAX
from broker.hub.registry import Registry
from broker.hub.run_hub import RunHub
from broker.model.subjects import RunKey
from broker.stream.topology import PROGRESS, StreamSettings, api, ensure
from tests.faults import until
from tests.gateway.bundle import Page, many, refused, target
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.serving import Broker, broker, gateway
from tests.sse import ask

AT_ONCE = timedelta(0)


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are waited for are looked for all the time."""
    monkeypatch.setattr(dormant, "LOOK", 0.05)


def named(count: int) -> list[str]:
    return [f"r{number}" for number in range(count)]


async def begun(b: Broker, *runs: str) -> None:
    for run in runs:
        await b.publish(run, started())


async def truth(b: Broker, *runs: str) -> dict[str, object]:
    return {run: await b.snapshot(run) for run in runs}


async def test_each_run_is_shown_as_its_own_stream_shows_it(tmp_path: Path) -> None:
    """Snapshots, then patches that name their run; what they fold to is the truth."""
    async with broker(tmp_path) as b:
        runs = named(3)
        await begun(b, *runs)
        page = Page()
        async with many(b.url, *runs) as frames:
            assert (200, "text/event-stream; charset=utf-8") == (
                frames.status,
                frames.headers["content-type"],
            )
            await page.until_cursor(frames)
            assert await truth(b, *runs) == page.states
            assert ({"r0": 1, "r1": 1, "r2": 1}, 3, []) == (
                page.snapshots,
                page.hello["runs"],
                page.missing,
            )
            for number in range(1, 4):
                await b.publish("r1", step_progress("fetch", number))
                await b.publish("r2", step_progress("clean", number))
            while page.states["r2"]["steps"]["clean"].get("current") != 3:
                await page.read(frames)
            await page.until_cursor(frames)
            assert await truth(b, *runs) == page.states
            assert 3 == page.snapshots.total()


async def test_a_cursor_comes_when_every_run_is_there(tmp_path: Path) -> None:
    """Before that, it would say that a client has what was not sent yet."""
    async with broker(tmp_path) as b:
        runs = named(100)
        await begun(b, *runs)
        async with many(b.url, *runs) as frames:
            first = await frames.until("cursor")
        assert ["hello", *["snapshot"] * 100, "cursor"] == [frame.event for frame in first]
        heads = [int(frame.data["cursor"].split("-")[1]) for frame in first[1:-1]]
        assert str(max(heads)) == first[-1].data["cursor"].split("-")[1]


async def test_a_run_named_twice_is_shown_once(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await begun(b, "r1", "r 2/é")
        page = Page()
        async with many(b.url, "r1", "r1", "r 2/é", "r1") as frames:
            await page.until_cursor(frames)
        assert {"r1": 1, "r 2/é": 1} == page.snapshots


# The end.


async def test_it_ends_when_every_run_has(tmp_path: Path) -> None:
    """And who comes back is told to stop, as long as no run goes on."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), completed())
        await b.publish("r2", started())
        page = Page()
        async with many(b.url, "r1", "r2") as frames:
            await page.until_cursor(frames)
            assert ({"r1": "completed"}, False) == (page.ended, page.over)
            await b.publish("r2", completed())
            page.take_all(await frames.rest())
            assert (True, True) == (page.over, frames.complete)
        assert {"r1": "completed", "r2": "completed"} == page.ended
        assert await truth(b, "r1", "r2") == page.states
        for order in (("r1", "r2"), ("r2", "r1")):
            async with many(b.url, *order, last_id=page.last_id) as again:
                assert 204 == again.status
        await b.publish("r1", {"type": "run.started", "attempt": 2})
        async with many(b.url, "r1", "r2", last_id=page.last_id) as again:
            await page.until_cursor(again)
        assert "running" == page.states["r1"]["status"]


async def test_another_list_is_not_told_to_stop(tmp_path: Path) -> None:
    """The cursor at the end is of the runs that were named."""
    async with broker(tmp_path) as b:
        for run in ("r1", "r2", "r3"):
            await b.publish(run, started(), completed())
        page = Page()
        async with many(b.url, "r1", "r3") as frames:
            page.take_all(await frames.rest())
        async with many(b.url, "r1", "r2", "r3", last_id=page.last_id) as frames:
            page.take_all(await frames.rest())
        assert await truth(b, "r1", "r2", "r3") == page.states


async def test_a_run_that_is_tried_again_comes_back(tmp_path: Path, prompt: None) -> None:
    async with broker(tmp_path) as b:
        await begun(b, "r1", "r2")
        page = Page()
        async with many(b.url, "r1", "r2") as frames:
            await page.until_cursor(frames)
            await b.publish("r1", {"type": "run.failed", "error": {"message": "no"}})
            page.take_all(await frames.until("end"))
            await b.publish("r1", {"type": "run.started", "attempt": 2})
            page.take_all(await frames.until("snapshot"))
            await b.publish("r1", completed())
            page.take_all(await frames.until("end"))
            assert not page.over
        assert {"r1": "completed"} == page.ended
        assert await truth(b, "r1", "r2") == page.states


# Runs that are not there.


async def test_a_run_that_comes_later_joins(tmp_path: Path, prompt: None) -> None:
    async with broker(tmp_path) as b:
        await begun(b, "r1")
        page = Page()
        async with many(b.url, "later", "r1", "never") as frames:
            await page.until_cursor(frames)
            assert (["later", "never"], ["r1"]) == (page.missing, list(page.states))
            await begun(b, "later")
            page.take_all(await frames.until("snapshot"))
            await b.publish("later", completed())
            page.take_all(await frames.until("end"))
        assert await truth(b, "r1", "later") == page.states


async def test_where_no_run_exists_there_is_nothing_to_show(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        for runs, shown in ((["r1"], "'r1'"), (named(5), "'r0, r1, r2 or 2 more'")):
            answer = await refused(b.url, target(*runs))
            problem = answer.json()
            assert (404, "urn:progress-broker:problem:run-not-found") == (
                answer.status,
                problem["type"],
            )
            assert shown in problem["detail"]


@pytest.mark.parametrize(
    ("error", "shown"), [(StreamUnavailable("open a run", "no"), []), (NotFound("r2"), ["r2"])]
)
async def test_a_run_that_cannot_be_opened_is_tried_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prompt: None,
    error: BrokerError,
    shown: list[str],
) -> None:
    """The others go on meanwhile; no cursor says that the client has it."""
    errors = {"r2": [error]}
    opened = Registry.hub

    async def hub(registry: Registry, key: RunKey) -> RunHub:
        if errors.get(key.run):
            raise errors[key.run].pop()
        return await opened(registry, key)

    monkeypatch.setattr(Registry, "hub", hub)
    async with broker(tmp_path) as b:
        await begun(b, "r1", "r2")
        page = Page()
        async with many(b.url, "r2", "r1") as frames:
            while "r2" not in page.states:
                await page.read(frames)
            assert (shown, [] == shown) == (page.missing, page.last_id is None)
            await page.until_cursor(frames)
        assert await truth(b, "r1", "r2") == page.states


async def test_who_cannot_be_sure_gives_no_cursor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was lost is not known while sequences are not compared."""
    monkeypatch.setattr(bundles, "SURE", -1.0)
    async with broker(tmp_path, heartbeat=0.1) as b:
        await begun(b, "r1")
        async with many(b.url, "r1") as frames:
            await frames.until("snapshot")
            await frames.comment()
            await frames.comment()
            monkeypatch.undo()
            await frames.until("cursor")


async def test_a_stream_made_anew_is_read_again(tmp_path: Path) -> None:
    """Every client is sent away with a `retry:`, and comes back to what is there now."""
    async with broker(tmp_path) as b:
        await begun(b, "r1")
        page = Page()
        async with many(b.url, "r1") as frames:
            await page.until_cursor(frames)
            await api(b.nats.connection, f"STREAM.DELETE.{PROGRESS}")
            await ensure(b.nats.connection, StreamSettings())
            page.take_all(await frames.rest())
            assert frames.complete
            assert frames.retry
        await begun(b, "r1")
        again = Page()
        async with many(b.url, "r1", last_id=page.last_id) as frames:
            await again.until_cursor(frames)
        assert (False, {"r1": 1}) == (again.hello["resumed"], again.snapshots)


# Coming back.


async def test_who_comes_back_gets_what_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot of each run that went on; of the others nothing but what comes."""
    monkeypatch.setattr(handler, "SLACK", AT_ONCE)
    async with broker(tmp_path) as here, gateway(here.nats.url) as other:
        runs = named(4)
        await begun(here, "r0", "r1", "r2")
        await asyncio.sleep(0.01)  # stored times are looked at to the millisecond
        await begun(here, "r3")
        page = Page()
        async with many(here.url, *runs) as frames:
            await page.until_cursor(frames)
        cursor = page.last_id
        await here.publish("r1", step_progress("fetch", 5))
        page.snapshots.clear()
        async with many(other.url, *runs, last_id=cursor) as frames:
            await page.until_cursor(frames)
            # The record at the cursor itself counts as one that may have been missed.
            assert ({"r1": 1, "r3": 1}, True, cursor) == (
                page.snapshots,
                page.hello["resumed"],
                page.hello["from"],
            )
            await here.publish("r0", step_progress("clean", 2))
            page.take_all(await frames.until("patch"))
        assert await truth(here, *runs) == page.states


async def test_what_changed_shortly_before_the_cursor_comes_again(tmp_path: Path) -> None:
    """A lost live message is found seconds later: the cursor may be ahead of it."""
    async with broker(tmp_path) as b:
        runs = named(4)
        await begun(b, *runs)
        page = Page()
        async with many(b.url, *runs) as frames:
            await page.until_cursor(frames)
        async with many(b.url, *runs, last_id=page.last_id) as frames:
            await page.until_cursor(frames)
        assert dict.fromkeys(runs, 2) == page.snapshots


async def test_a_cursor_that_means_nothing_here_gets_snapshots(tmp_path: Path) -> None:
    """A browser sends what it remembers, so it is never refused."""
    async with broker(tmp_path) as b:
        await begun(b, "r1", "r2")
        epoch, seq = (await b.snapshot("r2"))["cursor"].split("-")
        for text in ("x", "-", f"{epoch}-{int(seq) + 9}", f"0{epoch}-1", f"{epoch}-1-zz", "é" * 99):
            page = Page()
            async with many(b.url, "r1", "r2", last_id=text) as frames:
                await page.until_cursor(frames)
            assert (False, 2) == (page.hello["resumed"], page.snapshots.total())
            assert page.hello["from"]


async def test_nothing_is_missed_however_often_it_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve runs that go on, a client that leaves at any moment, and two gateways."""
    monkeypatch.setattr(handler, "SLACK", timedelta(seconds=0.5))
    chance = random.Random(7)
    async with broker(tmp_path) as here, gateway(here.nats.url) as other:
        runs = named(12)
        await begun(here, *runs)
        page = Page()

        async def produce() -> None:
            for number in range(300):
                await here.publish(chance.choice(runs), step_progress("fetch", number, 300))
                await asyncio.sleep(0.005)  # so that it goes on while the client reconnects
            for run in runs:
                await here.publish(run, completed())

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            while not page.over:
                url = chance.choice((here.url, other.url))
                async with many(url, *runs, last_id=page.last_id) as frames:
                    for _ in range(chance.randrange(1, 80)):
                        if page.over:
                            break
                        await page.read(frames)
        assert await truth(here, *runs) == page.states
        assert dict.fromkeys(runs, "completed") == page.ended


# A client that does not read.


async def test_a_client_that_slept_misses_nothing_of_any_run(tmp_path: Path) -> None:
    async with broker(tmp_path, high_water=4096) as b:
        runs = named(30)
        await begun(b, *runs)
        page, chance = Page(), random.Random(3)
        async with many(b.url, *runs, receive_buffer=4096) as frames:
            await page.until_cursor(frames)

            async def held() -> bool:
                for run in runs:
                    text = chance.choice("abcdef") * 50_000
                    await b.publish(run, {"type": "run.annotated", "metadata": {"text": text}})
                return await b.metric("clients_held") == 30

            await until(held)
            for run in runs:
                await b.publish(run, step_progress("fetch", 9, 10))
            while any(s["steps"]["fetch"].get("current") != 9 for s in page.states.values()):
                await page.read(frames)
        assert await truth(b, *runs) == page.states


# Its rhythm, and its end by the gateway.


async def test_silence_is_broken(tmp_path: Path) -> None:
    async with broker(tmp_path, heartbeat=0.2) as b:
        await begun(b, "r1")
        async with many(b.url, "r1") as frames:
            await frames.until("cursor")
            await frames.comment()
            await frames.comment()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"max_age": 0.5}, "max_age"), ({"idle_timeout": 0.3, "heartbeat": 0.1}, "idle")],
)
async def test_old_and_idle_streams_end_and_go_on(
    tmp_path: Path, settings: dict[str, float], reason: str
) -> None:
    async with broker(tmp_path, **settings) as b:
        await begun(b, "r1", "r2")
        page = Page()
        async with many(b.url, "r1", "r2") as frames:
            page.take_all(await frames.rest())
            assert frames.complete
            assert 1000 <= (frames.retry or 0) <= 5000
        assert 1 == await b.metric("streams_closed_total", reason=reason)
        assert page.last_id is not None
        await b.publish("r1", step_progress("fetch", 2))
        async with many(b.url, "r1", "r2", last_id=page.last_id) as frames:
            await page.until_cursor(frames)
        assert await truth(b, "r1", "r2") == page.states


async def test_a_drain_ends_it_and_another_gateway_goes_on(tmp_path: Path) -> None:
    async with broker(tmp_path) as here, gateway(here.nats.url) as other:
        await begun(here, "r1", "r2")
        page = Page()
        async with many(here.url, "r1", "r2") as frames, asyncio.TaskGroup() as group:
            await page.until_cursor(frames)
            group.create_task(here.gateway.drain.run(0.1))
            page.take_all(await frames.rest())
            assert frames.complete
        assert 503 == (await refused(here.url, target("r1"))).status
        await here.publish("r2", completed())
        async with many(other.url, "r1", "r2", last_id=page.last_id) as frames:
            await page.until_cursor(frames)
        assert "completed" == page.states["r2"]["status"]


async def test_what_it_holds_is_given_back(tmp_path: Path) -> None:
    async with broker(tmp_path, hub_ttl=0.1) as b:
        await begun(b, *named(5))
        async with many(b.url, *named(5), "missing") as frames:
            await frames.until("cursor")
            assert (1, 5) == (await b.metric("bundles"), await b.metric("hubs"))

        async def gone() -> bool:
            return (0, 0) == (await b.metric("bundles"), await b.metric("hubs"))

        await until(gone)


async def test_http_1_0(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), completed())
        page = Page()
        async with many(b.url, "r1", version="1.0") as frames:
            page.take_all(await frames.rest())
        assert (True, {"r1": 1}) == (page.over, page.snapshots)


async def test_head(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await begun(b, "r1")
        answer = await ask(b.url, target("r1"), method="HEAD")
        assert (200, "text/event-stream; charset=utf-8") == (
            answer.status,
            answer.headers["content-type"],
        )


async def test_streams_of_many_count_as_one_each(tmp_path: Path) -> None:
    async with broker(tmp_path, streams_per_client=2) as b, AsyncExitStack() as stack:
        await begun(b, *named(5))
        for _ in range(2):
            frames = await stack.enter_async_context(many(b.url, *named(5)))
            await frames.until("cursor")
        answer = await refused(b.url, target("r1"))
        assert (429, "streams_per_client") == (answer.status, answer.json()["limit"])


# What is refused.


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/stream", "no run is named"),
        (target(*named(RUNS_MAX + 1)), f"1001 runs are named, more than the {RUNS_MAX}"),
        (target(*[f"{n:026}" for n in range(5000)]), "5000 runs are named"),
        (target("r1", ""), "the run id is empty"),
        (target("r1", "x" * 257), "the run id is longer than 256 bytes"),
        (target("r1", view="events"), "one cursor cannot say"),
        (target("r1", view="x"), "view='x'"),
        (target("r1", after="garbage"), "after='garbage' is not a cursor"),
    ],
)
async def test_a_request_that_cannot_be_served(tmp_path: Path, path: str, words: str) -> None:
    async with broker(tmp_path) as b:
        await begun(b, "r1")
        answer = await refused(b.url, path)
        assert 422 == answer.status
        assert words in answer.json()["detail"]


async def test_it_is_an_event_stream_or_nothing(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await begun(b, "r1")
        answer = await refused(b.url, target("r1"), Accept="application/json")
        assert 422 == answer.status
        assert "text/event-stream" in answer.json()["detail"]
