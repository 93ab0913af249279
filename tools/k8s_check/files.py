"""deploy/ agrees with k8s/: the image, its ports and user, the variables, what proxies wait."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from broker.errors import SettingsError
from broker.gateway.http.waiting import LONGEST
from broker.settings import Settings, load
from tools.k8s_check.overlay import GATEWAY, Finding, Overlay, pod_of, ports_of
from tools.k8s_check.variables import readable, unknown_names

_DOCKERFILE: Final = Path("deploy/Dockerfile")
_COMPOSE: Final = Path("deploy/compose.yaml")
_DASHBOARDS: Final = Path("k8s/components/monitoring/dashboards")
_TEXTS: Final = ("deploy/**/*", "k8s/**/*", "docs/*.md", "README.md")
_PROXY_TIMES: Final = re.compile(
    r"\b(proxy_(?:read|send)_timeout|timeout (?:client|server|tunnel)|read_timeout|write_timeout"
    r"|idle_timeout)\s+(\d+)s"
)
_ELSEWHERE: Final = {"Envoy's stream_idle_timeout": 300.0, "Cloudflare's Proxy Read Timeout": 120.0}
"""Seconds of silence after which others on the way cut a stream, as they come."""
_SECRETS: Final = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a token", re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.")),
    ("a password in a URL", re.compile(r"://[\w.-]+:(?![$<*{%\]])[^\s@/:$<{]+@")),
    (
        "a secret's value",
        re.compile(
            r"(?i)\b\w*(?:password|secret|token|api_?key)\s*[:=]\s*['\"]?(?![$<{'\"\s])"
            r"[A-Za-z0-9+/_-]{16,}['\"]?\s*$",
            re.MULTILINE,
        ),
    ),
)


def check(root: Path) -> Iterator[Finding]:
    """Variables that nobody knows, secrets in files, and a compose.yaml that would not start."""
    texts = _texts(root)
    yield from unknown_names(texts)
    for where, text in texts.items():
        for what, pattern in _SECRETS:
            for found in pattern.finditer(text):
                line = text.count("\n", 0, found.start()) + 1
                yield Finding(f"{where}:{line}", f"looks like {what}: name a Secret instead")
    for name, theirs in _composed(root).items():
        if isinstance(theirs, SettingsError):
            yield Finding(f"{_COMPOSE}: {name}", str(theirs))
    for where, waits in proxy_times(root).items():
        if waits <= LONGEST:
            yield Finding(
                where, f"{waits:g} s is not above the longest poll (`?wait=`, {LONGEST:g} s)"
            )


def check_overlay(overlay: Overlay, root: Path) -> Iterator[Finding]:
    """A gateway here is the image's, and as patient as every proxy."""
    text = (root / _DOCKERFILE).read_text()
    (user,) = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE) or [("", "")]
    (exposed,) = re.findall(r"^EXPOSE ([\d ]+)$", text, re.MULTILINE) or [""]
    for gateway in overlay.pods_matching(GATEWAY):
        context = pod_of(gateway).get("securityContext", {})
        if user != (str(context.get("runAsUser")), str(context.get("runAsGroup"))):
            yield overlay.finding(gateway, f"does not run as the image's user {':'.join(user)}")
        ports = {str(port) for port in ports_of(gateway).values()}
        if ports != set(exposed.split()):
            yield overlay.finding(
                gateway, f"its ports {' '.join(sorted(ports))} are not the image's {exposed}"
            )
    dashboards = overlay.find("ConfigMap", "progress-broker-dashboards")
    if dashboards is not None:
        for file in sorted((root / _DASHBOARDS).glob("*.json")):
            if file.name not in dashboards["data"]:
                yield overlay.finding(dashboards, f"{_DASHBOARDS}/{file.name} is not in it")
    settings = readable(overlay)
    if settings is None:
        return
    for where, waits in {**proxy_times(root), **_ELSEWHERE}.items():
        if waits < 2 * settings.heartbeat:
            yield overlay.finding(
                "ConfigMap",
                f"BROKER_HEARTBEAT {settings.heartbeat:g} is over half of {where} ({waits:g} s)",
            )
    for name, theirs in _composed(root).items():
        if isinstance(theirs, SettingsError):
            continue
        for field in ("listen", "admin_listen"):
            if getattr(theirs, field) != getattr(settings, field):
                yield overlay.finding(
                    "ConfigMap",
                    f"{field} is {getattr(settings, field)}, but not of {name} in {_COMPOSE}",
                )


def proxy_times(root: Path) -> dict[str, float]:
    """How long the proxies of deploy/proxy wait for the next byte, in seconds."""
    times: dict[str, float] = {}
    for file in sorted((root / "deploy" / "proxy").iterdir()):
        for name, value in _PROXY_TIMES.findall(file.read_text()):
            key = f"{name} of deploy/proxy/{file.name}"
            times[key] = min(float(value), times.get(key, float(value)))
    return times


def _composed(root: Path) -> dict[str, Settings | SettingsError]:
    """The settings of the gateways of compose.yaml, or why these do not start."""
    services = yaml.safe_load((root / _COMPOSE).read_text())["services"]
    found: dict[str, Settings | SettingsError] = {}
    for name, service in services.items():
        if name.startswith("gateway"):
            try:
                found[name] = load({}, service["environment"])
            except SettingsError as error:
                found[name] = error
    return found


def _texts(root: Path) -> dict[str, str]:
    return {
        str(file.relative_to(root)): file.read_text()
        for pattern in _TEXTS
        for file in sorted(root.glob(pattern))
        if file.is_file() and file.suffix not in (".json", ".png", ".svg")
    }
