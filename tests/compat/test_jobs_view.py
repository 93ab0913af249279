"""A run told as a job: what is told, in which words, and that who comes late sees the same."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model import events as e
from broker.model.cursor import Cursor
from broker.model.loglines import EVERY, lines_of
from broker.model.record import Record
from broker.model.summary import summarize
from broker.views.job import job_document, job_in_list, job_of
from broker.views.job_lines import lines_of_job
from broker.views.jobs import JobsStory
from broker.views.message import Message
from broker.views.untouched import untouched
from tests.compat.golden_files import check
from tests.compat.scenarios import SCENARIOS
from tests.compat.told import EPOCH, framed, late, live, state_of
from tests.strategies import common_events, event_payloads, records
from tests.unit.runs import OUT_OF_MEMORY, at, planned, records_of

STORY = JobsStory()
Told = dict[str, Any]

LABELS = {"subject": "s-7", "project": "p-1"}
STARTED = e.RunStarted(plan=planned("read", "fit"), labels={**LABELS}, name="Scan")


def payloads(messages: Iterable[Message], kind: str | None = None) -> list[Told]:
    """What is told, each with its type unless one type is asked for."""
    told = [json.loads(message.data) for message in messages]
    assert all({"type", "payload"} == set(each) for each in told)
    if kind is not None:
        return [each["payload"] for each in told if each["type"] == kind]
    return told


def words(*happened: e.Event) -> list[str]:
    """What is told of events, in short."""
    short = []
    for each in payloads(live(STORY, records_of(*happened))):
        said = each["payload"]
        if each["type"] == "subject_stage_status":
            short.append(f"{said['stageId']} {said['status']}")
        else:
            step = f" {said['currentStep']}" if "currentStep" in said else ""
            short.append(f"{each['type']} {said['status']} {said['progress']}{step}")
    return short


def picture(messages: Iterable[Message]) -> dict[str, Any]:
    """What the pages keep: the job as it was told last, and the stages of each subject."""
    kept: dict[str, Any] = {"job": None, "stages": {}}
    for said in payloads(messages):
        if said["type"] == "subject_stage_status":
            change = said["payload"]
            kept["stages"].setdefault(change["subjectId"], {})[change["stageId"]] = change["status"]
        else:
            kept["job"] = said["payload"]
    return kept


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_golden_messages(scenario: str) -> None:
    """Byte for byte, to who was there, to who comes late, and to who asks."""
    stored = SCENARIOS[scenario]
    told = {"live": framed(live(STORY, stored)), "late": framed(late(STORY, stored))}
    document = job_document(state_of(stored))
    del document["x_state"]
    check(f"jobs-{scenario}", told | {"job": json.dumps(document, indent=1).encode() + b"\n"})


def test_a_job_goes_from_queued_to_completed() -> None:
    assert [
        "job_status queued 0",
        "job_status running 0",
        "read running",
        "job_progress running 0 read",
        "job_progress running 25 read",
        "read done",
        "job_progress running 50",
        "fit running",
        "job_progress running 50 fit",
        "fit done",
        "job_progress running 99",
        "job_status completed 100",
    ] == words(
        e.RunQueued(),
        STARTED,
        e.StepStarted(step="read"),
        e.StepProgress(step="read", current=1, total=2),
        e.StepCompleted(step="read"),
        e.StepStarted(step="fit"),
        e.StepCompleted(step="fit"),
        e.RunCompleted(),
    )


def test_every_message_about_a_job_holds_all_of_it() -> None:
    told = payloads(live(STORY, SCENARIOS["retried"]))
    jobs = [each["payload"] for each in told if each["type"] in ("job_status", "job_progress")]
    always = {"id", "status", "progress", "attempt", "createdAt"}
    assert all(always <= set(job) for job in jobs)
    assert {
        "id": "r1",
        "status": "completed",
        "progress": 100,
        "attempt": 1,
        "name": "Import of May",
        "pipeline": "import",
        "subjectId": "s-7",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "startedAt": "2026-01-01T00:00:01.000Z",
        "completedAt": "2026-01-01T00:00:12.000Z",
    } == jobs[-1]


def test_the_five_words_for_the_status_of_a_job() -> None:
    begun: list[e.Event] = [STARTED]
    ends: dict[str, list[e.Event]] = {
        "queued": [e.RunQueued()],
        "running": begun,
        "completed": [*begun, e.RunCompleted()],
        "failed": [*begun, e.RunFailed(error=OUT_OF_MEMORY)],
        "cancelled": [*begun, e.RunCancelled()],
    }
    for word, happened in ends.items():
        assert (word, None) == shown(*happened)


def test_a_lost_job_and_a_paused_one_are_shown_as_running() -> None:
    assert ("running", "lost") == shown(STARTED, e.RunLost())
    assert ("running", "paused") == shown(STARTED, e.RunPaused())
    assert ("running", None) == shown(STARTED, e.RunPaused(), e.RunResumed())
    assert "job_status running 0" == words(STARTED, e.RunLost())[-1]


def shown(*happened: e.Event) -> tuple[str, str | None]:
    """The status of a job in its own word, and in the run's where that is another."""
    job = job_of(state_of(records_of(*happened)))
    return job.status, job.x_status


def test_a_failed_job_says_why_and_keeps_its_progress() -> None:
    failure = e.RunFailed(error=e.Failure(message="no space left", type="OSError"))
    half = (STARTED, e.StepCompleted(step="read"))
    job = job_of(state_of(records_of(*half, failure)))
    assert ("failed", 50, "no space left") == (job.status, job.progress, job.error)
    job = job_of(state_of(records_of(*half, e.RunFailed(error=e.Failure(type="OSError")))))
    assert "OSError" == job.error
    assert "failed" == job_of(state_of(records_of(e.RunFailed(error=e.Failure())))).error
    assert job_of(state_of(records_of(*half, e.RunCancelled(reason="stop")))).error is None


def test_the_four_words_for_a_stage() -> None:
    assert ["read running", "read done"] == stages(
        e.StepStarted(step="read"), e.StepCompleted(step="read")
    )
    assert ["read running", "read failed", "read running"] == stages(
        e.StepStarted(step="read"),
        e.StepFailed(step="read", error=OUT_OF_MEMORY),
        e.StepRetrying(step="read"),
        e.StepStarted(step="read"),
    )
    assert ["read done"] == stages(e.StepSkipped(step="read", cached=True))
    assert [] == stages(e.StepSkipped(step="read"))
    assert ["read running", "read not_run"] == stages(
        e.StepStarted(step="read"), e.StepCancelled(step="read")
    )


def test_a_stage_of_an_ended_job_does_not_run() -> None:
    """Its producer may say so afterwards: that is no change then."""
    going = (STARTED, e.StepStarted(step="read"))
    failed = e.RunFailed(error=OUT_OF_MEMORY)
    ends: list[tuple[e.Event, str]] = [
        (e.RunCompleted(), "done"),
        (failed, "failed"),
        (e.RunCancelled(), "not_run"),
    ]
    for end, word in ends:
        assert ["read running", f"read {word}"] == stages(*going, end)
        assert {"s-7": {"read": word}} == picture(late(STORY, records_of(*going, end)))["stages"]
    done = e.StepCompleted(step="read")
    assert ["read running", "read done"] == stages(*going, e.RunCompleted(), done)
    assert ["read running", "read failed", "read done"] == stages(*going, failed, done)


def stages(*happened: e.Event) -> list[str]:
    told = words(STARTED, *happened)
    return [each for each in told if not each.startswith("job_")]


def test_a_stage_change_names_subject_stage_job_and_moment() -> None:
    happened = (STARTED, e.StepStarted(step="read", time=at(70)))
    told = payloads(live(STORY, records_of(*happened)), "subject_stage_status")
    assert [
        {
            "subjectId": "s-7",
            "stageId": "read",
            "status": "running",
            "jobId": "r1",
            "timestamp": "2026-01-01T00:01:10.000Z",
        }
    ] == told


def test_a_job_of_no_subject_tells_no_stages() -> None:
    begun = e.RunStarted(plan=planned("read"))
    happened = (begun, e.StepStarted(step="read"))
    assert [] == payloads(live(STORY, records_of(*happened)), "subject_stage_status")
    assert "read" == job_of(state_of(records_of(*happened))).stage_id
    named = e.RunAnnotated(labels={"subject": 7})
    assert ["job_status running 0 read", "read running"] == words(*happened, named)[-2:]
    assert "7" == job_of(state_of(records_of(*happened, named))).subject_id


def test_the_current_step_is_what_the_run_says_or_the_stage_under_way() -> None:
    parallel = (STARTED, e.StepStarted(step="fit"), e.StepStarted(step="read"))
    assert "read" == job_of(state_of(records_of(*parallel))).current_step
    said = (*parallel, e.RunProgress(current=10, total=100, message="volume 3"))
    job = job_of(state_of(records_of(*said)))
    assert ("volume 3", "read", 10) == (job.current_step, job.stage_id, job.progress)
    ended = job_of(state_of(records_of(*said, e.RunCompleted())))
    assert ended.current_step is None


def test_the_label_stage_names_the_stage_of_a_job_of_one() -> None:
    labels: e.Labels = {"stage": "tracts", "subject": "s-1"}
    job = job_of(state_of(records_of(e.RunStarted(labels=labels), e.StepStarted(step="load"))))
    assert "tracts" == job.stage_id


def test_a_retried_job_begins_anew() -> None:
    """Its stages too: a page would go on showing what they came to before."""
    failed = (
        STARTED,
        e.StepCompleted(step="read"),
        e.StepFailed(step="fit", error=OUT_OF_MEMORY),
        e.RunFailed(error=OUT_OF_MEMORY),
    )
    told = words(*failed, e.RunQueued(attempt=2), e.RunStarted(attempt=2))
    assert [
        "job_status failed 50",
        "job_status queued 0",
        "read not_run",
        "fit not_run",
        "job_status running 0",
    ] == told[-5:]
    again = picture(late(STORY, records_of(*failed, e.RunQueued(attempt=2))))
    assert {"read": "not_run", "fit": "not_run"} == again["stages"]["s-7"]
    assert 2 == again["job"]["attempt"]


def test_what_changes_nothing_is_not_told() -> None:
    begun = (STARTED, e.StepStarted(step="read"), e.StepCompleted(step="read"))
    told = words(*begun)
    nothing: list[e.Event] = [
        e.StepCompleted(step="read"),
        e.StepStarted(step="read"),
        e.RunHeartbeat(),
        e.RunAnnotated(labels={"owner": "ann"}),
        e.StepProgress(step="read", current=1, total=9),
        e.RunStarted(attempt=1, labels={**LABELS}, plan=None),
    ]
    for event in nothing[:-1]:
        assert told == words(*begun, event)
    later = (*begun, e.RunQueued(attempt=2))
    assert words(*later) == words(*later, e.StepStarted(step="fit", attempt=1))


def test_percentages_are_whole_and_100_only_when_completed() -> None:
    almost = e.RunProgress(current=999_999, total=1_000_000)
    assert 99 == job_of(state_of(records_of(STARTED, almost))).progress
    assert 29 == job_of(state_of(records_of(e.RunProgress(current=29, total=100)))).progress
    assert 0 == job_of(state_of(records_of(e.RunProgress(current=29)))).progress
    assert 100 == job_of(state_of(records_of(STARTED, e.RunCompleted()))).progress


def test_progress_is_told_when_it_shows() -> None:
    steps = [e.RunProgress(current=n, total=1000) for n in range(0, 31)]
    told = payloads(live(STORY, records_of(e.RunStarted(), *steps)), "job_progress")
    assert [1, 2, 3] == [each["progress"] for each in told]


def test_cursors_are_those_of_the_events() -> None:
    stored = SCENARIOS["cancelled"]
    sequences = {record.seq for record in stored}
    for message in live(STORY, stored):
        assert isinstance(message.cursor, Cursor)
        assert message.cursor.seq in sequences
    assert {Cursor(EPOCH, len(stored))} == {message.cursor for message in late(STORY, stored)}


def test_the_document_has_the_untouched_state_beside() -> None:
    state = state_of(SCENARIOS["lost"])
    document = job_document(state)
    assert untouched(state) == document.pop("x_state")
    assert ("running", "lost") == (document["status"], document["x_status"])


LINES = e.LogAppended(
    lines=[
        e.LogLine(text="begins", level="progress", time=at(3), step="read"),
        e.LogLine(text="häd\x1b[31m", level="error"),
        e.LogLine(text="well"),
    ],
    attempt=2,
)


def test_log_lines_are_told_with_their_level_in_capitals() -> None:
    record = records_of(LINES)[0]
    view = lines_of_job("r1")(EVERY)
    told = payloads(view.messages(lines_of(record), EPOCH), "job_log")
    assert {
        "jobId": "r1",
        "level": "PROGRESS",
        "message": "begins",
        "timestamp": "2026-01-01T00:00:03.000Z",
        "id": "e1-1.0",
        "attempt": 2,
        "stageId": "read",
    } == told[0]
    assert ["PROGRESS", "ERROR", "INFO"] == [each["level"] for each in told]
    assert "häd\x1b[31m" == told[1]["message"]
    assert [] == [*view.hello({}), *view.end(state_of([]))]


subjects = st.sampled_from(["s-1", "s-2", None])
labelled = st.builds(
    lambda subject, stage, kind: kind(labels={"subject": subject, "stage": stage}),
    subjects,
    subjects,
    st.sampled_from([e.RunAnnotated, e.RunQueued, e.RunStarted]),
)
happenings = st.lists(common_events | labelled, max_size=24)


@given(happenings)
def test_who_comes_late_sees_what_those_see_who_were_there(happened: list[e.Event]) -> None:
    same_picture([*records_of(e.RunStarted(labels={"subject": "s-1"}), *happened)])


@given(records(event_payloads))
def test_the_same_of_any_events(stored: list[Record]) -> None:
    same_picture([record for record in stored if record.payload != b"{}"])


def same_picture(stored: Sequence[Record]) -> None:
    """A stage that was not told of is one that was not run."""
    there, after = picture(live(STORY, stored)), picture(late(STORY, stored))
    state = state_of(stored)
    subject = state.labels.get("subject")
    assert run_stages(there, subject) == run_stages(after, subject)
    if there["job"] is None:
        assert "queued" == after["job"]["status"]
    else:
        assert there["job"] == after["job"]


def run_stages(drawn: dict[str, Any], subject: object) -> dict[str, str]:
    found = drawn["stages"].get(subject, {})
    return {stage: word for stage, word in found.items() if word != "not_run"}


@given(happenings)
def test_the_list_and_the_messages_show_the_same_job(happened: list[e.Event]) -> None:
    state = state_of(records_of(*happened))
    assert job_of(state) == job_in_list(summarize(state, EPOCH))
