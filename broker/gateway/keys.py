"""What handlers find in the application, by typed key."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from broker.dialects.said import Dialect
from broker.gateway.commands.dispatch import Dispatch
from broker.gateway.commands.starting import Starting
from broker.gateway.http.limits import Limits
from broker.gateway.logs.joins import Logs
from broker.gateway.process.drain import Drain
from broker.hub.ports import Timing
from broker.hub.registry import Registry
from broker.metrics import Metrics
from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.runs.index import Index
from broker.stream.connection import Connection
from broker.stream.live import LiveRuns

if TYPE_CHECKING:
    from broker.gateway.compat.expected import Expected
    from broker.gateway.endpoints.estimates import Estimates
    from broker.gateway.endpoints.pages import Pages
    from broker.gateway.foreign.translator import Translator
    from broker.gateway.http.waiting import Waits
    from broker.gateway.lists.live_lists import LiveLists
    from broker.gateway.lists.recent import RecentRuns
    from broker.gateway.many.bundles import Bundles
    from broker.gateway.runs.attempts import Attempts
    from broker.gateway.sockets.sockets import Sockets


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What handlers need of the settings."""

    snapshot_ttl: int
    heartbeat: float
    max_age: float
    high_water: int
    stall_timeout: float
    body_max: int
    max_steps: int
    fixed_headers: tuple[tuple[str, str], ...] = ()
    """Those that every answer has, whoever asks."""


LIMITS: Final = web.AppKey("LIMITS", Limits)
DRAIN: Final = web.AppKey("DRAIN", Drain)
SOCKETS: Final[web.AppKey["Sockets"]] = web.AppKey("SOCKETS")
BUNDLES: Final[web.AppKey["Bundles"]] = web.AppKey("BUNDLES")
WAITS: Final[web.AppKey["Waits"]] = web.AppKey("WAITS")
EXPECTED: Final[web.AppKey["Expected"]] = web.AppKey("EXPECTED")
REGISTRY: Final = web.AppKey("REGISTRY", Registry)
RUNS: Final = web.AppKey("RUNS", LiveRuns)
LOGS: Final = web.AppKey("LOGS", Logs)
TRANSLATOR: Final[web.AppKey["Translator"]] = web.AppKey("TRANSLATOR")
DIALECTS: Final[web.AppKey[Mapping[str, Dialect]]] = web.AppKey("DIALECTS")
DISPATCH: Final = web.AppKey("DISPATCH", Dispatch)
INDEX: Final = web.AppKey("INDEX", Index)
LIVE_LISTS: Final[web.AppKey["LiveLists"]] = web.AppKey("LIVE_LISTS")
STARTING: Final = web.AppKey("STARTING", Starting)
WRITES: Final = web.AppKey("WRITES", Connection)
ATTEMPTS: Final[web.AppKey["Attempts"]] = web.AppKey("ATTEMPTS")
ESTIMATES: Final[web.AppKey["Estimates"]] = web.AppKey("ESTIMATES")
RECENT: Final[web.AppKey["RecentRuns"]] = web.AppKey("RECENT")
PAGES: Final[web.AppKey["Pages"]] = web.AppKey("PAGES")
METRICS: Final = web.AppKey("METRICS", Metrics)
OPTIONS: Final = web.AppKey("OPTIONS", Options)
TIMING: Final = web.AppKey("TIMING", Timing)
READY: Final[web.AppKey[Callable[[], str | None]]] = web.AppKey("READY")
"""Why the gateway is not ready; None when it is."""


def run_key(request: web.Request) -> RunKey:
    """The run that the path names. Raises InvalidName for an id that no subject can hold."""
    return _checked(DEFAULT_TENANT, request.match_info["run"])


_checked = lru_cache(4096)(RunKey.checked)
