"""The log of a run as pages, as NDJSON and as a file: every line, each at its address."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from broker.stream.topology import LOGS, api
from tests.faults import until
from tests.gateway.lines import (
    address,
    batch,
    get,
    long_log,
    page,
    store,
    texts,
    walk,
)
from tests.gateway.runs import completed, started
from tests.gateway.serving import broker, gateway
from tests.sse import Wire, path

NDJSON = "application/x-ndjson"
HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x1b[0m\x9b2J \x00\x7f\rover 😀 \u2028 </script>"


async def test_a_line_has_its_address_and_all_its_fields(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        said = "2026-01-02T03:04:05.678Z"
        line = {"text": "a", "time": said, "level": "warning", "step": "fit"}
        [seq] = await store(b.nats, "r1", batch("plain", line, attempt=2))
        answer = await get(b.url, "r1")
        [first, second] = answer.json()["items"]
        epoch = first["cursor"].split("-")[0]
        stored_at = first.pop("time")
        assert stored_at.endswith("Z")
        cursor = f"{epoch}-{seq}"
        assert {
            "cursor": cursor, "place": 0, "level": "info", "attempt": 2, "text": "plain",
        } == first  # fmt: skip
        assert {
            "cursor": cursor, "place": 1, "time": said, "level": "warning", "step": "fit",
            "attempt": 2, "text": "a",
        } == second  # fmt: skip
        assert ("no-store", "nosniff") == (
            answer.headers["cache-control"],
            answer.headers["x-content-type-options"],
        )
        assert {"items"} == set(answer.json())


async def test_pages_hold_every_line_once_in_either_direction(tmp_path: Path) -> None:
    """On either gateway, for any page and any choice."""
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        await store(b.nats, "r1", *long_log(12))
        every = (await page(b.url, "r1"))["items"]
        assert [f"line {n}" for n in range(120)] == texts(every)
        for limit in (1, 7, 10, 119, 120, 121):
            for token in ("next", "previous"):
                assert every == await walk(other.url, "r1", token, limit=limit)
        for choice in ({"level": "warning"}, {"step": "fit"}, {"q": "LINE 1"}, {"q": "nowhere"}):
            chosen = await walk(b.url, "r1", "next", limit=1000, **choice)
            for limit in (1, 9, 50):
                for token in ("next", "previous"):
                    assert chosen == await walk(other.url, "r1", token, limit=limit, **choice)


async def test_what_is_chosen(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await store(b.nats, "r1", batch("first attempt"), *long_log(1, 12))
        await store(b.nats, "r1", batch("\x1b[32mFirst\x1b[0m of the second", attempt=2))

        async def chosen(**query: object) -> list[str]:
            return texts((await page(b.url, "r1", **query))["items"])

        assert ["line 4", "line 5", "line 10", "line 11"] == await chosen(level="warning")
        assert ["line 5", "line 11"] == await chosen(level="error", step="fit")
        assert ["\x1b[32mFirst\x1b[0m of the second"] == await chosen(attempt=2)
        assert 13 == len(await chosen(attempt=1))
        assert ["first attempt", "\x1b[32mFirst\x1b[0m of the second"] == await chosen(q="FIRST")
        assert ["line 10", "line 11"] == await chosen(q="line 1", level="warning")
        assert [] == await chosen(step="nowhere")
        assert ["line 11", "\x1b[32mFirst\x1b[0m of the second"] == await chosen(tail=2)
        assert ["line 4", "line 5"] == await chosen(level="warning", limit=2)


async def test_a_line_among_those_around_it(tmp_path: Path) -> None:
    """As a link to it shows it: from the next place backwards, and from its own onwards."""
    async with broker(tmp_path) as b:
        await store(b.nats, "r1", *long_log(3))
        every = (await page(b.url, "r1"))["items"]
        for at in (0, 9, 10, 15, 29):
            line = every[at]
            behind = f"{line['cursor']}.{line['place'] + 1}"
            until = (await page(b.url, "r1", before=behind, limit=4))["items"]
            assert every[max(0, at - 3) : at + 1] == until
            rest = (await page(b.url, "r1", after=address(line), limit=4))["items"]
            assert every[at + 1 : at + 5] == rest


async def test_an_address_never_changes(tmp_path: Path) -> None:
    """Not when older lines expire, nor for who asks for others, or elsewhere."""
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        seqs = await store(b.nats, "r1", *long_log(4))
        every = (await page(b.url, "r1"))["items"]
        await api(b.nats.connection, f"STREAM.PURGE.{LOGS}", {"seq": seqs[2]})
        assert every[20:] == (await page(other.url, "r1"))["items"]
        assert (
            every[35:37]
            == (await page(other.url, "r1", after=address(every[34]), limit=2))["items"]
        )
        assert (
            every[33:35] == (await page(b.url, "r1", before=address(every[35]), limit=2))["items"]
        )
        assert every[30:] == (await page(b.url, "r1", after=every[25]["cursor"]))["items"]
        assert every[20:30] == (await page(b.url, "r1", before=every[35]["cursor"]))["items"]
        assert every[20:] == (await page(b.url, "r1", after=address(every[3])))["items"]
        assert [every[35]] == [
            line for line in every[20:] if line in (await page(b.url, "r1", q="line 35"))["items"]
        ]


async def test_a_page_waits_for_the_next_line_that_fits(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await store(b.nats, "r1", batch("first"))
        [first] = (await page(b.url, "r1"))["items"]
        where = {"after": address(first), "level": "error", "wait": 30}
        waiting = asyncio.create_task(page(b.url, "r1", **where))
        others = 0
        while not waiting.done():
            await store(b.nats, "r1", batch("not this"))
            others += 1
            if others == 5:
                await store(b.nats, "r1", batch({"text": "this", "level": "error"}))
            await asyncio.wait([waiting], timeout=0.1)  # the wait begins unseen
        assert ["this"] == texts(waiting.result()["items"])
        assert {"items": []} == await page(b.url, "r1", q="nowhere", wait=0.01)


async def test_all_lines_as_ndjson(tmp_path: Path) -> None:
    """More than a page, each line as it is in a page."""
    async with broker(tmp_path) as b:
        await store(b.nats, "r1", *long_log(300))
        every = await walk(b.url, "r1", "next", limit=1000)
        answer = await get(b.url, "r1", NDJSON)
        assert (200, NDJSON) == (answer.status, answer.headers["content-type"])
        assert every == [json.loads(line) for line in answer.body.splitlines()]

        async def lines(**query: object) -> list[str]:
            body = (await get(b.url, "r1", NDJSON, **query)).body
            return texts([json.loads(line) for line in body.splitlines()])

        assert texts(every[-2500:]) == await lines(tail=2500)
        assert texts(every[1234:]) == await lines(after=address(every[1233]))
        assert texts(every[:77]) == await lines(before=address(every[77]))
        assert [text for text in texts(every) if "99" in text] == await lines(q="99")
        assert [] == await lines(q="nowhere")


async def test_a_download_is_text_that_a_terminal_can_show(tmp_path: Path) -> None:
    run = 'we/ird\r\n"run";/../ü'
    async with broker(tmp_path) as b:
        time = "2026-01-02T03:04:05Z"
        forged = "a\n2026-01-02T03:04:05.000Z ERROR forged"
        lines = [
            {"text": HOSTILE, "time": time, "level": "error", "step": "fit\x1b[1m"},
            {"text": forged, "time": time},
            {"text": "", "time": time},
        ]
        await store(b.nats, run, batch(*lines))
        answer = await get(b.url, run, "text/plain")
        assert (
            "2026-01-02T03:04:05.000Z ERROR [fit] red over 😀 \u2028 </script>\n"
            "2026-01-02T03:04:05.000Z INFO a\n"
            "    2026-01-02T03:04:05.000Z ERROR forged\n"
            "2026-01-02T03:04:05.000Z INFO \n"
        ) == answer.body.decode()
        assert ("text/plain; charset=utf-8", "nosniff") == (
            answer.headers["content-type"],
            answer.headers["x-content-type-options"],
        )
        assert (
            'attachment; filename="we=2Fird=0D=0A=22run=22=3B=2F=2E=2E=2F=C3=BC.log"'
            == answer.headers["content-disposition"]
        )


async def test_hostile_text_arrives_as_text(tmp_path: Path) -> None:
    """Character by character the same, and no byte of it that a terminal obeys."""
    async with broker(tmp_path) as b:
        await store(b.nats, "r1", batch(HOSTILE, "\x9b31m\x85 next"))
        for accept in ("application/json", NDJSON):
            body = (await get(b.url, "r1", accept)).body
            shown = body.decode().replace("}\n", "}")
            assert all(sign >= " " and not "\x7f" <= sign <= "\x9f" for sign in shown)
            assert json.dumps(HOSTILE)[1:8] in body.decode()
        assert [HOSTILE, "\x9b31m\x85 next"] == texts((await page(b.url, "r1"))["items"])


async def test_rubbish_in_the_stream_is_no_line(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        rubbish: list[dict[str, Any] | bytes] = [
            b"",
            b"{}",
            b"\xff\x00",
            b'{"type":"log.appended","lines":7}',
            b'{"type":"log.appended","lines":[{"text":"\xff"}]}',
            b'{"type":"log.appended","lines":[{"text":"\\ud800"}]}',
            completed(),
            batch(),
        ]
        await store(b.nats, "r1", batch("first"), *rubbish, batch("last"))
        for token in ("next", "previous"):
            assert ["first", "last"] == texts(await walk(b.url, "r1", token, limit=1))
        assert b"first" in (await get(b.url, "r1", "text/plain")).body


async def test_a_run_that_has_not_logged_has_an_empty_log(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        assert {"items": []} == await page(b.url, "r1")
        assert {"items": []} == await page(b.url, "r1", tail=10)
        for accept in (NDJSON, "text/plain"):
            answer = await get(b.url, "r1", accept)
            assert (200, b"") == (answer.status, answer.body)
        for accept in ("application/json", NDJSON, "text/plain", "text/event-stream"):
            answer = await get(b.url, "nobody", accept)
            assert (404, "urn:progress-broker:problem:run-not-found") == (
                answer.status,
                answer.json()["type"],
            )


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"level": "loud"}, "level='loud' is unknown: it is one of debug, info, progress"),
        ({"limit": 0}, "limit='0' is not a number from 1 to 1000"),
        ({"limit": 1001}, "limit='1001'"),
        ({"limit": "1e3"}, "limit='1e3'"),
        ({"tail": 0}, "tail='0' is not a number from 1 to 1000"),
        ({"tail": 1001}, "tail='1001'"),
        ({"tail": "x" * 99}, "is not a number from 1 to 1000"),
        ({"attempt": 0}, "attempt='0'"),
        ({"attempt": "٣"}, "attempt="),
        ({"step": ""}, "step is a step's id, of 1 to 256 characters"),
        ({"q": "x" * 257}, "q has 257 characters: it may have 256"),
        ({"wait": 61}, "wait='61'"),
        ({"tail": 5, "after": "e-1.0"}, "after and tail exclude each other"),
        ({"before": "e-1.0", "after": "e-1.0"}, "after and before exclude each other"),
        ({"after": "garbage"}, "after='garbage' is not a cursor of this stream"),
        ({"before": "e-1."}, "before='e-1.' is not a cursor"),
        ({"after": "other-1.0"}, "after='other-1.0' is not a cursor"),
        ({"before": "{epoch}-9999.0"}, "-9999.0' is not a cursor"),
    ],
)
async def test_a_wrong_question_is_told_what_is_wrong(
    tmp_path: Path, query: dict[str, object], told: str
) -> None:
    async with broker(tmp_path) as b:
        await store(b.nats, "r1", batch("first"))
        [line] = (await page(b.url, "r1"))["items"]
        epoch = line["cursor"].split("-")[0]
        answer = await get(
            b.url,
            "r1",
            **{name: str(value).replace("{epoch}", epoch) for name, value in query.items()},
        )
        assert 422 == answer.status
        assert told in answer.json()["detail"]


async def test_what_nobody_reads_is_cut(tmp_path: Path) -> None:
    """A client that takes nothing does not hold an answer open."""
    async with broker(tmp_path, stall_timeout=0.5) as b:
        await store(b.nats, "r1", *[batch("x" * 60_000)] * 200)
        async with Wire.connect(b.url, receive_buffer=4096) as wire:
            await wire.send("GET", path("r1", "/logs"), {"Accept": NDJSON})
            _, headers = await wire.head()

            async def counted() -> bool:
                return bool(await b.metric("streams_closed_total", reason="slow"))

            await until(counted)
            with suppress(ConnectionError):
                async for _ in wire.pieces(headers):
                    pass
            assert not wire.complete


async def test_what_is_sent_over_http_is_read_back(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        sent = [batch("one", {"text": "two", "level": "error"}), batch("three")]
        answer = await b.post("/v1/runs/r1/events", sent)
        assert 202 == answer.status
        lines = (await page(b.url, "r1"))["items"]
        assert ["one", "two", "three"] == texts(lines)
        assert lines[-1]["cursor"] == answer.json()["last_cursor"]


async def test_a_batch_over_its_limit_is_refused(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        answer = await b.post("/v1/runs/r1/events", [batch("fits"), batch("x" * 65_536)])
        assert 422 == answer.status
        [problem] = answer.json()["errors"]
        assert {
            "index": 1,
            "detail": "a log.appended event is larger than the limit of 65536 bytes",
        } == problem
        assert 404 == (await get(b.url, "r1")).status
        assert 202 == (await b.post("/v1/runs/r1/events", batch("x" * 65_000))).status


@pytest.mark.parametrize(
    "lines",
    [
        7,
        ["text"],
        [{"text": 7}],
        [{}],
        [{"text": "a", "level": "loud"}],
        [{"text": "a", "time": "noon"}],
        [{"text": "a", "step": ""}],
    ],
)
async def test_lines_that_are_none_are_refused(tmp_path: Path, lines: object) -> None:
    async with broker(tmp_path) as b:
        answer = await b.post("/v1/runs/r1/events", {"type": "log.appended", "lines": lines})
        assert 422 == answer.status
        assert "$.lines" in answer.json()["errors"][0]["detail"]


async def test_polls_of_one_log_have_their_own_limit(tmp_path: Path) -> None:
    async with broker(tmp_path, poll_rate=0.01, poll_burst=2) as b:
        await store(b.nats, "r1", batch("first"))
        await store(b.nats, "r2", batch("first"))
        assert [200, 200, 429] == [(await get(b.url, "r1")).status for _ in range(3)]
        assert 200 == (await get(b.url, "r2")).status


@pytest.mark.parametrize(("kept", "texts_kept"), [(3, ["2", "3", "4"]), (0, list("01234"))])
async def test_of_one_run_so_many_batches_are_kept(
    tmp_path: Path, kept: int, texts_kept: list[str]
) -> None:
    async with broker(tmp_path, log_batches=kept) as b:
        await store(b.nats, "r1", *[batch(f"{n}") for n in range(5)])
        for token in ("next", "previous"):
            assert texts_kept == texts(await walk(b.url, "r1", token, limit=2))
