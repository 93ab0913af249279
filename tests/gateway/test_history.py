"""History as pages and as NDJSON, and which form a client gets."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.runs import completed, long_run, short_run, started
from tests.gateway.serving import Broker, broker
from tests.sse import Answer, Wire, path, watch


async def page(b: Broker, query: str = "") -> Any:
    """One page of r1."""
    target = path("r1", f"/events?{query}")
    return (await b.get(target, headers={"Accept": "application/json"})).json()


async def ndjson(b: Broker, query: str = "") -> list[dict[str, Any]]:
    """The history of r1, line by line."""
    target = path("r1", f"/events?{query}")
    answer = await b.get(target, headers={"Accept": "application/x-ndjson"})
    assert "application/x-ndjson" == answer.headers["content-type"]
    return [json.loads(line) for line in answer.body.splitlines()]


async def test_pages_lead_through_the_whole_run(tmp_path: Path) -> None:
    """Each names the next, the last names none; an item is what the events view shows."""
    async with broker(tmp_path) as b:
        await b.publish("r1", *short_run())
        whole = (await watch(b.url, "r1", "events")).events
        for limit in (1, 7, len(whole) - 1, len(whole), 1000):
            found = await page(b, f"limit={limit}")
            items = found["items"]
            while "next" in found:
                assert limit == len(found["items"])
                assert found["items"][-1]["cursor"] == found["next"]
                found = await page(b, f"limit={limit}&after={found['next']}")
                items += found["items"]
            assert whole == items
        assert {"items": []} == await page(b, f"after={whole[-1]['cursor']}")


async def test_a_page_has_a_hundred_events_if_not_told_otherwise(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", *long_run(150))
        assert 100 == len((await page(b))["items"])


async def test_malformed_payloads_leave_the_pages_whole(tmp_path: Path) -> None:
    """They are counted by the paging, and shown nowhere."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), *[b"bad"] * 10, completed())
        items = []
        found = await page(b, "limit=3")
        while "next" in found:
            items += found["items"]
            found = await page(b, f"limit=3&after={found['next']}")
        items += found["items"]
        assert ["run.started", "run.completed"] == [item["type"] for item in items]


async def test_ndjson_is_everything_in_one_answer(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        seqs = await b.publish("r1", *long_run(5000))
        lines = await ndjson(b)
        assert seqs == [int(line["cursor"].split("-")[1]) for line in lines]
        assert lines[10:] == await ndjson(b, f"after={lines[9]['cursor']}")
        assert [] == await ndjson(b, f"after={lines[-1]['cursor']}")


async def test_an_event_on_many_lines_stays_one_line(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", b'{\r\n "type":\n"run.started" }\n')
        [line] = await ndjson(b)
        assert "run.started" == line["type"]


async def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    """A limit that is none, a cursor that is none, of another stream, or beyond the end."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        cursor = (await b.snapshot("r1"))["cursor"]
        epoch = cursor.split("-")[0]
        bad_limits = ["0", "-1", "1001", "x", "1e2", "", "%D9%A3", "9" * 5000]
        bad_limits += ["0" * 8 + "1" + "9" * n for n in (7, 5000)]
        bad_cursors = ["x", f"{epoch}-2", "other-1", f"{epoch}-01", f"{cursor}%20", "-" * 900]
        for kind in ("application/json", "application/x-ndjson"):
            for query in [f"after={text}" for text in bad_cursors]:
                answer = await b.get(path("r1", f"/events?{query}"), headers={"Accept": kind})
                assert (422, "urn:progress-broker:problem:invalid-cursor") == (
                    answer.status,
                    answer.json()["type"],
                )
                assert len(answer.body) < 1000
        for text in bad_limits:
            target = path("r1", f"/events?limit={text}")
            answer = await b.get(target, headers={"Accept": "application/json"})
            assert (422, "urn:progress-broker:problem:invalid-request") == (
                answer.status,
                answer.json()["type"],
            )
            assert len(answer.body) < 1000
        for kind in ("application/json", "application/x-ndjson"):
            answer = await b.get(path("nobody", "/events"), headers={"Accept": kind})
            assert 404 == answer.status


async def test_the_client_chooses_the_form(tmp_path: Path) -> None:
    """The most specific range decides on a type, the quality between types."""
    page, lines, live = "application/json", "application/x-ndjson", "text/event-stream"
    async with broker(tmp_path) as b:
        await b.publish("r1", *short_run())

        async def form(accept: str | None) -> str:
            headers = {} if accept is None else {"Accept": accept}
            answer: Answer = await b.get(path("r1", "/events"), headers=headers)
            assert 200 == answer.status
            return answer.headers["content-type"].split(";")[0]

        assert [live, live, live, live] == [await form(a) for a in (None, "", "*/*", "text/*")]
        assert page == await form("application/json")
        assert page == await form("Application/JSON;charset=utf-8")
        assert page == await form("application/*")
        assert lines == await form("application/x-ndjson, application/json;q=0.9")
        assert lines == await form("application/json;q=0.5, application/x-ndjson;q=0.7, */*;q=0.1")
        assert page == await form("text/event-stream;q=0, */*")
        assert live == await form("text/html, application/xhtml+xml, */*;q=0.8")
        for accept in ("text/html", "application/json;q=0", "application/json;q=x", "rubbish"):
            answer = await b.get(path("r1", "/events"), headers={"Accept": accept})
            assert (422, "urn:progress-broker:problem:invalid-request") == (
                answer.status,
                answer.json()["type"],
            )
            assert "text/event-stream" in answer.json()["detail"]


async def test_a_view_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        answer = await b.get(path("r1", "/events?view=stat"))
        assert 422 == answer.status
        assert "view='stat' is unknown: it is one of state, events" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("target", "accept"),
    [
        ("/events", "application/x-ndjson"),
        ("/events?view=state", "application/x-ndjson"),
        ("/logs", "application/x-ndjson"),
        ("/logs?tail=1", "text/plain"),
    ],
)
async def test_who_asks_for_the_head_gets_no_body(tmp_path: Path, target: str, accept: str) -> None:
    """It would be taken for the next answer on the connection."""
    async with broker(tmp_path) as b, Wire.connect(b.url) as wire:
        await b.publish("r1", *long_run(3))
        await b.post(path("r1", "/events"), {"type": "log.appended", "text": "a line"})
        await wire.send("HEAD", path("r1", target), {"Accept": accept})
        await wire.send("GET", "/healthz")
        head = await wire.answer("HEAD")
        assert (200, True) == (head.status, head.headers["content-type"].startswith(accept))
        assert 200 == (await wire.answer()).status


@pytest.mark.parametrize(
    ("target", "accept"),
    [
        ("/events", "application/x-ndjson"),
        ("/events?view=state", "application/x-ndjson"),
        ("/logs", "text/plain"),
    ],
)
async def test_a_client_of_http_1_0_sees_the_end(tmp_path: Path, target: str, accept: str) -> None:
    """It knows no chunks: the connection ends with the answer, although it wanted to keep it."""
    async with broker(tmp_path) as b, Wire.connect(b.url) as wire:
        await b.publish("r1", *long_run(3))
        await b.post(path("r1", "/events"), {"type": "log.appended", "lines": [{"text": "x"}]})
        headers = {"Accept": accept, "Connection": "keep-alive"}
        await wire.send("GET", path("r1", target), headers, version="1.0")
        answer = await wire.answer()
        assert (200, True) == (answer.status, wire.complete)
        assert "keep-alive" != answer.headers.get("connection")
        assert b"\n" == answer.body[-1:]
