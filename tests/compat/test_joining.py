"""Whenever a client comes, it sees what one sees who comes later, and no bar goes back."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model import events as e
from broker.model.decode import decode
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import TERMINAL, RunState, initial
from broker.views.executions import ExecutionsStory
from broker.views.message import Message, Moment, Story
from broker.views.runner import RunnerStory
from broker.views.workflows import WORKFLOWS
from tests.compat.told import EPOCH
from tests.unit.runs import OUT_OF_MEMORY, planned, records_of

Said = dict[str, Any]
Picture = Callable[[list[Said]], Any]

steps = st.sampled_from(["a", "b", "c"])
attempts = st.sampled_from([None, None, None, None, 1, 2])
plans = st.lists(steps, max_size=3, unique=True).map(lambda names: planned(*names))


def _of(kind: type[e.Event], **fields: Any) -> st.SearchStrategy[e.Event]:
    return st.builds(kind, attempt=attempts, **fields)


failures = st.just(OUT_OF_MEMORY)
beginnings = _of(e.RunQueued, plan=plans) | _of(
    e.RunStarted, plan=plans, total_steps=st.none() | st.integers(0, 5)
)
happenings: st.SearchStrategy[e.Event] = st.one_of(
    beginnings,
    _of(e.RunProgress, current=st.integers(0, 10), total=st.just(10)),
    _of(e.StepStarted, step=steps, name=st.sampled_from([None, None, "Fit"])),
    _of(e.StepProgress, step=steps, current=st.integers(0, 10), total=st.just(10)),
    *(_of(kind, step=steps) for kind in (e.StepCompleted, e.StepSkipped, e.StepCancelled)),
    _of(e.StepFailed, step=steps, error=failures) | _of(e.StepRetrying, step=steps),
    _of(e.RunPaused) | _of(e.RunResumed),
    _of(e.RunCompleted) | _of(e.RunCancelled) | _of(e.RunFailed, error=failures),
)


def layers_and_bar(messages: list[Said]) -> Any:
    """What a page of the runner shows: its layers, and the bar where there are any."""
    layers: Said = {}
    bar = end = None
    for frame in messages:
        bar = frame.get("progress", bar)
        if "layer" in frame:
            layers[frame["layer"]] = (frame["status"], frame.get("error"))
        else:
            end = frame
    begun = {name: shown for name, shown in layers.items() if shown[0] != "pending"}
    return begun, bar if begun else None, end


def steps_and_total(messages: list[Said]) -> Any:
    """What a page of workflows shows: its steps by their number, and the end."""
    shown: Said = {}
    total = end = None
    for message in messages:
        kind, data = message["type"], message["data"]
        if kind == "execution_started":
            shown, total = {}, data["total_steps"]
        elif kind.startswith("step"):
            shown[data["step_number"]] = [data["step_name"], data.get("status")]
        else:
            end = data
    return shown, total, end


def progress_and_end(messages: list[Said]) -> Any:
    """What a page of executions shows; at the end no step is under way any more."""
    shown: Said = {"progress": {"current_step": 0, "total_steps": 0, "percentage": 0.0}}
    for message in messages:
        shown["status"] = message["status"]
        shown |= {k: message[k] for k in ("progress", "outputs", "error") if k in message}
    if shown["status"] in TERMINAL:
        shown["progress"].pop("current_step_name", None)
    return shown


PAGES: dict[Story, Picture] = {
    RunnerStory(): layers_and_bar,
    WORKFLOWS: steps_and_total,
    ExecutionsStory(): progress_and_end,
}

stories = pytest.mark.parametrize("story", PAGES, ids=lambda story: story.name)


def said(messages: Iterable[Message]) -> list[Said]:
    return [json.loads(message.data) for message in messages]


def watched(
    story: Story, records: list[Record], join: int
) -> Iterator[tuple[RunState, list[Said], list[Said]]]:
    """After each event: the state, what was told who came with the `join`th, and who comes now."""
    fold = Fold(initial("default", "r1"))
    there: list[Said] = []
    for number, record in enumerate(records, 1):
        event = decode(record.payload)
        moment = Moment.before(fold.state, event, record)
        fold.add(event, record.seq, record.stored_at)
        now = said(story.snapshot(fold.state, EPOCH))
        if number > join:
            there += said(story.tell(moment, fold.state, EPOCH))
        elif number == join:
            there = now
        if number >= join:
            yield fold.state, there, now
        if fold.state.ended:
            return


@stories
@given(beginnings, st.lists(happenings, max_size=8), st.integers(1, 4))
def test_who_is_there_sees_what_one_sees_who_comes_now(
    story: Story, beginning: e.Event, happened: list[e.Event], join: int
) -> None:
    for state, there, now in watched(story, records_of(beginning, *happened), join):
        if state.started_at is not None:
            assert PAGES[story](now) == PAGES[story](there)


@stories
@given(beginnings, st.lists(happenings, max_size=8), st.integers(1, 4))
def test_no_bar_goes_back(
    story: Story, beginning: e.Event, happened: list[e.Event], join: int
) -> None:
    """But with another attempt, when a step is tried again or more are announced, or a bad end."""
    left_out = (e.RunStarted, e.RunQueued, e.StepRetrying)
    first = [each for each in happened if each.attempt != 2 and not isinstance(each, left_out)]
    records = records_of(beginning, *first)
    for state, there, _ in watched(story, records, join):
        if state.attempt > 1 or state.status in ("failed", "cancelled"):
            return
        bars = [bar for bar in map(_bar, there) if bar is not None]
        assert sorted(bars) == bars


def _bar(message: Said) -> float | None:
    """The percentage that a message gives."""
    if isinstance(message.get("progress"), dict):
        message = {"progress": message["progress"]["percentage"]}
    found: float | None = message.get("data", message).get("progress")
    return found
