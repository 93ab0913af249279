"""What job engines emit, as events; what is refused, and why."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.dialects.jobs import read
from broker.dialects.table import DIALECTS
from broker.errors import MalformedEvent
from broker.model import events as e
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import RunState, initial
from broker.views.job import job_of
from broker.views.jobs import JobsStory
from tests.compat.scenarios import SCENARIOS
from tests.compat.told import live, state_of
from tests.faults import until
from tests.gateway.serving import broker
from tests.strategies import common_events
from tests.unit.runs import at, records_of

T = "2026-01-01T00:00:05Z"


def message(kind: str, **payload: Any) -> bytes:
    """A message; None leaves a member out."""
    named = {"jobId": "r1"} if kind in ("subject_stage_status", "job_log") else {"id": "r1"}
    said = {**named, "timestamp": T, **payload}
    said = {name: value for name, value in said.items() if value is not None}
    return json.dumps({"type": kind, "payload": said}).encode()


def told(*messages: bytes, onto: RunState | None = None) -> list[e.Event]:
    """The events that messages of one run stand for, each judged by those before it."""
    fold = Fold(onto or initial("default", "r1"))
    events: list[e.Event] = []
    for payload in messages:
        said = read(payload)
        assert "r1" == said.run
        found = said.events
        if said.judged is not None:
            found = said.judged(fold.state if fold.seq else None)
        for event in found:
            fold.add(event, fold.seq + 1, at(fold.seq))
            events.append(event)
    return events


def after(*messages: bytes) -> RunState:
    """The run after messages."""
    return state_of(records_of(*told(*messages)))


def status(word: str, **more: Any) -> bytes:
    return message("job_status", status=word, **more)


def stage(word: str, **more: Any) -> bytes:
    return message("subject_stage_status", **{"stageId": "fit", "status": word, **more})


def refusal(*payloads: bytes) -> str:
    with pytest.raises(MalformedEvent) as refused:
        told(*payloads)
    return str(refused.value)


def test_the_dialect_is_known_by_its_name() -> None:
    assert read is DIALECTS["jobs"]


def test_the_messages_of_a_job() -> None:
    owner = {"subjectId": "s-1", "projectId": 7, "stageId": "fit", "name": "Scan"}
    announced: dict[str, Any] = {
        "name": "Scan",
        "labels": {"subject": "s-1", "project": "7", "stage": "fit"},
        "time": at(5),
    }
    assert [
        e.RunQueued(**announced),
        e.RunStarted(**announced),
        e.RunProgress(current=0, total=100, unit="%", time=at(5)),
        e.StepStarted(step="fit", time=at(5)),
        e.RunProgress(current=40, total=100, unit="%", message="volume 3", time=at(5)),
        e.LogAppended(lines=[e.LogLine(text="well", level="success", time=at(5))]),
        e.RunCompleted(time=at(5)),
        e.StepCompleted(step="fit", time=at(5)),
    ] == told(
        status("queued", **owner),
        status("running", progress=0, **owner),
        stage("running", subjectId="s-1"),
        message("job_progress", progress=40, currentStep="volume 3"),
        message("job_log", message="well", level="SUCCESS"),
        status("completed", progress=100, **owner),
        stage("done", subjectId="s-1"),
    )


def test_a_failed_job_says_why_and_keeps_its_progress() -> None:
    state = after(status("running", progress=40), status("failed", error="no space", progress=55))
    assert state.error is not None
    assert ("failed", "no space", 55) == (
        state.status,
        state.error.message,
        job_of(state).progress,
    )
    assert "failed" == job_of(after(status("failed"))).error


@pytest.mark.parametrize("word", ["cancelled", "canceled"])
def test_a_cancelled_job(word: str) -> None:
    assert "cancelled" == after(status("queued"), status(word)).status


def test_what_is_known_is_no_event() -> None:
    """An engine tells the whole job at every change."""
    going = [
        status("queued", name="Scan", subjectId="s-1"),
        status("running", progress=10, currentStep="a", name="Scan", subjectId="s-1"),
        stage("running"),
    ]
    events = told(*going)
    assert events == told(going[0], *going, *going[1:])
    assert events == told(*going, status("running", name="", pipeline="", currentStep="a"))
    ended = [*going, stage("failed"), status("failed", error="no")]
    assert told(*ended) == told(*ended, *ended[-2:], stage("running"))


def test_a_job_that_says_more_of_itself_is_announced_again() -> None:
    state = after(stage("running", subjectId="s-1"), status("running", name="Scan", projectId="p"))
    assert ("Scan", {"subject": "s-1", "project": "p"}) == (state.name, state.labels)
    state = after(status("queued"), status("queued", name="Scan"))
    assert ("Scan", "queued") == (state.name, state.status)


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize("word", ["queued", "running"])
def test_a_job_that_begins_after_its_end_is_another_attempt(end: str, word: str) -> None:
    state = after(status("running", progress=50), stage("failed"), status(end), status(word))
    assert (word, 2, 0) == (state.status, state.attempt, job_of(state).progress)
    assert "pending" == state.steps["fit"].status


def test_progress_that_comes_late_begins_nothing() -> None:
    late = message("job_progress", progress=60, status="running", currentStep="late")
    state = after(status("running", progress=50), status("cancelled"), late)
    assert ("cancelled", 1) == (state.status, state.attempt)


def test_an_attempt_may_be_said() -> None:
    assert 3 == after(status("running", attempt=3)).attempt
    state = after(status("failed"), status("queued", attempt=2), status("failed", attempt=1))
    assert ("queued", 2) == (state.status, state.attempt)
    state = after(status("failed"), status("completed", attempt=2))
    assert ("completed", 2) == (state.status, state.attempt)


def test_a_stage_that_failed_may_run_again() -> None:
    events = told(stage("running"), stage("failed", error="no"), stage("running"), stage("done"))
    assert [
        e.RunStarted,
        e.StepStarted,
        e.StepFailed,
        e.StepRetrying,
        e.StepStarted,
        e.StepCompleted,
    ] == [type(event) for event in events]
    assert [] == told(stage("not_run"))


def test_a_lost_job_and_a_paused_one_go_on() -> None:
    interruptions: list[e.Event] = [e.RunLost(), e.RunPaused()]
    for interrupted in interruptions:
        state = state_of(records_of(e.RunStarted(), interrupted))
        events = told(status("running", progress=5), onto=state)
        again = state_of(records_of(e.RunStarted(), interrupted, *events))
        assert ("running", 5) == (again.status, job_of(again).progress)


def test_the_levels_of_a_log() -> None:
    levels = {
        "DEBUG": "debug",
        "INFO": "info",
        "PROGRESS": "progress",
        "SUCCESS": "success",
        "WARNING": "warning",
        "WARN": "warning",
        "ERROR": "error",
        "CRITICAL": "error",
        "error": "error",
        None: "info",
    }
    for level, known in levels.items():
        [event] = told(message("job_log", message="x", level=level, stageId="fit", attempt=2))
        assert isinstance(event, e.LogAppended)
        assert (known, "fit", 2) == (event.lines[0].level, event.lines[0].step, event.attempt)


@pytest.mark.parametrize(
    ("timestamp", "time"),
    [
        ("2026-01-01T00:00:05Z", at(5)),
        ("2026-01-01T01:00:05+01:00", at(5)),
        ("2026-01-01T00:00:05", at(5)),
        (1767225605000, at(5)),
        (None, None),
    ],
)
def test_the_forms_of_a_time(timestamp: object, time: object) -> None:
    [event] = told(status("cancelled", timestamp=timestamp, attempt=None), onto=begun())
    assert time == event.time
    [event] = told(status("cancelled", completedAt="2026-01-01T00:00:09Z"), onto=begun())
    assert at(9) == event.time


def begun() -> RunState:
    return state_of(records_of(e.RunStarted()))


def test_unknown_members_are_ignored() -> None:
    assert told(status("queued")) == told(status("queued", priority=3, logs=["x"]))


@pytest.mark.parametrize(
    ("payload", "field", "text"),
    [
        (b"{}", "type", "missing"),
        (b"[]", "", "Expected `object`"),
        (b"\xff", "", "not valid UTF-8"),
        (b'{"type":"job_status"}', "payload", "missing"),
        (message("job_started"), "type", "job_status, job_progress"),
        (message("job_status"), "payload.status", "missing"),
        (status("done"), "payload.status", "'done'"),
        (status("queued", id=None), "payload.id", "missing"),
        (status("queued", jobId="r2"), "payload.jobId", "contradicts the id 'r1'"),
        (status("queued", id=""), "payload.id", "length >= 1"),
        (message("job_progress", status="running"), "payload.progress", "missing"),
        (message("job_progress", progress=101), "payload.progress", "<= 100"),
        (message("job_progress", progress=-1), "payload.progress", ">= 0"),
        (message("job_progress", progress="40"), "payload.progress", "`str`"),
        (message("job_progress", progress=True), "payload.progress", "`bool`"),
        (status("running", progress=100.5), "payload.progress", "<= 100"),
        (status("running", pipeline="x" * 257), "payload.pipeline", "<= 256"),
        (status("running", attempt=0), "payload.attempt", ">= 1"),
        (status("running", createdAt="2026-01-01"), "payload.createdAt", "RFC3339"),
        (status("cancelled", timestamp=1e300), "payload.timestamp", "no time"),
        (stage("done", jobId=None), "payload.jobId", "missing"),
        (stage("done", stageId=None), "payload.stageId", "missing"),
        (stage("completed"), "payload.status", "'completed'"),
        (message("job_log", message="x", jobId=None), "payload.jobId", "missing"),
        (message("job_log"), "payload.message", "missing"),
        (message("job_log", message="x", level="LOUD"), "payload.level", "DEBUG, INFO"),
    ],
)
def test_what_is_refused(payload: bytes, field: str, text: str) -> None:
    reason = refusal(payload)
    assert reason.startswith(f"{field}: " if field else text), reason
    assert text in reason


def test_stages_of_two_subjects_are_not_of_one_job() -> None:
    reason = refusal(status("running", subjectId="s-1"), stage("running", subjectId="s-2"))
    assert reason.startswith("payload.subjectId: 's-2'")
    assert "'s-1'" in reason
    assert refusal(status("running", subjectId="s-1"), status("failed", subjectId="s-2"))


@pytest.mark.parametrize(
    "foreign",
    [
        {"layer": "intake", "status": "executing", "index": 0},
        {"type": "execution_started", "execution_id": "r1", "data": {}},
        {"type": "progress", "execution_id": "r1", "progress": {"current_step": 1}},
        {"type": "node_start", "node_id": "a"},
        {"type": "run.started"},
    ],
)
def test_messages_of_other_dialects_are_refused(foreign: dict[str, Any]) -> None:
    assert refusal(json.dumps(foreign).encode()).startswith("type: ")


def read_back(stored: Iterable[Record]) -> RunState:
    """The run that is told by the messages of a run, as a page would be shown them."""
    return after(*[payload.data for payload in live(JobsStory(), list(stored))])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_is_told_can_be_reported(scenario: str) -> None:
    """The messages of a job lead to the same job."""
    seen, again = job_of(state_of(SCENARIOS[scenario])), job_of(read_back(SCENARIOS[scenario]))
    for name in ("id", "status", "progress", "subject_id", "completed_at", "attempt", "name"):
        assert getattr(seen, name) == getattr(again, name), name


messages = st.sampled_from(
    [
        *[status(word, progress=n) for word in ("queued", "running") for n in (0, 30, None)],
        *[status(word) for word in ("completed", "failed", "cancelled")],
        *[stage(word, stageId=s) for word in ("running", "done", "failed") for s in ("a", "b")],
        message("job_progress", progress=70, currentStep="x"),
        message("job_progress", currentStep="y"),
    ]
)


@given(st.lists(messages, max_size=16), st.lists(common_events, max_size=6))
def test_what_is_said_twice_is_no_event(said: list[bytes], before: list[e.Event]) -> None:
    """However the run stands: the second time, nothing is new."""
    state = state_of(records_of(e.RunStarted(), *before))
    for payload in said:
        fold = Fold(msgspec.convert(msgspec.to_builtins(state), RunState))
        judged = read(payload).judged
        assert judged is not None
        for event in judged(fold.state):
            fold.add(event, fold.seq + 1, at(fold.seq))
        assert [] == list(judged(fold.state))
        state = fold.state


async def test_messages_are_taken_over_http(tmp_path: Path) -> None:
    """A whole job, one message at a time, and a batch that is refused as a whole."""
    said = [
        status("queued", subjectId="s-1"),
        status("running", subjectId="s-1"),
        stage("running", subjectId="s-1"),
        message("job_log", message="begins", level="PROGRESS"),
        message("job_progress", progress=40, currentStep="volume 3"),
    ]
    ends = [status("failed", error="no space", subjectId="s-1"), stage("failed", subjectId="s-1")]
    async with broker(tmp_path) as b:
        for each in said:
            answer = await b.post("/v1/events?dialect=jobs", each)
            assert 202 == answer.status, answer.body
        bad = [ends[0], message("job_progress", progress=400)]
        answer = await b.post("/v1/events?dialect=jobs", bad)
        assert 422 == answer.status
        assert "payload.progress" in json.dumps(answer.json()["errors"])
        answer = await b.post("/v1/events?dialect=jobs", ends)
        assert 202 == answer.status, answer.body

        async def arrived() -> bool:
            steps = (await b.snapshot("r1"))["steps"]
            return bool(steps["fit"]["status"] == "failed")

        await until(arrived)
        job = (await b.get("/api/jobs/r1")).json()
        assert ("failed", 40, "no space", "s-1") == tuple(
            job[name] for name in ("status", "progress", "error", "subjectId")
        )
        lines = (await b.get("/v1/runs/r1/logs")).json()["items"]
        assert [("progress", "begins")] == [(line["level"], line["text"]) for line in lines]
