"""A snapshot with every patch applied is the next snapshot, and a patch costs what changed."""

from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.model.events import (
    Event,
    RunAnnotated,
    RunCompleted,
    RunStarted,
    StepCompleted,
    StepProgress,
    StepStarted,
)
from broker.model.evolve import Fold
from broker.model.patch import Watch, diff, merge
from broker.model.record import Record
from broker.views.native import snapshot_json
from tests import strategies as some
from tests.unit.runs import exactly, new, planned, records_of


def snapshot(fold: Fold) -> Any:
    """What a client gets that has just come."""
    return msgspec.json.decode(snapshot_json(fold.state, "e1"))


def patched(client: Any, watch: Watch, fold: Fold) -> Any:
    """What a client has after it merged what it is sent for the events since the last look."""
    sent = msgspec.json.encode({**watch.patch(), "cursor": f"e1-{fold.seq}"})
    return merge(client, msgspec.json.decode(sent))


def patches_of(*happened: Event, after: int = 0) -> list[dict[str, Any]]:
    """The patch of each event; the first `after` events are folded before anyone watches."""
    log = records_of(*happened)
    fold = Fold(new())
    fold.extend(log[:after])
    watch = Watch(fold)
    found = []
    for record in log[after:]:
        fold.add_record(record)
        found.append(watch.patch())
    return found


# --- Patches of a run -----------------------------------------------------------------------------


@settings(max_examples=300)
@given(some.records(max_size=30), st.data())
def test_every_patch_leads_to_the_next_snapshot(log: list[Record], data: st.DataObject) -> None:
    """However the records are cut into batches, the client's copy is the snapshot, member for
    member and type for type."""
    fold = Fold(new())
    first, *rest = data.draw(some.batches(log))
    fold.extend(first)
    client, watch = snapshot(fold), Watch(fold)
    for batch in rest:
        fold.extend(batch)
        client = patched(client, watch, fold)
        assert exactly(snapshot(fold)) == exactly(client)


@given(some.records(max_size=30), st.data())
def test_watching_does_not_change_the_fold(log: list[Record], data: st.DataObject) -> None:
    """A fold that is watched, or was, has the state of one that never was."""
    watched, alone = Fold(new()), Fold(new())
    watch = Watch(watched)
    for batch in data.draw(some.batches(log)):
        watched.extend(batch)
        watch.patch()
    watch.stop()
    alone.extend(log)
    assert snapshot_json(alone.state, "e1") == snapshot_json(watched.state, "e1")


def test_a_patch_of_one_step_is_small_however_large_the_run() -> None:
    """In a run of 10,000 steps the progress of one costs a few hundred bytes."""
    names = [f"step-{n:05}" for n in range(10_000)]
    [patch] = patches_of(
        RunStarted(plan=planned(*names)),
        StepStarted(step="step-04711"),
        StepProgress(step="step-04711", current=1, total=1000),
        StepProgress(step="step-04711", current=500, total=1000),
        after=3,
    )
    assert {"step-04711": {"current": 500, "ppm": 500_000}} == patch["steps"]
    assert len(msgspec.json.encode(patch)) < 400


def test_nothing_new_is_an_empty_patch() -> None:
    """A look at a fold that took nothing in since the last look shows no change."""
    fold = Fold(new())
    fold.extend(records_of(RunStarted()))
    assert {} == Watch(fold).patch()


def test_a_patch_of_a_new_step_holds_the_step() -> None:
    """A step nobody saw before comes whole; one that was there, by what changed of it."""
    new_step, completed = patches_of(
        RunStarted(), StepStarted(step="a", name="Load"), StepCompleted(step="a"), after=1
    )
    started = {
        "index": 0,
        "status": "running",
        "name": "Load",
        "started_at": "2026-01-01T00:00:01Z",
    }
    assert {"a": started} == new_step["steps"]
    ended = {
        "status": "completed",
        "ppm": 1_000_000,
        "ended_at": "2026-01-01T00:00:02Z",
        "duration": 1.0,
    }
    assert {"a": ended} == completed["steps"]


def test_a_patch_of_a_plan_holds_its_steps() -> None:
    """A plan that comes while someone watches shows its steps before they start."""
    [patch] = patches_of(RunStarted(), RunStarted(plan=planned("a")), after=1)
    assert {"a": {"index": 0, "status": "pending", "weight": 1.0}} == patch["steps"]


def test_a_new_attempt_removes_what_the_steps_reached() -> None:
    """What is gone is null in the patch, as RFC 7396 removes a member."""
    [patch] = patches_of(
        RunStarted(), StepProgress(step="a", current=1), RunStarted(attempt=2), after=2
    )
    assert {"a": {"status": "pending", "current": None, "started_at": None}} == patch["steps"]


@pytest.mark.parametrize(("was", "now"), [(1, True), (1, 1.0), (0.0, -0.0), ([1], [True])])
def test_a_value_that_only_changes_its_type_is_sent(was: Any, now: Any) -> None:
    """Python calls 1, 1.0 and true equal; JSON tells them apart."""
    [patch] = patches_of(
        RunAnnotated(metadata={"deep": {"n": was}}),
        RunAnnotated(metadata={"deep": {"n": now}}),
        after=1,
    )
    assert exactly({"deep": {"n": now}}) == exactly(patch["metadata"])


def test_the_last_label_that_goes() -> None:
    """A member that is left without value is removed as a whole."""
    [patch] = patches_of(
        RunStarted(labels={"team": "a"}), RunAnnotated(labels={"team": None}), after=1
    )
    assert None is patch["labels"]


def test_outputs_are_not_sent_again() -> None:
    """What did not change is not in the patch, whatever its size."""
    [patch] = patches_of(
        RunStarted(metadata={"long": "x" * 1000}), RunCompleted(outputs={"rows": 1}), after=1
    )
    assert {"rows": 1} == patch["outputs"]
    assert "metadata" not in patch


# --- The laws of merge and diff -------------------------------------------------------------------


@given(some.objects, some.objects)
def test_merging_the_difference_gives_the_other(was: Any, now: Any) -> None:
    """`merge(was, diff(was, now))` is `now`."""
    assert exactly(now) == exactly(merge(was, diff(was, now)))


@given(some.objects)
def test_no_difference_is_an_empty_patch(document: Any) -> None:
    """`diff(a, a)` changes nothing, and an empty patch changes nothing."""
    assert {} == diff(document, deepcopy(document))
    assert exactly(document) == exactly(merge(document, {}))


@given(some.objects, some.objects)
def test_a_difference_names_only_what_differs(was: Any, now: Any) -> None:
    """A member that is the same on both sides is not in the patch."""
    same = {name for name in was if name in now and exactly(was[name]) == exactly(now[name])}
    assert same.isdisjoint(diff(was, now))


@given(some.json_values, some.json_values)
def test_merging_twice_is_merging_once(target: Any, patch: Any) -> None:
    """A patch that was applied before changes nothing, and neither argument changes."""
    before = deepcopy((target, patch))
    once = merge(target, patch)
    assert exactly(once) == exactly(merge(once, patch))
    assert exactly(before) == exactly((target, patch))


@given(some.json_values, some.documents)
def test_a_merge_leaves_no_null(target: Any, patch: Any) -> None:
    """A member that a patch names is gone if it named it null, else it is there."""
    merged = merge(target, patch)
    assert {name: name in merged for name in patch} == {
        name: value is not None for name, value in patch.items()
    }


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7396(target: Any, patch: Any, expected: Any) -> None:
    """Appendix A, line by line."""
    assert expected == merge(target, patch)
