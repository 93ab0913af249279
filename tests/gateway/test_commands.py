"""Commands: judged by the run's state, told to its producer, answered for everyone to see."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.gateway.commands.dispatch import Dispatch, Order
from broker.gateway.commands.unattended import Unattended
from broker.gateway.sockets.commands import COMMANDS_MAX
from broker.model.events import Event, RunCancelled
from broker.model.ids import id_of
from broker.model.subjects import RunKey
from broker.stream.publish import Stored
from tests.faults import killable, until
from tests.gateway.commanding import events, given, jobs, producer, tell, types, work
from tests.gateway.runs import completed, started
from tests.gateway.serving import Broker, broker, gateway
from tests.gateway.test_websocket import websockets_client
from tests.sse import ask, path

COMMANDS = ("cancel", "retry", "pause", "resume")
PAUSED = {"type": "run.paused"}


def queued(pipeline: str | None = "import", **more: Any) -> dict[str, Any]:
    return {"type": "run.queued", **({"pipeline": pipeline} if pipeline else {}), **more}


async def commands(b: Broker, run: str = "r1") -> dict[str, Any]:
    """The commands that the run's state shows."""
    found: dict[str, Any] = (await b.snapshot(run)).get("commands", {})
    return found


# --- Told to the producer -------------------------------------------------------------------------


async def test_the_producer_hears_of_a_command_and_everyone_of_its_answer(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, producer(b) as p:
        await b.publish("r1", started())
        await p.next()
        asked = {"reason": "too slow", "by": "ada", "mode": "gently"}
        id = await given(b, "r1", "cancel", asked)
        assert {"type": "command.cancel", "id": id, **asked} == await p.next()
        unanswered = (await commands(b))[id]
        assert ("cancel", "ada", "too slow", 1) == tuple(
            unanswered[name] for name in ("type", "by", "reason", "attempt")
        )
        assert "result" not in unanswered
        await b.publish("r1", {"type": "command.acknowledged", "command": id, "result": "rejected"})

        async def answered() -> bool:
            return bool("rejected" == (await commands(b))[id].get("result"))

        await until(answered)


async def test_commands_given_while_the_producer_was_away_stand_in_its_events(
    tmp_path: Path,
) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), PAUSED)
        ids = [await given(b, "r1", command) for command in ("resume", "cancel")]
        assert ids == [event["id"] for event in await events(b) if "command" in event["type"]]


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_run_that_is_alive_is_told(tmp_path: Path, command: str) -> None:
    """Also to begin anew: the producer decides, and no attempt is queued."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), *([PAUSED] if command == "resume" else []))
        await given(b, "r1", command)
        assert f"command.{command}" == (await types(b))[-1]
        assert [] == await jobs(b)


# --- Refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_run_that_nobody_knows_is_404(tmp_path: Path, command: str) -> None:
    async with broker(tmp_path) as b:
        answer = await tell(b, "nobody", command)
        assert (404, "urn:progress-broker:problem:run-not-found") == (
            answer.status,
            answer.json()["type"],
        )
        assert {} == await b.nats.subjects()


@pytest.mark.parametrize(
    ("history", "command", "detail"),
    [
        ([started(), completed()], "cancel", "it is completed, so there is nothing to cancel"),
        ([started(), {"type": "run.cancelled"}], "cancel", "it is cancelled"),
        ([started(), completed()], "pause", "retry begins another attempt"),
        ([started(), completed()], "resume", "retry begins another attempt"),
        ([started() | {"cancellable": False}], "cancel", "it cannot be cancelled"),
        ([queued(cancellable=False)], "cancel", "it cannot be cancelled"),
        ([started(), PAUSED], "pause", "it is paused: resume it"),
        ([started(), PAUSED, {"type": "run.lost"}], "pause", "it is paused"),
        ([started()], "resume", "it is not paused"),
        ([queued()], "resume", "it is not paused"),
        ([{"type": "run.started"}, completed()], "retry", "names no pipeline"),
        ([{"type": "run.started"}, {"type": "run.lost"}], "retry", "names no pipeline"),
        ([queued("ö" * 100), completed()], "retry", "no worker can be asked to run it"),
        ([queued(metadata={"inputs_bytes": 20_000}), completed()], "retry", "start a new run"),
    ],
)
async def test_what_the_state_forbids_is_409_and_says_what_would_do(
    tmp_path: Path, history: list[Any], command: str, detail: str
) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", *history)
        answer = await tell(b, "r1", command)
        problem = answer.json()
        assert (409, "urn:progress-broker:problem:command-refused") == (
            answer.status,
            problem["type"],
        )
        assert "'r1'" in problem["detail"]
        assert detail in problem["detail"]
        assert len(history) == len(await events(b))
        assert 1 == await b.metric("commands_total", command=command, outcome="refused")


async def test_what_was_stored_just_now_counts(tmp_path: Path) -> None:
    """Judged is the run as it is stored, not as it has arrived here."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        for _ in range(20):
            await b.publish("r1", PAUSED)
            assert 409 == (await tell(b, "r1", "pause")).status
            await b.publish("r1", {"type": "run.resumed"})
            assert 409 == (await tell(b, "r1", "resume")).status


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "Input data was truncated"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b'"x"', "Expected `object`"),
        (b'{"reson":"x"}', "unknown field `reson`; its fields are reason, by, mode"),
        (b'{"reason":5}', "Expected `str | null`, got `int` - at `$.reason`"),
        (b'{"by":["a"]}', "`$.by`"),
        (b'{"by":"%b"}' % (b"x" * 257), "length <= 256 - at `$.by`"),
        (b'{"mode":"%b"}' % (b"x" * 65), "length <= 64 - at `$.mode`"),
        (b'{"reason":"%b"}' % (b"x" * 1025), "length <= 1024 - at `$.reason`"),
        (b'{"reason":"\xff"}', "invalid start byte"),
        (b'{"reason":"\\ud800 "}', "the body"),
        (b"[" * 5000, "the body"),
        (b'{"reason":"x"}{}', "trailing"),
    ],
)
async def test_a_bad_body_is_422_and_says_what_is_wrong(
    tmp_path: Path, body: bytes, detail: str
) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        answer = await tell(b, "r1", "cancel", body)
        assert (422, "urn:progress-broker:problem:invalid-request") == (
            answer.status,
            answer.json()["type"],
        )
        assert detail in answer.json()["detail"]
        assert ["run.started"] == await types(b)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_body_that_is_not_encoded_as_it_says_is_422(tmp_path: Path, encoding: str) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        for target in (path("r1", "/cancel"), path("r1", "/events")):
            answer = await ask(
                b.url,
                target,
                method="POST",
                headers={"Content-Type": "application/json", "Content-Encoding": encoding},
                body=b"no such thing",
            )
            assert 422 == answer.status, answer.body
            assert "its Content-Encoding" in answer.json()["detail"]
        assert ["run.started"] == await types(b)


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b'{"reason":null,"by":null}'])
async def test_no_body_is_needed(tmp_path: Path, body: bytes) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        id = await given(b, "r1", "cancel", body)
        assert {"type": "command.cancel", "id": id} == (await events(b))[-1]


async def test_a_body_over_the_limit_is_413(tmp_path: Path) -> None:
    async with broker(tmp_path, body_max=1024) as b:
        answer = await tell(b, "r1", "cancel", b'{"reason":"%b"}' % (b"x" * 2000))
        assert (413, 1024) == (answer.status, answer.json()["limit"])


async def test_bad_ids_and_methods(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        assert 422 == (await tell(b, "x" * 300, "cancel")).status
        assert 404 == (await tell(b, "r1", "destroy")).status
        answer = await b.get(path("r1", "/cancel"))
        assert 405 == answer.status
        assert "POST" in answer.headers["allow"]


async def test_while_nats_is_away_it_is_503_and_later_the_same_request_goes_through(
    tmp_path: Path,
) -> None:
    async with killable(tmp_path / "nats") as server, gateway(server.url) as g:

        async def post(target: str) -> int:
            headers = {"Idempotency-Key": "k1"}
            return (await ask(g.url, target, method="POST", headers=headers)).status

        start, cancel = "/v1/pipelines/import/runs", path("r1", "/cancel")
        event = b'{"type":"run.started","run":"r1"}'
        assert 202 == (await ask(g.url, "/v1/events", method="POST", body=event)).status
        await server.kill()
        assert (503, 503) == (await post(start), await post(cancel))
        await server.start()

        async def back() -> bool:
            return [202, 202] == [await post(start), await post(cancel)]

        await until(back)

        async def shown() -> bool:
            # What is read comes back on a connection of its own, perhaps later.
            return "commands" in (await ask(g.url, path("r1"))).json()

        await until(shown)
        assert 1 == len((await ask(g.url, path("r1"))).json()["commands"])


# --- Idempotency ----------------------------------------------------------------------------------


async def test_the_same_key_gives_a_command_once(tmp_path: Path) -> None:
    """Whichever gateway is asked, at once or later, and whatever has become of the run."""
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        await b.publish("r1", started())
        urls = [b.url, other.url] * 3
        ids = await asyncio.gather(*[given(b, "r1", "cancel", key="k1", url=url) for url in urls])
        assert 1 == len(set(ids))
        assert ["run.started", "command.cancel"] == await types(b)
        await b.publish(
            "r1",
            {"type": "command.acknowledged", "command": ids[0], "result": "accepted"},
            {"type": "run.cancelled"},
        )
        again = [await given(b, "r1", "cancel", key="k1", url=url) for url in (b.url, other.url)]
        assert {ids[0]} == {*again}
        assert 4 == len(await events(b))
        assert 409 == (await tell(b, "r1", "cancel", key="k2")).status


async def test_the_state_remembers_a_key_longer_than_the_stream_does(tmp_path: Path) -> None:
    """A copy of the run's events, which no deduplication knows, is told nothing twice."""
    async with broker(tmp_path / "a") as b:
        await b.publish("r1", started())
        id = await given(b, "r1", "pause", key="k1")
        stored = await events(b)
    async with broker(tmp_path / "b") as b:
        await b.publish("r1", *stored)
        assert id == await given(b, "r1", "pause", key="k1")
        assert stored == await events(b)


async def test_a_key_is_of_one_command_and_run(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        await b.publish("r2", started())
        ids = {
            await given(b, run, command, key="k1")
            for run in ("r1", "r2")
            for command in ("cancel", "pause", "retry")
        }
        assert 6 == len(ids)


async def test_without_a_key_an_unanswered_command_stands_for_the_next(tmp_path: Path) -> None:
    """Two people who press the same button ask once; with a mode it is another request, and after
    the answer too."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        first = await given(b, "r1", "cancel", {"by": "ada"})
        assert first == await given(b, "r1", "cancel", {"by": "bob"})
        assert first != await given(b, "r1", "cancel", {"mode": "at once"})
        pause = await given(b, "r1", "pause")
        assert pause == await given(b, "r1", "pause")
        resume = await given(b, "r1", "resume")
        assert pause != await given(b, "r1", "pause"), "after a resume it is asked anew"
        assert resume not in (first, pause)
        await b.publish(
            "r1",
            *[
                {"type": "command.acknowledged", "command": id, "result": "rejected"}
                for id in await commands(b)
            ],
        )
        assert first != await given(b, "r1", "cancel")


async def test_an_unanswered_command_of_an_earlier_attempt_stands_for_nothing(
    tmp_path: Path,
) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        first = await given(b, "r1", "cancel")
        await b.publish("r1", completed(), started() | {"attempt": 2})
        assert first != await given(b, "r1", "cancel")


@pytest.mark.parametrize("key", ["", "x" * 257, "a\tb", "é"])
async def test_a_bad_key_is_422(tmp_path: Path, key: str) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        answer = await tell(b, "r1", "cancel", key=key)
        assert 422 == answer.status
        assert "Idempotency-Key is one text of 1 to 256 printable ASCII" in answer.json()["detail"]
        assert 202 == (await tell(b, "r1", "cancel", key="~ !" * 85)).status


# --- Queued runs ----------------------------------------------------------------------------------


async def test_a_queued_run_is_cancelled_here(tmp_path: Path) -> None:
    """Nobody is there to be told; whoever takes its job sees that the attempt has ended."""
    async with broker(tmp_path) as b:
        target = "/v1/pipelines/import/runs"
        assert 202 == (await b.post(target, {"run": "r1"})).status
        id = await given(b, "r1", "cancel", {"by": "ada", "reason": "typo"})
        state = await b.snapshot("r1")
        assert ("cancelled", "ada", "typo") == (
            state["status"],
            state["cancelled_by"],
            state["message"],
        )
        assert "accepted" == state["commands"][id]["result"]
        assert [("r1", 1)] == [(job["run"], job["attempt"]) for job in await jobs(b)]
        await given(b, "r1", "retry")
        assert [1, 2] == [job["attempt"] for job in await jobs(b)]


async def test_a_worker_that_takes_a_run_just_then_is_told(tmp_path: Path) -> None:
    """Whoever is first: the run is cancelled before it starts, or its producer hears of it."""
    async with broker(tmp_path) as b:
        outcomes = set()
        for n in range(30):
            run = f"r{n}"
            await b.publish(run, queued())
            answer, _ = await asyncio.gather(
                tell(b, run, "cancel"), b.publish(run, started() | {"worker": "w"})
            )
            assert 202 == answer.status
            stored = await types(b, run)
            [id] = [e["id"] for e in await events(b, run) if e["type"] == "command.cancel"]
            command = (await b.snapshot(run))["commands"][id]
            if "run.cancelled" in stored:
                assert stored.index("run.cancelled") < stored.index("run.started")
                assert "accepted" == command["result"]
            else:
                assert "result" not in command
            outcomes.add("run.cancelled" in stored)
        assert outcomes <= {True, False}


@pytest.mark.parametrize(
    ("between", "cancelled"), [("run.annotated", True), ("run.started", False)]
)
async def test_a_cancel_is_judged_again_where_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between: str, cancelled: bool
) -> None:
    """Something is stored between the command and the end that it would have."""
    store = Unattended.store

    async with broker(tmp_path) as b:

        async def late(self: Unattended, key: RunKey, event: Event, **how: Any) -> Stored:
            if isinstance(event, RunCancelled) and 2 == len(await events(b)):
                await b.publish("r1", {"type": between})
            return await store(self, key, event, **how)

        monkeypatch.setattr(Unattended, "store", late)
        await b.publish("r1", queued())
        id = await given(b, "r1", "cancel", {"by": "ada"})
        tail = ["run.cancelled", "command.acknowledged"] if cancelled else []
        assert ["run.queued", "command.cancel", between, *tail] == await types(b)
        assert [id] == [e["id"] for e in await events(b) if e["type"] == "command.cancel"]


async def test_a_run_that_goes_on_all_the_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Unattended.store

    async with broker(tmp_path) as b:

        async def late(self: Unattended, key: RunKey, event: Event, **how: Any) -> Stored:
            await b.publish("r1", {"type": "run.annotated"})
            return await store(self, key, event, **how)

        monkeypatch.setattr(Unattended, "store", late)
        await b.publish("r1", queued())
        answer = await tell(b, "r1", "cancel")
        assert (409, "urn:progress-broker:problem:superseded") == (
            answer.status,
            answer.json()["type"],
        )
        assert "command.cancel" not in await types(b)


async def test_a_cancel_that_was_left_half_done_is_completed(tmp_path: Path) -> None:
    """The gateway died after the command's event: who asks again gets the run cancelled."""
    async with broker(tmp_path) as b:
        await b.publish("r1", queued(), {"type": "command.cancel", "id": "c1", "by": "ada"})
        assert "c1" == await given(b, "r1", "cancel", {"by": "bob"})
        state = await b.snapshot("r1")
        assert ("cancelled", "ada") == (state["status"], state["cancelled_by"])
        assert "accepted" == state["commands"]["c1"]["result"]


# --- Retry ----------------------------------------------------------------------------------------

INPUTS = {"url": "x", "nothing": None, "deep": [[{"a": None}]]}


@pytest.mark.parametrize("end", ["run.completed", "run.failed", "run.cancelled", "run.lost"])
async def test_a_retry_queues_the_next_attempt(tmp_path: Path, end: str) -> None:
    """Under the same id, with what the run was started with, and in view of everyone."""
    async with broker(tmp_path) as b:
        wanted = {"run": "r1", "inputs": INPUTS, "name": "Ada's", "labels": {"team": "a"}}
        await b.post("/v1/pipelines/import/runs", wanted)
        await work(b)
        error = {"error": {"message": "no"}} if end == "run.failed" else {}
        await b.publish("r1", started(), {"type": end, **error})
        id = await given(b, "r1", "retry", {"by": "ada"})
        assert [
            {"run": "r1", "pipeline": "import", "inputs": INPUTS, "attempt": 2}
            | {"requested_by": "ada"}
        ] == await jobs(b)
        state = await b.snapshot("r1")
        assert ("queued", 2, "import", "Ada's", {"team": "a"}) == tuple(
            state[name] for name in ("status", "attempt", "pipeline", "name", "labels")
        )
        assert ("retry", "ada", "accepted", 1) == tuple(
            state["commands"][id][name] for name in ("type", "by", "result", "attempt")
        )
        assert [1] == [attempt["attempt"] for attempt in state["attempts"]]


async def test_a_retry_of_a_lost_run_takes_the_place_of_what_its_worker_holds(
    tmp_path: Path,
) -> None:
    """JetStream would give the old request to another worker, and the run would run twice."""
    async with broker(tmp_path) as b:
        for run in ("r1", "r2"):
            await b.post("/v1/pipelines/import/runs", {"run": run})
        await b.publish("r1", started(), {"type": "run.lost"})
        await given(b, "r1", "retry")
        assert [("r2", 1), ("r1", 2)] == [(job["run"], job["attempt"]) for job in await jobs(b)]


async def test_two_retries_at_once_make_one_attempt(tmp_path: Path) -> None:
    """Asked of two gateways, with and without keys."""
    async with broker(tmp_path) as b, gateway(b.nats.url) as other:
        for n in range(5):
            run = f"r{n}"
            await b.publish(run, started(), completed())
            await asyncio.gather(
                *[
                    given(b, run, "retry", key=key, url=url)
                    for url in (b.url, other.url)
                    for key in ("k1", "k2", None)
                ]
            )
            assert [2] == [job["attempt"] for job in await jobs(b) if job["run"] == run]
            assert 1 == (await types(b, run)).count("run.queued")
            assert 2 == (await b.snapshot(run))["attempt"]


async def test_a_retry_by_the_same_key_is_one_even_after_its_end(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), completed())
        id = await given(b, "r1", "retry", key="k1")
        assert 2 == (await work(b))["attempt"]
        await b.publish("r1", started() | {"attempt": 2}, completed())
        assert id == await given(b, "r1", "retry", key="k1")
        assert [] == await jobs(b)
        await given(b, "r1", "retry", key="k2")
        assert [3] == [job["attempt"] for job in await jobs(b)]


@pytest.mark.parametrize(
    ("job_is_queued", "announced"), [(False, False), (True, False), (True, True)]
)
async def test_a_retry_that_was_left_half_done_is_completed_once(
    tmp_path: Path, job_is_queued: bool, announced: bool
) -> None:
    """The gateway died after the command's event, after the job, or before the answer."""
    async with broker(tmp_path / "a") as b:
        await b.publish("r1", started(), completed())
        id = await given(b, "r1", "retry", {"by": "ada"}, key="k1")
        stored, [job] = await events(b), await jobs(b)
    assert ["command.retry", "run.queued", "command.acknowledged"] == [
        event["type"] for event in stored[2:]
    ]
    async with broker(tmp_path / "b") as b:
        await b.publish("r1", *stored[: 4 if announced else 3])
        if job_is_queued:
            await b.nats.connection.publish("jobs.default.import", msgspec.json.encode(job))
        assert id == await given(b, "r1", "retry", key="k1")
        assert stored == await events(b)
        assert [job] == await jobs(b)


async def test_a_producer_that_ignores_a_retry_after_its_end_does_not_hinder_it(
    tmp_path: Path,
) -> None:
    """Its answer comes before the gateway has done what it is about to do, or died before."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), completed())
        id = id_of("command", "default", "r1", "retry", "k1")
        ignored = {"type": "command.acknowledged", "command": id, "result": "ignored"}
        await b.publish("r1", {"type": "command.retry", "id": id}, ignored)
        assert id == await given(b, "r1", "retry", key="k1")
        assert [2] == [job["attempt"] for job in await jobs(b)]
        assert "accepted" == (await commands(b))[id]["result"]
        await b.publish("r1", started() | {"attempt": 2}, completed())
        stored = await events(b)
        assert id == await given(b, "r1", "retry", key="k1")
        assert stored == await events(b)


async def test_a_retry_of_what_waits_is_told_to_who_takes_it(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.post("/v1/pipelines/import/runs", {"run": "r1"})
        id = await given(b, "r1", "retry")
        assert "result" not in (await commands(b))[id]
        assert [1] == [job["attempt"] for job in await jobs(b)]


# --- Over a WebSocket -----------------------------------------------------------------------------


async def test_a_command_over_a_websocket(tmp_path: Path) -> None:
    """Answered under its id, beside the subscriptions of the socket."""
    async with broker(tmp_path) as b, websockets_client(b.url) as here:
        await here.next()
        await b.publish("r1", started())
        asked = {"reason": "late", "by": "ada", "mode": "gently"}
        await here.say("command", run="r1", command="cancel", id=7, idempotency_key="k1", **asked)
        said = await here.next()
        assert said is not None
        id = said["data"]["command"]
        assert {"type": "command", "run": "r1", "id": 7, "data": {"command": id}} == said
        assert {"type": "command.cancel", "id": id, **asked} == (await events(b))[-1]
        assert id == await given(b, "r1", "cancel", key="k1")
        await here.say("subscribe", run="r1")
        await here.say("command", run="r1", command="pause")
        [*_, patch] = await here.until("patch")
        assert "pause" in {command["type"] for command in patch["data"]["commands"].values()}


@pytest.mark.parametrize(
    ("asked", "name", "detail"),
    [
        ({"run": "nobody", "command": "cancel"}, "run-not-found", "nobody"),
        ({"run": "r1", "command": "resume"}, "command-refused", "it is not paused"),
        ({"run": "r1", "command": "cancel", "idempotency_key": ""}, "invalid-request", "1 to 256"),
    ],
)
async def test_a_refusal_over_a_websocket_says_why(
    tmp_path: Path, asked: dict[str, Any], name: str, detail: str
) -> None:
    async with broker(tmp_path) as b, websockets_client(b.url) as here:
        await here.next()
        await b.publish("r1", started())
        await here.say("command", id="x", **asked)
        said = await here.next()
        assert said is not None
        assert ("error", asked["run"], "x", "command", name) == (
            said["type"],
            said["run"],
            said["id"],
            said["data"]["op"],
            said["data"]["name"],
        )
        assert detail in said["data"]["detail"]


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        ({"run": "r1"}, "missing required field `command`"),
        ({"command": "cancel"}, "missing required field `run`"),
        ({"run": "", "command": "cancel"}, "the run id is empty"),
        ({"run": "r1", "command": "destroy"}, "`$.command`"),
        ({"run": "r1", "command": "cancel", "by": 5}, "`$.by`"),
        ({"run": "r1", "command": "cancel", "reason": "x" * 1025}, "length <= 1024"),
    ],
)
async def test_a_bad_command_over_a_websocket_is_a_bad_message(
    tmp_path: Path, asked: dict[str, Any], detail: str
) -> None:
    async with broker(tmp_path) as b, websockets_client(b.url) as here:
        await here.next()
        await here.say("command", **asked)
        said = await here.next()
        assert said is not None
        assert ("error", "bad-message") == (said["type"], said["data"]["name"])
        assert detail in said["data"]["detail"]


async def test_a_socket_has_so_many_commands_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give, free = Dispatch.give, asyncio.Event()

    async def held(self: Dispatch, key: RunKey, order: Order) -> str:
        await free.wait()
        return await give(self, key, order)

    monkeypatch.setattr(Dispatch, "give", held)
    async with broker(tmp_path) as b, websockets_client(b.url) as here:
        await here.next()
        await b.publish("r1", started())
        for n in range(COMMANDS_MAX + 8):
            await here.say("command", run="r1", command="cancel", id=n)
        refused = await here.take(8)
        assert list(range(COMMANDS_MAX, COMMANDS_MAX + 8)) == [said["id"] for said in refused]
        assert {("too-many-commands", COMMANDS_MAX)} == {
            (said["data"]["name"], said["data"]["value"]) for said in refused
        }
        free.set()
        answered = await here.take(COMMANDS_MAX)
        assert {"command"} == {said["type"] for said in answered}
        assert set(range(COMMANDS_MAX)) == {said["id"] for said in answered}
        await here.say("command", run="r1", command="cancel")
        assert "command" == (await here.take(1))[0]["type"]


async def test_commands_count_against_the_limit_of_the_client(tmp_path: Path) -> None:
    async with broker(tmp_path, ingest_rate=2) as b, websockets_client(b.url) as here:
        await here.next()
        await b.publish("r1", started())
        assert 202 == (await tell(b, "r1", "cancel")).status
        names = []
        for n in range(2):
            await here.say("command", run="r1", command="cancel", id=n)
            names.append((await here.take(1))[0]["data"].get("name"))
        assert [None, "rate-limited"] == names
        answer = await tell(b, "r1", "cancel")
        assert (429, "ingest_rate") == (answer.status, answer.json()["limit"])


async def test_a_command_is_given_although_its_socket_goes(tmp_path: Path) -> None:
    async with broker(tmp_path) as b, producer(b) as p:
        await b.publish("r1", started())
        await p.next()
        async with websockets_client(b.url) as here:
            await here.say("command", run="r1", command="cancel")
        assert "command.cancel" == (await p.next())["type"]
