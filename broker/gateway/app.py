"""The composition root: the one place where settings, streams, hubs and HTTP meet."""

import asyncio
import ipaddress
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

from broker import __version__
from broker.errors import SettingsError
from broker.gateway import cors, keys, routes
from broker.gateway.drain import Drain
from broker.gateway.limits import Limits, Rate
from broker.gateway.middleware import problems
from broker.gateway.sockets import SocketLimits, Sockets
from broker.hub.ports import Timing
from broker.hub.registry import Registry, RegistryLimits
from broker.hub.run_hub import HubLimits
from broker.metrics import Metrics
from broker.model.bounds import Bounds
from broker.model.cursor import epoch_of
from broker.settings import Settings
from broker.stream.connection import Connection
from broker.stream.deadletter import inspect
from broker.stream.embedded import embedded_server
from broker.stream.live import LiveRuns
from broker.stream.topology import StreamSettings, ensure

log = logging.getLogger(__name__)

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
    settings: Settings, *, metrics: Metrics | None = None, shares_port: bool = False
) -> AsyncIterator[Gateway]:
    """Run a gateway as long as the block. Must be left by the task that entered it.

    With `shares_port` other processes may listen on the same port.

    Raises SettingsError, EmbeddedServerError, StreamUnavailable, TopologyMismatch.
    """
    host, port = _address(settings)
    admin = _host_and_port(settings.admin_listen, "admin-listen") if settings.admin_listen else None
    metrics = metrics or Metrics()
    timing = _timing()
    async with AsyncExitStack() as stack:
        nats_url = settings.nats_url or await stack.enter_async_context(
            embedded_server(Path(settings.data_dir), settings.nats_port)
        )
        live, reads, writes = [
            await stack.enter_async_context(
                Connection.connect(nats_url, name=f"progress-broker {purpose}", on_change=changed)
            )
            for purpose, changed in (
                ("live", _noting(metrics)),
                ("reads", None),
                ("writes", None),
            )
        ]
        stream_settings = StreamSettings(replicas=settings.replicas)

        async def verify() -> str:
            return epoch_of(await ensure(writes, stream_settings))

        epoch = await verify()
        runs = await stack.enter_async_context(
            LiveRuns.running(live, reads, epoch=epoch, verify=verify, metrics=metrics)
        )
        registry = await stack.enter_async_context(
            Registry.running(
                runs, limits=_registry_limits(settings), timing=timing, metrics=metrics
            )
        )
        sockets = await stack.enter_async_context(
            Sockets.running(
                registry, runs, limits=_socket_limits(settings), timing=timing, metrics=metrics
            )
        )
        runs.on_new_epoch = registry.renew
        runs.spawn(inspect(writes, runs=runs, metrics=metrics))
        app = web.Application(middlewares=[problems], client_max_size=settings.body_max)
        app[keys.REGISTRY], app[keys.RUNS], app[keys.WRITES] = registry, runs, writes
        app[keys.METRICS], app[keys.TIMING] = metrics, timing
        app[keys.OPTIONS] = _options(settings)
        app[keys.LIMITS] = limits = _limits(settings, timing, metrics)
        app[keys.DRAIN] = drain = Drain(registry, sockets, limits.streams)
        app[keys.SOCKETS] = sockets
        app[keys.READY] = lambda: _why_not_ready(live, drain)
        app.on_response_prepare.append(cors.headers_for(_origins(settings)))
        routes.add_api(app)
        if admin is None:
            routes.add_admin(app)
        else:
            await _listen(stack, _admin(app), *admin, flag="--admin-listen")
        url = await _listen(stack, app, host, port, flag="--listen", shares_port=shares_port)
        log.info("progress-broker %s at %s, NATS at %s", __version__, url, _shown(nats_url))
        yield Gateway(url, nats_url, drain)


def _admin(app: web.Application) -> web.Application:
    """Health and metrics of a gateway, for an address of their own."""
    admin = web.Application(middlewares=[problems])
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
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEPALIVE, shutdown_timeout=1.0)
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
    if not host or not port.isdigit() or int(port) > 65_535:
        raise SettingsError(f"--{name}={text!r} is not of the form HOST:PORT")
    return host, int(port)


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


def _timing() -> Timing:
    loop = asyncio.get_running_loop()
    return Timing(loop.time, loop.call_at, random.random)


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


def _options(settings: Settings) -> keys.Options:
    return keys.Options(
        snapshot_ttl=settings.snapshot_ttl,
        heartbeat=settings.heartbeat,
        max_age=settings.max_age,
        high_water=settings.high_water,
        stall_timeout=settings.stall_timeout,
        body_max=settings.body_max,
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


def _why_not_ready(live: Connection, drain: Drain) -> str | None:
    if drain.began:
        return "the gateway is stopping"
    return None if live.connected else "NATS is not connected"


def _origins(settings: Settings) -> frozenset[str]:
    return frozenset(filter(None, map(str.strip, settings.allowed_origins.split(","))))


def _noting(metrics: Metrics) -> Callable[[bool], None]:
    """Keep the metrics of the connection that live events come over."""
    seen = False

    def changed(connected: bool) -> None:
        nonlocal seen
        metrics.nats_connected.set(connected)
        if connected and seen:
            metrics.nats_reconnects.inc()
        seen = seen or connected

    return changed


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _shown(url: str) -> str:
    return url if "@" not in url else url.rsplit("@", 1)[1]
