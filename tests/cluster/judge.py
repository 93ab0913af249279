"""Comparing what was seen with what was acknowledged."""

from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec

from broker.model.checkpoint import unpack
from broker.model.cursor import epoch_of
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import initial
from broker.model.subjects import RunKey, run_of
from broker.stream.checkpoints import load
from broker.stream.connection import Connection
from broker.stream.replay import read
from broker.stream.topology import DIALECTS, JOBS, PROGRESS, created_at
from broker.views.native import snapshot_json
from tests.cluster.clients import Watched
from tests.cluster.ledger import Ledger
from tests.cluster.promises import kept, settled
from tests.cluster.queues import Promises
from tests.cluster.servers import SERVERS, Cluster, digest
from tests.faults import until
from tests.sse import ask, path


class Judge:
    """The stored events, and everything that must agree with them."""

    def __init__(
        self, cluster: Cluster, ledger: Ledger, promises: Promises, urls: list[str]
    ) -> None:
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self._cluster = cluster
        self._ledger = ledger
        self._promises = promises
        self._urls = urls
        self._epoch = ""
        self._records: dict[str, list[Record]] = {}
        self._finals: dict[str, Any] = {}

    async def judge(self, watched: list[Watched]) -> None:
        """Look at everything."""
        for queue in (JOBS, DIALECTS):
            try:
                await settled(self._cluster.url("operator"), queue)
            except TimeoutError:
                self._fail(f"{queue} still holds something")
        await self._servers()
        async with Connection.connect(self._cluster.url("operator"), name="judge") as connection:
            self._epoch = epoch_of(await created_at(connection, PROGRESS))
            for run in self._records:
                pages = read(connection, RunKey("default", run).subject, 0)
                self._records[run] = [record async for page in pages for record in page]
            by_run: dict[str, list[Watched]] = {}
            for one in watched:
                by_run.setdefault(one.run, []).append(one)
                self.faults += one.faults
            for run, records in self._records.items():
                self._run(run, records, by_run.get(run, []))
            self.faults += kept(self._promises, self._records, self.counts)
            await self._checkpoints(connection)
        for url in self._urls:
            await self._gateway(url)

    def _fail(self, text: str) -> None:
        self.faults.append(text)

    async def _servers(self) -> None:
        """Every server has the same events, all that were acknowledged, each once."""
        copies = [await self._cluster.copy(number) for number in range(SERVERS)]
        digests = [digest(copy) for copy in copies]
        if len(set(digests)) != 1:
            self._fail(f"the servers differ: {digests}, {[len(copy) for copy in copies]} events")
        found: dict[str, tuple[str, int]] = {}
        by_gateways = 0
        for seq, subject, payload in copies[0]:
            run = run_of(subject).run
            self._records.setdefault(run, [])
            event = msgspec.json.decode(payload)
            unique = event.get("id")
            made = self._by_a_gateway(run, event["type"])
            by_gateways += made
            if not (made or unique in self._ledger.first_sent):
                self._fail(f"nobody sent {event} of {run} at {seq}")
            elif unique in found:
                self._fail(f"{unique} of {run} is stored twice: {found[unique]}, {seq}")
            found[unique] = (run, seq)
        for unique, told in self._ledger.acknowledged.items():
            run, seq = found.get(unique, ("", 0))
            if run != told.run or told.seq not in (0, seq):
                self._fail(f"{unique} of {told} was acknowledged, and is {run or 'lost'} at {seq}")
        self.counts["events stored"] = len(copies[0])
        self.counts["acknowledged"] = len(self._ledger.acknowledged)
        unheard = len(found.keys() - self._ledger.acknowledged) - by_gateways
        self.counts["stored, not acknowledged"] = unheard
        order: dict[str, list[float]] = {}
        for unique, (run, _) in sorted(found.items(), key=lambda item: item[1][1]):
            # What a worker has to say of its attempt after another began is stored all the same.
            if unique in self._ledger.first_sent and self._promises.begun[run] < 2:
                order.setdefault(run, []).append(self._ledger.first_sent[unique])
        for run, times in order.items():
            behind = sum(later < earlier for earlier, later in pairwise(times))
            if behind:
                self._fail(f"{run}: {behind} events were stored after later ones")

    def _by_a_gateway(self, run: str, type_: str) -> bool:
        """Whether an event is one that a gateway makes of a request, or of a dialect's message."""
        return run in self._promises.said or (run in self._promises.asked and type_ == "run.queued")

    def _run(self, run: str, records: list[Record], watched: list[Watched]) -> None:
        """Clients saw exactly what is stored, and states that it folds to."""
        seqs = [record.seq for record in records]
        states: list[tuple[int, Any]] = []
        for one in watched:
            self.counts["runs watched"] += 1
            if one.view == "events" and one.seqs != seqs:
                self._fail(f"events of {run}: {_difference(one.seqs, seqs)}")
            elif one.view == "state":
                last = one.state and (one.state["cursor"].split("-")[1])
                states += [*one.samples, (int(last or 0), one.state)]
                if not last or int(last) != seqs[-1]:
                    self._fail(f"a client's last state of {run} is {last}, not {seqs[-1]}")
            self.counts["events shown"] += len(one.seqs)
        fold = Fold(initial("default", run))
        left = iter(records)
        for seq, state in sorted(states, key=lambda found: found[0]):
            while fold.seq < seq:
                fold.add_record(next(left))
            self.counts["states compared"] += 1
            if msgspec.json.decode(snapshot_json(fold.state, self._epoch)) != state:
                self._fail(f"{run} at {seq}: {state} is not the fold of what is stored")
        fold.extend(list(left))
        self._finals[run] = msgspec.json.decode(snapshot_json(fold.state, self._epoch))
        if self._finals[run]["status"] != "completed":
            self._fail(f"{run} is {self._finals[run]['status']}")

    async def _checkpoints(self, connection: Connection) -> None:
        """The checkpoints are the folds, as soon as the projectors have caught up."""
        for run, final in self._finals.items():
            state: Any = None

            async def equal(run: str = run, final: Any = final) -> bool:
                nonlocal state
                found = await load(connection, RunKey("default", run), self._epoch)
                if found.packed:
                    state = msgspec.json.decode(snapshot_json(unpack(found.packed), self._epoch))
                return bool(state == final)

            try:
                await until(equal, 30)
            except TimeoutError:
                self._fail(f"the checkpoint of {run} is {state}, not {final}")
        self.counts["checkpoints compared"] = len(self._finals)

    async def _gateway(self, url: str) -> None:
        """Each gateway shows every run as it is, and lists all of them."""
        for run, final in self._finals.items():
            shown = (await ask(url, path(run))).json()
            if shown != final:
                self._fail(f"{url} shows {run} as {shown}, not {final}")
        listed: dict[str, str] = {}
        token = ""
        while True:
            page = (await ask(url, f"/v1/runs?limit=100{token}")).json()
            listed |= {item["run"]: item["status"] for item in page["items"]}
            if "next" not in page:
                break
            token = f"&page_token={page['next']}"
        if listed != {run: final["status"] for run, final in self._finals.items()}:
            self._fail(f"{url} lists {len(listed)} runs, not {len(self._finals)}")
        self.counts["runs listed"] += len(listed)


def _difference(seen: list[int], stored: list[int]) -> str:
    """What is missing and what is too much."""
    missing = sorted(set(stored) - set(seen))[:5]
    doubled = [seq for seq, count in Counter(seen).items() if count > 1][:5]
    return (
        f"{len(seen)} of {len(stored)} seen, missing {missing}, twice {doubled}, "
        f"in order: {seen == sorted(seen)}"
    )
