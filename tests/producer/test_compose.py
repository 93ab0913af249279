"""What cannot be reported is left out, and the rest is an event that the broker takes."""

from collections import UserDict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.model.bounds import STACK
from broker.model.decode import decode
from broker.model.events import Event, StepCompleted, Unknown
from broker.producer.compose import compose, failure
from broker.stream.topology import MAX_EVENT


class Hostile:
    """Raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("do not touch")

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Scalar:
    """As NumPy's numbers are."""

    shape = ()

    def item(self) -> float:
        return 0.5


def event(**fields: Any) -> Event | Unknown:
    payload, problems = compose(fields)
    assert (True, []) == (payload is not None, problems)
    return decode(payload or b"")


def test_none_is_no_value() -> None:
    assert StepCompleted(step="a") == event(type="step.completed", step="a", outputs=None)


def test_what_json_can_nearly_express_is_expressed() -> None:
    outputs = {
        "path": PurePosixPath("a/b"),
        "score": Scalar(),
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "mapping": UserDict({"a": 1}),
        "set": {1},
    }
    expected = {
        "path": "a/b",
        "score": 0.5,
        "at": "2026-01-01T00:00:00Z",
        "mapping": {"a": 1},
        "set": [1],
    }
    completed = event(type="step.completed", step="a", outputs=outputs)
    assert StepCompleted(step="a", outputs=expected) == completed


def circular() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


@pytest.mark.parametrize(
    "outputs",
    [
        pytest.param(object, id="object"),
        pytest.param(Hostile, id="hostile object"),
        pytest.param(lambda: {"x": object()}, id="object inside"),
        pytest.param(lambda: {"x": Hostile()}, id="hostile object inside"),
        pytest.param(lambda: {object(): 1}, id="key"),
        pytest.param(circular, id="circle"),
        pytest.param(lambda: [1], id="list"),
        pytest.param(lambda: "text", id="text"),
        pytest.param(lambda: {"x": "\ud800"}, id="surrogate"),
        pytest.param(lambda: {"x": "x" * MAX_EVENT}, id="too large"),
    ],
)
def test_a_field_that_does_not_fit_is_left_out(outputs: Callable[[], object]) -> None:
    payload, problems = compose({"type": "step.completed", "step": "a", "outputs": outputs()})
    assert (StepCompleted(step="a"), 1) == (decode(payload or b""), len(problems))
    assert problems[0].startswith("outputs: ")


@pytest.mark.parametrize("step", ["", "x" * 257, 5, "\ud800", None, ...], ids=ascii)
def test_without_a_required_field_there_is_no_event(step: object) -> None:
    payload, problems = compose({"type": "step.started", "step": step, "name": "n"})
    assert (None, 1) == (payload, len(problems))


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["pipeline", "name", "labels", "plan", "attempt"]), json))
def test_whatever_is_reported_becomes_an_event(fields: dict[str, Any]) -> None:
    """An event without required fields is always reported, and always well-formed."""
    payload, problems = compose({"type": "run.started", **fields})
    assert payload is not None
    kept = msgspec.json.decode(payload).keys() - {"type"}
    given_ = {name for name, value in fields.items() if value is not None}
    assert len(given_) == len(kept) + len(problems)
    decode(payload)


def test_an_exception_is_reported_with_its_stack() -> None:
    try:
        raise KeyError("colour\ud800")
    except KeyError as error:
        found = failure(error)
    assert ("KeyError", r"'colour\ud800'") == (found["type"], found["message"])
    assert 'raise KeyError("colour' in found["stack"]
    assert "msgspec.ValidationError" == failure(msgspec.ValidationError("no"))["type"]


def test_a_mere_message_is_an_error_too() -> None:
    assert {"message": "disk full"} == failure("disk full")


def test_an_exception_without_a_text_is_reported() -> None:
    assert "<Mute without a text>" == failure(Mute())["message"]


def test_a_long_stack_keeps_its_end() -> None:
    stack = failure(ValueError("x" * 2 * STACK + "end"))["stack"]
    assert (STACK, "…", "end\n") == (len(stack), stack[0], stack[-4:])
