"""What a state may hold at most, and how more than that is cut. Nothing here raises."""

from typing import Any, Final

import msgspec

MESSAGE: Final = 1024
NAME: Final = 256
STACK: Final = 16 * 1024
DEPTH: Final = 16
"""Levels of nesting that a document keeps."""


class Bounds(msgspec.Struct, frozen=True):
    """How much of each kind a run's state holds; documents in bytes of JSON."""

    steps: int = 10_000
    groups: int = 1_000
    labels: int = 64
    artifacts: int = 100
    attempts: int = 20
    commands: int = 100
    metadata: int = 64 * 1024
    outputs: int = 64 * 1024
    step_document: int = 8 * 1024


def clip(text: str | None, limit: int) -> str | None:
    """The text, cut to `limit` characters; an ellipsis shows the cut."""
    if text is None or len(text) <= limit:
        return text
    return text[: limit - 1] + "…"


def clean(value: Any, depth: int = DEPTH) -> Any:
    """A JSON value without null members and no deeper than `depth` levels.

    A merge patch cannot set a member to null (RFC 7396 §1), so a state holds none.
    """
    if isinstance(value, dict):
        if not depth:
            return {}
        return {k: clean(v, depth - 1) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_item(item, depth - 1) for item in value] if depth else []
    return value


def _item(value: Any, depth: int) -> Any:
    return None if value is None else clean(value, depth)


def fits(document: Any, limit: int) -> bool:
    """Whether the document has at most `limit` bytes as JSON."""
    return len(msgspec.json.encode(document)) <= limit
