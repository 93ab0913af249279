"""The example's worker does what its page says: it hashes, pauses, and stops."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.model import events
from broker.producer import Worker
from examples.worker import checksum_folder
from tests.producer.conftest import Nats, eventually
from tests.producer.test_commands import answered, ends, give
from tests.producer.test_worker import ask, settled, working


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "below").mkdir(parents=True)
    (folder / "a.txt").write_text("same")
    (folder / "below/b.txt").write_text("same")
    (folder / "c.txt").write_text("other")
    (folder / "link").symlink_to("a.txt")
    return folder


@asynccontextmanager
async def example(nats: Nats, inputs: dict[str, Any]) -> AsyncIterator[None]:
    """The worker of the example, and a request for it."""
    worker = Worker(nats.url)
    worker.pipeline("checksum-folder", plan=["find", "hash"])(checksum_folder)
    await ask(nats, "r1", "checksum-folder", inputs=inputs)
    async with working(worker):
        yield


async def test_it_counts_files_and_their_contents(nats: Nats, tree: Path) -> None:
    async with example(nats, {"folder": str(tree)}):
        await settled(nats)
    completed = (await nats.events("r1"))[-1]
    assert isinstance(completed, events.RunCompleted)
    assert {"files": 3, "different": 2, "doubled": 1} == completed.outputs
    assert ["the same: a.txt, below/b.txt"] == [line.text for line in await nats.lines("r1")]


@pytest.mark.parametrize("inputs", [{}, {"folder": "nowhere"}, {"folder": 1}])
async def test_without_a_folder_it_fails_and_says_so(nats: Nats, inputs: dict[str, Any]) -> None:
    async with example(nats, inputs):
        await settled(nats)
    failed = (await nats.events("r1"))[-1]
    assert isinstance(failed, events.RunFailed)
    assert (failed.error.message or "").endswith("give the path of a folder")


async def test_it_can_be_paused_and_cancelled(nats: Nats, tree: Path) -> None:
    for number in range(500):
        (tree / f"{number}.txt").touch()
    async with example(nats, {"folder": str(tree), "delay": 0.02}):
        # Before the first file is reached there was no checkpoint, and a pause is turned down.
        await eventually(lambda: _has(nats, "step.progress hash"))
        await answered(nats, "r1", await give(nats, "r1", "pause"))
        await eventually(lambda: _has(nats, "run.paused"))
        await give(nats, "r1", "cancel", by="ann")
        await settled(nats)
    assert [{"is": events.RunCancelled, "by": "ann", "reason": None}] == await ends(nats, "r1")


async def _has(nats: Nats, tag: str) -> bool:
    return tag in await nats.tags("r1")
