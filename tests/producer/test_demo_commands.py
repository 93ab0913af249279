"""A newcomer can cancel and pause what the demo runs, and the demo goes on."""

import asyncio
import functools
from pathlib import Path

from broker.demo import checksum, loop
from broker.model import events
from broker.producer import Producer
from broker.stream.connection import Connection
from tests.producer.conftest import Nats, eventually
from tests.producer.test_commands import answered, ends, give


class Runs:
    """The runs that begin, in their order."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def hear(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        if b'"run.started"' in data:
            self.ids.append(subject.decode().rsplit(".", 1)[1])


async def test_a_cancelled_run_is_followed_by_the_next(nats: Nats, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for number in range(200):
        (tmp_path / "tree" / f"{number}.txt").write_text("some content")
    runs = Runs()
    once = functools.partial(checksum.run_once, folder=tmp_path / "tree", rate=600)
    async with (
        Connection.connect(nats.url, name="ear") as ear,
        Producer.connect(nats.url) as producer,
        asyncio.TaskGroup() as group,
    ):
        await ear.subscribe("live.progress.*.*", runs.hear)
        await ear.flush()
        looping = group.create_task(loop.repeat(producer, once, pause=0))
        await eventually(lambda: runs.ids)
        first = runs.ids[0]
        await eventually(lambda: _has(nats, first, "step.progress hash"))
        pause = await give(nats, first, "pause", by="ann")
        assert (pause, "accepted", None) == await answered(nats, first, pause)
        await eventually(lambda: _has(nats, first, "run.paused"))
        await give(nats, first, "cancel", by="ann", reason="enough")
        await eventually(lambda: runs.ids[1:])
        assert [{"is": events.RunCancelled, "by": "ann", "reason": "enough"}] == await ends(
            nats, first
        )
        looping.cancel()


async def _has(nats: Nats, run: str, tag: str) -> bool:
    return tag in await nats.tags(run)
