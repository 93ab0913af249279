"""Lines are read from either end, wherever their batches lie: all of them, each once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.model.loglines import (
    BEGINNING,
    EVERY,
    Chosen,
    Line,
    Position,
    lines_of,
)
from broker.model.record import Record
from broker.stream import tail
from broker.stream.publish import Message, publish_all
from broker.stream.replay import page_of, read
from broker.stream.tail import begin_of_tail, first_batch, last_batch, newest, onward
from broker.stream.topology import LOGS, api
from tests.stream.serving import PATIENCE, Nats, key_of, nats, payload_of

LEVELS = ("debug", "info", "error")

layouts = st.lists(st.integers(0, 5) | st.sampled_from(["others", "rubbish"]), max_size=25)
"""Batches by their number of lines, and what lies between them."""
chosen_lines = st.sampled_from(
    [EVERY, Chosen(level="info"), Chosen(level="error"), Chosen(text="7"), Chosen(text="nowhere")]
)


def batch(run: str, number: int, count: int) -> Message:
    lines = [
        {"text": f"line {number}.{n}", "level": LEVELS[(number + n) % 3]} for n in range(count)
    ]
    return Message(key_of(run).log_subject, payload_of({"type": "log.appended", "lines": lines}))


async def store(server: Nats, run: str, layout: list[Any]) -> None:
    """Store batches of the run, others' batches and rubbish, as the layout says."""
    messages = []
    for number, what in enumerate(layout):
        if what == "others":
            messages += [batch("others", number, 1)] * 9
        elif what == "rubbish":
            messages.append(Message(key_of(run).log_subject, b"\xff rubbish"))
        else:
            messages.append(batch(run, number, what))
    await publish_all(server.connection, messages)


async def lines(server: Nats, run: str, chosen: Chosen = EVERY) -> list[Line]:
    """Every line of a run, read from the beginning."""
    pages = read(server.connection, key_of(run).log_subject, 0, stream=LOGS)
    records: list[Record] = [record async for page in pages for record in page]
    return [line for record in records for line in lines_of(record, chosen)]


async def walk(server: Nats, run: str, chosen: Chosen, count: int) -> tuple[list[Line], list[Line]]:
    """Every line, page by page: forward from the beginning, and back from the end."""
    subject, connection = key_of(run).log_subject, server.connection
    forward: list[Line] = []
    at: Position | None = BEGINNING
    while at is not None:
        found = await onward(connection, subject, at, chosen, count)
        assert len(found.lines) <= count
        assert found.more is None or found.more > at
        forward, at = forward + found.lines, found.more
    back: list[Line] = []
    at = Position(await last_batch(connection, subject))
    while at is not None:
        found = await newest(connection, subject, at, chosen, count)
        assert len(found.lines) <= count
        assert found.more is None or found.more < at
        back, at = found.lines + back, found.more
    return forward, back


@pytest.mark.parametrize("work", ["much", "little"])
def test_pages_hold_every_line_once_in_either_direction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    """Whatever the batches, the choice and the page; also where one call may do little."""
    if work == "little":
        monkeypatch.setattr(tail, "BATCHES", 3)
        monkeypatch.setattr(tail, "WORK", 400)
        monkeypatch.setattr(tail, "READS", 4)
    with asyncio.Runner() as runner:
        serving = nats(tmp_path)
        server = runner.run(serving.__aenter__())
        runs = iter(range(10_000))

        async def check(layout: list[Any], chosen: Chosen, count: int) -> None:
            run = f"r{next(runs)}"
            await store(server, run, layout)
            expected = await lines(server, run, chosen)
            assert (expected, expected) == await walk(server, run, chosen, count)
            subject = key_of(run).log_subject
            end = Position(await last_batch(server.connection, subject))
            begin = await begin_of_tail(server.connection, subject, end, chosen, count)
            after = await onward(server.connection, subject, begin, chosen, 1000)
            if work == "much":
                assert expected[-count:] == after.lines

        @settings(max_examples=40)
        @given(layouts, chosen_lines, st.integers(1, 8))
        def whatever(layout: list[Any], chosen: Chosen, count: int) -> None:
            runner.run(check(layout, chosen, count))

        try:
            whatever()
        finally:
            runner.run(serving.__aexit__(None, None, None))


async def test_the_end_of_a_long_run_is_read_without_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone in the stream, and one batch in a thousand."""
    read_batches = 0

    async def counting(*given: Any, **more: Any) -> list[Record]:
        nonlocal read_batches
        page = await page_of(*given, **more)
        read_batches += len(page)
        return page

    monkeypatch.setattr(tail, "page_of", counting)
    async with asyncio.timeout(60), nats(tmp_path) as server:
        await publish_all(server.connection, [batch("dense", n, 10) for n in range(3_000)])
        for n in range(10):
            await publish_all(
                server.connection, [batch("thin", n, 10), *[batch("others", n, 1)] * 999]
            )
        for run, most in (("dense", 25), ("thin", 50)):
            subject = key_of(run).log_subject
            read_batches = 0
            found = await newest(
                server.connection,
                subject,
                Position(await last_batch(server.connection, subject)),
                EVERY,
                95,
            )
            assert 95 == len(found.lines)
            assert (await lines(server, run))[-95:] == found.lines
            assert read_batches <= most


async def test_large_batches_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    """Many of them would be more than is worked on in one go."""
    async with asyncio.timeout(60), nats(tmp_path) as server:
        text = "x" * 50_000
        payload = payload_of({"type": "log.appended", "lines": [{"text": text}] * 4})
        subject = key_of("r1").log_subject
        await publish_all(server.connection, [Message(subject, payload)] * 100)
        await publish_all(server.connection, [batch("r1", n, 1) for n in range(5)])
        everything = await lines(server, "r1")
        end = Position(await last_batch(server.connection, subject))
        found = await newest(server.connection, subject, end, EVERY, 100)
        assert everything[-100:][-len(found.lines) :] == found.lines
        assert 20 <= len(found.lines)
        forward, back = await walk(server, "r1", EVERY, 100)
        assert everything == forward
        assert everything == back


async def test_a_run_without_lines(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        subject = key_of("r1").log_subject
        await store(server, "others", [1, 2])
        assert 0 == await last_batch(server.connection, subject)
        assert 0 == await first_batch(server.connection, subject)
        assert ([], []) == await walk(server, "r1", EVERY, 10)


async def test_lines_that_are_kept_no_more(tmp_path: Path) -> None:
    """Reading begins where the run's oldest batch now is."""
    async with asyncio.timeout(PATIENCE), nats(tmp_path) as server:
        await store(server, "r1", [3, 3, 3, 3])
        everything = await lines(server, "r1")
        await api(server.connection, f"STREAM.PURGE.{LOGS}", {"seq": everything[6].seq})
        assert (everything[6:], everything[6:]) == await walk(server, "r1", EVERY, 2)
        found = await onward(
            server.connection, key_of("r1").log_subject, everything[1].behind, EVERY, 2
        )
        assert everything[6:8] == found.lines
