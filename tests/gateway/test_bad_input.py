"""Ten thousand payloads that should not be there: the run is shown rightly all the same."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from broker.errors import TooLarge
from broker.stream.publish import Message, publish, publish_all
from broker.stream.topology import DEADLETTER
from tests.faults import until
from tests.gateway.runs import completed, started
from tests.gateway.serving import broker, gateway
from tests.sse import ask, path, stream, watch
from tests.stream.serving import key_of

Chance = random.Random
KB = 1024


def nested(depth: int) -> bytes:
    return b'{"type":"run.heartbeat","x":' + b"[" * depth + b"]" * depth + b"}"


def wordy(size: int) -> bytes:
    return b'{"type":"run.annotated","metadata":{"x":"' + b"x" * size + b'"}}'


MALFORMED: Sequence[Callable[[Chance], bytes]] = (
    lambda chance: chance.randbytes(chance.randint(0, 40)),
    lambda chance: b'{"type":"run.heartbeat"}'[: chance.randint(0, 23)],
    lambda chance: b'{"type":"run.heartbeat"}' + chance.choice([b"}", b"{}", b"\0", b",", b"x"]),
    lambda chance: chance.choice([b"[]", b"null", b"1", b'"run.started"', b"true", b"{}", b" "]),
    lambda chance: chance.choice([b'{"type":1}', b'{"type":null}', b'{"Type":"run.started"}']),
    lambda chance: (
        b'{"type":"run.progress","current":%b}'
        % chance.choice([b'"3"', b"NaN", b"-1", b"Infinity", b"1e400", b"9" * 400, b"[]", b"null"])
    ),
    lambda chance: (
        b'{"type":"step.progress","current":1,"step":%b}'
        % chance.choice([b'""', b"3", b"null", b"{}", b'"' + b"x" * 300 + b'"'])
    ),
    lambda chance: (
        b'{"type":"run.started","plan":%b}' % chance.choice([b"{}", b"[1]", b'[{"a":1}]'])
    ),
    lambda chance: (
        b'{"type":"run.heartbeat","x":"%b"}'
        % chance.choice([b"\\ud800", b"\\udfff\\ud800", b"\xed\xa0\x80", b"\xff", b"\xc3", b"\n"])
    ),
    lambda chance: (
        b'{"type":"run.heartbeat","time":"%b"}'
        % chance.choice([b"yesterday", b"2026-01-01", b"2026-99-01T00:00:00Z"])
    ),
    lambda chance: nested(chance.randint(600, 9000)),
    lambda chance: b'{"type":"run.heartbeat","x":' + b"9" * chance.randint(4301, 9000) + b"}",
)
HARMLESS: Sequence[Callable[[Chance], bytes]] = (
    lambda chance: b'{"type":"lab.%d"}' % chance.randint(0, 99),
    lambda chance: chance.choice([b'{"type":""}', b'{"type":"end"}', b'{"type":"a\\r\\nid: 1"}']),
    lambda chance: nested(chance.randint(1, 400)),
    lambda chance: b'{"type":"run.heartbeat","attempt":%d}' % chance.randint(1, 2**53),
    lambda chance: (
        b'{"type":"run.heartbeat","time":"%b"}'
        % chance.choice([b"9999-12-31T23:59:59-23:59", b"0001-01-01T00:00:00+23:59"])
    ),
    lambda chance: (
        b'{"type":"step.completed","step":"%b"}'
        % chance.choice([b"__proto__", b"\\u0000", b"\xf0\x9f\x98\x80", b"..", b"\xe2\x80\xa8"])
    ),
)


async def test_ten_thousand_bad_payloads_stop_no_fold(tmp_path: Path) -> None:
    """Each is skipped, counted and copied; what is valid among them is folded."""
    chance = random.Random(11)
    payloads: list[bytes] = []
    malformed = 0
    progressed = 0
    for _ in range(10_000):
        kind = chance.random()
        if kind < 0.8:
            payloads.append(chance.choice(MALFORMED)(chance))
            malformed += 1
        elif kind < 0.9:
            payloads.append(chance.choice(HARMLESS)(chance))
        elif kind < 0.901:
            payloads.append(wordy(200 * KB))
        else:
            progressed += 1
            payloads.append(b'{"type":"run.progress","current":%d,"total":2000}' % progressed)
    subject = key_of("r1").subject
    async with (
        asyncio.timeout(55),
        broker(tmp_path) as here,
        gateway(here.nats.url) as other,
    ):
        await here.publish("r1", started())
        async with stream(here.url, "r1", patience=30) as frames:
            await frames.until("snapshot")
            for begin in range(0, len(payloads), 500):
                part = payloads[begin : begin + 500]
                await publish_all(here.nats.connection, [Message(subject, p) for p in part])
                refused = Message(subject, wordy(300 * KB))
                assert TooLarge is type(await outcome(publish(here.nats.connection, refused)))
            await here.publish("r1", completed())
            await frames.until("end")
        late = await watch(other.url, "r1", "events", patience=30)
        snapshot = await here.snapshot("r1")
        assert len(payloads) - malformed + 2 == snapshot["events"] == len(late.events)
        assert ("completed", progressed) == (snapshot["status"], snapshot["progress"]["current"])
        assert snapshot == (await ask(other.url, path("r1"))).json()

        async def all_found() -> bool:
            return malformed <= await counted(here.url) + await counted(other.url)

        await until(all_found, 30)
        assert malformed == await counted(here.url) + await counted(other.url)
        assert {"deadletter.default": malformed} == await here.nats.subjects(DEADLETTER)
        assert {subject: len(payloads) + 2} == await here.nats.subjects()


async def outcome(work: Awaitable[object]) -> object:
    """What comes of it, be it an error."""
    [result] = await asyncio.gather(work, return_exceptions=True)
    return result


async def counted(url: str) -> int:
    name = b"progress_broker_malformed_events_total "
    lines = (await ask(url, "/metrics")).body.split(b"\n")
    return int(float(next(line for line in lines if line.startswith(name)).split()[1]))
