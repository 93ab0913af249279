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
from broker.gateway.middleware import problems
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
    """A running gateway: where it is reached, and where its NATS is."""

    def __init__(self, url: str, nats_url: str, app: web.Application) -> None:
        self.url = url
        self.nats_url = nats_url
        self.app = app


@asynccontextmanager
async def running(settings: Settings, *, metrics: Metrics | None = None) -> AsyncIterator[Gateway]:
    """Run a gateway as long as the block. Must be left by the task that entered it.

    Raises SettingsError, EmbeddedServerError, StreamUnavailable, TopologyMismatch.
    """
    host, port = _address(settings)
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
        runs.on_new_epoch = registry.renew
        runs.spawn(inspect(writes, runs=runs, metrics=metrics))
        app = web.Application(middlewares=[problems], client_max_size=settings.body_max)
        app[keys.REGISTRY], app[keys.RUNS], app[keys.WRITES] = registry, runs, writes
        app[keys.METRICS], app[keys.TIMING] = metrics, timing
        app[keys.OPTIONS] = _options(settings)
        app[keys.READY] = lambda: None if live.connected else "NATS is not connected"
        app.on_response_prepare.append(cors.headers_for(_origins(settings)))
        routes.set_up(app)
        runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=KEEPALIVE, shutdown_timeout=1.0
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, host, port, reuse_address=True, backlog=4096)
        try:
            await site.start()
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {settings.listen} ({error.strerror}): stop what listens "
                "there, or take another address with --listen"
            ) from None
        bound = runner.addresses[0]
        url = f"http://{_bracketed(bound[0])}:{bound[1]}"
        log.info("progress-broker %s at %s, NATS at %s", __version__, url, _shown(nats_url))
        yield Gateway(url, nats_url, app)


def _address(settings: Settings) -> tuple[str, int]:
    """Host and port to listen on; beyond loopback only on request."""
    host, _, port = settings.listen.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise SettingsError(f"--listen={settings.listen!r} is not of the form HOST:PORT")
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local and not settings.insecure:
        raise SettingsError(
            f"--listen={settings.listen!r} is reached from other machines, and nothing asks who "
            "they are: listen on 127.0.0.1 behind a proxy that does, or say --insecure"
        )
    return host, int(port)


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


def _options(settings: Settings) -> keys.Options:
    return keys.Options(
        snapshot_ttl=settings.snapshot_ttl,
        heartbeat=settings.heartbeat,
        max_age=settings.max_age,
        high_water=settings.high_water,
        stall_timeout=settings.stall_timeout,
        body_max=settings.body_max,
    )


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
