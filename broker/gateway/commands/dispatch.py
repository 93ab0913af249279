"""Commands given to runs: judged by the run's state, and stored as events of the run.

A producer that is alive is told by the event, and answers with one. Where there is none, the
gateway does what is asked (`unattended.py`).
"""

from collections.abc import Callable
from typing import Final

import msgspec

from broker.errors import CommandRefused, NotFound, Superseded
from broker.gateway.commands.unattended import Given, Unattended
from broker.gateway.runs.standing import standing
from broker.hub.registry import Registry
from broker.metrics import Metrics
from broker.model.decide import EVENTS, CommandName, decide, unanswered
from broker.model.ids import id_of
from broker.model.state import CommandState, RunState
from broker.model.subjects import RunKey
from broker.stream.connection import Connection
from broker.stream.live import LiveRuns

_TRIES: Final = 5
"""How often a run may go on while a command to it is judged and carried out."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asks of a run; `key` is their idempotency key."""

    command: CommandName
    by: str | None = None
    reason: str | None = None
    mode: str | None = None
    key: str | None = None


class Dispatch:
    """Gives commands to runs."""

    def __init__(
        self,
        registry: Registry,
        runs: LiveRuns,
        writes: Connection,
        *,
        new_id: Callable[[], str],
        metrics: Metrics,
    ) -> None:
        self._registry = registry
        self._runs = runs
        self._unattended = Unattended(runs, writes)
        self._new_id = new_id
        self._metrics = metrics

    async def give(self, key: RunKey, order: Order) -> str:
        """Give a run a command; gives the command's id.

        A key repeats nothing for as long as the run remembers the command. Without a key, and
        without a mode, a command that nobody has answered stands for another of its kind.

        Raises NotFound, CommandRefused, StreamUnavailable, and Superseded where the run goes on
        faster than it is judged.
        """
        outcome = "failed"
        wanted = _id_of(key, order) or self._new_id()
        try:
            for tries_left in reversed(range(_TRIES)):
                try:
                    given = await self._give(key, order, wanted)
                except Superseded:
                    if not tries_left:
                        raise
                else:
                    outcome = "repeated" if given.again else "given"
                    return given.id
            raise AssertionError("the last try returns or raises")
        except (NotFound, CommandRefused):
            outcome = "refused"
            raise
        finally:
            self._metrics.commands.labels(order.command, outcome).inc()

    async def _give(self, key: RunKey, order: Order, id: str) -> Given:
        """Judge the run as it stands, store the command, and do what is left to the gateway."""
        state = (await standing(self._registry, self._runs, key)).hub.state
        seq, attempt = state.seq, state.attempt  # the state goes on with its hub
        if id not in state.commands:
            decide(state, order.command)
            if order.key is None and order.mode is None:
                id = unanswered(state, order.command) or id
        known = state.commands.get(id)
        if known is not None:
            given = Given(id=id, seq=seq, by=known.by, reason=known.reason, again=True)
            if known.result is None and _has_happened(state, known):
                await self._unattended.answer(key, given)
                return given
            if known.result in ("accepted", "rejected") or known.attempt != attempt:
                return given
            task = await self._unattended.task(key, state, order.command, known.by)
        else:
            task = await self._unattended.task(key, state, order.command, order.by)
            event = EVENTS[order.command](id=id, by=order.by, reason=order.reason, mode=order.mode)
            expected_last = None if task is None else seq
            stored = await self._unattended.store(key, event, expected_last=expected_last)
            given = Given(
                id=id, seq=stored.seq, by=order.by, reason=order.reason, again=stored.duplicate
            )
        if task is not None:
            await self._unattended.carry_out(key, task, given)
        return given


def _id_of(key: RunKey, order: Order) -> str | None:
    """The id that an idempotency key gives: another command, or run, is another id."""
    if order.key is None:
        return None
    return id_of("command", key.tenant, key.run, order.command, order.key)


def _has_happened(state: RunState, command: CommandState) -> bool:
    """Whether what was asked is so, although nobody has answered."""
    if command.type == "retry":
        return command.attempt is not None and command.attempt < state.attempt
    return command.type == "cancel" and state.status == "cancelled"
