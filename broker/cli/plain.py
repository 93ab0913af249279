"""A run told in plain lines, for pipes and files: one line for each thing that happened."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from broker.cli.wording import amount, duration, failure, moment, percent, remaining, safe, stamp

_STRIDE: Final = 0.05
"""How far a run goes on before it is worth a line."""

_MOST_STEPS: Final = 20
"""Steps that one change may name; a flood of them is counted."""

_TOLD: Final = ("running", "retrying", "completed", "failed", "skipped", "cancelled")


class Narration:
    """Tells one run from state to state; remembers only what it told last."""

    def __init__(self, run: str) -> None:
        self._run = safe(run)
        self._status: tuple[object, object] | None = None
        self._fraction = 0.0
        self._steps: dict[str, tuple[object, object]] = {}
        self._commands: dict[str, object] = {}

    def tell(
        self, state: Mapping[str, Any], estimate: Mapping[str, Any] | None = None
    ) -> list[str]:
        """The lines for what has changed since the last state."""
        at = moment(state.get("updated_at")) or moment(state.get("queued_at"))
        lines = [] if self._status is None else self._steps_of(state)
        lines += self._commands_of(state)
        status = (state.get("status"), state.get("attempt"))
        if status != self._status:
            if self._status is None or self._status[1] != status[1]:
                self._fraction = 0.0
            self._status = status
            lines.append(_status_line(state))
            self._fraction = max(self._fraction, _fraction(state))
        elif round(_fraction(state) - self._fraction, 6) >= _STRIDE:
            self._fraction = _fraction(state)
            lines.append(_progress_line(state, estimate, at))
        self._remember(state)
        return [f"{stamp(at) if at else '-'} {self._run} {line}" for line in lines]

    def _steps_of(self, state: Mapping[str, Any]) -> list[str]:
        changed = [
            (name, step)
            for name, step in state.get("steps", {}).items()
            if self._steps.get(name, ("pending", None)) != (step["status"], step.get("attempt"))
            and step["status"] in _TOLD
        ]
        lines = [_step_line(name, step) for name, step in changed[:_MOST_STEPS]]
        if len(changed) > _MOST_STEPS:
            lines.append(f"… and {len(changed) - _MOST_STEPS} more steps changed")
        return lines

    def _commands_of(self, state: Mapping[str, Any]) -> list[str]:
        lines = []
        for name, command in state.get("commands", {}).items():
            result = command.get("result", "asked")
            if self._commands.get(name) != result:
                self._commands[name] = result
                lines.append(_command_line(command))
        return lines

    def _remember(self, state: Mapping[str, Any]) -> None:
        self._steps = {
            name: (step["status"], step.get("attempt"))
            for name, step in state.get("steps", {}).items()
        }


def _fraction(state: Mapping[str, Any]) -> float:
    found = state.get("progress", {}).get("fraction")
    return float(found) if isinstance(found, int | float) else 0.0


def _status_line(state: Mapping[str, Any]) -> str:
    status = state.get("status")
    facts = []
    if isinstance(taken := state.get("duration"), int | float):
        facts.append(f"after {duration(taken)}")
    if state.get("attempt", 1) > 1:
        facts.append(f"attempt {state['attempt']}")
    if _fraction(state) and status != "completed":
        facts.append(f"at {percent(_fraction(state), completed=False)}")
    if pipeline := state.get("pipeline"):
        facts.append(f"pipeline {safe(pipeline)}")
    line = f"{status} ({', '.join(facts)})" if facts else str(status)
    return f"{line}: {why}" if (why := _why(state)) else line


def _why(state: Mapping[str, Any]) -> str:
    status = state.get("status")
    if status == "failed":
        return failure(state.get("error"))
    if status == "paused":
        paused = state.get("paused", {})
        return safe(paused.get("reason") or paused.get("prompt") or "")
    if status == "cancelled" and (by := state.get("cancelled_by")):
        return f"by {safe(by)}"
    if status == "lost":
        return "its producer has gone silent; a later event brings it back"
    return ""


def _progress_line(
    state: Mapping[str, Any], estimate: Mapping[str, Any] | None, at: datetime | None
) -> str:
    counts = state.get("counts", {})
    facts: list[str] = [percent(_fraction(state), completed=state.get("status") == "completed")]
    if total := counts.get("total"):
        facts.append(f"steps {counts.get('completed', 0) + counts.get('skipped', 0)}/{total}")
    facts += [fact for fact in (amount(state.get("progress", {})),) if fact]
    if at is not None and (ends := remaining(estimate, at)):
        facts.append(ends)
    if message := state.get("message"):
        facts.append(safe(message))
    return ", ".join(facts)


def _step_line(name: str, step: Mapping[str, Any]) -> str:
    status = step["status"]
    line = f"step {safe(step.get('name') or name)} {status}"
    if isinstance(taken := step.get("duration"), int | float) and status in ("completed", "failed"):
        line += f" after {duration(taken)}"
    if step.get("cached"):
        line += " (cached)"
    return f"{line}: {failure(step.get('error'))}" if step.get("error") else line


def _command_line(command: Mapping[str, Any]) -> str:
    word = safe(command.get("type", "")).removeprefix("command.")
    if (result := command.get("result")) is None:
        line = f"{word} asked"
        if by := command.get("by"):
            line += f" by {safe(by)}"
        reason = command.get("reason")
    else:
        line, reason = f"{word} {result} by the producer", command.get("answer")
    return f"{line}: {safe(reason)}" if reason else line


ROW: Final = "run, pipeline, status, per cent, steps, duration (s), started, updated"


def row_line(row: Mapping[str, Any]) -> str:
    """A row of the list, its fields apart by tabs: see `ROW`."""
    progress, counts = row.get("progress", {}), row.get("counts", {})
    fraction = progress.get("fraction")
    done = counts.get("completed", 0) + counts.get("skipped", 0)
    fields: Iterable[object] = (
        row.get("run"),
        row.get("pipeline", ""),
        row.get("status"),
        "" if fraction is None else round(100 * _fraction(row), 1),
        f"{done}/{counts['total']}" if counts.get("total") else "",
        row.get("duration", ""),
        row.get("started_at", ""),
        row.get("updated_at", ""),
    )
    return "\t".join(safe(field) for field in fields)


def log_line(line: Mapping[str, Any]) -> str:
    """A line of the log, as the gateway's own text has it: what is on its own line is indented."""
    at = moment(line.get("time"))
    step = f"[{safe(line['step'])}] " if line.get("step") else ""
    level = safe(line.get("level", "info")).upper()
    text = "\n    ".join(safe(part) for part in str(line.get("text", "")).split("\n"))
    return f"{stamp(at) if at else '-'} {level} {step}{text}"
