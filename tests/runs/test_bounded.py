"""A run that reports without end stays small, and says what it left out."""

from collections.abc import Iterable

import msgspec
import pytest

from broker.model.bounds import Bounds
from broker.model.checkpoint import pack, unpack
from broker.model.decode import encode
from broker.model.events import (
    ArtifactAdded,
    CommandCancel,
    Event,
    Failure,
    Parent,
    RunAnnotated,
    RunCompleted,
    RunFailed,
    RunPaused,
    RunProgress,
    RunStarted,
    StepCompleted,
    StepProgress,
    StepsCounted,
    StepStarted,
)
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import RunState, initial
from broker.model.summary import MOST_BYTES, decode_summary, encode_summary, summarize
from tests.unit.runs import T0, exactly

MESSAGE_MOST = 1024 * 1024
"""Bytes of the largest message that a server takes unless it is told otherwise."""


def folded(happened: Iterable[Event], limits: Bounds | None = None) -> RunState:
    """The state after the events; unlike `state_after`, it copies no state on the way."""
    fold = Fold(initial("default", "r1"), limits or Bounds())
    fold.extend([Record(seq, T0, encode(event)) for seq, event in enumerate(happened, 1)])
    return fold.state


def stored(state: RunState) -> tuple[int, int]:
    """Bytes of the run's summary and of its packed state; both tell what they were made of."""
    summary = summarize(state, "e1")
    header, packed = encode_summary(summary), pack(state)
    assert exactly(state) == exactly(unpack(packed))
    assert summary.status == decode_summary(header).status
    assert b"\n" not in header
    return len(header), len(packed)


def test_fifty_thousand_steps() -> None:
    """Ten thousand are kept; the others are counted, each time something is said of them."""
    names = [f"load-{n}" for n in range(50_000)]
    happened: list[Event] = [RunStarted(pipeline="import", total_steps=len(names))]
    for name in names:
        happened += [StepStarted(step=name), StepCompleted(step=name)]
    state = folded([*happened, RunCompleted()])
    assert (10_000, 10_000) == (len(state.steps), state.counts.total)
    assert {"steps": 80_000} == state.truncated
    assert (len(happened) + 1, "completed") == (state.events, state.status)
    header, packed = stored(state)
    assert header <= MOST_BYTES
    assert packed <= MESSAGE_MOST
    assert 100 == len(summarize(state, "e1").durations)


def test_five_thousand_labels() -> None:
    events = [RunAnnotated(labels={f"k{n}": "v" * 300}) for n in range(5_000)]
    state = folded([RunStarted(), *events])
    assert (64, {"labels": 4_936}) == (len(state.labels), state.truncated)
    header, packed = stored(state)
    assert header <= MOST_BYTES
    assert packed <= MESSAGE_MOST


def test_a_thousand_attempts() -> None:
    """The last twenty before the current one are told of."""
    events: list[Event] = []
    for attempt in range(1, 1_001):
        events += [
            RunStarted(attempt=attempt),
            StepStarted(step="load", attempt=attempt),
            RunFailed(attempt=attempt, error=Failure(message="no", stack="x" * 20_000)),
        ]
    state = folded(events)
    assert (1_000, 20, {"attempts": 979}) == (
        state.attempt,
        len(state.attempts),
        state.truncated,
    )
    assert list(range(980, 1_000)) == [past.attempt for past in state.attempts]
    header, packed = stored(state)
    assert header <= MOST_BYTES
    assert packed <= MESSAGE_MOST


def test_five_thousand_commands() -> None:
    """The last hundred are told of; the rest has expired unanswered."""
    commands = [CommandCancel(id=f"c{n}", reason="r" * 2_000) for n in range(5_000)]
    state = folded([RunStarted(), *commands])
    assert (100, {"commands": 4_900}) == (len(state.commands), state.truncated)
    assert "c4999" in state.commands
    assert 100 == summarize(state, "e1").unanswered
    header, packed = stored(state)
    assert header <= MOST_BYTES
    assert packed <= MESSAGE_MOST


def test_a_hundred_thousand_children_are_as_many_numbers_as_one() -> None:
    """A map of any size is one group, however often it is counted."""

    def counted(total: int) -> RunState:
        events = [
            StepsCounted(group="files", total=total, counts={"completed": n, "failed": total - n})
            for n in range(0, total + 1, total // 100)
        ]
        return folded([RunStarted(), *events])

    small, large = counted(100), counted(100_000)
    assert {"completed": 100_000, "failed": 0} == large.groups["files"].counts
    assert (1, 0, {}) == (len(large.groups), len(large.steps), large.truncated)
    assert len(pack(large)) <= len(pack(small)) + 16


@pytest.mark.parametrize("letter", ["x", "ü", "😀", "\x01", '"'])
def test_a_run_that_is_as_large_as_it_may_be_fits_in_a_header(letter: str) -> None:
    """Of letters that take six bytes of JSON each, too. What is left out is the least needed."""
    long = letter * 2_000
    name = letter * 256
    events: list[Event] = [
        RunStarted(
            pipeline=name,
            name=long,
            worker=long,
            parent=Parent(run=name, step=name),
            labels={f"{n}{letter * 250}": letter * 256 for n in range(64)},
        ),
        *(StepStarted(step=f"{n}{letter * 200}") for n in range(200)),
        *(StepProgress(step=f"{n}{letter * 200}", current=1) for n in range(200)),
        *(ArtifactAdded(name=f"{n}{letter * 200}", uri=long[:2048]) for n in range(100)),
        RunProgress(current=1, total=2, unit=long, message=long),
    ]
    for end in (
        [RunPaused(reason=long, prompt=long)],
        [RunFailed(error=Failure(type=long, message=long, stack=long, details=long))],
        [*(StepCompleted(step=f"{n}{letter * 200}") for n in range(200)), RunCompleted()],
    ):
        state = folded([*events, *end])
        header, _ = stored(state)
        assert header <= MOST_BYTES
        row = msgspec.json.decode(encode_summary(summarize(state, "e1")))
        assert {"run", "status", "progress", "counts", "pipeline"} <= row.keys()
