"""What the hubs of a gateway may hold, and for how long."""

import msgspec

from broker.hub.run_hub import HubLimits


class RegistryLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Times in seconds."""

    hub_ttl: float = 30.0
    hubs_max: int = 20_000
    unknown_ttl: float = 1.0
    unknown_max: int = 10_000
    away_most: float = 2.0
    """For so long after the stream was lost whoever wants a run waits for it: it may be back soon.
    Then only those runs are there that are open."""
    heartbeat: float = 15.0
    idle_timeout: float = 300.0
    stall_timeout: float = 30.0
    retry_min: float = 1.0
    retry_max: float = 5.0
    catch_ups: int = 64
    cold_opens: int = 64
    """Replays at a time; who joins a run that is open never waits for one."""
    cold_waiting: int = 1_024
    hub: HubLimits = HubLimits()
    empty: bool = False
    """Whether a run of which nothing is stored has a hub all the same: something may come."""
