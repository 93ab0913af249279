"""Who asks for more than its share is told which limit that is, and when to come back."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.faults import until
from tests.gateway.runs import completed, started, step_progress
from tests.gateway.serving import Broker, broker
from tests.sse import Answer, Wire, path, stream

EVENTS = {"Accept": "text/event-stream"}
PAGE = {"Accept": "application/json"}
LINES = {"Accept": "application/x-ndjson"}

SLOW = 0.001
"""A rate a second at which nothing comes back within a test."""


def refused(answer: Answer, limit: str, burst: int) -> None:
    """The answer of a rate limit, whole."""
    body = answer.json()
    assert (429, "urn:progress-broker:problem:rate-limited") == (answer.status, body["type"])
    assert (limit, burst) == (body["limit"], body["burst"])
    assert limit in body["detail"]
    assert "application/problem+json" == answer.headers["content-type"]
    assert "no-store" == answer.headers["cache-control"]
    wait = int(answer.headers["retry-after"])
    assert wait >= 1
    assert f'"{limit}";r=0;t={wait}' == answer.headers["ratelimit"]
    policy, quota, window = answer.headers["ratelimit-policy"].split(";")
    assert (f'"{limit}"', f"q={burst}") == (policy, quota)
    assert int(window.removeprefix("w=")) >= 1


async def test_polls_of_one_run(tmp_path: Path) -> None:
    """Snapshots, pages and downloads count together; another run counts on its own."""
    async with broker(tmp_path, poll_rate=SLOW, poll_burst=3) as b:
        await b.publish("r1", started())
        await b.publish("r2", started())
        assert 200 == (await b.get(path("r1"))).status
        assert 200 == (await b.get(path("r1", "/events"), headers=PAGE)).status
        assert 200 == (await b.get(path("r1", "/events"), headers=LINES)).status
        for headers, rest in (({}, ""), (PAGE, "/events"), (LINES, "/events")):
            refused(await b.get(path("r1", rest), headers=headers), "poll_rate", 3)
        assert 200 == (await b.get(path("r2"))).status
        assert 3 == await b.metric("limited_total", limit="poll_rate")
        async with stream(b.url, "r1") as frames:
            assert 200 == frames.status


async def test_who_waits_as_told_is_let_in(tmp_path: Path) -> None:
    async with broker(tmp_path, poll_rate=2, poll_burst=1) as b:
        await b.publish("r1", started())
        assert 200 == (await b.get(path("r1"))).status
        answer = await b.get(path("r1"))
        refused(answer, "poll_rate", 1)
        assert "1" == answer.headers["retry-after"]

        async def let_in() -> bool:
            return (await b.get(path("r1"))).status == 200

        await until(let_in, 2)


async def test_opens(tmp_path: Path) -> None:
    """Every stream that is asked for counts, whatever comes of it."""
    async with broker(tmp_path, open_rate=SLOW, open_burst=3) as b:
        await b.publish("r1", started())
        async with stream(b.url, "r1") as one, stream(b.url, "r1", "events") as two:
            assert (200, 200) == (one.status, two.status)
            assert 404 == (await b.get(path("unknown", "/events"), headers=EVENTS)).status
            refused(await b.get(path("r1", "/events"), headers=EVENTS), "open_rate", 3)
            assert 200 == (await b.get(path("r1"))).status


async def test_ingest(tmp_path: Path) -> None:
    """Events count, not requests; what is refused is not stored."""
    async with broker(tmp_path, ingest_rate=3) as b:
        assert (
            202 == (await b.post(path("r1", "/events"), [started(), step_progress("a", 1)])).status
        )
        answer = await b.post(path("r1", "/events"), [step_progress("a", n) for n in (2, 3)])
        refused(answer, "ingest_rate", 3)
        assert 2 == len(await b.nats.records("r1"))


async def test_a_batch_beyond_the_burst_is_taken_once(tmp_path: Path) -> None:
    """Else it could never be sent; the next one waits for it."""
    async with broker(tmp_path, ingest_rate=3) as b:
        batch = [step_progress("a", n) for n in range(100)]
        assert 202 == (await b.post(path("r1", "/events"), batch)).status
        answer = await b.post(path("r1", "/events"), step_progress("a", 100))
        refused(answer, "ingest_rate", 3)
        assert 30 <= int(answer.headers["retry-after"]) <= 33


async def test_streams_of_one_client(tmp_path: Path) -> None:
    """One that is closed makes room for another."""
    async with broker(tmp_path, streams_per_client=2) as b, AsyncExitStack() as stack:
        await b.publish("r1", started())
        async with stream(b.url, "r1") as first:
            second = await stack.enter_async_context(stream(b.url, "r1"))
            assert (200, 200) == (first.status, second.status)
            answer = await b.get(path("r1", "/events"), headers=EVENTS)
            refused(answer, "streams_per_client", 2)

        async def opens() -> bool:
            async with stream(b.url, "r1") as frames:
                return frames.status == 200

        await until(opens)


async def test_streams_that_ended_are_not_open(tmp_path: Path) -> None:
    """Neither those of ended runs, nor those of runs that are not, nor those never opened."""
    async with broker(tmp_path, streams_per_client=1) as b:
        await b.publish("r1", started(), completed())

        async def seen() -> bool:
            async with stream(b.url, "r1") as frames:
                return frames.status == 200 and (await frames.rest())[-1].event == "end"

        for _ in range(3):
            await until(seen)
            assert 404 == (await b.get(path("unknown", "/events"), headers=EVENTS)).status
            assert 200 == (await b.get(path("r1", "/events"), method="HEAD")).status


async def test_streams_of_the_gateway(tmp_path: Path) -> None:
    """503, for no client is at fault; those that are open go on."""
    async with broker(tmp_path, streams_max=2) as b:
        await b.publish("r1", started())
        async with stream(b.url, "r1") as one, stream(b.url, "r1") as two:
            assert (200, 200) == (one.status, two.status)
            answer = await b.get(path("r1", "/events"), headers=EVENTS)
            body = answer.json()
            assert (503, "urn:progress-broker:problem:overloaded") == (answer.status, body["type"])
            assert ("streams_max", 2) == (body["limit"], body["value"])
            assert int(answer.headers["retry-after"]) >= 1
            assert 1 == await b.metric("limited_total", limit="streams_max")
            assert 200 == (await b.get(path("r1"))).status
            await one.until("snapshot")
            await b.publish("r1", step_progress("a", 1))
            await one.until("patch")


async def statuses(b: Broker, *forwarded: str) -> list[int]:
    """The answers to polls of one run that came by a proxy."""
    answers = [await b.get(path("r1"), headers={"X-Forwarded-For": hops}) for hops in forwarded]
    return [answer.status for answer in answers]


async def test_forwarded_addresses_are_not_believed_of_anybody(tmp_path: Path) -> None:
    async with broker(tmp_path, poll_rate=SLOW, poll_burst=1) as b:
        await b.publish("r1", started())
        assert [200, 429] == await statuses(b, "127.1.0.1", "127.1.0.2")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("127.1.0.1", "127.1.0.2", False),
        ("127.1.0.1", "127.1.0.1", True),
        ("127.1.0.9, 127.1.0.1", "127.1.0.8, 127.1.0.1", True),  # the left is the client's own word
        ("127.1.0.1, 127.9.0.1", "127.1.0.1, 127.9.0.2, 127.9.0.1", True),  # over trusted proxies
        ("127.1.0.1, 127.9.0.1", "127.1.0.2, 127.9.0.1", False),
        ("127.1.0.1, 127.1.0.3", "127.1.0.2, 127.1.0.3", True),  # over one that is not
        ("127.9.0.1", "127.9.0.2", False),  # a proxy itself
        ("unknown", "unknown", True),
        (" , 127.1.0.1 ,", "127.1.0.1", True),
    ],
)
async def test_behind_trusted_proxies_the_rightmost_address_that_is_none_counts(
    tmp_path: Path, first: str, second: str, same: bool
) -> None:
    proxies = "127.0.0.1, 127.9.0.0/16"
    async with broker(tmp_path, poll_rate=SLOW, poll_burst=1, trusted_proxies=proxies) as b:
        await b.publish("r1", started())
        assert [200, 429 if same else 200] == await statuses(b, first, second)


async def test_several_forwarded_headers_are_one_list(tmp_path: Path) -> None:
    """As RFC 9110 §5.3 has it; a client cannot hide its address behind a header of its own."""
    settings = {"poll_rate": SLOW, "poll_burst": 1, "trusted_proxies": "127.0.0.1"}
    async with broker(tmp_path, **settings) as b:
        await b.publish("r1", started())
        found = []
        for own in ("127.1.0.7", "127.1.0.8"):
            two = f"{own}\r\nX-Forwarded-For: 127.1.0.1"
            found.append((await b.get(path("r1"), headers={"X-Forwarded-For": two})).status)
        assert [200, 429] == found


async def test_streams_are_counted_by_the_forwarded_address(tmp_path: Path) -> None:
    settings = {"streams_per_client": 1, "trusted_proxies": "127.0.0.1"}
    async with broker(tmp_path, **settings) as b, AsyncExitStack() as stack:
        await b.publish("r1", started())
        found = []
        for address in ("127.1.0.1", "127.1.0.2", "127.1.0.1"):
            wire = await stack.enter_async_context(Wire.connect(b.url))
            headers = {**EVENTS, "X-Forwarded-For": address}
            await wire.send("GET", path("r1", "/events"), headers)
            found.append((await wire.head())[0])
        assert [200, 200, 429] == found
