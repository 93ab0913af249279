"""What is to be done, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field

from tests.cluster.recovery import Fault, table

SHOWN = 40
"""So many complaints are shown; the first ones tell the most."""


@dataclass(frozen=True)
class Plan:
    """What is done; times are seconds."""

    seed: int
    producers: int
    clients: int
    faults: tuple[str, ...]
    """Names of scenarios, each with the number of the server or gateway that it happens to."""
    grace: int = 1
    """From the word to a lame duck until it lets its clients go."""
    drain: float = 5.0
    """For a gateway to end its streams."""
    cut: float = 15.0
    """For which a server is stopped: the others close its routes after 6 at the latest."""
    outage: float = 6.0
    """Without a quorum."""


@dataclass
class Report:
    """What happened, and what was wrong."""

    plan: Plan
    recoveries: list[Fault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        plan = self.plan
        more = len(self.faults) - SHOWN
        return "\n".join(
            [
                f"seed {plan.seed}, {plan.producers} producers, {plan.clients} clients; seconds:",
                table(self.recoveries),
                *(f"{n:>8} {what}" for what, n in self.counts.items()),
                *self.faults[:SHOWN],
                *([f"and {more} more"] if more > 0 else []),
                "failed" if self.faults else "all is well",
            ]
        )
