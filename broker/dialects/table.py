"""The dialects by name."""

import difflib
from collections.abc import Mapping
from typing import Final

from broker.dialects import executions, graphs, jobs, runner, workflows
from broker.dialects.said import Dialect
from broker.errors import InvalidParameter

DIALECTS: Final[dict[str, Dialect]] = {
    "executions": executions.read,
    "graphs": graphs.read,
    "jobs": jobs.read,
    "runner": runner.read,
    "workflows": workflows.read,
}


def dialect_of(name: str, known: Mapping[str, Dialect] = DIALECTS) -> Dialect:
    """The dialect of a name. Raises InvalidParameter, which names the nearest."""
    found = known.get(name)
    if found is None:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        meant = f": did you mean {near[0]}?" if near else ""
        raise InvalidParameter(
            "dialect", f"{name[:64]!r} is none of {', '.join(sorted(known))}{meant}"
        )
    return found
