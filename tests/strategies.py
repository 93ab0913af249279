"""Hypothesis strategies for events, their payloads, and the records of a run.

Events follow the struct definitions: a field added there is generated here. Names come from small
alphabets, so that events meet; numbers and times are extreme, but legal.
"""

import types
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st
from msgspec import Meta

from broker.model import events
from broker.model.decode import encode
from broker.model.events import LARGEST, Event, PlanStep
from broker.model.record import Record

EVENT_TYPES: tuple[type[Event], ...] = get_args(Event)
STEP_EVENTS: tuple[type[Event], ...] = tuple(
    kind for kind in EVENT_TYPES if "step" in kind.__struct_fields__
)
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
TINY = 5e-324

step_names = st.sampled_from(["load", "fit", "save", "größe"])
ids = st.sampled_from(["01", "02", "03"])
attempts = st.sampled_from([1, 1, 2, 2, 3])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
labels = st.sampled_from(["owner", "host", "k"])

counts = st.sampled_from([0, 1, 2, 7, LARGEST]) | st.integers(0, LARGEST)
amounts = (
    st.integers(0, 10)
    | st.sampled_from([0.0, TINY, 0.1, 1.0, 2.5, LARGEST, float(LARGEST)])
    | st.floats(0, LARGEST)
)
seconds = st.sampled_from([0.0, TINY, 0.5, 30.0, float(LARGEST)]) | st.floats(0, LARGEST)
weights = st.sampled_from([0.0, TINY, 0.5, 1.0, 3.0, 1e9])

odd_times = st.sampled_from(
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),  # before the first UTC time
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12))),  # after the last
        datetime(2026, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ]
)
times = odd_times | st.integers(-100, 100_000).map(
    lambda ms: BEGINNING + timedelta(milliseconds=ms)
)

_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([2**53, 2**64, -(2**70), 0.0, -0.0, 1.0, TINY, 1e308])
    | texts
)
json_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(labels | texts, inner, max_size=3),
    max_leaves=6,
)
documents = st.dictionaries(labels | texts, json_values, max_size=3)
"""JSON objects with nulls, nesting, and numbers that Python calls equal and JSON does not."""


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_null(v) for k, v in value.items() if v is not None}
    return value


objects = documents.map(_without_null)
"""JSON objects that no merge patch would read as a removal."""

_BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "id": ids,
    "attempt": attempts,
    "step": step_names,
    "group": step_names,
    "index": st.integers(0, 3),
    "parent": step_names,
    "after": st.lists(step_names, max_size=2),
    "command": ids,
    "weight": weights,
    "counts": st.dictionaries(
        st.sampled_from(["running", "completed", "canceled", "cancelled"]), counts, max_size=3
    ),
    "labels": st.dictionaries(labels, _scalars, max_size=2),
    "details": json_values,
    "total_steps": st.integers(0, 4) | counts,
    "step_attempt": st.integers(1, 3),
    "plan": st.deferred(lambda: plans),
}
"""Fields whose values should meet those of other events."""


_AMOUNT = get_args(events.Amount)


def _of(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of a field, by its type."""
    limits = Meta()
    if get_origin(annotation) is Annotated:
        annotation, limits = get_args(annotation)[:2]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        kinds = [kind for kind in arguments if kind is not type(None)]
        return amounts if kinds == [*_AMOUNT] else st.one_of([_of(kind) for kind in kinds])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is list:
        return st.lists(_of(arguments[0]), max_size=3)
    if origin is dict:
        return documents
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return structs(annotation)
    if annotation is str:
        return texts.map(lambda text: text or "x") if limits.min_length else texts
    return {bool: st.booleans(), int: counts, float: seconds, datetime: times}[annotation]


def structs(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Any value of a struct; what may be left out often is."""
    hints = get_type_hints(kind, include_extras=True)
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        if hint == events.Parent | None or field.name not in _BY_NAME:
            values = _of(hint)
        else:
            values = _BY_NAME[field.name]
        (required if field.required else optional)[field.name] = values
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: kind(**given))


plans: st.SearchStrategy[list[PlanStep]] = st.lists(
    st.builds(PlanStep, step=step_names)
    | st.builds(PlanStep, step=step_names, weight=weights)
    | structs(PlanStep),
    max_size=4,
)


def events_of(*kinds: type[Event]) -> st.SearchStrategy[Event]:
    """Events of the given types, with any of their fields."""
    return st.one_of([structs(kind) for kind in kinds])


any_event: st.SearchStrategy[Event] = events_of(*EVENT_TYPES)
step_events: st.SearchStrategy[Event] = events_of(*STEP_EVENTS)
_ten = st.integers(0, 10)
measures: st.SearchStrategy[Event] = st.one_of(
    st.builds(events.RunStarted, plan=plans),
    st.builds(events.RunStarted, total_steps=st.integers(1, 4)),
    st.builds(events.RunProgress, current=_ten, total=st.none() | st.just(10)),
    st.builds(events.StepStarted, step=step_names),
    st.builds(events.StepProgress, step=step_names, current=_ten, total=st.just(10)),
    st.builds(events.StepCompleted, step=step_names),
    st.builds(events.StepRetrying, step=step_names),
)
"""What moves the fraction of a run, and what it is measured by."""

_failures = st.just(events.Failure(message="no"))
common_events: st.SearchStrategy[Event] = st.one_of(
    measures,
    st.builds(events.RunStarted, attempt=st.none() | attempts),
    st.builds(events.RunQueued, attempt=attempts),
    st.builds(events.RunPaused),
    st.builds(events.RunLost),
    st.builds(events.RunCompleted),
    st.builds(events.RunFailed, error=_failures),
    st.builds(events.RunCancelled, by=ids),
    st.builds(events.RunProgress, current=amounts, total=st.none() | amounts),
    st.builds(events.StepProgress, step=step_names, current=amounts, total=st.none() | amounts),
    st.builds(events.StepFailed, step=step_names, error=_failures),
    st.builds(events.StepSkipped, step=step_names),
)
"""Events as producers send them, small and colliding."""


_UNKNOWN = [b"run.exploded", b"step.canceledd", b"x.y", b"", b"error"]


def _unknown(tag: bytes, document: dict[str, Any]) -> bytes:
    return msgspec.json.encode({**document, "type": tag.decode()})


unknown_payloads = st.builds(_unknown, st.sampled_from(_UNKNOWN), documents)

canceled_payloads = st.builds(
    lambda event: encode(event).replace(b"cancelled", b"canceled", 1),
    events_of(events.RunCancelled, events.StepCancelled),
)

malformed_payloads = st.sampled_from(
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"not json",
        b'{"type":7}',
        b'{"type":"run.progress"}',
        b'{"type":"step.started","step":""}',
        b'{"type":"run.progress","current":-1}',
        b'{"type":"run.started","name":"\\ud800"}',
        b'{"type":"run.started","x":"\xff"}',
        b'{"type":"run.started"} {"type":"run.started"}',
    ]
)


def _loosely(event: Event, extra: dict[str, Any]) -> bytes:
    """The event with fields that nobody knows and white space between its tokens."""
    fields = {**extra, **msgspec.json.decode(encode(event))}
    return msgspec.json.format(msgspec.json.encode(fields), indent=1)


loose_payloads = st.builds(_loosely, any_event, documents)
event_payloads = common_events.map(encode) | any_event.map(encode)
payloads = st.one_of(
    common_events.map(encode),
    common_events.map(encode),
    step_events.map(encode),
    any_event.map(encode),
    loose_payloads,
    canceled_payloads,
    unknown_payloads,
    malformed_payloads,
)
"""Anything that may be stored: most of it events."""


def _stored(parts: Sequence[tuple[bytes | int, int, int]]) -> list[Record]:
    """Records in a row; a number in place of a payload repeats an earlier one."""
    found: list[Record] = []
    seq, moment = 0, BEGINNING
    for payload, gap, pause in parts:
        seq += gap
        moment += timedelta(milliseconds=pause)
        if isinstance(payload, int):
            payload = found[-1 - payload % len(found)].payload if found else b"{}"
        found.append(Record(seq, moment, payload))
    return found


def records(
    of: st.SearchStrategy[bytes] = payloads, *, min_size: int = 0, max_size: int = 24
) -> st.SearchStrategy[list[Record]]:
    """The stored records of one run: in sequence, with gaps, with events told again later."""
    part = st.tuples(of | st.integers(0, 7), st.integers(1, 3), st.sampled_from([0, 1, 1500]))
    return st.lists(part, min_size=min_size, max_size=max_size).map(_stored)


def batches(log: Sequence[Record]) -> st.SearchStrategy[list[list[Record]]]:
    """The records, cut anywhere into batches."""

    def cut(at: list[int]) -> list[list[Record]]:
        edges = [0, *sorted(at), len(log)]
        return [list(log[a:b]) for a, b in pairwise(edges)]

    return st.lists(st.integers(0, len(log)), max_size=5).map(cut)
