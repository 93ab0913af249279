"""Runs that nobody knows, or that nobody can ask for."""

import asyncio
from collections.abc import Iterator

import pytest

from broker.errors import NotFound, StreamUnavailable
from broker.hub.limits import RegistryLimits
from broker.hub.registry import SWEEP
from broker.hub.run_hub import RunHub
from tests.hub.world import KEY, World

STARTED = b'{"type":"run.started"}'
LIMITS = RegistryLimits(unknown_ttl=1.0, away_most=2.0)


@pytest.fixture
def world() -> Iterator[World]:
    """A stream in which nothing is stored."""
    found = World(LIMITS)
    yield found
    found.close()
    assert [] == found.faults


def asked(world: World) -> "asyncio.Task[RunHub]":
    """Somebody who wants the run, and waits for it."""
    task = world.loop.create_task(world.registry.hub(KEY))
    world.settle()
    return task


def test_a_run_that_nobody_knows_is_not_followed(world: World) -> None:
    """One word of who stores it is enough, and that holds for a second."""
    for _ in range(3):
        with pytest.raises(NotFound):
            world.do(world.registry.hub(KEY))
    assert 0 == world.stream.followed
    world.stream.store(STARTED)
    with pytest.raises(NotFound):
        world.do(world.registry.hub(KEY))
    world.wait(LIMITS.unknown_ttl)
    assert 1 == world.do(world.registry.hub(KEY)).seq


def test_what_is_stored_here_is_found_at_once(world: World) -> None:
    """Also by who had asked before it was stored, and is answered after that."""
    with pytest.raises(NotFound):
        world.do(world.registry.hub(KEY))
    world.wait(LIMITS.unknown_ttl)
    world.stream.hesitates = True
    early = asked(world)
    world.stream.store(STARTED)
    world.registry.known(KEY)
    late = asked(world)
    while world.stream.waiting:
        world.stream.let(1)
        world.settle()
    assert [1, 1] == [world.do(task).seq for task in (early, late)]


def test_who_wants_a_run_while_the_stream_is_away_hears_so_before_long(world: World) -> None:
    """It may be back soon, so that is waited for; and then no longer."""
    world.stream.hesitates = True
    early = asked(world)
    world.stream.away = LIMITS.away_most
    world.wait(SWEEP)
    assert not early.done()
    world.stream.away += SWEEP
    world.wait(SWEEP)
    assert early.done()
    for task in (early, asked(world)):
        with pytest.raises(StreamUnavailable, match="NATS has been away for 2 s"):
            world.do(task)
    world.stream.away, world.stream.hesitates = 0.0, False
    world.stream.store(STARTED)
    world.stream.let(1)
    world.settle()
    world.registry.known(KEY)
    assert 1 == world.do(world.registry.hub(KEY)).seq


def test_an_open_run_is_there_while_the_stream_is_away(world: World) -> None:
    world.stream.store(STARTED)
    hub = world.do(world.registry.hub(KEY))
    world.stream.away = 60.0
    world.wait(SWEEP)
    assert hub is world.do(world.registry.hub(KEY))
