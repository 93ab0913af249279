"""The way in: routes, certificates, and the proxy that asks who is there."""

import re
import time
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, cast
from urllib.parse import urlsplit

from aiohttp import web

from broker.gateway.http.waiting import LONGEST
from broker.gateway.keys import INDEX, SOCKETS
from broker.gateway.routes import add_admin, add_api, add_pages
from broker.gateway.sockets.sockets import Sockets
from broker.metrics import Metrics
from broker.runs.index import Index
from tools.k8s_check.overlay import GATEWAY, Finding, Manifest, Overlay, containers_of
from tools.k8s_check.quantities import seconds
from tools.k8s_check.variables import environment_of, readable

PROXY: Final = "oauth2-proxy"
_KNOWN: Final = frozenset(
    {
        "OAUTH2_PROXY_API_ROUTES",
        "OAUTH2_PROXY_CLIENT_ID",
        "OAUTH2_PROXY_CLIENT_SECRET",
        "OAUTH2_PROXY_CODE_CHALLENGE_METHOD",
        "OAUTH2_PROXY_COOKIE_EXPIRE",
        "OAUTH2_PROXY_COOKIE_HTTPONLY",
        "OAUTH2_PROXY_COOKIE_NAME",
        "OAUTH2_PROXY_COOKIE_REFRESH",
        "OAUTH2_PROXY_COOKIE_SAMESITE",
        "OAUTH2_PROXY_COOKIE_SECRET",
        "OAUTH2_PROXY_COOKIE_SECURE",
        "OAUTH2_PROXY_EMAIL_DOMAINS",
        "OAUTH2_PROXY_HTTP_ADDRESS",
        "OAUTH2_PROXY_OIDC_ISSUER_URL",
        "OAUTH2_PROXY_PASS_BASIC_AUTH",
        "OAUTH2_PROXY_PROVIDER",
        "OAUTH2_PROXY_REDIRECT_URL",
        "OAUTH2_PROXY_REQUEST_LOGGING",
        "OAUTH2_PROXY_REVERSE_PROXY",
        "OAUTH2_PROXY_SILENCE_PING_LOGGING",
        "OAUTH2_PROXY_SKIP_JWT_BEARER_TOKENS",
        "OAUTH2_PROXY_SKIP_PROVIDER_BUTTON",
        "OAUTH2_PROXY_TRUSTED_PROXY_IPS",
        "OAUTH2_PROXY_UPSTREAMS",
        "OAUTH2_PROXY_UPSTREAM_TIMEOUT",
    }
)
"""Options of oauth2-proxy that are used; another is a slip, or to be added here."""
_MUST: Final = {
    "OAUTH2_PROXY_REVERSE_PROXY": "true",
    "OAUTH2_PROXY_COOKIE_SECURE": "true",
    "OAUTH2_PROXY_COOKIE_HTTPONLY": "true",
}


def admin_paths() -> set[str]:
    """What a gateway answers on its admin port."""
    app = web.Application()
    add_admin(app)
    return {route.canonical for route in app.router.resources()}


@cache
def _client_paths() -> tuple[frozenset[str], frozenset[str]]:
    """What a gateway answers on its public port: to programs, and pages to people."""
    everything, pages = web.Application(), web.Application()
    everything[INDEX] = Index(most=1, now=time.time, metrics=Metrics())
    everything[SOCKETS] = cast(Sockets, None)  # routes are added, and nobody asks
    add_api(everything)
    add_pages(pages)
    shown = _paths(pages)
    return _paths(everything) - shown, shown


def _paths(app: web.Application) -> frozenset[str]:
    return frozenset(
        re.sub(r"\{\w+\}", "x", route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "OPTIONS"
    )


def check(overlay: Overlay) -> Iterator[Finding]:
    """Routes that end nowhere or too early, names that do not agree, and a proxy ill set."""
    hosts = _listeners(overlay)
    for route in overlay.of("HTTPRoute"):
        yield from (overlay.finding(route, what) for what in _route(overlay, route, hosts))
    for gateway in overlay.of("Gateway"):
        yield from (overlay.finding(gateway, what) for what in _certificates(overlay, gateway))
    if overlay.has_proxy:
        yield from _proxy(overlay, {host for names in hosts.values() for host in names})
    yield from _nats_names(overlay)
    yield from _admin(overlay)


def _listeners(overlay: Overlay) -> dict[tuple[str, str], set[str]]:
    """The host of each listener, by gateway and listener."""
    return {
        (each["metadata"]["name"], listener["name"]): {listener["hostname"]}
        for each in overlay.of("Gateway")
        for listener in each["spec"]["listeners"]
    }


def _route(
    overlay: Overlay, route: Manifest, hosts: dict[tuple[str, str], set[str]]
) -> Iterator[str]:
    spec = route["spec"]
    for parent in spec["parentRefs"]:
        there = hosts.get((parent["name"], parent["sectionName"]))
        if there is None:
            yield f"there is no listener {parent['sectionName']} of Gateway {parent['name']}"
        elif not set(spec["hostnames"]) <= there:
            yield f"its host {', '.join(spec['hostnames'])} is not the listener's"
    policies = {
        each["spec"]["targetRef"]["name"]: each["spec"]["default"]["timeoutSec"]
        for each in overlay.of("GCPBackendPolicy")
    }
    for rule in spec["rules"]:
        for backend in rule.get("backendRefs", []):
            service = overlay.find("Service", backend["name"])
            ports = [port["port"] for port in service["spec"]["ports"]] if service else []
            if backend["port"] not in ports:
                yield f"there is no port {backend['port']} of Service {backend['name']}"
            if backend["name"] != PROXY:
                yield f"leads to {backend['name']}, past {PROXY}"
            told = rule.get("timeouts", {}).get("request")
            if policies:
                if told is not None:
                    yield "has a request timeout, which GKE refuses"
                settings = readable(overlay)
                if settings and policies.get(backend["name"], 0) < settings.max_age:
                    yield "its GCPBackendPolicy ends streams before BROKER_MAX_AGE"
            elif told is None or seconds(told) != 0:
                yield f"request timeout {told}: streams are cut by it; `0s` is none"


def _certificates(overlay: Overlay, gateway: Manifest) -> Iterator[str]:
    names = {
        each["spec"]["secretName"]: each["spec"].get("dnsNames", [])
        for each in overlay.of("Certificate")
    }
    for listener in gateway["spec"]["listeners"]:
        for reference in listener.get("tls", {}).get("certificateRefs", []):
            if listener["hostname"] not in names.get(reference["name"], []):
                yield f"no Certificate makes {reference['name']} for {listener['hostname']}"


def _proxy(overlay: Overlay, hosts: set[str]) -> Iterator[Finding]:
    proxy = overlay.find("Deployment", PROXY)
    if proxy is None:
        yield overlay.finding("Deployment", f"there is no {PROXY}: nobody asks who is there")
        return
    environment = environment_of(overlay, containers_of(proxy)[0])
    yield from (overlay.finding(proxy, what) for what in _options(overlay, environment, hosts))


def _options(overlay: Overlay, told: dict[str, str], hosts: set[str]) -> Iterator[str]:
    for name in told:
        if name not in _KNOWN:
            yield f"unknown variable {name}"
    for name, value in _MUST.items():
        if told.get(name) != value:
            yield f"{name} is not {value}"
    redirect = urlsplit(told.get("OAUTH2_PROXY_REDIRECT_URL", ""))
    if redirect.scheme != "https" or redirect.hostname not in hosts:
        yield f"OAUTH2_PROXY_REDIRECT_URL is not at https://{', '.join(sorted(hosts))}"
    upstream = urlsplit(told.get("OAUTH2_PROXY_UPSTREAMS", ""))
    service = overlay.find("Service", upstream.hostname or "")
    if service is None or upstream.port not in [p["port"] for p in service["spec"]["ports"]]:
        yield "OAUTH2_PROXY_UPSTREAMS is no Service and port"
    answered = re.compile("|".join(told.get("OAUTH2_PROXY_API_ROUTES", "$^").split(",")))
    programs, pages = _client_paths()
    for path in sorted(programs):
        if not answered.search(path):
            yield f"OAUTH2_PROXY_API_ROUTES: programs that ask {path} are sent to the login page"
    for path in sorted(pages):
        if answered.search(path):
            yield f"OAUTH2_PROXY_API_ROUTES: who opens {path} is not sent to the login page"
    if seconds(told.get("OAUTH2_PROXY_UPSTREAM_TIMEOUT", "30s")) <= LONGEST:
        yield f"OAUTH2_PROXY_UPSTREAM_TIMEOUT is not above the longest poll ({LONGEST:g} s)"


def _nats_names(overlay: Overlay) -> Iterator[Finding]:
    """By TLS, a server is called by a name that its certificate has."""
    settings = readable(overlay)
    if settings is None:
        return
    urls = [urlsplit(url) for url in settings.nats_url.split(",")]
    names: list[Any] = [
        name
        for each in overlay.of("Certificate")
        if each["spec"]["secretName"] == "nats-tls"
        for name in each["spec"]["dnsNames"]
    ]
    called = {url.hostname for url in urls if url.scheme == "tls"}
    for name in sorted(map(str, called | ({"localhost"} if called else set()))):
        if name not in names:
            yield overlay.finding("Certificate/nats-tls", f"does not name {name}")
    if overlay.has_proxy and any(url.scheme != "tls" for url in urls):
        yield overlay.finding("Deployment/progress-broker", "speaks to NATS without TLS")


def _admin(overlay: Overlay) -> Iterator[Finding]:
    """Probes and monitors ask the admin port what it answers."""
    known = admin_paths()
    for gateway in overlay.pods_matching(GATEWAY):
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = containers_of(gateway)[0].get(name, {}).get("httpGet", {})
            if probe.get("port") != "admin" or probe.get("path") not in known:
                yield overlay.finding(
                    gateway,
                    f"{name} asks {probe.get('path')} of port {probe.get('port')}; the admin port"
                    f" answers {', '.join(sorted(known))}",
                )
    for monitor in overlay.of("PodMonitor"):
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            if endpoint["port"] != "admin" or endpoint["path"] not in known:
                yield overlay.finding(monitor, f"asks {endpoint['path']} of {endpoint['port']}")
