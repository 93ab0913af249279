"""The log of a run as it is written: what was before, then what comes, each line exactly once."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from broker.stream.topology import LOGS, api
from tests.faults import until
from tests.gateway.lines import address, batch, live, long_log, page, store, take, texts
from tests.gateway.runs import completed, started
from tests.gateway.serving import Broker, broker, gateway
from tests.gateway.test_websocket import Said, websockets_client
from tests.sse import Frame


def texts_of(frames: list[Frame]) -> list[str]:
    return texts([frame.data for frame in frames])


async def test_a_late_viewer_gets_the_lines_before_it_came_and_then_the_live_ones(
    tmp_path: Path,
) -> None:
    async with broker(tmp_path) as b:
        await store(b.nats, "r1", *long_log(3))
        async with live(b.url, "r1") as frames:
            hello = await frames.next()
            assert hello is not None
            assert ("hello", None, False) == (hello.event, hello.id, hello.data["resumed"])
            assert {"resumed", "head", "heartbeat", "max_age"} == set(hello.data)
            before = await take(frames, 30)
            assert (await page(b.url, "r1"))["items"] == [frame.data for frame in before]
            await store(b.nats, "r1", batch("live", "and more"))
            after = await take(frames, 2)
        assert ["live", "and more"] == texts_of(after)
        assert "text/event-stream; charset=utf-8" == frames.headers["content-type"]
        assert "nosniff" == frames.headers["x-content-type-options"]


QUERIES: list[dict[str, Any]] = [{}, {"tail": 7}, {"level": "error", "q": "9"}, {"step": "fit"}]


async def test_viewers_who_come_while_it_is_written_miss_nothing(tmp_path: Path) -> None:
    """At any moment, from the beginning, from the tail, or with a choice, on either gateway."""
    total, length = 333, 6  # every choice holds the last line
    chance = random.Random(7)
    async with (
        broker(tmp_path) as b,
        gateway(b.nats.url) as other,
        AsyncExitStack() as streams,
        asyncio.TaskGroup() as group,
    ):
        log = long_log(total, length)
        await store(b.nats, "r1", *log[:50])
        arrivals = asyncio.Event()

        async def write() -> None:
            for begin in range(50, total, 5):
                await store(b.nats, "r1", *log[begin : begin + 5])
                if begin == 200:
                    await arrivals.wait()  # at least these come in the middle

        async def view(query: dict[str, Any]) -> list[Frame]:
            url = chance.choice([b.url, other.url])
            frames = await streams.enter_async_context(live(url, "r1", **query))
            found = await take(frames, 1)
            while found[-1].data["text"] != f"line {total * length - 1}":
                found += await take(frames, 1)
            return found

        group.create_task(write())
        views: list[tuple[dict[str, Any], asyncio.Task[list[Frame]]]] = []
        for _ in range(8):
            views += [(query, group.create_task(view(query))) for query in QUERIES]
            await asyncio.sleep(0.01)  # so that they come at different moments
        arrivals.set()
        for query, viewing in views:
            seen = [int(text.split()[1]) for text in texts_of(await viewing)]
            if "q" in query:
                wanted = [n for n in range(total * length) if n % 6 == 5 and "9" in str(n)]
                assert wanted == seen
            elif "step" in query:
                assert list(range(1, total * length, 2)) == seen
            else:
                assert list(range(seen[0], total * length)) == seen
                assert seen[0] == 0 or "tail" in query


async def test_a_cut_anywhere_is_resumed_at_the_next_line(tmp_path: Path) -> None:
    """In the middle of a batch too, with and without a choice, on either gateway."""
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        await store(b.nats, "r1", *long_log(3, 7))
        queries: list[dict[str, Any]] = [{}, {"level": "success"}, {"tail": 2}]
        for query in queries:
            choice = {name: query[name] for name in query if name != "tail"}
            every = (await page(b.url, "r1", **choice))["items"]
            for url in (b.url, other.url):
                for at, line in enumerate(every[:-1], 1):
                    async with live(url, "r1", last_id=address(line), **query) as frames:
                        hello = await frames.next()
                        assert hello is not None
                        assert (True, address(line)) == (hello.data["resumed"], hello.data["from"])
                        rest = await take(frames, len(every) - at)
                        assert every[at:] == [frame.data for frame in rest]
        every = (await page(b.url, "r1"))["items"]
        async with live(b.url, "r1", after=address(every[3])) as frames:
            assert every[4] == (await take(frames, 1))[0].data
        async with live(b.url, "r1", last_event_id=every[3]["cursor"]) as frames:
            assert "line 7" == (await take(frames, 1))[0].data["text"]


async def test_a_connection_that_breaks_again_and_again_loses_nothing(tmp_path: Path) -> None:
    """It breaks after any number of lines, and comes back to any gateway while lines come."""
    chance = random.Random(7)
    log = long_log(300, 3)
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        await store(b.nats, "r1", log[0])

        async def write() -> None:
            for each in log[1:]:
                await store(b.nats, "r1", each)

        async def view() -> list[Frame]:
            seen: list[Frame] = []
            while not seen or seen[-1].data["text"] != "line 899":
                url = chance.choice([b.url, other.url])
                last_id = seen[-1].id if seen else None
                async with live(url, "r1", last_id=last_id) as frames:
                    seen += await take(frames, min(chance.randint(1, 90), 900 - len(seen)))
            return seen

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            viewers = [group.create_task(view()) for _ in range(6)]
        for viewer in viewers:
            assert [f"line {n}" for n in range(900)] == texts_of(viewer.result())


async def test_a_cursor_that_leads_nowhere_begins_anew(tmp_path: Path) -> None:
    """What a browser remembers is not refused: it is told that this does not continue from it."""
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        seqs = await store(b.nats, "r1", *long_log(4))
        [first, *_] = (await page(b.url, "r1"))["items"]
        epoch = first["cursor"].split("-")[0]
        unknown = ["garbage", f"{epoch}-9999.0", f"other-{seqs[0]}.0", "é" * 99]
        for last_id in unknown:
            async with live(b.url, "r1", last_id=last_id) as frames:
                hello = await frames.next()
                assert hello is not None
                assert not hello.data["resumed"]
                assert first == (await take(frames, 1))[0].data
            async with live(b.url, "r1", last_id=last_id, tail=1) as frames:
                assert "line 39" == (await take(frames, 1))[0].data["text"]
        await api(b.nats.connection, f"STREAM.PURGE.{LOGS}", {"seq": seqs[2]})
        for place, resumed in ((f"{epoch}-{seqs[1]}.9", False), (f"{epoch}-{seqs[2]}.0", True)):
            async with live(other.url, "r1", last_id=place) as frames:
                hello = await frames.next()
                assert hello is not None
                assert resumed == hello.data["resumed"]
                line = (await take(frames, 1))[0].data
                assert ("line 21" if resumed else "line 20") == line["text"]


async def test_a_slow_viewer_gets_everything_and_delays_nobody(tmp_path: Path) -> None:
    lines = 400
    async with broker(tmp_path) as b:
        await store(b.nats, "r1", batch("first"))
        async with (
            live(b.url, "r1", receive_buffer=4096) as slow,
            live(b.url, "r1") as quick,
        ):
            await take(slow, 1)
            await take(quick, 1)
            for n in range(lines):
                await store(b.nats, "r1", batch(f"{n} " + "x" * 10_000))
            seen = await take(quick, lines)

            async def counted() -> bool:
                return await b.metric("log_clients") == 2

            await until(counted)
            assert [str(n) for n in range(lines)] == [text.split()[0] for text in texts_of(seen)]
            late = await take(slow, lines)
            assert seen == late


async def test_a_run_may_log_later(tmp_path: Path) -> None:
    """It has begun and not logged; nobody else's line is shown meanwhile."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        await store(b.nats, "r2", batch("another run's"))
        async with live(b.url, "r1") as frames, live(b.url, "r1", tail=5) as tail:
            for stream in (frames, tail):
                hello = await stream.next()
                assert hello is not None
                assert "hello" == hello.event
            await store(b.nats, "r2", batch("another run's"))
            await store(b.nats, "r1", batch("first"))
            for stream in (frames, tail):
                assert ["first"] == texts_of(await take(stream, 1))
        async with live(b.url, "r1", tail=0) as frames:
            await frames.next()
            await store(b.nats, "r1", batch("second"))
            assert ["second"] == texts_of(await take(frames, 1))


async def test_what_is_no_line_disturbs_nobody(tmp_path: Path) -> None:
    """The end of a run among its lines, for instance, does not end the stream."""
    async with broker(tmp_path) as b:
        await store(b.nats, "r1", batch("first"))
        async with live(b.url, "r1") as frames:
            await take(frames, 1)
            await store(b.nats, "r1", completed(), b"\xff", b"", b"{}", batch(), batch("last"))
            assert ["last"] == texts_of(await take(frames, 1))


@pytest.mark.parametrize("query", [{"level": "loud"}, {"tail": "x"}, {"after": "garbage"}])
async def test_a_wrong_question_is_refused(tmp_path: Path, query: dict[str, Any]) -> None:
    async with broker(tmp_path) as b:
        await store(b.nats, "r1", batch("first"))
        async with live(b.url, "r1", **query) as frames:
            assert 422 == frames.status


async def test_a_quiet_log_gets_heartbeats(tmp_path: Path) -> None:
    async with broker(tmp_path, heartbeat=0.5) as b:
        await store(b.nats, "r1", batch("first"))
        async with live(b.url, "r1") as frames:
            await take(frames, 1)
            await frames.comment()


async def test_draining_ends_the_streams_of_lines(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await store(b.nats, "r1", batch("first"))
        async with live(b.url, "r1") as frames:
            await take(frames, 1)
            async with asyncio.timeout(10):
                await b.gateway.drain.run(0.5)
            assert [] == await frames.rest()
            assert frames.complete
            assert frames.retry is not None
        async with live(b.url, "r1") as frames:
            assert 503 == frames.status


def lines_in(messages: list[Said], **about: Any) -> list[dict[str, Any]]:
    return [
        said["data"] for said in messages if said["type"] == "log" and about.items() <= said.items()
    ]


async def until_line(client: Any, text: str, **about: Any) -> list[Said]:
    """The messages up to a line."""
    found: list[Said] = []
    while True:
        found += await client.until("log", **about)
        if found[-1]["data"]["text"] == text:
            return found


class TestWebSocket:
    async def test_lines_beside_states_on_one_socket(self, tmp_path: Path) -> None:
        async with broker(tmp_path) as b, websockets_client(b.url) as here:
            await b.publish("r1", started())
            await store(b.nats, "r1", *long_log(2))
            await here.say("subscribe", run="r1", id="state")
            await here.say("subscribe", run="r1", view="logs", id="all")
            await here.say("subscribe", run="r1", view="logs", id="some", level="error", tail=2)
            await here.say("subscribe", run="r1", view="logs", id="ones", step="fit", q="LINE 1")
            seen = await here.until("snapshot")
            while len(lines_in(seen)) < 20 + 2 + 6:
                seen += await here.take(1)
            every = (await page(b.url, "r1"))["items"]
            assert every == lines_in(seen, id="all")
            assert ["line 11", "line 17"] == texts(lines_in(seen, id="some"))
            assert [1, 11, 13, 15, 17, 19] == [
                int(text[5:]) for text in texts(lines_in(seen, id="ones"))
            ]
            [first, *_] = [said for said in seen if said["type"] == "log" and said["id"] == "all"]
            assert {
                "type": "log",
                "run": "r1",
                "id": "all",
                "cursor": address(every[0]),
                "data": every[0],
            } == first
            await store(b.nats, "r1", batch({"text": "live", "level": "error"}))
            seen = await here.take(2)
            assert {"all", "some"} == {said["id"] for said in seen}
            assert ["live", "live"] == texts(lines_in(seen))
            await here.say("unsubscribe", id="all")
            await here.say("ping", id=1)
            await here.until("pong")
            await store(b.nats, "r1", batch({"text": "more", "level": "error"}))
            [said] = await here.take(1)
            assert ("log", "some") == (said["type"], said["id"])

    async def test_a_subscription_resumes_in_the_middle_of_a_batch(self, tmp_path: Path) -> None:
        async with broker(tmp_path) as b, gateway(b.nats.url) as other:
            await store(b.nats, "r1", *long_log(3, 7))
            every = (await page(b.url, "r1"))["items"]
            async with websockets_client(other.url) as here:
                for at, line in enumerate(every[:-1], 1):
                    about: dict[str, Any] = {"run": "r1", "id": at}
                    await here.say("subscribe", view="logs", cursor=address(line), tail=3, **about)
                    [*_, hello] = await here.until("hello", **about)
                    assert (True, address(line)) == (
                        hello["data"]["resumed"],
                        hello["data"]["from"],
                    )
                    seen = await until_line(here, "line 20", **about)
                    assert every[at:] == lines_in(seen, **about)

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            ({"view": "logs", "level": "loud"}, "level='loud' is unknown"),
            ({"view": "logs", "tail": -1}, "tail is a number from 0 to 100000"),
            ({"view": "logs", "tail": "x"}, "`$.tail`"),
            ({"view": "logs", "attempt": 0}, "attempt is a number from 1"),
            ({"view": "logs", "q": "x" * 999}, "q has 999 characters"),
            ({"view": "log"}, "the view is one of state, events, logs"),
        ],
    )
    async def test_a_wrong_question_is_told_what_is_wrong(
        self, tmp_path: Path, asked: dict[str, Any], told: str
    ) -> None:
        async with broker(tmp_path) as b, websockets_client(b.url) as here:
            await store(b.nats, "r1", batch("first"))
            await here.say("subscribe", run="r1", id=7, **asked)
            [*_, said] = await here.until("error")
            assert ("r1", 7, "bad-message") == (said["run"], said["id"], said["data"]["name"])
            assert told in said["data"]["detail"]
            await here.say("subscribe", run="r1", view="logs")
            await until_line(here, "first")

    async def test_an_unknown_run_is_refused_and_one_without_lines_is_not(
        self, tmp_path: Path
    ) -> None:
        async with broker(tmp_path) as b, websockets_client(b.url) as here:
            await here.say("subscribe", run="nobody", view="logs")
            [*_, said] = await here.until("error")
            assert "run-not-found" == said["data"]["name"]
            await b.publish("r1", started())
            await here.say("subscribe", run="r1", view="logs")
            await here.until("hello", run="r1")
            await store(b.nats, "r1", batch("first"))
            await until_line(here, "first")


async def test_every_viewer_of_one_choice_shares_its_frames(tmp_path: Path) -> None:
    """And those of another choice see theirs."""
    async with broker(tmp_path) as b, AsyncExitStack() as streams:
        await store(b.nats, "r1", batch("first"))
        viewers = [
            (await streams.enter_async_context(live(b.url, "r1", level=level)), level)
            for level in ("info", "error")
            for _ in range(5)
        ]
        for frames, _ in viewers:
            await frames.next()
        await store(b.nats, "r1", batch({"text": "bad", "level": "error"}))
        for frames, level in viewers:
            expected = ["first", "bad"] if level == "info" else ["bad"]
            assert expected == texts_of(await take(frames, len(expected)))
        assert 1 == await opened(b)


async def opened(b: Broker) -> float:
    return await b.metric("log_hubs")


async def test_an_ended_run_that_is_quiet_ends_the_stream_once_every_line_is_sent(
    tmp_path: Path,
) -> None:
    """Whoever comes back with the end is told to stop."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        await store(b.nats, "r1", *long_log(2))
        async with live(b.url, "r1", level="error") as frames:
            await take(frames, 3)
            await b.publish("r1", completed())
            await store(b.nats, "r1", batch({"text": "last words", "level": "error"}, "more"))
            assert ["last words"] == texts_of(await take(frames, 1))
            [end] = await frames.rest()
            assert frames.complete
        assert ("end", {"run": "r1", "status": "completed"}) == (end.event, end.data)
        async with live(b.url, "r1", last_id=end.id) as frames:
            assert 204 == frames.status
        last = (await page(b.url, "r1"))["items"][-2]
        async with live(b.url, "r1", last_id=address(last)) as frames:
            *_, line, again = await frames.rest()
            assert ("more", end) == (line.data["text"], again)


async def test_a_subscription_to_an_ended_log_ends_and_its_socket_stays(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, websockets_client(b.url) as here:
        await b.publish("r1", started(), completed())
        await store(b.nats, "r1", batch("only line"))
        await here.say("subscribe", run="r1", view="logs", id=1)
        *_, line, end = await here.until("end")
        assert "only line" == line["data"]["text"]
        assert (1, {"run": "r1", "status": "completed"}) == (end["id"], end["data"])
        await here.say("subscribe", run="r1", view="logs", id=1, cursor=end["cursor"])
        *_, hello, _ = await here.until("end")
        assert ("hello", True) == (hello["type"], hello["data"]["resumed"])


async def test_the_log_of_a_run_that_goes_on_stays_open(tmp_path: Path) -> None:
    """It failed, and a new attempt began: that logs too."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), {"type": "run.failed", "error": {"message": "no"}})
        await store(b.nats, "r1", batch("first attempt"))
        async with live(b.url, "r1") as frames:
            [*_, end] = await frames.rest()
            assert "failed" == end.data["status"]
        await b.publish("r1", {"type": "run.started", "attempt": 2})

        async def running() -> bool:
            found = (await b.get("/v1/runs?status=running")).json()
            return bool(found["items"])

        await until(running)
        async with live(b.url, "r1", last_id=end.id) as frames:
            assert 200 == frames.status
            await store(b.nats, "r1", batch("second attempt", attempt=2))
            assert ["second attempt"] == texts_of(await take(frames, 1))
