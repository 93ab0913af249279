"""`commands`: how soon a command is where it acts, and what listening costs a producer.

From the call that stores a command to the `CancelledError` in the pipeline's task, one run after
the other: of a pipeline that waits, and of one that computes and awaits nothing but checkpoints.
The person is a thread of this process, so that both read one clock; NATS is a process of its own.
"""

import asyncio
import threading
import time
from contextlib import suppress

from bench.harness import Figure, median, quantile
from bench.processes import nats
from broker.model.subjects import RunKey
from broker.producer import Producer, Run
from broker.stream.connection import Connection
from broker.stream.publish import Message, publish
from broker.stream.topology import StreamSettings, ensure

SLICE = 0.001
"""Seconds that a busy pipeline computes between two checkpoints."""


async def measure(smoke: bool) -> list[Figure]:
    runs, calls, events = (10, 1000, 500) if smoke else (300, 500_000, 20_000)
    async with nats() as url:
        async with Connection.connect(url, name="bench") as connection:
            await ensure(connection, StreamSettings())
        async with Producer.connect(url) as producer:
            waiting = [await _cancelled(producer, url, busy=False) for _ in range(runs)]
            busy = [await _cancelled(producer, url, busy=True) for _ in range(runs)]
            checkpoint = await _checkpoint(producer, calls)
        costs: dict[bool, list[float]] = {True: [], False: []}
        for listening in (True, False) * 3:
            costs[listening].append(await _event(url, events, listening))
    return [
        Figure("waiting pipeline, p50", quantile(waiting, 0.5), "ms"),
        Figure("waiting pipeline, p99", quantile(waiting, 0.99), "ms", "<=", 50),
        Figure("busy pipeline, p50", quantile(busy, 0.5), "ms"),
        Figure("busy pipeline, p99", quantile(busy, 0.99), "ms", "<=", 50),
        Figure("checkpoint", checkpoint, "us", "<=", 1),
        Figure("processor time per event, listening", median(costs[True]), "us"),
        Figure("processor time per event, not listening", median(costs[False]), "us"),
    ]


async def _cancelled(producer: Producer, url: str, *, busy: bool) -> float:
    """Milliseconds from the command to the pipeline's end."""
    run = producer.run("bench")
    go = threading.Event()
    given: list[float] = []

    def person() -> None:
        asyncio.run(_give(url, run.id, go, given))

    thread = threading.Thread(target=person)
    thread.start()
    task = asyncio.create_task(_work(producer, run, go, busy=busy))
    with suppress(asyncio.CancelledError):
        await task
    ended = time.perf_counter()
    await asyncio.to_thread(thread.join)
    return (ended - given[0]) * 1000


async def _give(url: str, run: str, go: threading.Event, given: list[float]) -> None:
    async with Connection.connect(url, name="person") as connection:
        await asyncio.to_thread(go.wait)
        given.append(time.perf_counter())
        command = Message(RunKey("default", run).subject, b'{"type":"command.cancel","id":"c"}')
        await publish(connection, command)


async def _work(producer: Producer, run: Run, go: threading.Event, *, busy: bool) -> None:
    async with run:
        await producer.flush()
        go.set()
        while True:
            if busy:
                until = time.perf_counter() + SLICE
                while time.perf_counter() < until:
                    pass
                await run.checkpoint()
            else:
                await asyncio.sleep(10)


async def _checkpoint(producer: Producer, calls: int) -> float:
    """Microseconds of a checkpoint when nobody asks for anything."""
    run = producer.run("bench")
    run.start()
    await producer.flush()
    began = time.perf_counter()
    for _ in range(calls):
        await run.checkpoint()
    return (time.perf_counter() - began) / calls * 1e6


async def _event(url: str, events: int, listening: bool) -> float:
    """Microseconds of processor time from an event's report to its acknowledgement."""
    async with Producer.connect(url) as producer:
        run = producer.run("bench", commands=listening, cancellable=True)
        run.start()
        await producer.flush()
        began = time.process_time()
        for number in range(events):
            run.annotate(labels={"number": number})
            if number % 100 == 0:
                await asyncio.sleep(0)
        await producer.flush()
        return (time.process_time() - began) / events * 1e6
