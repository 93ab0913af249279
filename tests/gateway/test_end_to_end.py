"""From a producer to a browser."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from broker.producer import Producer
from tests.gateway.runs import STEPS
from tests.gateway.serving import Broker, broker
from tests.sse import Viewer, stream, watch

EVENTS: list[dict[str, Any]] = [
    {"type": "run.started", "pipeline": "import", "plan": [{"step": s} for s in STEPS]},
    {"type": "step.started", "step": "fetch"},
    {"type": "step.progress", "step": "fetch", "current": 3, "total": 4, "unit": "files"},
    {"type": "step.completed", "step": "fetch", "outputs": {"files": 4}},
    {"type": "step.skipped", "step": "clean", "reason": "clean already"},
    {"type": "step.started", "step": "fit"},
    {"type": "step.failed", "step": "fit", "error": {"message": "no luck"}},
    {"type": "run.annotated", "labels": {"owner": "ann"}},
    {"type": "artifact.added", "name": "model", "uri": "file:///model"},
    {"type": "run.completed", "outputs": {"score": 0.5}},
]


async def publish_by_hand(nats_url: str, run: str) -> None:
    """What any language can do: a socket, and one line before each event."""
    host, port = nats_url.removeprefix("nats://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        assert (await reader.readline()).startswith(b"INFO ")
        writer.write(b'CONNECT {"verbose":false}\r\n')
        for event in EVENTS:
            payload = msgspec.json.encode(event)
            writer.write(
                b"PUB progress.default.%b %d\r\n%b\r\n" % (run.encode(), len(payload), payload)
            )
        writer.write(b"PING\r\n")
        assert b"PONG\r\n" == await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


async def publish_by_producer(nats_url: str, run_id: str) -> None:
    async with Producer.connect(nats_url) as producer:
        run = producer.run("import", run_id, plan=list(STEPS))
        run.start()
        fetch = run.step("fetch")
        fetch.start()
        fetch.progress(3, 4, unit="files")
        fetch.complete({"files": 4})
        run.step("clean").skip("clean already")
        fit = run.step("fit")
        fit.start()
        fit.fail("no luck")
        run.annotate(labels={"owner": "ann"})
        run.artifact("model", "file:///model")
        run.complete({"score": 0.5})
        await producer.flush()


def timeless(state: Any) -> Any:
    """A state without what differs from run to run."""
    if isinstance(state, dict):
        own = ("run", "cursor", "duration", "last_seen")
        return {
            name: timeless(value)
            for name, value in state.items()
            if name not in own and not name.endswith("_at")
        }
    return state


async def ended(b: Broker, run: str) -> Any:
    """The snapshot of a run once it has ended."""
    seen = await watch(b.url, run)
    assert seen.end is not None
    return await b.snapshot(run)


async def test_a_plain_socket_reports_as_well_as_the_sdk(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await publish_by_hand(b.nats.url, "by-hand")
        await publish_by_producer(b.nats.url, "by-sdk")
        by_hand, by_sdk = await ended(b, "by-hand"), await ended(b, "by-sdk")
        assert ("completed", 1.0) == (by_hand["status"], by_hand["progress"]["fraction"])
        assert timeless(by_hand) == timeless(by_sdk)


async def test_a_browser_sees_a_run_as_it_goes(tmp_path: Path) -> None:
    """Each report of the SDK arrives while the run waits for nobody."""
    async with broker(tmp_path) as b, Producer.connect(b.nats.url) as producer:
        async with producer.run("import", "r1", plan=["a"]) as run:
            await producer.flush()
            async with stream(b.url, "r1") as frames:
                viewer = Viewer()
                viewer.take_all(await frames.until("snapshot"))
                assert "running" == viewer.state["status"]
                async with run.step("a") as step:
                    step.progress(1, 2)
                    while viewer.state["progress"]["fraction"] != 0.5:
                        viewer.take_all(await frames.until("patch"))
        assert "completed" == (await ended(b, "r1"))["status"]
