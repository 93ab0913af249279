"""The gateway as HTTP: its parts (`compose.py`) behind routes, limits and addresses."""

import ipaddress
import logging
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final

from aiohttp import web

from broker import __version__
from broker.dialects.said import Dialect
from broker.dialects.table import DIALECTS
from broker.errors import SettingsError
from broker.gateway import commands, cors, keys, routes
from broker.gateway.attempts import Attempts
from broker.gateway.bundles import BundleLimits
from broker.gateway.compat.expected import Expected
from broker.gateway.compose import Parts, Wanted, composed
from broker.gateway.dispatch import Dispatch
from broker.gateway.drain import Drain
from broker.gateway.estimates import Estimates
from broker.gateway.foreign_reader import ForeignReader
from broker.gateway.limits import Limits, Rate
from broker.gateway.live_lists import ListLimits
from broker.gateway.middleware import problems
from broker.gateway.origins import guard
from broker.gateway.sockets import SocketLimits
from broker.gateway.starting import Starting
from broker.gateway.translator import Translator
from broker.gateway.waiting import Waits
from broker.hub.ports import Timing
from broker.hub.registry import RegistryLimits
from broker.hub.run_hub import HubLimits
from broker.metrics import Metrics
from broker.model.bounds import Bounds
from broker.model.ids import Ulids
from broker.runs.projector import ProjectorLimits
from broker.settings import Settings
from broker.stream.foreign import ForeignMessages
from broker.stream.topology import StreamSettings

log = logging.getLogger(__name__)

LINE_MAX: Final = 256 * 1024
"""Bytes of a request line: `/v1/stream` names up to 1,000 runs in it."""
KEEPALIVE: Final = 75.0
"""Seconds an idle connection stays open; aiohttp's deadline for request headers too."""


class Gateway:
    """A running gateway: where it is reached, where its NATS is, and how it is drained."""

    def __init__(self, url: str, nats_url: str, drain: Drain) -> None:
        self.url = url
        self.nats_url = nats_url
        self.drain = drain


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    metrics: Metrics | None = None,
    shares_port: bool = False,
    dialects: Mapping[str, Dialect] = DIALECTS,
) -> AsyncIterator[Gateway]:
    """Run a gateway as long as the block. Must be left by the task that entered it.

    With `shares_port` other processes may listen on the same port. `dialects` are what producers
    of existing systems may speak.

    Raises SettingsError, EmbeddedServerError, StreamUnavailable, TopologyMismatch.
    """
    host, port = _address(settings)
    admin = _host_and_port(settings.admin_listen, "admin-listen") if settings.admin_listen else None
    metrics = metrics or Metrics()
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(composed(_wanted(settings), metrics))
        app = web.Application(
            middlewares=[problems(guard(_origins(settings)))], client_max_size=settings.body_max
        )
        app[keys.REGISTRY], app[keys.SOCKETS] = parts.registry, parts.sockets
        app[keys.RUNS], app[keys.WRITES] = parts.runs, parts.writes
        app[keys.LOGS] = parts.logs
        new_id = Ulids(lambda: datetime.now(UTC), os.urandom)
        app[keys.DISPATCH] = dispatch = Dispatch(
            parts.registry, parts.runs, parts.writes, new_id=new_id, metrics=metrics
        )
        app[keys.STARTING] = Starting(
            parts.registry, parts.runs, parts.writes, new_id=new_id, metrics=metrics
        )
        app[keys.TRANSLATOR] = translator = Translator(
            parts.registry,
            parts.runs,
            parts.writes,
            bounds=Bounds(steps=settings.max_steps),
            now=lambda: datetime.now(UTC),
        )
        app[keys.DIALECTS] = dialects
        reader = ForeignReader(
            ForeignMessages(parts.foreign),
            translator,
            parts.writes,
            dialects=dialects,
            metrics=metrics,
            verify_soon=parts.runs.verify_soon,
        )
        await stack.enter_async_context(reader.running())
        app[keys.METRICS], app[keys.TIMING] = metrics, parts.timing
        app[keys.OPTIONS] = _options(settings)
        app[keys.LIMITS] = limits = _limits(settings, parts.timing, metrics)
        parts.sockets.give = partial(commands.give, dispatch, limits)
        app[keys.BUNDLES] = parts.bundles
        app[keys.INDEX], app[keys.LIVE_LISTS] = parts.listed.runs, parts.listed.lists
        app[keys.ESTIMATES] = estimates = Estimates(parts.histories, time.time)
        parts.listed.lists.estimate = estimates.row
        app[keys.ATTEMPTS] = Attempts(
            parts.runs, bounds=Bounds(steps=settings.max_steps), metrics=metrics
        )
        app[keys.WAITS] = waits = await stack.enter_async_context(Waits.running())
        app[keys.EXPECTED] = await stack.enter_async_context(
            Expected.running(
                parts.registry,
                parts.runs,
                parts.sockets,
                patience=settings.idle_timeout,
                timing=parts.timing,
            )
        )
        app[keys.DRAIN] = drain = Drain(
            limits.streams,
            parts.registry,
            parts.logs.hubs,
            parts.sockets,
            parts.bundles,
            parts.listed.lists,
            waits,
        )
        app[keys.READY] = lambda: _why_not_ready(parts, drain)
        app.on_response_prepare.append(cors.headers_for(_origins(settings)))
        routes.add_api(app)
        if admin is None:
            routes.add_admin(app)
        else:
            await _listen(stack, _admin(app), *admin, flag="--admin-listen")
        url = await _listen(stack, app, host, port, flag="--listen", shares_port=shares_port)
        log.info("progress-broker %s at %s, NATS at %s", __version__, url, _shown(parts.nats_url))
        yield Gateway(url, parts.nats_url, drain)


def _admin(app: web.Application) -> web.Application:
    """Health and metrics of a gateway, for an address of their own."""
    admin = web.Application(middlewares=[problems(lambda request: None)])
    admin[keys.METRICS], admin[keys.READY] = app[keys.METRICS], app[keys.READY]
    routes.add_admin(admin)
    return admin


async def _listen(
    stack: AsyncExitStack,
    app: web.Application,
    host: str,
    port: int,
    *,
    flag: str,
    shares_port: bool = False,
) -> str:
    """Serve an application as long as the stack lives; gives its URL."""
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=KEEPALIVE,
        shutdown_timeout=1.0,
        max_line_size=LINE_MAX,
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(
        runner, host, port, reuse_address=True, reuse_port=shares_port or None, backlog=4096
    )
    try:
        await site.start()
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host}:{port} ({error.strerror}): stop what listens there, "
            f"or take another address with {flag}"
        ) from None
    bound = runner.addresses[0]
    return f"http://{_bracketed(bound[0])}:{bound[1]}"


def _host_and_port(text: str, name: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
    if not host or not 0 <= number <= 65_535:
        raise SettingsError(f"--{name}={text!r} is not of the form HOST:PORT")
    return host, number


def _address(settings: Settings) -> tuple[str, int]:
    """Host and port to listen on; beyond loopback only on request."""
    host, port = _host_and_port(settings.listen, "listen")
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local and not settings.insecure:
        raise SettingsError(
            f"--listen={settings.listen!r} is reached from other machines, and nothing asks who "
            "they are: listen on 127.0.0.1 behind a proxy that does, or say --insecure"
        )
    return host, port


def _wanted(settings: Settings) -> Wanted:
    return Wanted(
        nats_url=settings.nats_url,
        nats_port=settings.nats_port,
        data_dir=settings.data_dir,
        streams=StreamSettings(replicas=settings.replicas, log_batches=settings.log_batches),
        registry=_registry_limits(settings),
        sockets=_socket_limits(settings),
        projector=ProjectorLimits(bounds=Bounds(steps=settings.max_steps)),
        bundles=BundleLimits(
            heartbeat=settings.heartbeat,
            max_age=settings.max_age,
            idle_timeout=settings.idle_timeout,
            stall_timeout=settings.stall_timeout,
        ),
        lists=_list_limits(settings),
        index_max=settings.index_max,
    )


def _registry_limits(settings: Settings) -> RegistryLimits:
    return RegistryLimits(
        hub_ttl=settings.hub_ttl,
        heartbeat=settings.heartbeat,
        idle_timeout=settings.idle_timeout,
        stall_timeout=settings.stall_timeout,
        hub=HubLimits(tick=settings.tick, bounds=Bounds(steps=settings.max_steps)),
    )


def _socket_limits(settings: Settings) -> SocketLimits:
    return SocketLimits(
        heartbeat=settings.heartbeat,
        max_age=settings.max_age,
        high_water=settings.high_water,
        stall_timeout=settings.stall_timeout,
        allowed_origins=_origins(settings),
    )


def _list_limits(settings: Settings) -> ListLimits:
    return ListLimits(
        ttl=settings.hub_ttl,
        heartbeat=settings.heartbeat,
        idle_timeout=settings.idle_timeout,
        stall_timeout=settings.stall_timeout,
    )


def _options(settings: Settings) -> keys.Options:
    return keys.Options(
        snapshot_ttl=settings.snapshot_ttl,
        heartbeat=settings.heartbeat,
        max_age=settings.max_age,
        high_water=settings.high_water,
        stall_timeout=settings.stall_timeout,
        body_max=settings.body_max,
        fixed_headers=cors.fixed(_origins(settings)),
    )


def _limits(settings: Settings, timing: Timing, metrics: Metrics) -> Limits:
    proxies = tuple(filter(None, map(str.strip, settings.trusted_proxies.split(","))))
    try:
        return Limits(
            polls=Rate("poll_rate", settings.poll_rate, settings.poll_burst),
            opens=Rate("open_rate", settings.open_rate, settings.open_burst),
            ingest=Rate("ingest_rate", settings.ingest_rate, settings.ingest_rate),
            streams_per_client=settings.streams_per_client,
            streams_max=settings.streams_max,
            trusted_proxies=proxies,
            now=timing.now,
            metrics=metrics,
        )
    except ValueError as error:
        raise SettingsError(f"--trusted-proxies={settings.trusted_proxies!r}: {error}") from None


def _why_not_ready(parts: Parts, drain: Drain) -> str | None:
    if drain.began:
        return "the gateway is stopping"
    if not parts.live.connected:
        return "NATS is not connected"
    return parts.projector.why_not_ready() or parts.listed.why_not_ready()


def _origins(settings: Settings) -> frozenset[str]:
    return frozenset(filter(None, map(str.strip, settings.allowed_origins.split(","))))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _shown(url: str) -> str:
    return url if "@" not in url else url.rsplit("@", 1)[1]
