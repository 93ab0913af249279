"""A story that tells what can be compared: how a run and each of its steps stand."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from broker.model.cursor import Cursor
from broker.model.state import TERMINAL, RunState
from broker.views.message import Message, Moment, Story
from broker.views.native import snapshot_json


def picture(state: Mapping[str, Any]) -> dict[str, Any]:
    """What there is to tell of a state, which is given as JSON.

    The steps only until the run ends: what comes after the end no story tells.
    """
    steps = {} if state["status"] in TERMINAL else state.get("steps", {})
    stand = {name: step["status"] for name, step in steps.items()}
    return {**_of_run(state), "steps": stand}


class Picture(Story):
    """Tells it whole to who comes, and to who is there, what an event changed."""

    name = "picture"

    def snapshot(self, state: RunState, epoch: str) -> Iterable[Message]:
        yield _message("whole", Cursor(epoch, state.seq), picture=picture(_plain(state, epoch)))

    def tell(self, moment: Moment, state: RunState, epoch: str) -> Iterable[Message]:
        cursor = Cursor(epoch, moment.record.seq)
        now = picture(_plain(state, epoch))
        steps = now.pop("steps")
        anew = moment.attempt != state.attempt
        if not anew and moment.status in TERMINAL:
            return
        if anew or state.ended:
            yield _message("whole", cursor, picture={**now, "steps": steps})
            return
        name = getattr(moment.event, "step", None)
        changed = {name: steps[name]} if name in steps and steps[name] != moment.step else {}
        if getattr(moment.event, "plan", None):
            changed = steps
        before = {"attempt": moment.attempt, "status": moment.status, "message": moment.message}
        if changed or before != now:
            yield _message("told", cursor, picture=now, steps=changed)


def _of_run(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: state.get(name) for name in ("attempt", "status", "message")}


def _plain(state: RunState, epoch: str) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.json.decode(snapshot_json(state, epoch))
    return plain


def _message(kind: str, cursor: Cursor, **said: Any) -> Message:
    return Message(kind, msgspec.json.encode({"cursor": str(cursor), **said}), cursor)
