"""The gateway as HTTP: its parts (`compose.py`) behind routes, limits and addresses."""

import logging
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from aiohttp import web

from broker import __version__
from broker.dialects.said import Dialect
from broker.dialects.table import DIALECTS
from broker.errors import StreamUnavailable
from broker.gateway import keys, routes
from broker.gateway.commands.dispatch import Dispatch
from broker.gateway.commands.starting import Starting
from broker.gateway.compat.expected import Expected
from broker.gateway.compose import Parts, composed, loop_timing
from broker.gateway.configured import (
    address,
    host_and_port,
    limits_of,
    options,
    origins,
    wanted,
)
from broker.gateway.endpoints import commands
from broker.gateway.endpoints.estimates import Estimates
from broker.gateway.endpoints.pages import Pages, packaged
from broker.gateway.foreign.reader import ForeignReader
from broker.gateway.foreign.translator import Translator
from broker.gateway.http import cors
from broker.gateway.http.limits import Limits
from broker.gateway.http.origins import guard
from broker.gateway.http.waiting import Waits
from broker.gateway.lists.recent import RecentRuns
from broker.gateway.middleware import problems
from broker.gateway.process.beginning import kept_up, plainly
from broker.gateway.process.drain import Drain
from broker.gateway.process.listening import Door
from broker.gateway.process.loop_lag import sampled
from broker.gateway.process.outage import Outage
from broker.gateway.process.readiness import Readiness
from broker.gateway.runs.attempts import Attempts
from broker.logs import about
from broker.metrics import Metrics
from broker.model.bounds import Bounds
from broker.model.ids import Ulids
from broker.settings import Settings
from broker.stream.addresses import judge
from broker.stream.embedded import embedded_server
from broker.stream.foreign import ForeignMessages

log = logging.getLogger(__name__)


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

    The block is entered when the gateway serves, or has to wait for NATS; it then serves as soon as
    it can. Raises SettingsError, CannotListen, EmbeddedServerError, NatsRefused, NatsUnfit,
    TopologyMismatch and StreamRefused; with an embedded server StreamUnavailable too.
    """
    host, port = address(settings)
    admin = host_and_port(settings.admin_listen, "admin-listen") if settings.admin_listen else None
    if settings.nats_url:
        judge(settings.nats_url, "--nats-url")
    metrics, timing = metrics or Metrics(), loop_timing()
    limits = limits_of(settings, timing, metrics)
    drain = Drain(limits.streams)
    outage = Outage(timing.now)
    readiness = Readiness(drain, outage, settings.ready_grace)
    metrics.ready.set_function(lambda: readiness.why_not() is None)
    metrics.draining.set_function(lambda: drain.began)

    def application() -> web.Application:
        """With all that needs no NATS."""
        check = problems(guard(origins(settings)))
        app = web.Application(middlewares=[check], client_max_size=settings.body_max)
        app[keys.METRICS], app[keys.READY] = metrics, readiness.why_not
        app[keys.PAGES] = Pages(packaged(), framers=origins(settings))
        app.on_response_prepare.append(cors.headers_for(origins(settings)))
        app.on_response_prepare.append(drain.dismiss)
        if admin is None:
            routes.add_admin(app)
        return app

    async with AsyncExitStack() as stack:
        stack.enter_context(plainly())
        await stack.enter_async_context(sampled(metrics.loop_lag.observe))
        door = await stack.enter_async_context(
            Door.opened(host, port, flag="--listen", shares_port=shares_port)
        )
        if admin is not None:
            side_door = await stack.enter_async_context(Door.opened(*admin, flag="--admin-listen"))
            await stack.enter_async_context(side_door.showing(_admin(metrics, readiness)))
        beginning = application()
        routes.add_excuse(beginning, lambda: outage.why)
        await stack.enter_async_context(door.showing(beginning, for_now=True))
        nats_url = settings.nats_url or await stack.enter_async_context(
            embedded_server(Path(settings.data_dir), settings.nats_port)
        )

        @asynccontextmanager
        async def serving() -> AsyncIterator[None]:
            async with AsyncExitStack() as parts_stack:
                parts = await parts_stack.enter_async_context(
                    composed(nats_url, wanted(settings), timing, metrics, outage)
                )
                app = application()
                await _furnish(parts_stack, app, parts, settings, metrics, limits, drain, dialects)
                routes.add_api(app)
                readiness.stands_on(parts)
                await parts_stack.enter_async_context(door.showing(app))
                log.info(
                    "progress-broker %s at %s, NATS at %s",
                    __version__,
                    door.url,
                    _shown(nats_url),
                    extra=about("listening", version=__version__, url=door.url),
                )
                yield

        def waits(error: StreamUnavailable) -> None:
            if not settings.nats_url:  # nobody but this process can mend that server
                raise error
            outage.failed(str(error))

        await stack.enter_async_context(kept_up(serving, waits, outage.noticed))
        yield Gateway(door.url, nats_url, drain)


async def _furnish(
    stack: AsyncExitStack,
    app: web.Application,
    parts: Parts,
    settings: Settings,
    metrics: Metrics,
    limits: Limits,
    drain: Drain,
    dialects: Mapping[str, Dialect],
) -> None:
    """Give the handlers what they need."""
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
    app[keys.TIMING] = parts.timing
    app[keys.OPTIONS] = options(settings)
    app[keys.LIMITS] = limits
    parts.sockets.give = partial(commands.give, dispatch, limits)
    parts.sockets.admit = limits.opens.spend
    app[keys.BUNDLES] = parts.bundles
    app[keys.INDEX], app[keys.LIVE_LISTS] = parts.listed.runs, parts.listed.lists
    app[keys.ESTIMATES] = estimates = Estimates(parts.histories, time.time)
    parts.listed.lists.estimate = estimates.row
    app[keys.RECENT] = RecentRuns(parts.listed.runs, parts.timing.now)
    app[keys.ATTEMPTS] = Attempts(
        parts.runs,
        bounds=Bounds(steps=settings.max_steps),
        now=parts.timing.now,
        metrics=metrics,
    )
    app[keys.WAITS] = waits = await stack.enter_async_context(
        Waits.running(metrics.connections.labels("poll"))
    )
    app[keys.EXPECTED] = await stack.enter_async_context(
        Expected.running(
            parts.registry,
            parts.runs,
            parts.sockets,
            patience=settings.idle_timeout,
            timing=parts.timing,
        )
    )
    app[keys.DRAIN] = drain
    drain.holds(
        parts.registry,
        parts.logs.hubs,
        parts.sockets,
        parts.bundles,
        parts.listed.lists,
        waits,
    )


def _admin(metrics: Metrics, readiness: Readiness) -> web.Application:
    """Health and metrics of a gateway, for an address of their own."""
    admin = web.Application(middlewares=[problems(lambda request: None)])
    admin[keys.METRICS], admin[keys.READY] = metrics, readiness.why_not
    routes.add_admin(admin)
    return admin


def _shown(url: str) -> str:
    return url if "@" not in url else url.rsplit("@", 1)[1]
