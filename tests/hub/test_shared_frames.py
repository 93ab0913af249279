"""What many clients of a run get is made once."""

from collections.abc import Iterator

import pytest

from broker.hub.limits import RegistryLimits
from broker.hub.run_hub import LARGE
from broker.model.cursor import Cursor
from broker.model.state import RunState
from broker.protocol.named import NamedEvents
from broker.protocol.sse import CHUNKED
from broker.views.message import Message
from broker.views.native import VIEWS, StateView
from tests.hub.world import KEY, Socket, World


@pytest.fixture
def world() -> Iterator[World]:
    """A run that has begun."""
    found = World(RegistryLimits())
    found.stream.store(b'{"type":"run.started"}')
    yield found
    found.close()
    assert [] == found.faults


class Counting(StateView):
    """Counts the snapshots that are made, each as large as is said."""

    def __init__(self, size: int) -> None:
        self.made = 0
        self._size = size

    def snapshot(self, state: RunState, epoch: str) -> Iterator[Message]:
        self.made += 1
        yield Message("snapshot", b"x" * self._size, Cursor(epoch, state.seq))


@pytest.mark.parametrize("size", [100, LARGE])
def test_who_joins_together_shares_a_snapshot(world: World, size: int) -> None:
    """Until something changes."""
    hub, view = world.do(world.registry.hub(KEY)), Counting(size)
    received = []
    for _ in range(50):
        client = world.connect()
        assert isinstance(client.sink, Socket)
        hub.join(client, view, CHUNKED, None, lambda resumed: b"hello ")
        received.append(client.sink.received)
    assert 1 == view.made
    assert 1 == len(set(received))
    assert received[0].startswith(b"hello ")
    assert size == received[0].count(b"x")
    world.stream.store(b'{"type":"run.progress","current":1}')
    world.stream.deliver()
    world.wait(0.1)
    client = world.connect()
    hub.join(client, view, CHUNKED, None, lambda resumed: b"")
    assert 2 == view.made


def test_streams_of_many_share_their_frames(world: World) -> None:
    """Each brings a framing of its own, of one name: they are one group."""
    hub = world.do(world.registry.hub(KEY))
    clients = [world.connect() for _ in range(3)]
    for client in clients:
        hub.join(client, VIEWS["state"], NamedEvents(CHUNKED, "r1"), None, lambda resumed: b"")
    [group] = hub.groups
    assert 3 == len(group)
    world.stream.store(b'{"type":"run.progress","current":1}')
    world.stream.deliver()
    world.wait(0.1)
    [told] = {client.sink.received for client in clients if isinstance(client.sink, Socket)}
    assert 1 == told.count(b'event: patch\ndata: {"run":"r1",')
