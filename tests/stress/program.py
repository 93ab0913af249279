"""Many runs, publishers and clients that do what clients do, and a restart of NATS.

Every decision follows from the seed. Nothing is judged while it goes on: each connection keeps what
it saw, and in the end that is compared with what is stored.
"""

import asyncio
import os
import random
import socket
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from broker.errors import MalformedEvent, StreamUnavailable
from broker.model.decode import decode
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import initial
from broker.stream.connection import Connection
from broker.stream.publish import Message, publish
from broker.stream.replay import read
from broker.views.native import snapshot_json
from tests.faults import Server, killable, until
from tests.gateway.runs import STEPS, completed, started, step_completed, step_progress
from tests.gateway.serving import gateway
from tests.sse import Stream, Viewer, Wire, ask, path
from tests.stream.serving import key_of, payload_of

RUNS = 12
CLIENTS = 60
PATIENCE = 30.0
ODD = (b"no event", b'{"type":"run.progress"}', b'{"type":"lab.sampled","value":7}')
SETTINGS: dict[str, Any] = {
    "hub_ttl": 1,
    "heartbeat": 1,
    "max_age": 8,
    "high_water": 4096,
    "stall_timeout": 60,
}
"""Everything that happens seldom happens often."""


@dataclass
class Seen:
    """What one connection saw."""

    run: str
    view: str
    after: int | None
    """The cursor that it came with, if that was one of the run."""
    viewer: Viewer
    seqs: list[int] = field(default_factory=list)


@dataclass
class Report:
    """What happened, and what was wrong."""

    seed: int
    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        lines = [f"seed {self.seed}", *(f"  {n:>8} {what}" for what, n in self.counts.items())]
        return "\n".join([*lines, *self.faults, "failed" if self.faults else "all is well"])


class Stress:
    """The actors, and what they know of each other."""

    def __init__(self, seed: int, seconds: float) -> None:
        self.seed = seed
        self.seconds = seconds
        self.report = Report(seed)
        self.url = self.nats_url = ""
        self.over = asyncio.Event()
        """Whether the publishers begin to finish."""
        self.cursors: dict[str, list[str]] = {run_name(n): [] for n in range(RUNS)}
        """Cursors that someone saw, for others to come with."""
        self.seen: list[Seen] = []

    def chance(self, who: str) -> random.Random:
        """The decisions of one actor."""
        return random.Random(f"{self.seed} {who}")

    async def pause(self, seconds: float) -> None:
        """Do nothing for a while, or until the end begins."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()

    async def publisher(self, run: str) -> None:
        """Report a run, now and then in a burst; every event is stored, and once."""
        chance = self.chance(f"publisher {run}")
        async with Connection.connect(self.nats_url, name=run) as connection:
            number = 0

            async def store(event: dict[str, Any] | bytes) -> None:
                nonlocal number
                number += 1
                await stored(connection, run, event, f"{run}-{number}")

            await store(started())
            while not self.over.is_set():
                await self.pause(chance.choice([0.01, 0.05, 0.2]))
                for _ in range(chance.choice([1, 1, 1, 3, 60])):
                    step = chance.choice(STEPS)
                    text = "x" * chance.choice([0, 10, 900])
                    await store(step_progress(step, chance.randint(0, 10), message=text))
                if chance.random() < 0.1:
                    await store(chance.choice(ODD))
                for n in range(40 if chance.random() < 0.02 else 0):  # more than a sleeper holds
                    await store({"type": "run.annotated", "metadata": {"note": str(n) * 20_000}})
                    await self.pause(0.03)
            for step in STEPS:
                await store(step_completed(step))
            await store(completed())
            self.report.counts["events stored"] += number

    async def client(self, number: int) -> None:
        """Come and go, with any cursor, and read as fast as one likes; at last see an end."""
        chance = self.chance(f"client {number}")
        viewer = Viewer()
        run, view = chance.choice(list(self.cursors)), chance.choice(["state", "events"])
        while not self.over.is_set():
            if chance.random() < 0.3:
                viewer = Viewer()
                run, view = chance.choice(list(self.cursors)), chance.choice(["state", "events"])
                viewer.last_id = chance.choice([None, None, "garbage", self._cursor(run, chance)])
                if view == "state":
                    viewer.last_id = viewer.last_id and "garbage"  # it has no state to patch
            await self._watch(run, view, viewer, chance)
            await self.pause(chance.choice([0, 0, 0.1, 0.5]))
        while viewer.end is None:
            if await self._watch(run, view, viewer, None) == 204:
                break
        snapshot = (await ask(self.url, path(run))).json()
        if view == "state" and viewer.state != snapshot:
            self.report.faults.append(f"client {number}: {viewer.state} is not {snapshot}")

    def _cursor(self, run: str, chance: random.Random) -> str | None:
        return chance.choice(self.cursors[run]) if self.cursors[run] else None

    async def _watch(
        self, run: str, view: str, viewer: Viewer, chance: random.Random | None
    ) -> int:
        """Watch for a while, or without chance to the end; gives the status of the answer."""
        small = chance is not None and chance.random() < 0.5
        version = "1.0" if chance is not None and chance.random() < 0.2 else "1.1"
        frames_left = chance.choice([0, 1, 10, 100, 1000]) if chance is not None else 10**9
        opening = opened(self.url, run, view, viewer.last_id, version, small=small)
        seen = Seen(run, view, _seq(viewer.last_id), viewer)
        self.report.counts["connections"] += 1
        async with opening as frames:
            if frames.status in (404, 503):
                await asyncio.sleep(0.05)  # the run has not begun, or NATS is away
                return frames.status
            if frames.status == 204:
                return 204
            if frames.status != 200:
                self.report.faults.append(f"{run}: {frames.status}")
            while frames_left and (chance is None or not self.over.is_set()):
                frame = await frames.next()
                if frame is None:
                    self.report.counts["streams ended"] += 1
                    break
                frames_left -= 1
                self._keep(seen, frame)
                sleepy = 0.15 if "metadata" in frame.data else 0.01
                if chance is not None and chance.random() < sleepy:
                    self.report.counts["sleeps"] += 1
                    await self.pause(chance.choice([0.1, 1, 3]))
        self._leave(seen)
        return 200

    def _keep(self, seen: Seen, frame: Any) -> None:
        seen.viewer.take(frame)
        self.report.counts["frames"] += 1
        if frame.event == "hello" and not frame.data["resumed"]:
            seen.after = 0 if seen.viewer.last_id is None and seen.view == "events" else None
        elif frame.event == "snapshot":
            if seen.view == "events" and (seen.after is not None or seen.seqs):
                self.report.faults.append(f"{seen.run}: a snapshot among events")
            seen.after = _seq(frame.id)
        elif frame.event not in ("hello", "patch", "end"):
            seen.seqs.append(int(frame.id.split("-")[1]))
        if frame.id is not None and len(self.cursors[seen.run]) < 500:
            self.cursors[seen.run].append(frame.id)

    def _leave(self, seen: Seen) -> None:
        """Keep what a connection saw; the client goes on with a viewer of its own."""
        kept = Viewer()
        kept.state, kept.last_id, kept.end = (
            seen.viewer.state,
            seen.viewer.last_id,
            seen.viewer.end,
        )
        self.seen.append(Seen(seen.run, seen.view, seen.after, kept, seen.seqs))

    async def nats_restart(self, server: Server) -> None:
        """NATS is killed in the middle, and comes back."""
        await self.pause(self.seconds / 2)
        await server.kill()
        await until(lambda: answers(self.url, 503))
        await server.start()
        await until(lambda: answers(self.url, 200), 20)
        await self.pause(self.seconds / 2)
        self.over.set()

    async def observer(self) -> None:
        """See how many clients are asleep."""
        while not self.over.is_set():
            held = int(await value(self.url, "clients_held"))
            self.report.counts["held"] = max(held, self.report.counts["held"])
            await self.pause(0.2)

    async def judge(self) -> None:
        """Compare what was seen with what is stored."""
        async with Connection.connect(self.nats_url, name="judge") as connection:
            for run in self.cursors:
                pages = read(connection, key_of(run).subject, 0)
                records = [record async for page in pages for record in page]
                self._judge(run, records)

    def _judge(self, run: str, records: list[Record]) -> None:
        shown = []
        for record in records:
            with suppress(MalformedEvent):
                decode(record.payload)
                shown.append(record.seq)
        states: list[tuple[int, Viewer]] = []
        for seen in self.seen:
            if seen.run != run:
                continue
            if seen.view == "events" and seen.after is not None:
                begin = bisect_right(shown, seen.after)
                if shown[begin : begin + len(seen.seqs)] != seen.seqs:
                    self.report.faults.append(f"{run} after {seen.after}: {seen.seqs}")
                if seen.viewer.end is not None and (seen.seqs or [seen.after])[-1] < shown[-1]:
                    self.report.faults.append(f"{run} ended before its end: {seen.seqs[-3:]}")
            elif seen.view == "state" and seen.viewer.last_id and seen.viewer.state:
                seq = _seq(seen.viewer.last_id)
                assert seq is not None
                states.append((seq, seen.viewer))
        self._judge_states(run, records, states)

    def _judge_states(
        self, run: str, records: list[Record], states: list[tuple[int, Viewer]]
    ) -> None:
        key = key_of(run)
        fold = Fold(initial(key.tenant, key.run))
        left = iter(records)
        for seq, viewer in sorted(states, key=lambda found: found[0]):
            while fold.seq < seq:
                fold.add_record(next(left))
            epoch = viewer.state["cursor"].split("-")[0]
            if msgspec.json.decode(snapshot_json(fold.state, epoch)) != viewer.state:
                self.report.faults.append(f"{run} at {seq}: {viewer.state}")


def run_name(number: int) -> str:
    return f"stress-{number}"


def _seq(cursor: str | None) -> int | None:
    return int(cursor.split("-")[1]) if cursor is not None and "-" in cursor else None


@asynccontextmanager
async def opened(
    url: str, run: str, view: str, last_id: str | None, version: str, *, small: bool
) -> AsyncIterator[Stream]:
    """Open a stream; one with a small socket is soon felt by the gateway when it does not read.

    Over loopback a segment has 64 KiB, and the kernel keeps megabytes of them for who sleeps.
    """
    where = urlsplit(url)
    sock = socket.socket()
    sock.setblocking(False)
    if small:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    await asyncio.get_running_loop().sock_connect(sock, (where.hostname, where.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096 if small else 65536)
    wire = Wire(reader, writer)
    headers = {"Accept": "text/event-stream"}
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    try:
        await wire.send("GET", path(run, f"/events?view={view}"), headers, version=version)
        status, found = await wire.head()
        yield Stream(wire, status, found, PATIENCE)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def stored(connection: Connection, run: str, event: Any, unique: str) -> None:
    """Publish as a careful producer does: again until it is acknowledged, under the same id."""
    message = Message(key_of(run).subject, payload_of(event), unique)
    while True:
        try:
            async with asyncio.timeout(1):
                await publish(connection, message)
            return
        except (StreamUnavailable, TimeoutError):
            await asyncio.sleep(0.05)  # NATS is away, and nothing tells when it returns


async def answers(url: str, status: int) -> bool:
    return (await ask(url, "/readyz")).status == status


async def value(url: str, metric: str) -> float:
    """The sum of a metric over its labels."""
    lines = (await ask(url, "/metrics")).body.decode().split("\n")
    name = f"progress_broker_{metric}"
    return sum(float(row.split()[-1]) for row in lines if row.startswith((f"{name} ", f"{name}{{")))


def sockets() -> int:
    """How many sockets this process has open."""
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    return count


async def stress(folder: Path, seed: int, seconds: float) -> Report:
    """Press hard on one gateway for some seconds, and see that nothing is missing or left over."""
    program = Stress(seed, seconds)
    report = program.report
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: report.faults.append(f"{context['message']} {context.get('exception')}")
    )
    async with killable(folder) as server, gateway(server.url, **SETTINGS) as here:
        program.url, program.nats_url = here.url, server.url
        await ask(here.url, "/metrics")
        before = len(asyncio.all_tasks()), sockets()
        async with asyncio.TaskGroup() as group:
            group.create_task(program.nats_restart(server))
            group.create_task(program.observer())
            for run in program.cursors:
                group.create_task(program.publisher(run))
            for number in range(CLIENTS):
                group.create_task(program.client(number))

        async def forgotten() -> bool:
            return not await value(here.url, "hubs") and not await value(here.url, "clients")

        async def nothing_left() -> bool:
            return len(asyncio.all_tasks()) <= before[0] and sockets() <= before[1]

        for what, gone in (("hubs", forgotten), ("tasks or sockets", nothing_left)):
            try:
                await until(gone)
            except TimeoutError:
                now = len(asyncio.all_tasks()), sockets()
                report.faults.append(f"{what} are left: {now} after {before}")
        await program.judge()
        for metric in ("resumes_total", "conflations_total", "gaps_total", "nats_reconnects_total"):
            report.counts[metric] = int(await value(here.url, metric))
    return report
