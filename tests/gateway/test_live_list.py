"""The list of runs as it goes: what it shows, after each patch, is the page."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.faults import until
from tests.gateway.lists import listing, live, put, runs, summary, target
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.serving import Broker, broker
from tests.sse import Frame, Stream, merged


class Screen:
    """What a page keeps of a live list: a snapshot with patches merged into it."""

    def __init__(self, b: Broker, query: dict[str, Any], frames: Stream) -> None:
        self.shown: Any = None
        self.snapshots = 0
        self._b = b
        self._query = query
        self._frames = frames

    def take(self, frame: Frame) -> None:
        """Keep what a frame says."""
        if frame.event == "snapshot":
            self.shown = frame.data
            self.snapshots += 1
        elif frame.event == "patch":
            self.shown = merged(self.shown, frame.data)

    def row(self, run: str) -> Any:
        """A row, empty while there is none."""
        return (self.shown or {"rows": {}})["rows"].get(run, {})

    async def until_it_shows(self, run: str) -> None:
        """Take frames until a run is in the list."""
        while not self.row(run):
            frame = await self._frames.next()
            assert frame is not None
            self.take(frame)

    async def equals_the_page(self) -> list[str]:
        """Take frames until what is shown is the page; gives its runs."""
        page = await listing(self._b, **self._query)
        while as_page(self.shown) != page:
            frame = await self._frames.next()
            assert frame is not None
            self.take(frame)
        return runs(page)


def as_page(shown: Any) -> Any:
    """A live list as its page."""
    if shown is None:
        return None
    assert sorted(shown["order"]) == sorted(shown["rows"])
    page = {name: value for name, value in shown.items() if name not in ("rows", "order")}
    return {"items": [shown["rows"][run] for run in shown["order"]], **page}


async def test_it_begins_with_the_page(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await put(b, *(summary(f"r{n}", n) for n in range(4)))
        async with live(b, {"limit": 3}) as frames:
            assert (200, "text/event-stream; charset=utf-8", "no-store, no-transform", "no") == (
                frames.status,
                frames.headers["content-type"],
                frames.headers["cache-control"],
                frames.headers["x-accel-buffering"],
            )
            hello, snapshot = await frames.until("snapshot")
        assert ("hello", False, 15) == (hello.event, hello.data["resumed"], hello.data["heartbeat"])
        assert 0.8 * 900 <= hello.data["max_age"] <= 900
        assert (None, None) == (hello.id, snapshot.id)
        assert await listing(b, limit=3) == as_page(snapshot.data)
        assert "next" in snapshot.data


async def test_rows_enter_change_and_leave(tmp_path: Path) -> None:
    """A patch names what changed and nothing else."""
    query = {"status": "running", "sort": "-started_at", "limit": 2}
    async with broker(tmp_path) as b:
        await put(b, summary("a", 1, started_at=1), summary("b", 1, started_at=2))
        async with live(b, query) as frames:
            screen = Screen(b, query, frames)
            assert ["b", "a"] == await screen.equals_the_page()

            await put(b, summary("a", 2, started_at=1, message="half"))
            patch = await frames.next()
            assert patch is not None
            screen.take(patch)
            assert {"rows"} == patch.data.keys()
            assert {"a"} == patch.data["rows"].keys()
            assert {"message", "updated_at"} == patch.data["rows"]["a"].keys()

            await put(b, summary("c", 3, started_at=3))
            assert ["c", "b"] == await screen.equals_the_page()
            await put(b, summary("b", 4, started_at=2, status="completed"))
            assert ["c", "a"] == await screen.equals_the_page()
            await put(b, summary("c", 5, started_at=3, status="failed"))
            assert ["a"] == await screen.equals_the_page()
            assert 1 == screen.shown["counts"]["failed"]
        assert 1 == screen.snapshots


async def test_counts_change_although_no_row_does(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, live(b, {"status": "failed"}) as frames:
        [_, snapshot] = await frames.until("snapshot")
        assert {} == snapshot.data["rows"]
        await put(b, summary("a", 1))
        patch = await frames.next()
        assert patch is not None
        assert ("patch", {"counts": {"running": 1}}) == (patch.event, patch.data)


async def test_a_run_is_followed_from_its_producer_to_the_list(tmp_path: Path) -> None:
    """Fresh within a second, given that the machine has time for it."""
    query = {"pipeline": "import"}
    async with broker(tmp_path) as b, live(b, query) as frames:
        screen = Screen(b, query, frames)
        await b.publish("r1", started(), step_progress("fetch", 3))

        async def shows(status: str) -> None:
            while screen.row("r1").get("status") != status:
                frame = await frames.next()
                assert frame is not None
                screen.take(frame)

        await shows("running")
        await b.publish("r1", completed())
        await shows("completed")
        await screen.equals_the_page()


async def test_the_sum_of_many_changes_is_the_page(tmp_path: Path) -> None:
    """For several queries at once, whoever looks from the beginning or comes later."""
    queries: list[dict[str, Any]] = [
        {},
        {"limit": 3},
        {"status": "running", "sort": "name", "limit": 5},
        {"q": "odd", "sort": "-duration"},
    ]
    async with broker(tmp_path) as b:
        for query in queries:
            async with live(b, query) as early:
                screens = [Screen(b, query, early)]
                for turn in range(6):
                    rows = [
                        summary(
                            f"r{n % 9}",
                            turn * 10 + n,
                            name=f"{'odd' if n % 2 else 'even'} {(n * 7) % 5}",
                            status="running" if (n + turn) % 3 else "completed",
                            duration=float((n * turn) % 4),
                        )
                        for n in range(turn, turn + 5)
                    ]
                    await put(b, *rows)
                async with live(b, query) as late:
                    screens.append(Screen(b, query, late))
                    shown = [await screen.equals_the_page() for screen in screens]
                assert shown[0] == shown[1]


async def test_equal_queries_share_one_list(tmp_path: Path) -> None:
    """However they are spelled; and it is forgotten some time after the last has gone."""
    async with broker(tmp_path, hub_ttl=0.2) as b:
        first = live(b, {"status": ["running", "failed"], "q": "a b"})
        second = live(b, {"q": "B  a", "status": "failed,running", "limit": 50})
        async with first as one, second as two, live(b, {"q": "a"}, version="1.0") as other:
            for frames in (one, two, other):
                await frames.until("snapshot")
            await reaches(b, 2, "lists")
            await reaches(b, 3, "list_clients")
            await put(b, summary("a", 1, name="b"))
            for frames in (one, two, other):
                [patch] = await frames.until("patch")
                assert ["a"] == patch.data["order"]
        await reaches(b, 0, "list_clients")
        await reaches(b, 0, "lists")


async def reaches(b: Broker, value: float, metric: str, **labels: str) -> None:
    """Wait until a metric has a value."""

    async def has_it() -> bool:
        return await b.metric(metric, **labels) == value

    await until(has_it)


async def test_a_sleeper_gets_one_snapshot_for_all_it_missed(tmp_path: Path) -> None:
    """And delays nobody."""
    async with broker(tmp_path, high_water=4096) as b:
        await put(b, *wide(0))
        async with live(b, {"limit": 99}, receive_buffer=4096) as frames, live(b) as other:
            sleeper, awake = Screen(b, {"limit": 99}, frames), Screen(b, {}, other)
            watching = asyncio.create_task(awake.until_it_shows("last"))
            turn = 0

            async def is_held() -> bool:
                nonlocal turn
                turn += 1
                await put(b, *wide(turn))
                return await b.metric("list_clients_held") == 1

            await until(is_held, 30)
            await put(b, *wide(turn + 1))
            await put(b, summary("last", 1_000_000))
            await watching
            assert "last" == (await sleeper.equals_the_page())[0]
            assert 2 == sleeper.snapshots
        assert await b.metric("conflations_total") >= 1


def wide(turn: int) -> list[Any]:
    """Rows that take some room, and all change each turn."""
    labels = {f"key-{n}": f"{turn:04}" * 16 for n in range(40)}
    return [summary(f"r{n:02}", turn * 100 + n, labels=labels) for n in range(40)]


async def test_who_takes_nothing_for_long_is_closed(tmp_path: Path) -> None:
    async with broker(tmp_path, high_water=4096, stall_timeout=0.5) as b:
        await put(b, *wide(0))
        async with live(b, receive_buffer=4096):
            turn = 0

            async def closed() -> bool:
                nonlocal turn
                turn += 1
                await put(b, *wide(turn))
                return await b.metric("streams_closed_total", reason="slow") == 1

            await until(closed, 30)
        await reaches(b, 0, "list_clients")


async def test_silence_has_a_comment_and_an_end(tmp_path: Path) -> None:
    async with broker(tmp_path, heartbeat=0.2, idle_timeout=1.5) as b, live(b) as frames:
        await frames.until("snapshot")
        await frames.comment()
        assert [] == await frames.rest()
        assert frames.complete
        assert frames.retry is not None
        assert 1000 <= frames.retry <= 5000
        assert 1 == await b.metric("streams_closed_total", reason="idle")


async def test_an_old_stream_ends_cleanly(tmp_path: Path) -> None:
    async with broker(tmp_path, max_age=0.5) as b, live(b) as frames:
        await frames.rest()
        assert frames.complete
        assert 1 == await b.metric("streams_closed_total", reason="max_age")


async def test_draining_ends_lists_and_takes_no_new_ones(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, live(b) as frames:
        await frames.until("snapshot")
        draining = asyncio.ensure_future(b.gateway.drain.run(0.3))
        await frames.rest()
        assert frames.complete
        assert frames.retry is not None
        answer = await b.get("/v1/runs", headers={"Accept": "text/event-stream"})
        assert (503, "urn:progress-broker:problem:draining") == (
            answer.status,
            answer.json()["type"],
        )
        await draining


async def test_lists_count_as_streams(tmp_path: Path) -> None:
    async with broker(tmp_path, streams_per_client=1) as b, live(b) as frames:
        await frames.until("snapshot")
        answer = await b.get("/v1/runs", headers={"Accept": "text/event-stream"})
        assert (429, "streams_per_client") == (answer.status, answer.json()["limit"])
    async with broker(tmp_path / "2", open_rate=0.01, open_burst=1) as b, live(b) as frames:
        await frames.until("snapshot")
        answer = await b.get("/v1/runs", headers={"Accept": "text/event-stream"})
        assert (429, "open_rate") == (answer.status, answer.json()["limit"])


async def test_more_rows_than_may_be_watched_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists that nobody watches any more make room."""
    monkeypatch.setattr("broker.gateway.lists.live_lists.ROWS_MAX", 200)
    async with broker(tmp_path) as b:
        async with live(b, {"limit": 60}) as frames:
            await frames.until("snapshot")
            answer = await b.get(target({"limit": 41}), headers={"Accept": "text/event-stream"})
            assert (503, "list_rows", 200) == (
                answer.status,
                answer.json()["limit"],
                answer.json()["value"],
            )

        async def there_is_room() -> bool:
            async with live(b, {"limit": 41}) as frames:
                return frames.status == 200

        await until(there_is_room)


async def test_a_head_request_opens_nothing(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        answer = await b.get("/v1/runs", method="HEAD", headers={"Accept": "text/event-stream"})
        assert (200, "text/event-stream; charset=utf-8") == (
            answer.status,
            answer.headers["content-type"],
        )
        assert 0 == await b.metric("list_clients")
