"""What all dialects have in common: none takes another's messages, and what one takes folds."""

import copy
import json
import re
from contextlib import suppress
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.dialects.table import DIALECTS
from broker.errors import MalformedEvent
from broker.model.decode import decode, encode
from broker.model.evolve import Fold
from broker.model.state import initial
from broker.stream.topology import LOGS
from tests.compat.dialects import MESSAGES, RUN
from tests.gateway.serving import broker
from tests.sse import path
from tests.unit.runs import T0

_NAMES_A_FIELD = re.compile(r"[A-Za-z_]+(\.[A-Za-z_]+)*: |.*(field `\w+`|`\$\.\w+)")
"""How a refusal begins: with the field."""


def test_every_dialect_is_tested() -> None:
    assert set(MESSAGES) == set(DIALECTS)


@pytest.mark.parametrize("name", MESSAGES)
async def test_each_dialect_takes_its_own_messages(tmp_path: Path, name: str) -> None:
    async with broker(tmp_path) as b:
        answer = await b.post(
            path(RUN, f"/events?dialect={name}"), json.dumps(MESSAGES[name]).encode()
        )
        assert (202, len(MESSAGES[name])) == (answer.status, answer.json()["accepted"])
        assert answer.json()["stored"] == sum((await b.nats.subjects()).values()) + sum(
            (await b.nats.subjects(LOGS)).values()
        )
        assert 0 == (await b.metric("malformed_events_total"))


async def test_messages_of_one_dialect_are_refused_by_every_other(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        for spoken, understood in permutations(MESSAGES, 2):
            sent = MESSAGES[spoken]
            answer = await b.post(
                path(RUN, f"/events?dialect={understood}"), json.dumps(sent).encode()
            )
            assert 422 == answer.status, (spoken, understood, answer.body)
            problems = {error["index"]: error["detail"] for error in answer.json()["errors"]}
            assert [*range(len(sent))] == sorted(problems), (spoken, understood)
            for index, detail in problems.items():
                assert _NAMES_A_FIELD.match(detail), (understood, sent[index], detail)
        assert {} == await b.nats.subjects()


async def test_events_of_our_own_are_refused_by_every_dialect(tmp_path: Path) -> None:
    events = [{"type": "run.started"}, {"type": "step.failed", "step": "a", "error": {}}]
    async with broker(tmp_path) as b:
        for name in DIALECTS:
            answer = await b.post(path(RUN, f"/events?dialect={name}"), json.dumps(events).encode())
            assert 422 == answer.status
            assert [0, 1] == [error["index"] for error in answer.json()["errors"]]
        assert {} == await b.nats.subjects()


async def test_an_unknown_dialect_is_told_with_the_nearest(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        answer = await b.post(path(RUN, "/events?dialect=workflow"), b'{"type":"x"}')
        problem = answer.json()
        assert (422, "dialect") == (answer.status, problem["parameter"])
        known = ", ".join(sorted(DIALECTS))
        assert (
            f"dialect: 'workflow' is none of {known}: did you mean workflows?"
            == (problem["detail"])
        )
        assert 422 == (await b.post(path(RUN, "/events?dialect="), b"{}")).status
        assert {} == await b.nats.subjects()


odd_values: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, -1, 0, 1, 2, 7, 100, 101, 2**53 + 1, 10**400, 0.5, -0.5, 1e300, 1e-300,
        "", "a", "größe", "x" * 300, "failed", "running", "completed", "cancelled", "skipped",
        "2026-01-01", "2026-01-01T00:00:05", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00Z",
        [], [1], {}, {"a": None}, {"message": 7}, [[[[]]]],
    ]
)  # fmt: skip


@st.composite
def altered(draw: st.DrawFn, name: str) -> bytes:
    """A message of a dialect in which something is missing, or something else."""
    message: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(MESSAGES[name])))
    for _ in range(draw(st.integers(0, 3))):
        place = message
        while True:
            inner = [value for value in place.values() if isinstance(value, dict) and value]
            if not inner or not draw(st.booleans()):
                break
            place = draw(st.sampled_from(inner))
        others = [field for other in MESSAGES[name] for field in _fields(other)]
        field = draw(st.sampled_from([*place, *others]))
        if draw(st.booleans()):
            place[field] = copy.deepcopy(draw(odd_values))
        else:
            place.pop(field, None)
    return json.dumps(message).encode()


def _fields(message: dict[str, Any]) -> list[str]:
    inner = [_fields(value) for value in message.values() if isinstance(value, dict)]
    return [*message, *(field for fields in inner for field in fields)]


@pytest.mark.parametrize("name", MESSAGES)
@given(data=st.data())
def test_what_a_dialect_accepts_folds(name: str, data: st.DataObject) -> None:
    """Whatever comes of a message, in any course of a run, is an event to every reader."""
    fold = Fold(initial("default", RUN))
    for payload in data.draw(st.lists(altered(name), max_size=12)):
        try:
            said = DIALECTS[name](payload)
            known = fold.state if fold.seq else None
            events = said.events if said.judged is None else said.judged(known)
        except MalformedEvent:
            continue
        for event in events:
            assert encode(event) == encode(decode(encode(event)))  # type: ignore[arg-type]
            fold.add(event, fold.seq + 1, T0)
    assert 0 <= (fold.state.progress.fraction or 0) <= 1


@given(st.sampled_from([*MESSAGES]), st.binary(max_size=64) | st.text(max_size=64).map(str.encode))
def test_a_dialect_never_breaks(name: str, payload: bytes) -> None:
    """Whatever comes, it is a message or it is refused."""
    with suppress(MalformedEvent):
        DIALECTS[name](payload)
