"""What a list looks at in a summary, as it compares it."""

import math
from typing import Final

from broker.model.summary import Summary

ABSENT: Final = -math.inf
"""What a row without a time or duration is sorted as: the least."""


def labels_of(summary: Summary) -> list[str]:
    """The labels as `key:value`; a boolean is `true` or `false`."""
    return [
        f"{key}:{str(value).lower() if isinstance(value, bool) else value}"
        for key, value in summary.labels.items()
    ]


def parent_of(summary: Summary) -> str | None:
    """The run that started this one."""
    return summary.parent.run if summary.parent is not None else None


def began(summary: Summary) -> float:
    """When a run was queued or else started, in seconds since 1970; ABSENT where nobody said."""
    at = summary.queued_at or summary.started_at
    return ABSENT if at is None else at.timestamp()


def text_of(summary: Summary) -> str:
    """What `q` is looked for in, folded; a line end, which no term has, stands between parts."""
    parts = [summary.run, summary.name or "", summary.pipeline or "", *labels_of(summary)]
    return "\n".join(parts).casefold()
