"""Moments at which a client could miss something, or get it twice, or after its last word.

`tests/test_hub_machine.py` searches for such moments; those that it found once stand here.
"""

from collections.abc import Iterator

import pytest

from broker.hub.limits import RegistryLimits
from broker.hub.registry import SWEEP
from broker.hub.run_hub import HubLimits, RunHub
from broker.hub.subscriber import Subscriber
from broker.protocol.sse import CHUNKED
from broker.views.native import VIEWS
from tests.hub.world import KEY, Socket, World

LIMITS = RegistryLimits(hub=HubLimits(ring_records=5))
STARTED = b'{"type":"run.started"}'
COMPLETED = b'{"type":"run.completed"}'


def progress(current: int) -> bytes:
    return b'{"type":"run.progress","current":%d}' % current


@pytest.fixture
def world() -> Iterator[World]:
    """A run of ten events, of which the hub remembers five; reads wait for leave."""
    found = World(LIMITS, page=4, high=300)
    found.stream.store(STARTED, *[progress(n) for n in range(9)])
    found.stream.flows = False
    yield found
    found.close()
    assert [] == found.faults


def joined(world: World, view: str, cursor: int | None = 0) -> tuple[RunHub, Subscriber, Socket]:
    """A client that has come."""
    hub = world.do(world.registry.hub(KEY))
    client = world.connect()
    hub.join(client, VIEWS[view], CHUNKED, cursor, lambda resumed: b"")
    world.settle()
    assert isinstance(client.sink, Socket)
    return hub, client, client.sink


def ids(socket: Socket) -> list[int]:
    """The sequences of the frames received."""
    lines = socket.received.split(b"\n")
    return [int(line.split(b"-")[1]) for line in lines if line.startswith(b"id: ")]


def test_who_catches_up_gets_nothing_twice_although_the_stream_is_ahead(world: World) -> None:
    """What is stored already and not yet delivered comes by the hub, not by the stream too."""
    _, _, socket = joined(world, "events")
    world.stream.store(progress(10), progress(11))
    world.stream.flows = True
    world.stream.let(1)
    world.settle()
    assert list(range(1, 11)) == ids(socket)
    world.stream.deliver()
    world.wait(0.1)
    assert list(range(1, 13)) == ids(socket)


def test_who_goes_while_a_page_is_read_is_not_written_to(world: World) -> None:
    """On uvloop that write would raise, and with it every task of the gateway would end."""
    _, client, socket = joined(world, "events")
    assert client.catching_up
    socket.abort()
    world.settle()
    world.stream.let(1)
    world.settle()
    assert [] == ids(socket)


def test_nothing_follows_the_end(world: World) -> None:
    """An event that comes late finds the client's last bytes still unsent."""
    _, _, socket = joined(world, "events", 10)
    socket.reading = False
    world.stream.store(COMPLETED)
    world.stream.deliver()
    world.wait(0.1)
    world.stream.store(b'{"type":"run.annotated"}')
    world.stream.deliver()
    world.wait(0.1)
    socket.wake()
    assert [11] == ids(socket)
    assert 1 == socket.received.count(b"event: end")
    assert socket.received.endswith(b"\r\n0\r\n\r\n")


def test_who_is_sent_away_while_it_catches_up_gets_no_further_page(world: World) -> None:
    """It resumes from where it came to."""
    _, _, socket = joined(world, "events")
    socket.reading = False
    world.stream.let(1)
    world.settle()
    world.registry.drain(0)
    world.wait(SWEEP)
    world.stream.let(1)
    world.settle()
    socket.wake()
    world.settle()
    assert [1, 2, 3, 4] == ids(socket)
    assert socket.received.endswith(b"\r\n0\r\n\r\n")


def test_who_is_sent_away_while_it_is_held_gets_no_snapshot(world: World) -> None:
    """Its buffer empties when it wakes, and it would be written what it missed."""
    _, client, socket = joined(world, "state", None)
    socket.reading = False
    for n in range(10):
        world.stream.store(progress(100 + n))
        world.stream.deliver()
        world.wait(0.1)
    assert client.held
    world.registry.drain(0)
    world.wait(SWEEP)
    socket.take(len(socket.unsent) - 10)
    world.stream.store(progress(200))
    world.stream.deliver()
    world.wait(0.1)
    socket.wake()
    assert 1 == socket.received.count(b"event: snapshot")
    assert socket.received.endswith(b"\r\n0\r\n\r\n")


def test_a_held_client_of_the_state_gets_one_snapshot_for_all_it_missed(world: World) -> None:
    """However much that was: it costs no memory while it sleeps."""
    hub, client, socket = joined(world, "state", None)
    socket.reading = False
    for n in range(50):
        world.stream.store(progress(100 + n))
        world.stream.deliver()
        world.wait(0.1)
    assert client.held
    assert len(socket.unsent) < 1000
    socket.wake()
    assert 2 == socket.received.count(b"event: snapshot")
    assert hub.seq == ids(socket)[-1]


def test_who_takes_nothing_is_left(world: World) -> None:
    """And the others notice nothing."""
    _, _, asleep = joined(world, "events", 10)
    _, _, awake = joined(world, "events", 10)
    asleep.reading = False
    for n in range(10):
        world.stream.store(progress(100 + n))
    world.stream.deliver()
    world.wait(LIMITS.stall_timeout - 1)
    assert not asleep.lost
    world.wait(2)
    assert asleep.lost
    assert not awake.lost
    assert list(range(11, 21)) == ids(awake)
