"""A worker: executes workflows that a schema describes, step by step.

    python examples/workflows_worker.py --nats nats://127.0.0.1:4222
    curl -H 'Content-Type: application/json' -d '{"table": "name,amount\\na,10\\nb,12\\nc,900"}' \\
        http://127.0.0.1:8080/api/v1/workflows/risk-report/execute

A schema names a function for each step. Those known here judge a table: how many of its rows lack
a value, or have one that is far from the others. A file of your own, `--schema`, may put them in
another order, or leave some out; more functions are added to FUNCTIONS.
"""

import argparse
import asyncio
import csv
import io
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from broker.producer import PlanStep, Run, Worker

SCHEMA = Path(__file__).parent / "workflows" / "risk_report.json"
FAR = 3.5
"""Median absolute deviations from which on a value is far from the others."""
APPROVED_BY_ITSELF = 25
"""The highest risk score, of 100, that nobody has to approve."""


class WorkflowStep(msgspec.Struct, frozen=True):
    """One step of a schema; steps are numbered from 1."""

    step_number: Annotated[int, msgspec.Meta(ge=1)]
    step_name: str
    function_to_call: str

    @property
    def id(self) -> str:
        """How the step is known: two may have one name."""
        return f"step-{self.step_number}"


class Schema(msgspec.Struct, frozen=True):
    """A workflow: what it delivers, and the steps that lead there."""

    workflow: str
    deliverable_type: str
    workflow_steps: list[WorkflowStep]

    @property
    def plan(self) -> list[PlanStep]:
        """The steps as they are announced."""
        return [
            PlanStep(
                step=step.id,
                name=step.step_name,
                index=step.step_number - 1,
                metadata={"function": step.function_to_call},
            )
            for step in self.workflow_steps
        ]


def schema_of(text: bytes) -> Schema:
    """Read a schema. Raises ValueError for one that cannot be executed."""
    schema = msgspec.json.decode(text, type=Schema)
    numbers = [step.step_number for step in schema.workflow_steps]
    if numbers != list(range(1, len(numbers) + 1)):
        raise ValueError(f"workflow_steps: their numbers are {numbers}, not 1, 2, 3, …")
    for step in schema.workflow_steps:
        if step.function_to_call not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            raise ValueError(f"function_to_call: {step.function_to_call!r} is none of {known}")
    return schema


class Work(msgspec.Struct):
    """What the steps of an execution hand on to each other."""

    inputs: dict[str, Any]
    rows: list[dict[str, str]] = []
    lacking: set[int] = set()
    """Rows without a value in some column."""
    far: set[int] = set()
    """Rows with a number that is far from the others of its column."""
    report: str = ""

    @property
    def risk_score(self) -> int:
        """How many of a hundred rows cannot be relied on."""
        return round(100 * len(self.lacking | self.far) / len(self.rows)) if self.rows else 0


def read_table(work: Work) -> None:
    """Read the CSV in the input `table`. Raises ValueError where there is none."""
    table = work.inputs.get("table")
    if not isinstance(table, str):
        raise ValueError("inputs.table: give a table as CSV, its first line the names of columns")
    work.rows = [
        {name: value or "" for name, value in row.items() if name is not None}
        for row in csv.DictReader(io.StringIO(table), restval="")
    ]
    if not work.rows:
        raise ValueError("inputs.table: it has no rows")


def score_rows(work: Work) -> None:
    """Find the rows that lack a value, and those with one that is far from the others."""
    work.lacking = {n for n, row in enumerate(work.rows) if not all(row.values())}
    for column in work.rows[0] if work.rows else ():
        numbers = {n: number(row.get(column, "")) for n, row in enumerate(work.rows)}
        known = {n: value for n, value in numbers.items() if value is not None}
        if len(known) > 2:
            middle = statistics.median(known.values())
            usual = statistics.median([abs(value - middle) for value in known.values()])
            work.far |= {n for n, value in known.items() if abs(value - middle) > FAR * usual > 0}


def write_report(work: Work) -> None:
    """Sum up what was found."""
    work.report = (
        f"{len(work.rows)} rows, of which {len(work.lacking)} lack a value and "
        f"{len(work.far)} have one that is far from the others: a risk of {work.risk_score} %."
    )


def number(text: str) -> float | None:
    """The number of a text, None where it is none."""
    try:
        return float(text)
    except ValueError:
        return None


FUNCTIONS: dict[str, Callable[[Work], None]] = {
    function.__name__: function for function in (read_table, score_rows, write_report)
}


def executing(schema: Schema, pace: float) -> Callable[[Run, dict[str, Any]], Any]:
    """What executes a schema, with a pause of so many seconds after each step."""

    async def execute(run: Run, inputs: dict[str, Any]) -> dict[str, Any]:
        """Call the functions in turn; the first that raises fails the execution."""
        work = Work(inputs)
        for step in schema.workflow_steps:
            await run.checkpoint()  # here it can be paused, and stops when it is cancelled
            async with run.step(step.id):
                await asyncio.to_thread(FUNCTIONS[step.function_to_call], work)
            await asyncio.sleep(pace)
        approved = work.risk_score <= APPROVED_BY_ITSELF
        run.annotate(metadata={"risk_score": work.risk_score, "requires_approval": not approved})
        return {"report": work.report}

    return execute


def register(worker: Worker, schema: Schema, *, pace: float = 0.0) -> None:
    """Have a worker execute a workflow."""
    worker.pipeline(
        schema.workflow,
        plan=schema.plan,
        metadata={"deliverable_type": schema.deliverable_type},
    )(executing(schema, pace))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--nats", metavar="URL", help="default: BROKER_NATS_URL, or nats://127.0.0.1:4222"
    )
    parser.add_argument("--schema", type=Path, default=SCHEMA, help="default: the risk report")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds of pause after each step")
    options = parser.parse_args()
    try:
        schema = schema_of(options.schema.read_bytes())
    except (OSError, ValueError, msgspec.ValidationError) as error:
        parser.error(f"{options.schema}: {error}")
    worker = Worker(options.nats)
    register(worker, schema, pace=options.pace)
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
