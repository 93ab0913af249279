"""How a run stands now, also where what was stored last has not arrived here yet."""

from typing import NamedTuple

from broker.gateway.runs.cursors import LAG
from broker.hub.registry import Registry
from broker.hub.run_hub import RunHub
from broker.model.subjects import RunKey
from broker.stream.live import LiveRuns
from broker.stream.replay import last_sequences


class Standing(NamedTuple):
    """A run's hub, and whether any event of it is stored still.

    Its state goes on with it: what is needed of it after an `await` must be read before.
    """

    hub: RunHub
    kept: bool

    @property
    def last(self) -> int:
        """What a write that is based on this state expects as the last sequence."""
        return self.hub.seq if self.kept else 0


async def standing(registry: Registry, runs: LiveRuns, key: RunKey) -> Standing:
    """The run as it is stored. Raises NotFound, StreamUnavailable, Overloaded."""
    last = (await last_sequences(runs.reads, [key.subject])).get(key.subject, 0)
    if last:
        registry.known(key)
    hub = await registry.hub(key)
    if last > hub.seq:
        runs.behind(key, last)
        await hub.beyond(last - 1, LAG)
    return Standing(hub, kept=last > 0)
