"""Whatever happens in whatever order, no client of a run misses anything or sees it twice.

The registry, hub and subscribers are real; time, the stream and the sockets belong to the machine.
The model is the list of all records: every frame is parsed back from the bytes on the wire, and
compared with the list as it comes.
"""

import json
from bisect import bisect_right
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from broker.errors import MalformedEvent, NotFound
from broker.hub.limits import RegistryLimits
from broker.hub.registry import SWEEP
from broker.hub.run_hub import HubLimits, RunHub
from broker.hub.subscriber import Subscriber
from broker.model.cursor import Cursor
from broker.model.decode import decode, encode, tag_of
from broker.model.evolve import Fold
from broker.model.state import initial
from broker.protocol.sse import CHUNKED, PLAIN, Framing
from broker.views.message import Story, View
from broker.views.native import VIEWS, snapshot_json
from tests.hub.picture import Picture, picture
from tests.hub.world import EPOCH, KEY, Socket, World
from tests.sse import Frame, Viewer
from tests.strategies import common_events, malformed_payloads, payloads, unknown_payloads

HUB = HubLimits(tick=0.025, pace=0.01, ring_records=5, ring_bytes=1200)
LIMITS = RegistryLimits(catch_ups=2, hub=HUB)
"""Small enough that clients leave memory behind, and slow enough that events wait for a tick."""

SHOWN: dict[str, View | Story] = {**VIEWS, Picture.name: Picture()}
VIEW_NAMES = st.sampled_from(sorted(SHOWN))
LAST = 10**9
NO_CURSOR = -1
UNKNOWN_CURSOR = -2

ENDS = st.sampled_from(
    [
        b'{"type":"run.completed"}',
        b'{"type":"run.failed","error":{"message":"no"}}',
        b'{"type":"run.cancelled"}',
    ]
)


@st.composite
def batches(draw: st.DrawFn, *, most: int = 8) -> list[bytes]:
    """What is stored at once while a run goes on."""
    return draw(st.lists(_GOING_ON, min_size=1, max_size=most))


_GOING_ON = st.one_of(
    *[common_events.map(encode)] * 4, unknown_payloads, malformed_payloads, payloads
)
PAUSES = st.sampled_from([0.0, 0.001, 0.01, 0.03, 1.0, 1.0, 20.0, 40.0])
"""Seconds: within a tick, over one, and over what heartbeats, stalls and hubs are given."""
RARELY = st.integers(0, 7).map(lambda n: n == 7)


class Model:
    """All records, and what anyone who has seen them up to one knows."""

    def __init__(self) -> None:
        self.types: dict[int, str] = {}
        """The well-formed events, by sequence."""
        self._fold = Fold(initial(KEY.tenant, KEY.run))
        self._seqs: list[int] = []
        self._states: list[bytes] = []

    def store(self, world: World, batch: list[bytes], gap: int) -> None:
        """Append records to the stream and here."""
        known = len(world.stream.log)
        world.stream.store(*batch, gap=gap)
        for record in world.stream.log[known:]:
            with suppress(MalformedEvent):
                self.types[record.seq] = tag_of(decode(record.payload))
            self._fold.add_record(record)
            self._seqs.append(record.seq)
            self._states.append(snapshot_json(self._fold.state, EPOCH))

    @property
    def first(self) -> int:
        return self._seqs[0]

    def state(self, seq: int) -> Any:
        """The snapshot after the last record up to a sequence."""
        return json.loads(self._states[bisect_right(self._seqs, seq) - 1])

    def next(self, seq: int) -> int | None:
        """The next well-formed event after a sequence."""
        return next((found for found in self.types if found > seq), None)


class Client:
    """A page that comes back with its cursor, and checks every frame that it gets."""

    def __init__(self, view: str, framing: Framing, model: Model) -> None:
        self.view = view
        self.framing = framing
        self.viewer = Viewer()
        self.position: int | None = None
        """Up to where it has seen the run."""
        self.picture: Any = None
        """What a story has told it."""
        self.subscriber: Subscriber | None = None
        self.socket: Socket | None = None
        self._model = model
        self._unread = self._text = b""
        self._last = ""
        """The frame before, on this connection."""

    @property
    def here(self) -> bool:
        """Whether it is connected."""
        return self.socket is not None and not self.socket.lost

    @property
    def held(self) -> bool:
        """Whether it has stopped reading, and is waited for."""
        return self.here and self.subscriber is not None and self.subscriber.held

    def disconnect(self) -> None:
        """Go without a word."""
        if self.here and self.socket is not None:
            self.socket.abort()

    @property
    def behind(self) -> bool:
        """Whether there is an event that it has not seen, or of a story, that changed something."""
        if self.view == Picture.name:
            return bool(picture(self._model.state(LAST)) != self.picture)
        return self.position is None or self._model.next(self.position) is not None

    def join(self, world: World, hub: RunHub, cursor: int | None, expires_in: float) -> None:
        """Connect, as the gateway does it."""
        self.subscriber = world.connect(expires_in=expires_in)
        assert isinstance(self.subscriber.sink, Socket)
        self.socket = self.subscriber.sink
        self._unread = self._text = b""
        self._last = ""
        hub.join(
            self.subscriber,
            SHOWN[self.view],
            self.framing,
            cursor,
            lambda resumed: self.framing.message("hello", b'{"resumed":%b}' % _json(resumed)),
        )

    def look(self) -> None:
        """Read what has arrived, and judge it."""
        assert self.socket is not None
        self._unread, self.socket.received = self._unread + self.socket.received, b""
        if self.framing is CHUNKED:
            self._unchunk()
        else:
            self._text, self._unread = self._text + self._unread, b""
        while b"\n\n" in self._text:
            block, _, self._text = self._text.partition(b"\n\n")
            frame = _parsed(block.decode())
            if frame is not None:
                self._judge(frame)

    def _unchunk(self) -> None:
        while b"\r\n" in self._unread:
            head, _, rest = self._unread.partition(b"\r\n")
            size = int(head, 16)
            if len(rest) < size + 2:
                return
            assert b"\r\n" == rest[size : size + 2]
            self._text += rest[:size]
            self._unread = rest[size + 2 :]
            assert size or not self._unread, "bytes after the last chunk"

    def _judge(self, frame: Frame) -> None:
        last, self._last = self._last, frame.event
        assert ("" == last) == ("hello" == frame.event), "hello is the first frame, and only that"
        assert "end" != last, f"{frame} after the end"
        if frame.event in ("hello", "end"):
            assert None is frame.id
        else:
            assert frame.id == frame.data["cursor"]
        resumed = self.viewer.hello.get("resumed")
        self.viewer.take(frame)
        cursor = Cursor.parse(frame.id) if frame.id is not None else None
        if frame.event == "end":
            assert self.position is not None
            state = self._model.state(self.position)
            assert {"run": KEY.run, "status": state["status"]} == frame.data
            assert "ended_at" in state
        elif frame.event == "snapshot":
            assert cursor is not None
            first = last == "hello" and resumed is False
            assert first or self.view == "state", "a contiguous view is conflated"
            self.position = cursor.seq
            assert self._model.state(cursor.seq) == frame.data
        elif frame.event == "whole":
            assert cursor is not None
            self.position, self.picture = cursor.seq, frame.data["picture"]
            assert picture(self._model.state(cursor.seq)) == self.picture
        elif frame.event == "told":
            assert cursor is not None
            assert self.position is not None
            assert cursor.seq > self.position
            self.position, steps = cursor.seq, self.picture["steps"] | frame.data["steps"]
            self.picture = {**frame.data["picture"], "steps": steps}
            assert picture(self._model.state(cursor.seq)) == self.picture
        elif frame.event == "patch":
            assert cursor is not None
            assert "state" == self.view
            assert self.position is not None
            assert cursor.seq > self.position
            self.position = cursor.seq
            assert _exactly(self._model.state(cursor.seq)) == _exactly(self.viewer.state)
        elif frame.event != "hello":
            assert cursor is not None
            assert "events" == self.view
            assert self.position is not None
            assert self._model.next(self.position) == cursor.seq, f"after {self.position}"
            assert self._model.types[cursor.seq] == frame.data["type"]
            self.position = cursor.seq


def _json(value: bool) -> bytes:
    return msgspec.json.encode(value)


def _exactly(value: Any) -> bytes:
    """As JSON, which tells 1 from 1.0 and true."""
    return msgspec.json.encode(value, order="deterministic")


def _parsed(block: str) -> Frame | None:
    fields = dict(line.partition(": ")[::2] for line in block.split("\n"))
    if "data" not in fields:
        return None
    return Frame(fields["event"], json.loads(fields["data"]), fields.get("id"))


class HubMachine(RuleBasedStateMachine):
    """What may happen to a run and those who watch it."""

    clients = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(LIMITS, page=3, high=200)
        self.world.stream.flows = False
        self.model = Model()
        self.all: list[Client] = []
        self.hub: RunHub | None = None

    def teardown(self) -> None:
        try:
            if not self.world.faults:
                self.everyone_arrives_at_the_head()
                self.nobody_watches()
        finally:
            self.world.close()
        assert [] == self.world.faults

    @initialize(target=clients, batch=batches(), views=st.lists(VIEW_NAMES, max_size=4))
    def begin(self, batch: list[bytes], views: list[str]) -> MultipleResults[Client]:
        """Some watch a run that goes on."""
        self.publish([b'{"type":"run.started"}', *batch], 1, 1)
        return multiple(*[self._come(view, CHUNKED, NO_CURSOR, True, 1e6) for view in views])

    @rule(batch=batches(), gap=st.integers(1, 3), at_once=st.sampled_from([0, 1, 3, 100]))
    def publish(self, batch: list[bytes], gap: int, at_once: int) -> None:
        """Events are stored; 0 at once: the gateway hears of them later."""
        self.model.store(self.world, batch, gap)
        if at_once:
            self.deliver(at_once)

    @rule(end=ENDS, late=batches(most=3), stays=RARELY, at_once=st.sampled_from([0, 1, 100]))
    def end(self, end: bytes, late: list[bytes], stays: bool, at_once: int) -> None:
        """The run ends, some events come after its end, and mostly the next attempt begins."""
        self.publish([end, *late], 1, at_once)
        if not stays:
            self.begin_again()

    @precondition(lambda self: self.world.stream.log)
    @rule(back=st.integers(0, 8))
    def keep(self, back: int) -> None:
        """A checkpoint is stored: the next hub of the run goes on from it."""
        log = self.world.stream.log
        self.world.stream.keep(log[max(0, len(log) - 1 - back)].seq)

    @precondition(lambda self: "ended_at" in self.model.state(LAST))
    @rule()
    def begin_again(self) -> None:
        attempt = self.model.state(LAST)["attempt"] + 1
        self.publish([b'{"type":"run.started","attempt":%d}' % attempt], 1, 1)

    @rule(at_once=st.sampled_from([1, 3, 100]))
    def deliver(self, at_once: int) -> None:
        self.world.stream.deliver(at_once)
        self.world.settle()

    @rule(
        target=clients,
        view=VIEW_NAMES,
        framing=st.sampled_from([CHUNKED, CHUNKED, PLAIN]),
        cursor=st.sampled_from([NO_CURSOR, NO_CURSOR, UNKNOWN_CURSOR]) | st.integers(0, 12),
        reading=st.booleans(),
        expires_in=st.sampled_from([1e6, 1e6, 15.0]),
    )
    def connect(
        self, view: str, framing: Framing, cursor: int, reading: bool, expires_in: float
    ) -> Client:
        return self._come(view, framing, cursor, reading, expires_in)

    def _come(
        self, view: str, framing: Framing, cursor: int, reading: bool, expires_in: float
    ) -> Client:
        """Someone comes with any cursor; who comes with one knows the state there."""
        client = Client(view, framing, self.model)
        self.all.append(client)
        if cursor >= 0 and self.world.stream.log:
            head = self.world.stream.log[-1].seq
            client.position = max(head - cursor, 0 if view == "events" else self.model.first)
            if view == "state":
                client.viewer.state = self.model.state(client.position)
            client.picture = picture(self.model.state(client.position))
        self._join(client, unknown=cursor == UNKNOWN_CURSOR, expires_in=expires_in)
        if client.socket is not None:
            client.socket.reading = reading
        return client

    def _join(self, client: Client, *, unknown: bool = False, expires_in: float = 1e6) -> None:
        try:
            self.hub = hub = self.world.do(self.world.registry.hub(KEY))
        except NotFound:
            return
        contiguous = SHOWN[client.view].contiguous
        begin = client.position
        if begin is None:
            begin = 0 if contiguous else None
            client.position = begin
        elif hub.over_at(begin, SHOWN[client.view]):
            told = client.view == Picture.name
            assert not told or client.picture == picture(self.model.state(hub.seq))
            return  # 204
        if unknown or (begin is not None and begin > hub.seq):
            begin = None
        client.join(self.world, hub, begin, expires_in)
        self.world.settle()

    @rule(client=clients)
    def leave_or_come_back(self, client: Client) -> None:
        """With the cursor of the last frame seen."""
        if not client.here:
            self._join(client)
        else:
            client.disconnect()
            self.world.settle()

    @rule(client=clients)
    def stall_or_wake(self, client: Client) -> None:
        """A client stops reading, or reads again."""
        if client.socket is None or not client.here:
            return
        if client.socket.reading:
            client.socket.reading = False
        else:
            client.socket.wake()
            self.world.settle()

    @rule(client=clients, size=st.integers(1, 600))
    def drip(self, client: Client, size: int) -> None:
        """A client that does not keep up reads a little."""
        if client.socket is not None and client.here:
            client.socket.take(size)
            self.world.settle()

    @rule(seconds=PAUSES, drained=RARELY)
    def tick(self, seconds: float, drained: bool) -> None:
        """Time passes; who takes nothing for long is left."""
        if drained:
            self.world.registry.drain(seconds)
        if seconds > LIMITS.stall_timeout:
            self.world.wait(SWEEP)  # a look: what was read before does not count
        held = [client.socket for client in self.all if client.held]
        self.world.wait(seconds)
        assert seconds <= LIMITS.stall_timeout or all(socket.lost for socket in held if socket)

    @precondition(lambda self: self.world.stream.waiting)
    @rule(pages=st.sampled_from([1, 1, 2, 5]), lost=RARELY)
    def let_clients_catch_up(self, pages: int, lost: bool) -> None:
        """The stream gives some pages, or NATS is away."""
        if lost:
            self.world.stream.fail()
        else:
            self.world.stream.let(pages)
        self.world.settle()

    def everyone_arrives_at_the_head(self) -> None:
        """All is delivered, everybody reads: then nobody lacks anything."""
        self.world.stream.flows = True
        self.world.stream.let(100)
        for client in self.all:
            if client.socket is not None and client.here:
                client.socket.wake()
        self.deliver(100)
        self.world.wait(2 * HUB.tick)
        for _ in range(100):
            if not any(client.subscriber.catching_up for client in self.all if client.subscriber):
                break
            self.world.settle()
        self.world.stream.flows = False
        self.frames_are_right()
        for client in self.all:
            if client.here:
                assert not client.behind, f"{client.view} at {client.position}"
                assert client.viewer.end is None or "end" != client._last
                assert self.hub is not None
                assert not self.hub.state.ended

    def nobody_watches(self) -> None:
        """When all have left, the run leaves memory."""
        for client in self.all:
            client.disconnect()
        for _ in range(2):
            self.world.wait(LIMITS.hub_ttl + SWEEP)
        assert self.world.value("hubs") in (None, 0)

    @invariant()
    def frames_are_right(self) -> None:
        for client in self.all:
            if client.socket is not None:
                client.look()
                assert not client.socket.spoke_while_held, "a held client was written to"
        assert [] == self.world.faults

    @invariant()
    def memory_is_bounded(self) -> None:
        if self.hub is None:
            return
        rings = [(len(self.hub.records), self.hub.records.size)]
        rings += [(len(group.patches), group.patches.size) for group in self.hub.groups]
        for entries, size in rings:
            assert entries <= HUB.ring_records
            assert size <= HUB.ring_bytes


TestHub = pytest.mark.timeout(300)(HubMachine.TestCase)  # time to make a failure small
TestHub.settings = settings(deadline=None, max_examples=300, stateful_step_count=50)
