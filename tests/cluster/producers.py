"""Producers: pipelines with the SDK, and one that posts to the gateways."""

import asyncio
import json
import random
from contextlib import suppress
from typing import Any

from broker.producer import Producer, Run
from tests.cluster.ledger import Ledger
from tests.sse import ask

PLAN = ["read", "work", "write"]


class Pipelines:
    """What all producers share."""

    def __init__(self, seed: int, nats_url: str, urls: list[str], ledger: Ledger) -> None:
        self.over = asyncio.Event()
        """Whether no further run begins."""
        self.faults: list[str] = []
        self.refused = 0
        """How many posts were answered with 503."""
        self._seed = seed
        self._nats_url = nats_url
        self._urls = urls
        self._ledger = ledger

    def chance(self, who: str) -> random.Random:
        """The decisions of one producer."""
        return random.Random(f"{self._seed} {who}")

    async def pause(self, seconds: float) -> None:
        """Work for a while; towards the end one hurries."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()

    async def reporting(self, number: int) -> None:
        """One run after another, by the SDK."""
        who = f"p{number}"
        chance = self.chance(who)
        count = 0
        async with Producer.connect(self._nats_url, name=who, close_timeout=90) as producer:
            while not self.over.is_set():
                count += 1
                run_id = f"{who}-{count}"
                async with producer.run("chaos", run_id=run_id, plan=PLAN) as run:
                    await self._work(run, chance)
                self._ledger.runs[run_id] = True
            await producer.flush()
            if producer.dropped:
                self.faults.append(f"{who} dropped {producer.dropped}")

    async def _work(self, run: Run, chance: random.Random) -> None:
        pace = chance.choice([0.15, 0.3])
        for name in PLAN:
            count = chance.randint(10, 40)
            async with run.step(name) as step:
                for n in range(count):
                    step.progress(n + 1, count, message="x" * chance.choice([0, 10, 300]))
                    await self.pause(pace)
                    if chance.random() < 0.1:
                        run.annotate(metadata={f"note-{name}": n})
                    if chance.random() < 0.03:
                        for burst in range(30):
                            run.annotate(metadata={"burst": burst})

    async def posting(self, number: int) -> None:
        """One run after another, by HTTP: the same again until it is stored, anywhere."""
        who = f"h{number}"
        chance = self.chance(who)
        at, count = 0, 0
        while not self.over.is_set():
            count += 1
            run = f"{who}-{count}"
            events: list[dict[str, Any]] = [{"type": "run.started", "pipeline": "posted"}]
            numbers = chance.randint(30, 90)
            for n in range(numbers):
                events.append({"type": "run.annotated", "metadata": {"n": n}})
                if n % 3 == 2 or n == numbers - 1:
                    at = await self._stored(run, events, f"{run}-{n}", at)
                    events = []
                    await self.pause(0.3)
            at = await self._stored(run, [{"type": "run.completed"}], f"{run}-end", at)
            self._ledger.runs[run] = True

    async def _stored(self, run: str, events: list[dict[str, Any]], unique: str, at: int) -> int:
        """Post until it is stored; gives which gateway it was."""
        named = [{**event, "id": f"{unique}-{n}"} for n, event in enumerate(events)]
        for event in named:
            self._ledger.send(event["id"])
        while True:
            url = self._urls[at % len(self._urls)]
            try:
                answer = await ask(
                    url,
                    f"/v1/runs/{run}/events",
                    method="POST",
                    body=json.dumps(named).encode(),
                )
            except (OSError, EOFError, TimeoutError):
                at += 1
                await asyncio.sleep(0.2)  # a gateway is away, and nothing tells when it returns
                continue
            if answer.status == 202:
                break
            if answer.status != 503:
                self.faults.append(f"POST for {run}: {answer.status} {answer.body[:200]!r}")
            self.refused += 1
            at += 1
            await asyncio.sleep(0.5)  # as `Retry-After` asks for, but sooner
        last = int(answer.json()["last_cursor"].split("-")[1])
        for n, event in enumerate(named):
            self._ledger.acknowledge(run, event["id"], last if n == len(named) - 1 else 0)
        return at
