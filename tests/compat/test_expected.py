"""Sockets that wait for runs that are not there yet: who is woken, told, forgotten."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from broker.gateway.compat import expected
from broker.gateway.compat.expected import Expected
from broker.gateway.compat.sockets import OneRun
from broker.gateway.sockets.sockets import Sockets
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.model.subjects import RunKey
from broker.protocol.problem import Problem
from broker.stream.live import LiveRuns
from tests.gateway.runs import started
from tests.stream.serving import Nats, following, key_of, nats

PATIENCE = 60.0


class One:
    """A socket as far as it waits."""

    def __init__(self, run: str) -> None:
        self.run = key_of(run)
        self.until: float | None = None
        self.wanted = True
        self.told: list[Problem] = []
        self.fail = self.told.append


class World:
    """What surrounds those who wait: a clock, and who is shown."""

    def __init__(self, runs: LiveRuns) -> None:
        self.now = 0.0
        self.shown: list[One] = []
        self.known: list[RunKey] = []
        self.expected = Expected(
            cast(Registry, type("", (), {"known": self.known.append})()),
            runs,
            cast(Sockets, type("", (), {"show": self.shown.append})()),
            patience=PATIENCE,
            timing=Timing(lambda: self.now, cast(Any, None), lambda: 0.5),
        )

    def add(self, run: str) -> One:
        """Let one wait."""
        one = One(run)
        assert self.again(one)
        return one

    def again(self, one: One) -> bool:
        """Whether one may wait."""
        return self.expected.add(cast(OneRun, one))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Nats]:
    async with nats(tmp_path) as running:
        yield running


@pytest.fixture
async def world(server: Nats) -> AsyncIterator[World]:
    async with following(server.url) as runs:
        yield World(runs)


async def test_who_waits_for_a_run_is_shown_it_once_it_is_there(server: Nats, world: World) -> None:
    one, other, elsewhere = world.add("r1"), world.add("r1"), world.add("r2")
    await world.expected.look()
    assert [] == world.shown
    await server.publish("r1", started())
    await world.expected.look()
    assert [one, other] == world.shown
    assert {one.run} == set(world.known)
    await world.expected.look()
    assert ([one, other], 1) == (world.shown, len(world.expected))
    assert [] == elsewhere.told


async def test_nobody_waits_for_ever(server: Nats, world: World) -> None:
    """Nor longer because the run was there, and then could not be opened after all."""
    one = world.add("r1")
    await server.publish("r1", started())
    await world.expected.look()
    assert [one] == world.shown
    world.now = PATIENCE - 1
    assert world.again(one)
    later = world.add("r2")
    world.now = PATIENCE
    await world.expected.look()
    assert ["run-not-found"] == [problem.name for problem in one.told]
    assert ([one], [], 1) == (world.shown, later.told, len(world.expected))
    assert not world.again(one)


async def test_who_left_is_forgotten(server: Nats, world: World) -> None:
    world.add("r1").wanted = False
    await world.expected.look()
    assert 0 == len(world.expected)
    world.add("r1").wanted = False
    await server.publish("r1", started())
    await world.expected.look()
    assert ([], 0) == (world.shown, len(world.expected))


async def test_only_so_many_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected, "MOST", 2)
    world.add("r1")
    world.add("r2")
    assert not world.again(One("r3"))
