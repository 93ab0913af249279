"""What handlers find in the application, by typed key."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from broker.gateway.drain import Drain
from broker.gateway.limits import Limits
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.metrics import Metrics
from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.stream.connection import Connection
from broker.stream.live import LiveRuns

if TYPE_CHECKING:
    from broker.gateway.sockets import Sockets


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What handlers need of the settings."""

    snapshot_ttl: int
    heartbeat: float
    max_age: float
    high_water: int
    stall_timeout: float
    body_max: int


LIMITS: Final = web.AppKey("LIMITS", Limits)
DRAIN: Final = web.AppKey("DRAIN", Drain)
SOCKETS: Final[web.AppKey["Sockets"]] = web.AppKey("SOCKETS")
REGISTRY: Final = web.AppKey("REGISTRY", Registry)
RUNS: Final = web.AppKey("RUNS", LiveRuns)
WRITES: Final = web.AppKey("WRITES", Connection)
METRICS: Final = web.AppKey("METRICS", Metrics)
OPTIONS: Final = web.AppKey("OPTIONS", Options)
TIMING: Final = web.AppKey("TIMING", Timing)
READY: Final[web.AppKey[Callable[[], str | None]]] = web.AppKey("READY")
"""Why the gateway is not ready; None when it is."""


def run_key(request: web.Request) -> RunKey:
    """The run that the path names."""
    key = RunKey(DEFAULT_TENANT, request.match_info["run"])
    key.subject  # noqa: B018 - refuses an id that no subject can hold
    return key
