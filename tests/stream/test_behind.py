"""Servers of a cluster that are behind, or frozen: asked again, they or others answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.errors import StreamUnavailable
from broker.model.record import Record
from broker.stream.checkpoints import load
from broker.stream.connection import Connection
from broker.stream.follower import Follower
from broker.stream.live import LiveRuns
from broker.stream.replay import last_sequence, last_sequences
from tests.faults import link
from tests.gateway.runs import started, step_progress
from tests.stream.serving import Log, following, key_of, nats


def first_answer() -> Callable[[bytes], bool]:
    """Lose what comes to the first inbox that anything comes to."""
    lost: list[bytes] = []

    def loses(message: bytes) -> bool:
        subject = message.split(b" ", 2)[1]
        if subject.startswith(b"_INBOX"):
            lost.append(subject)
        return bool(lost) and subject == lost[0]

    return loses


async def test_a_read_that_nobody_answers_is_asked_for_again(tmp_path: Path) -> None:
    async with asyncio.timeout(10), nats(tmp_path) as server, link(server.url) as way:
        seqs = await server.publish("r1", started())
        subject = key_of("r1").subject
        async with Connection.connect(way.url, name="test") as connection:
            way.loses = first_answer()
            assert {subject: seqs[-1]} == await last_sequences(connection, [subject])
            assert way.lost.is_set()
            way.loses = first_answer()
            assert 0 == (await load(connection, key_of("r1"), "epoch")).revision


async def test_the_leader_knows_the_last_sequence(tmp_path: Path) -> None:
    async with nats(tmp_path) as server:
        seqs = await server.publish("r1", started(), step_progress("fetch", 1))
        await server.publish("r2", started())
        assert seqs[-1] == await last_sequence(server.connection, key_of("r1").subject)
        assert 0 == await last_sequence(server.connection, key_of("r3").subject)


class Behind:
    """Runs whose stored records are told one more with each read, as by a server that is behind."""

    def __init__(self, runs: LiveRuns, seqs: list[int]) -> None:
        self.live = runs.live
        self.metrics = runs.metrics
        self.failures = runs.failures
        self.tasks: list[Coroutine[None, None, None]] = []
        self._seqs = seqs
        self._known = 0

    async def pages(self, subject: str, after: int) -> AsyncIterator[list[Record]]:
        known = self._seqs[: self._known]
        self._known += 1
        found = [Record(seq, datetime.now(UTC), b"{}") for seq in known if seq > after]
        if found:
            yield found

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        self.tasks.append(work)

    def forget(self, follower: Follower) -> None:
        """Nobody else knows of it."""


async def test_reading_goes_on_until_what_is_known_to_be_stored_has_come(tmp_path: Path) -> None:
    """Nothing comes live that would show that an answer was too old."""
    async with asyncio.timeout(10), nats(tmp_path) as server, following(server.url) as runs:
        log, behind = Log(), Behind(runs, [4, 7, 9])
        follower = Follower("progress.default.r1", behind, log.deliver, last=0)
        await follower.open()
        follower.behind(9, "cursor")
        await behind.tasks.pop()
        assert [4, 7, 9] == log.seqs
        await follower.close()


async def test_a_gap_that_nobody_watches_any_more_is_none(tmp_path: Path) -> None:
    """Else what was left open would wake somebody for ever."""
    async with asyncio.timeout(10), nats(tmp_path) as server, following(server.url) as runs:
        behind = Behind(runs, [4])
        follower = Follower("progress.default.r1", behind, Log().deliver, last=0)
        await follower.open()
        follower.behind(9, "comparison")
        await follower.close()
        await behind.tasks.pop()
        assert 1 == runs.metrics.gaps_mended._value.get()


async def test_a_run_that_only_the_leader_knows_is_not_unknown(tmp_path: Path) -> None:
    """Whoever else is asked has nothing of it yet: who asks is to come again."""
    async with asyncio.timeout(20), nats(tmp_path) as server, following(server.url) as runs:
        await server.publish("r1", started())

        class Empty(LiveRuns):
            async def pages(
                self, subject: str, after: int, page_size: int = 1
            ) -> AsyncIterator[list[Record]]:
                return
                yield

        runs.__class__ = Empty
        with pytest.raises(StreamUnavailable, match="has not arrived"):
            await runs.follow(key_of("r1"), Log().deliver)
