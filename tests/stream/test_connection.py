"""Messages as plain calls, errors as ours: and what `RawClient` needs of nats-py, pinned.

It overrides `_process_msg`, `_process_err`, `_process_info`, `_process_connect_init`, `_send_ping`,
`_process_pong` and `_attempt_reconnect`, and uses `_sid`, `_subs`, `_pending`,
`_pending_data_size`, `_pings_outstanding`, `_pongs`, `_transport` (and its `_io_writer`),
`_server_info`, `_current_server`, `_error_cb`, `_process_op_err`, `_send_subscribe`,
`_send_unsubscribe`, `_send_command`, `_flush_pending` and the option `reconnect_time_wait`.
When nats-py changes one of them, one of these tests fails.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from broker.errors import NatsRefused, StreamUnavailable
from broker.stream.client import Handler
from broker.stream.connection import FIRST_PAUSE, Connection
from broker.stream.embedded import embedded_server
from tests.faults import killable, link, pid_in
from tests.stream.configured import configured
from tests.stream.serving import PATIENCE


class Heard:
    """The messages that a handler was called with."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, bytes, bytes, bytes | None]] = []
        self._more = asyncio.Event()

    @property
    def handler(self) -> Handler:
        def hear(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
            self.messages.append((subject, reply, data, headers))
            self._more.set()

        return hear

    async def payloads(self, count: int) -> list[bytes]:
        """Wait for so many messages; gives their payloads."""
        while len(self.messages) < count:
            self._more.clear()
            await self._more.wait()
        return [data for _, _, data, _ in self.messages]


async def test_a_handler_gets_the_raw_message(tmp_path: Path) -> None:
    """Subject, reply subject, payload, and the headers as the bytes they are."""
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        Connection.connect(url, name="test") as connection,
    ):
        heard = Heard()
        await connection.subscribe("a.*", heard.handler)
        await connection.publish("a.b", b"plain")
        await connection.publish("a.c", b"more", reply="back", headers={"X-Y": "z"})
        await heard.payloads(2)
        assert [
            (b"a.b", b"", b"plain", None),
            (b"a.c", b"back", b"more", b"NATS/1.0\r\nX-Y: z\r\n\r\n"),
        ] == heard.messages


async def test_each_subscription_has_its_own_handler(tmp_path: Path) -> None:
    """Overlapping ones too; a closed one hears nothing, and closing it again is harmless."""
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        Connection.connect(url, name="test") as connection,
    ):
        one, all_, closed = Heard(), Heard(), Heard()
        await connection.subscribe("a.1", one.handler)
        await connection.subscribe("a.*", all_.handler)
        subscription = await connection.subscribe("a.*", closed.handler)
        await subscription.close()
        await subscription.close()
        for number in (1, 2):
            await connection.publish(f"a.{number}", b"%d" % number)
        assert [b"1", b"2"] == await all_.payloads(2)
        assert [b"1"] == await one.payloads(1)
        assert [] == closed.messages


async def test_handlers_survive_a_reconnect(tmp_path: Path) -> None:
    """Those of subscriptions and those of requests; who wants to know of it is told."""
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        link(url) as way,
    ):
        changes: list[bool] = []
        returned = asyncio.Event()
        async with (
            Connection.connect(way.url, name="test", on_change=changes.append) as connection,
            Connection.connect(url, name="other") as other,
        ):
            connection.on_reconnect(returned.set)
            heard = Heard()
            await connection.subscribe("a", heard.handler)
            await connection.flush()
            for number in range(1, 4):
                way.cut()
                await returned.wait()
                returned.clear()
                await connection.flush()
                assert connection.connected
                await other.publish("a", b"%d" % number)
                assert number == len(await heard.payloads(number))
            assert await connection.request("$JS.API.INFO", b"")
            assert [True, *[False, True] * 3] == changes


async def test_a_server_that_was_restarted_is_found_again(tmp_path: Path) -> None:
    async with asyncio.timeout(30), killable(tmp_path) as server:
        lost, returned = asyncio.Event(), asyncio.Event()

        def changed(connected: bool) -> None:
            (returned if connected else lost).set()

        async with Connection.connect(server.url, name="test", on_change=changed) as connection:
            heard = Heard()
            await connection.subscribe("a", heard.handler)
            returned.clear()
            await server.kill()
            await lost.wait()
            assert not connection.connected
            await server.start()
            await returned.wait()
            await connection.publish("a", b"back")
            assert [b"back"] == await heard.payloads(1)


async def test_what_the_server_ends_is_begun_again(tmp_path: Path) -> None:
    """It says why before it does: here, that it does not understand."""
    async with asyncio.timeout(PATIENCE), embedded_server(tmp_path, 0) as url:
        changes: list[bool] = []
        returned = asyncio.Event()
        async with Connection.connect(url, name="test", on_change=changes.append) as connection:
            connection.on_reconnect(returned.set)
            await connection.send(b"NONSENSE\r\n")
            await returned.wait()
            assert [True, False, True] == changes
            assert await connection.request("$JS.API.INFO", b"")


async def test_the_pauses_between_two_tries_grow(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE), killable(tmp_path) as server:
        failures: list[str] = []
        tries = asyncio.Event()

        def failed(why: str) -> None:
            failures.append(why)
            if len(failures) == 6:
                tries.set()

        async with Connection.connect(server.url, name="test", on_failure=failed) as connection:
            assert 0 == connection.away
            began = asyncio.get_running_loop().time()
            await server.kill()
            await tries.wait()
            took = asyncio.get_running_loop().time() - began
            assert took > 0.5 * sum(FIRST_PAUSE * 1.5**n for n in range(5))
            assert 0 < connection.away <= took
            assert all("connect to NATS at nats://127.0.0.1" in why for why in failures)


async def test_a_user_who_is_not_known_is_told_at_once(tmp_path: Path) -> None:
    users = "authorization {{ user: ann, password: right }}"
    async with configured(tmp_path, users) as server, asyncio.timeout(4):
        with pytest.raises(NatsRefused, match=r"'Authorization Violation'.*check the user"):
            async with Connection.connect(server.url("ann:wrong"), name="test"):
                pass


async def test_no_password_is_sent_in_the_clear_where_tls_is_asked_for(tmp_path: Path) -> None:
    """Neither to a server whose TLS was forgotten, nor to one that somebody put in its place."""
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def failed(why: str) -> None:
        if not told.done():
            told.set_result(why)

    async def use(url: str) -> None:
        async with Connection.connect(url, name="test", forever=True, on_failure=failed):
            failed("it is connected")

    async with configured(tmp_path, "") as server, asyncio.timeout(PATIENCE):
        using = asyncio.create_task(use(server.url("ann:secret").replace("nats://", "tls://")))
        assert (await told).endswith("tls:// is asked for, and the server speaks without TLS")
        using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using


async def test_a_request_that_the_user_may_not_send_is_refused_at_once(tmp_path: Path) -> None:
    """Not when it was waited for long enough."""
    users = """authorization {{ users: [
        {{user: ann, password: right, permissions: {{publish: {{deny: ["Secret.*"]}}}}}}
    ] }}"""
    async with (
        configured(tmp_path, users) as server,
        asyncio.timeout(4),
        Connection.connect(server.url("ann:right"), name="test") as connection,
    ):
        with pytest.raises(NatsRefused, match=r"permissions violation .* \"secret.door\""):
            await connection.request("Secret.door", b"")
        with pytest.raises(StreamUnavailable, match="nobody answers"):
            await connection.request("public.door", b"")


async def test_what_was_not_sent_before_a_loss_is_not_sent_after_it(tmp_path: Path) -> None:
    """It would overtake what its publisher sends again."""
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        link(url) as way,
        Connection.connect(url, name="listener") as listener,
    ):
        heard = Heard()
        await listener.subscribe("a", heard.handler)
        await listener.flush()
        returned = asyncio.Event()
        async with Connection.connect(way.url, name="test") as connection:
            connection.on_reconnect(returned.set)
            connection._client._pending.append(b"PUB a 5\r\nstale\r\n")
            way.cut()
            await returned.wait()
            await connection.publish("a", b"fresh")
            assert [b"fresh"] == await heard.payloads(1)


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """The server of a folder does nothing, and keeps its connections open."""
    pid = pid_in(folder)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


FLOOD = b"PUB a 1000000\r\n%b\r\n" % bytes(1_000_000) * 32
"""More than a socket takes while nobody reads."""


async def test_what_was_flushed_has_arrived(tmp_path: Path) -> None:
    """A subscription behind much else, too: the server has it when the flush returns."""
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        Connection.connect(url, name="test") as connection,
        Connection.connect(url, name="other") as other,
    ):
        connection._client._pending.append(FLOOD)
        await connection.subscribe("q", Heard().handler)
        await connection.flush()
        with pytest.raises(StreamUnavailable, match="no answer"):  # somebody hears it
            await other.request("q", b"", patience=0.1)


async def test_a_handler_that_raises_loses_its_message_alone(tmp_path: Path) -> None:
    """Who may publish could else have the whole connection read no more."""

    def take(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        taken.append(int(data))

    taken: list[int] = []
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        Connection.connect(url, name="test") as connection,
    ):
        await connection.subscribe("numbers", take)
        for payload in (b"1", b"two", b"3"):
            await connection.publish("numbers", payload)
        await connection.flush()
    assert [1, 3] == taken


async def test_a_flush_that_is_cancelled_leaves_the_connection_as_it_was(tmp_path: Path) -> None:
    """Its answer comes when nobody waits for it."""
    async with asyncio.timeout(PATIENCE), embedded_server(tmp_path, 0) as url:
        changes: list[bool] = []
        async with Connection.connect(url, name="test", on_change=changes.append) as connection:
            flushing = asyncio.create_task(connection.flush())
            await asyncio.sleep(0)  # it is under way
            flushing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await flushing
            await connection.flush()
            assert await connection.request("$JS.API.INFO", b"")
            assert [True] == changes


async def test_a_frozen_server_is_left_with_what_it_has_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.stream.connection.PING", 0.1)
    async with asyncio.timeout(PATIENCE), embedded_server(tmp_path, 0) as url:
        lost = asyncio.Event()

        def changed(connected: bool) -> None:
            if not connected:
                lost.set()

        async with Connection.connect(url, name="test", on_change=changed) as connection:
            with frozen(tmp_path):
                flooding = asyncio.create_task(connection.send(FLOOD))
                await lost.wait()
            await asyncio.gather(flooding, return_exceptions=True)


async def test_a_frozen_server_is_not_waited_for_at_the_end(tmp_path: Path) -> None:
    async with embedded_server(tmp_path, 0) as url:
        with ExitStack() as life:
            async with asyncio.timeout(10), Connection.connect(url, name="test") as connection:
                life.enter_context(frozen(tmp_path))
                flooding = asyncio.create_task(connection.send(FLOOD))
                await asyncio.sleep(0.1)  # until the socket is full, which nothing tells
        await asyncio.gather(flooding, return_exceptions=True)


async def test_a_server_that_has_much_to_send_is_not_taken_for_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer to a ping lies behind all of that."""
    monkeypatch.setattr("broker.stream.connection.PING", 0.25)
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        Connection.connect(url, name="other") as other,
    ):
        changes: list[bool] = []
        heard = Heard()

        def busy(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
            time.sleep(0.01)  # keeps the loop from reading on
            heard.handler(subject, reply, data, headers)

        async with Connection.connect(url, name="test", on_change=changes.append) as connection:
            await connection.subscribe("a", busy)
            await connection.flush()
            for _ in range(200):
                await other.publish("a", bytes(32 * 1024))
            await heard.payloads(200)
            assert [True] == changes


async def test_ready_commands_go_out_as_they_are(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        Connection.connect(url, name="test") as connection,
    ):
        heard = Heard()
        await connection.subscribe("a", heard.handler)
        await connection.send(b"PUB a 1\r\nx\r\nPUB a 1\r\ny\r\n")
        assert [b"x", b"y"] == await heard.payloads(2)


async def test_requests_get_their_own_answers(tmp_path: Path) -> None:
    """A hundred at once, over one subscription."""
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        Connection.connect(url, name="asker") as asker,
        Connection.connect(url, name="answerer") as answerer,
    ):

        def answer(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
            tasks.create_task(answerer.publish(reply.decode(), b"re: " + data))

        async with asyncio.TaskGroup() as tasks:
            await answerer.subscribe("q", answer)
            await answerer.flush()
            questions = [b"%d" % number for number in range(100)]
            answers = await asyncio.gather(*(asker.request("q", text) for text in questions))
            assert [b"re: " + text for text in questions] == answers


async def test_a_request_to_nobody_fails_at_once(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(3),
        embedded_server(tmp_path, 0) as url,
        Connection.connect(url, name="test") as connection,
    ):
        with pytest.raises(StreamUnavailable, match="nobody answers"):
            await connection.request("nobody", b"")


async def test_a_request_that_is_not_answered_fails_in_time(tmp_path: Path) -> None:
    async with (
        asyncio.timeout(PATIENCE),
        embedded_server(tmp_path, 0) as url,
        Connection.connect(url, name="test") as connection,
    ):
        await connection.subscribe("silent", Heard().handler)
        with pytest.raises(StreamUnavailable, match=r"request silent: no answer in 0.1 s"):
            await connection.request("silent", b"", patience=0.1)
        assert {} == connection._waiting


async def test_where_no_server_answers_the_error_hides_the_password() -> None:
    with pytest.raises(StreamUnavailable) as caught:
        async with Connection.connect("nats://ann:secret@127.0.0.1:1", name="test"):
            pass
    assert "connect to NATS at nats://***@127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_errors_of_nats_py_are_translated(tmp_path: Path) -> None:
    """After the end of a connection every call says so in our words."""
    async with asyncio.timeout(PATIENCE), embedded_server(tmp_path, 0) as url:
        async with Connection.connect(url, name="test") as connection:
            assert 1024 * 1024 == connection.largest
            with pytest.raises(StreamUnavailable, match="publish"):
                await connection.publish("a", b"x" * (connection.largest + 1))
        assert connection.closed
        for call in (
            connection.publish("a", b""),
            connection.subscribe("a", Heard().handler),
            connection.flush(),
            connection.request("a", b""),
        ):
            with pytest.raises(StreamUnavailable):
                await call
