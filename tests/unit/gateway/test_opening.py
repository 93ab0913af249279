"""What becomes of a stream of many when a run of it cannot be opened."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from broker.errors import StreamUnavailable
from broker.gateway.many.bundle import Bundle, Ways
from broker.gateway.many.opening import Opening
from broker.gateway.many.part import Part
from broker.hub.ports import Timing
from broker.model.subjects import RunKey
from broker.protocol.sse import PLAIN
from broker.runs.query import Query

TIMING = Timing(lambda: 0.0, lambda at, call: asyncio.get_running_loop().call_at(at, call), float)


class Connection(asyncio.Transport):
    """A client's connection, which takes everything."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.aborted = True


class Closed:
    """Where no run can be opened."""

    def __init__(self, why: Exception) -> None:
        self._why = why

    async def hub(self, key: RunKey) -> Any:
        raise self._why


async def opened(connection: Connection, why: Exception) -> tuple[Bundle, Part, list[Part]]:
    """A stream by filter, of which one run could not be opened; the last are those that wait."""
    released: list[Part] = []

    def release(parts: Iterable[Part]) -> None:
        released.extend(parts)

    def nothing(*about: object) -> None:
        pass

    ways = Ways(nothing, nothing, nothing, release, nothing, TIMING)
    bundle = Bundle(connection, PLAIN, ways, query=Query(), expires_at=60.0)
    part = Part(bundle, RunKey("default", "r1"), 0)
    bundle.add(part)
    waiting: list[Part] = []
    opening = Opening(
        Closed(why),  # type: ignore[arg-type]
        absent=lambda part, seq: waiting.append(part),
        whole=nothing,
        timing=TIMING,
    )
    async with asyncio.TaskGroup() as opening.tasks:
        opening.open(part)
    return bundle, part, waiting


async def test_a_run_that_could_not_be_opened_and_is_left_holds_no_cursor_back() -> None:
    bundle, part, waiting = await opened(Connection(), StreamUnavailable("read", "no answer"))
    assert ([part], True) == (waiting, bundle.behind)
    bundle.remove(part)
    assert not bundle.behind


async def test_a_mistake_of_ours_ends_one_stream_alone(caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection()
    _, _, waiting = await opened(connection, RuntimeError("a mistake"))
    assert ([], True) == (waiting, connection.aborted)
    assert "a mistake" in caplog.text
