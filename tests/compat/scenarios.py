"""Three runs that every interface must show: one with a step tried again, a cancelled, a lost one.

Their events come one a second from `T0` on, so that every byte of what is shown is fixed.
"""

from typing import Final

from broker.model import events as e
from broker.model.record import Record
from tests.unit.runs import OUT_OF_MEMORY, planned, records_of

STEPS: Final = ("fetch", "clean", "fit")

_BEGUN: Final = (
    e.RunQueued(pipeline="import", name="Import of May", labels={"subject": "s-7"}),
    e.RunStarted(plan=planned(*STEPS), worker="w-1", metadata={"deliverable_type": "report"}),
    e.StepStarted(step="fetch", name="Fetch"),
    e.StepCompleted(step="fetch", outputs={"files": 3}),
    e.StepStarted(step="clean", name="Clean"),
)

RETRIED: Final = (
    *_BEGUN,
    e.StepProgress(step="clean", current=1, total=4, unit="files"),
    e.StepFailed(step="clean", error=OUT_OF_MEMORY),
    e.StepRetrying(step="clean", step_attempt=2, error=OUT_OF_MEMORY),
    e.StepStarted(step="clean"),
    e.StepCompleted(step="clean", duration=2.5),
    e.StepStarted(step="fit"),
    e.StepCompleted(step="fit"),
    e.RunCompleted(outputs={"model": "m-1"}, message="done"),
)

CANCELLED: Final = (
    *_BEGUN,
    e.CommandCancel(id="c-1", by="ann", reason="wrong month"),
    e.CommandAcknowledged(command="c-1", result="accepted"),
    e.StepCancelled(step="clean"),
    e.RunCancelled(by="ann", reason="wrong month"),
)

LOST: Final = (
    *_BEGUN,
    e.RunHeartbeat(),
    e.RunLost(threshold=30.0),
)

SCENARIOS: Final[dict[str, list[Record]]] = {
    "retried": records_of(*RETRIED),
    "cancelled": records_of(*CANCELLED),
    "lost": records_of(*LOST),
}
