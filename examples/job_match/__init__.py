"""The work of the job-match example: rules and arithmetic, no model, no network.

Read in the order of the layers: `documents` (intake), `research` (pain points, company, role),
`scoring` (fit), `people`, `writing` (CV and outreach); `graph` makes them a LangGraph graph.
Everything but `graph` is plain Python that knows neither LangGraph nor the broker.
"""

from collections.abc import Callable
from typing import TypeAlias

Tick: TypeAlias = Callable[[int, int, str], None]
"""Called with how many items are done, of how many, and what the latest one was."""


def silent(done: int, total: int, what: str) -> None:
    """Report to nobody."""
