"""What the settings mean to each part of a gateway."""

import ipaddress

from broker.errors import SettingsError
from broker.gateway import keys
from broker.gateway.compose import Wanted
from broker.gateway.http import cors
from broker.gateway.http.limits import Limits, Rate
from broker.gateway.lists.live_lists import ListLimits
from broker.gateway.many.bundles import BundleLimits
from broker.gateway.sockets.sockets import SocketLimits
from broker.hub.limits import RegistryLimits
from broker.hub.ports import Timing
from broker.hub.run_hub import HubLimits
from broker.metrics import Metrics
from broker.model.bounds import Bounds
from broker.runs.projector import ProjectorLimits
from broker.settings import Settings
from broker.stream.topology import StreamSettings


def host_and_port(text: str, name: str) -> tuple[str, int]:
    """The two parts of a setting of that name. Raises SettingsError."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
    if not host or not 0 <= number <= 65_535:
        raise SettingsError(f"--{name}={text!r} is not of the form HOST:PORT")
    return host, number


def address(settings: Settings) -> tuple[str, int]:
    """Host and port to listen on; beyond loopback only on request. Raises SettingsError."""
    host, port = host_and_port(settings.listen, "listen")
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


def wanted(settings: Settings) -> Wanted:
    """How the parts that need NATS are to be."""
    return Wanted(
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
        allowed_origins=origins(settings),
    )


def _list_limits(settings: Settings) -> ListLimits:
    return ListLimits(
        ttl=settings.hub_ttl,
        heartbeat=settings.heartbeat,
        idle_timeout=settings.idle_timeout,
        stall_timeout=settings.stall_timeout,
    )


def options(settings: Settings) -> keys.Options:
    """What the handlers go by."""
    return keys.Options(
        snapshot_ttl=settings.snapshot_ttl,
        heartbeat=settings.heartbeat,
        max_age=settings.max_age,
        high_water=settings.high_water,
        stall_timeout=settings.stall_timeout,
        body_max=settings.body_max,
        max_steps=settings.max_steps,
        fixed_headers=cors.fixed(origins(settings)),
    )


def limits_of(settings: Settings, timing: Timing, metrics: Metrics) -> Limits:
    """What clients may, and the gateway as a whole. Raises SettingsError."""
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


def origins(settings: Settings) -> frozenset[str]:
    """Origins of the pages that may read from here, beside the gateway's own."""
    return frozenset(filter(None, map(str.strip, settings.allowed_origins.split(","))))
