"""JSON Merge Patches (RFC 7396) from one state of a run to a later one.

A patch costs what changed, not what there is: the fold remembers only the steps it touched.
"""

from copy import copy
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT

from broker.model.evolve import Fold
from broker.model.state import RunState

_HEAD: Final = {
    field.name: field.default if field.default_factory is NODEFAULT else field.default_factory()
    for field in msgspec.structs.fields(RunState)
    if field.name not in ("seq", "run", "tenant", "steps")
}
"""What a patch looks at besides the steps, and the value with which a field is absent."""
_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_EXACT: Final = frozenset({str, int, bool})


class Watch:
    """The changes of one fold since the last look. A fold has one watch at most."""

    __slots__ = ("_before", "_fold")

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._look()

    def _look(self) -> RunState:
        state = self._fold.state
        self._fold.steps.touched = {}
        self._before = copy(state)
        self._before.counts = copy(state.counts)
        return state

    def patch(self) -> dict[str, Any]:
        """What changed since the last look, as a merge patch of the snapshot."""
        before, touched = self._before, self._fold.steps.touched or {}
        state = self._look()
        patch: dict[str, Any] = {}
        for name, absent in _HEAD.items():
            was, now = getattr(before, name), getattr(state, name)
            if was is not now and _differs(was, now):
                patch[name] = None if now == absent else _changed(was, now)
        steps: dict[str, Any] = {}
        for name, step in touched.items():
            now = state.steps[name]
            if step is None:
                steps[name] = msgspec.to_builtins(now)
            elif change := diff(msgspec.to_builtins(step), msgspec.to_builtins(now)):
                steps[name] = change
        if steps:
            patch["steps"] = steps
        return patch

    def stop(self) -> None:
        """Stop remembering; the fold is as fast as before."""
        self._fold.steps.touched = None


def _changed(was: Any, now: Any) -> Any:
    was, now = msgspec.to_builtins(was), msgspec.to_builtins(now)
    return diff(was, now) if isinstance(was, dict) and isinstance(now, dict) else now


def _differs(was: Any, now: Any) -> bool:
    """Whether two values differ as JSON: to Python 1, 1.0 and true are equal, deep inside too."""
    kind = type(now)
    if was != now or type(was) is not kind:
        return True
    return kind not in _EXACT and _encode(was) != _encode(now)


def diff(was: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The merge patch from one JSON object without nulls to another."""
    patch: dict[str, Any] = {name: None for name in was if name not in now}
    for name, value in now.items():
        if name not in was:
            patch[name] = value
        elif value is not (old := was[name]) and _differs(old, value):
            both = isinstance(value, dict) and isinstance(old, dict)
            patch[name] = diff(old, value) if both else value
    return patch


def merge(target: Any, patch: Any) -> Any:
    """Apply a merge patch; gives a new value (RFC 7396 §2)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged
