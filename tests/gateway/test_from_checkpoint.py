"""A run is opened from its checkpoint; who asks for its events still gets every one of them."""

import asyncio
from pathlib import Path

from broker.model.cursor import epoch_of
from broker.model.evolve import fold
from broker.model.state import initial
from broker.model.summary import summarize
from broker.stream.checkpoints import load, store
from broker.stream.topology import PROGRESS, api, created_at
from tests.gateway.runs import completed, long_run, short_run, started
from tests.gateway.serving import Broker, broker, gateway
from tests.runs.projecting import everything_is_acknowledged
from tests.sse import Answer, ask, path, stream, watch
from tests.stream.serving import PATIENCE, key_of


async def _kept(b: Broker) -> None:
    """Wait until every run has a checkpoint at its head."""
    await everything_is_acknowledged(b.nats.connection)


async def test_what_is_shown_is_the_same(tmp_path: Path) -> None:
    """By a gateway that has read every event and by one that has read the checkpoint."""
    async with asyncio.timeout(PATIENCE), broker(tmp_path) as b:
        await b.publish("r1", *short_run()[:-1])
        read = await b.snapshot("r1")
        await _kept(b)
        async with gateway(b.nats.url) as other:
            assert read == (await ask(other.url, path("r1"))).json()
            await b.publish("r1", completed())
            seen = await watch(other.url, "r1")
            assert "completed" == seen.state["status"]


async def test_every_event_is_shown_from_the_beginning_and_from_any_cursor(tmp_path: Path) -> None:
    """Although the hub has seen none of them; the second who asks is served from memory."""
    async with asyncio.timeout(PATIENCE), broker(tmp_path) as b:
        seqs = await b.publish("r1", *long_run(200))
        await _kept(b)
        async with gateway(b.nats.url) as other:
            for _ in range(2):
                whole = await watch(other.url, "r1", "events")
                assert seqs == [int(cursor.split("-")[1]) for cursor in whole.cursors]
                later = await watch(other.url, "r1", "events", query=f"&after={whole.cursors[49]}")
                assert whole.cursors[50:] == later.cursors


async def test_a_run_whose_events_have_expired_is_still_shown(tmp_path: Path) -> None:
    """Its last state; whoever asks for its events is told the end, at once and once."""
    async with asyncio.timeout(PATIENCE), broker(tmp_path) as b:
        await b.publish("r1", *short_run())
        state = await b.snapshot("r1")
        await _kept(b)
        await api(b.nats.connection, f"STREAM.PURGE.{PROGRESS}", {"filter": key_of("r1").subject})
        async with gateway(b.nats.url) as other:
            assert state == (await ask(other.url, path("r1"))).json()
            seen = await watch(other.url, "r1", "events")
            assert [] == seen.cursors
            assert "completed" == (seen.end or {})["status"]


async def test_the_history_of_a_run_whose_events_have_expired_is_empty(tmp_path: Path) -> None:
    """Not that of a run that never was; its cursors are still told from those that cannot be."""
    async with asyncio.timeout(PATIENCE), broker(tmp_path) as b:
        seqs = await b.publish("r1", *short_run())
        await _kept(b)
        cursor = (await b.snapshot("r1"))["cursor"]
        await api(b.nats.connection, f"STREAM.PURGE.{PROGRESS}", {"filter": key_of("r1").subject})
        beyond = cursor.replace(f"-{seqs[-1]}", f"-{seqs[-1] + 1}")
        async with gateway(b.nats.url) as other:
            for query in ("", "?wait=1", f"?after={cursor}"):
                found = await _events(other.url, "r1", query, "application/json")
                assert (200, {"items": []}) == (found.status, found.json())
            for query in ("", f"?after={cursor}"):
                found = await _events(other.url, "r1", query, "application/x-ndjson")
                assert (200, b"") == (found.status, found.body)
            for kind in ("application/json", "application/x-ndjson"):
                refused = await _events(other.url, "r1", f"?after={beyond}", kind)
                assert 422 == refused.status
                assert 404 == (await _events(other.url, "r2", "", kind)).status


async def _events(url: str, run: str, query: str, kind: str) -> Answer:
    return await ask(url, path(run, f"/events{query}"), headers={"Accept": kind})


async def test_an_unreadable_end_is_told_once(tmp_path: Path) -> None:
    """A record after the end that is no event must not bring `EventSource` back for ever."""
    async with asyncio.timeout(PATIENCE), broker(tmp_path) as b:
        await b.publish("r1", started(), completed())
        seen = await watch(b.url, "r1", "events")
        await b.publish("r1", b"no event")
        await _kept(b)
        async with gateway(b.nats.url) as other:
            again = await watch(other.url, "r1", "events", query=f"&last_event_id={seen.last_id}")
            assert [] == again.cursors
            async with stream(other.url, "r1", "events", last_id=seen.last_id) as third:
                assert 204 == third.status


async def test_a_broken_checkpoint_is_passed_over(tmp_path: Path) -> None:
    """The run is read from its events, and the fault is counted."""
    async with asyncio.timeout(PATIENCE), broker(tmp_path) as b:
        await b.publish("r1", *short_run())
        state = await b.snapshot("r1")
        await _kept(b)
        await _break(b)
        async with gateway(b.nats.url) as other:
            assert state == (await ask(other.url, path("r1"))).json()
            text = (await ask(other.url, "/metrics")).body
            assert b"progress_broker_checkpoints_unreadable_total 1.0" in text


async def _break(b: Broker) -> None:
    """Write nonsense over the checkpoint, under its own summary."""
    key, connection = key_of("r1"), b.nats.connection
    epoch = epoch_of(await created_at(connection, PROGRESS))
    state = fold(await b.nats.records("r1"), initial(*key))
    revision = (await load(connection, key, epoch)).revision
    await store(connection, key, summarize(state, epoch), b"\0nonsense", revision)
