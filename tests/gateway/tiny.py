"""A dialect of a few words, to test what is common to all of them."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from broker.dialects.said import Dialect, Said
from broker.errors import MalformedEvent
from broker.model import events as e
from broker.model.state import RunState


class Word(msgspec.Struct, frozen=True, omit_defaults=True):
    """`step` and `count` of a run; with `again`, that the run begins anew after its end."""

    say: Literal["begin", "step", "done", "fail", "again", "log", "nothing", "broken"]
    run: str | None = None
    step: str | None = None
    count: float = 0


def say(word: str, **fields: object) -> bytes:
    """A message."""
    return msgspec.json.encode({"say": word, **fields})


def read(payload: bytes) -> Said:
    """Read a message."""
    word = msgspec.json.decode(payload, type=Word)
    match word.say:
        case "begin":
            return Said(word.run, (e.RunStarted(name="tiny"),))
        case "step":
            if word.step is None:
                raise MalformedEvent("step: is missing")
            return Said(word.run, (e.StepProgress(step=word.step, current=word.count),))
        case "done":
            return Said(word.run, (e.RunProgress(current=1, total=1), e.RunCompleted()))
        case "fail":
            return Said(word.run, judged=_failed)
        case "again":
            return Said(word.run, judged=_again)
        case "log":
            return Said(word.run, (e.LogAppended(lines=[e.LogLine(text="said")]),))
        case "nothing":
            return Said(word.run)
        case "broken":
            raise KeyError("a fault of the reader")


def _failed(state: RunState | None) -> Sequence[e.Event]:
    """The steps that run fail with the run."""
    running = [step for step, at in state.steps.items() if at.status == "running"] if state else []
    error = e.Failure(message="no more")
    return [*(e.StepFailed(step=step, error=error) for step in running), e.RunFailed(error=error)]


def _again(state: RunState | None) -> Sequence[e.Event]:
    if state is None or not state.ended:
        raise MalformedEvent("say: the run has not ended, so that nothing begins again")
    return [e.RunStarted(attempt=state.attempt + 1)]


TINY: Final[dict[str, Dialect]] = {"tiny": read, "tidy": read}
