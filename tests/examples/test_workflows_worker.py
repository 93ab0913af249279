"""The example's worker: what a page asks for by HTTP is really executed, and told as it happens."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from broker.producer import Worker
from examples.workflows_worker import SCHEMA, Work, read_table, register, schema_of, score_rows
from tests.compat.test_workflows import bar, data_of, execute, kinds, watching
from tests.gateway.serving import Broker, broker
from tests.producer.test_worker import working

TABLE = "name,amount\na,10\nb,12\nc,11\nd,\ne,900\n"


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Broker]:
    """A gateway, and the worker of the example."""
    async with broker(folder) as b:
        worker = Worker(b.nats.url)
        register(worker, schema_of(SCHEMA.read_bytes()))
        async with working(worker):
            yield b


async def executed(b: Broker, **inputs: Any) -> list[dict[str, Any]]:
    """Execute the risk report; gives everything that its page is told."""
    answer = await execute(b, "risk-report", json.dumps(inputs).encode())
    run = answer.json()["execution_id"]
    async with watching(b.url, run) as page:
        return await page.rest()


async def test_a_page_executes_a_workflow_and_sees_each_step(tmp_path: Path) -> None:
    async with served(tmp_path) as b:
        messages = await executed(b, table=TABLE)
        assert [
            "execution_started",
            *["step_started", "step_completed"] * 3,
            "execution_completed",
        ] == kinds(messages)
        assert [33, 66, 100, 100] == bar(messages)
        [began] = data_of(messages, "execution_started")
        assert ("risk_report", 3) == (began["deliverable_type"], began["total_steps"])
        assert [
            (1, "Read the table", "read_table"),
            (2, "Score the rows", "score_rows"),
            (3, "Write the report", "write_report"),
        ] == [tuple(data.values()) for data in data_of(messages, "step_started")]
        [end] = data_of(messages, "execution_completed")
        assert ("completed", 40, True, 3, 3) == (
            end["status"],
            end["risk_score"],
            end["requires_approval"],
            end["total_steps"],
            end["successful_steps"],
        )
        report = (await b.snapshot(messages[0]["execution_id"]))["outputs"]["report"]
        assert "5 rows, of which 1 lack a value and 1 have one that is far" in report


@pytest.mark.parametrize("inputs", [{}, {"table": 7}, {"table": "a,b\n"}])
async def test_inputs_that_are_no_table_fail_the_first_step(
    tmp_path: Path, inputs: dict[str, Any]
) -> None:
    async with served(tmp_path) as b:
        messages = await executed(b, **inputs)
        assert ["execution_started", "step_started", "step_failed", "execution_failed"] == kinds(
            messages
        )
        assert "inputs.table" in messages[2]["data"]["error_message"]
        assert "inputs.table" in messages[3]["data"]["error_message"]


def test_rows_are_judged_by_the_others_of_their_column() -> None:
    work = Work({"table": "a,b\n1,x\n2,x\n3,\n2,x\n999,x\n2,x,more\n4\n"})
    read_table(work)
    score_rows(work)
    assert ({2, 6}, {4}) == (work.lacking, work.far)
    assert 43 == work.risk_score
    alike = Work({"table": "a\n1\n1\n1\n9\n"})
    read_table(alike)
    score_rows(alike)
    assert set() == alike.far


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"workflow_steps": 3}, r"\$\.workflow_steps"),
        ({"deliverable_type": None}, r"\$\.deliverable_type"),
        (
            {"workflow_steps": [{"step_number": 2, "step_name": "a", "function_to_call": "b"}]},
            r"numbers are \[2\]",
        ),
        (
            {"workflow_steps": [{"step_number": 1, "step_name": "a", "function_to_call": "b"}]},
            "'b' is none of read_table, score_rows, write_report",
        ),
    ],
)
def test_a_schema_that_cannot_be_executed_is_refused(change: Any, problem: str) -> None:
    schema = {**json.loads(SCHEMA.read_bytes()), **change}
    with pytest.raises((ValueError, msgspec.ValidationError), match=problem):
        schema_of(msgspec.json.encode(schema))


async def test_the_program_says_what_is_wrong_with_its_schema(tmp_path: Path) -> None:
    program = Path(__file__).parents[2] / "examples" / "workflows_worker.py"
    found = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(program), "--schema", str(tmp_path / "none.json")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert 2 == found.returncode
    assert "none.json: [Errno 2] No such file" in found.stderr
