"""What a slow client missed may have expired before it was read for it."""

from collections.abc import Iterator

import pytest

from broker.hub.limits import RegistryLimits
from broker.hub.run_hub import HubLimits
from broker.protocol.sse import CHUNKED
from broker.views.native import VIEWS
from tests.hub.test_registry import COMPLETED, ids, progress
from tests.hub.world import KEY, Socket, World

LIMITS = RegistryLimits(hub=HubLimits(ring_records=5))


@pytest.fixture
def world() -> Iterator[World]:
    """A run of ten events, of which the hub remembers five."""
    found = World(LIMITS, page=4, high=300)
    found.stream.store(b'{"type":"run.started"}', *[progress(n) for n in range(9)])
    yield found
    found.close()
    assert [] == found.faults


def test_what_has_expired_is_not_read_for_without_end(world: World) -> None:
    """The stream is asked a few times, with pauses; then the client goes on with what there is."""
    reads = 0
    read = world.stream.read

    def counted(*asked: object) -> object:
        nonlocal reads
        reads += 1
        return read(*asked)  # type: ignore[arg-type]

    world.stream.read = counted  # type: ignore[method-assign,assignment]
    hub = world.do(world.registry.hub(KEY))
    client = world.connect()
    assert isinstance(client.sink, Socket)
    del world.stream.log[:]
    hub.join(client, VIEWS["events"], CHUNKED, 2, lambda resumed: b"")
    world.settle()
    assert 1 == reads
    for _ in range(20):
        world.wait(1.0)
    assert 1 < reads < 10
    assert list(range(6, 11)) == ids(client.sink)
    world.stream.store(COMPLETED, gap=11)
    world.stream.deliver()
    world.wait(0.1)
    assert 11 == ids(client.sink)[-1]
    assert client.sink.lost
