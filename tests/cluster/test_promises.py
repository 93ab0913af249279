"""The judge of JOBS and DIALECTS finds what was lost, and what was done twice."""

from collections import Counter
from datetime import UTC, datetime

import msgspec
import pytest

from broker.model.record import Record
from tests.cluster.promises import kept
from tests.cluster.queues import Promises

STARTED = {"type": "run.started", "attempt": 1}
AGAIN = {"type": "run.started", "attempt": 2}
STEP = {"type": "step.started", "step": "a"}
SAID = ["run.started", "step.started a"]


def stored(*told: object) -> dict[str, list[Record]]:
    """The records of a run."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return {"r": [Record(n, now, msgspec.json.encode(event)) for n, event in enumerate(told, 1)]}


@pytest.mark.parametrize(
    ("told", "calls", "words"),
    [
        ([STARTED], 1, None),
        ([STARTED, AGAIN], 2, None),
        ([], 0, "never began"),
        ([STARTED, STARTED], 2, "an attempt began twice"),
        ([STARTED], 2, "2 calls"),
        ([STARTED], 0, "0 calls"),
    ],
)
def test_a_request_leads_to_a_run_once(told: list[object], calls: int, words: str | None) -> None:
    promises = Promises(asked={"r"}, begun=Counter(r=calls))
    faults = kept(promises, stored(*told), Counter())
    assert faults == [] if words is None else words in faults[0]


@pytest.mark.parametrize(
    ("told", "well"),
    [
        ([STARTED, STEP], True),
        ([STARTED], False),
        ([STARTED, STEP, STEP], False),
        ([STEP, STARTED], False),
    ],
    ids=["as it was said", "one is lost", "one is doubled", "out of order"],
)
def test_what_was_said_in_a_dialect_is_stored(told: list[object], well: bool) -> None:
    faults = kept(Promises(said={"r": SAID}), stored(*told), Counter())
    assert well == (faults == [])
