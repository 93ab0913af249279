"""A run of two steps, the second of which fails, as each dialect tells it, message by message."""

from typing import Any, Final

Message = dict[str, Any]

RUN: Final = "r1"


def _workflow(kind: str, **data: Any) -> Message:
    return {"type": kind, "execution_id": RUN, "timestamp": "2026-01-01T00:00:05Z", "data": data}


def _execution(kind: str, **members: Any) -> Message:
    return {"type": kind, "execution_id": RUN, "timestamp": "2026-01-01T00:00:05Z", **members}


def _job(kind: str, **payload: Any) -> Message:
    return {"type": kind, "payload": {"timestamp": "2026-01-01T00:00:05Z", **payload}}


MESSAGES: Final[dict[str, list[Message]]] = {
    "executions": [
        _execution("status", status="pending"),
        _execution("started", status="running"),
        _execution(
            "progress",
            status="running",
            progress={"current_step": 1, "total_steps": 2, "percentage": 50.0},
        ),
        _execution("failed", status="failed", error={"type": "E", "message": "no", "details": {}}),
        _execution("cancelled", status="cancelled"),
        _execution("completed", status="completed", outputs={"a": 1}),
    ],
    "graphs": [
        {"type": "start", "execution_id": RUN, "graph_id": "g", "total_nodes": 2},
        {"type": "node_start", "node_id": "a", "node_name": "A", "timestamp": 1767225605.5},
        {"type": "node_complete", "node_id": "a", "result": {"x": 1}, "duration": 0.5},
        {"type": "node_start", "node_id": "b", "node_name": "B"},
        {"type": "error", "node_id": "b", "error": "no"},
        {"type": "error", "error": "no"},
        {"type": "complete", "execution_id": RUN, "result": {"x": 1}},
    ],
    "jobs": [
        _job("job_status", id=RUN, status="queued", subjectId="s-1", stageId="load"),
        _job("job_progress", id=RUN, progress=40, status="running", currentStep="load"),
        _job("subject_stage_status", jobId=RUN, subjectId="s-1", stageId="load", status="running"),
        _job("subject_stage_status", jobId=RUN, subjectId="s-1", stageId="load", status="failed"),
        _job("job_log", jobId=RUN, level="ERROR", message="no"),
        _job("job_status", id=RUN, status="failed", progress=40, error="no"),
    ],
    "runner": [
        {"layer": "intake", "status": "pending", "index": 0},
        {"layer": "intake", "status": "executing", "index": 0},
        {"layer": "intake", "status": "success", "index": 0, "duration": 2.5, "progress": 14},
        {"layer": "pain_points", "status": "executing", "index": 1},
        {"layer": "pain_points", "status": "failed", "index": 1, "error": "no", "progress": 0},
        {"layer": "company_research", "status": "skipped", "index": 2},
        {"status": "failed", "error": "no", "progress": 100},
        {"status": "complete", "progress": 100},
    ],
    "workflows": [
        _workflow("execution_started", deliverable_type="report", total_steps=2),
        _workflow("step_started", step_number=1, step_name="A", function="do_a"),
        _workflow("step_completed", step_number=1, status="completed", execution_time_ms=250),
        _workflow("step_started", step_number=2, step_name="B"),
        _workflow("step_failed", step_number=2, status="failed", error_message="no"),
        _workflow("execution_failed", error_message="no"),
        _workflow("execution_completed", status="completed", risk_score=0.5, total_steps=2),
    ],
}
