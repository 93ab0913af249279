"""The variables of a gateway, as the program reads them."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from broker.errors import SettingsError
from broker.settings import Settings, described, load
from broker.stream.addresses import judge
from tools.k8s_check.overlay import GATEWAY, Finding, Manifest, Overlay, containers_of, ports_of

ENV_FILE: Final = Path("k8s/base/gateway.env")
_REFERENCE: Final = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_LINE: Final = re.compile(r"(# )?(BROKER_\w+)=(.*)")


def check(overlay: Overlay) -> Iterator[Finding]:
    """Variables that the program does not know, values that it refuses, and what must agree."""
    gateways = overlay.pods_matching(GATEWAY)
    if len(gateways) != 1:
        yield overlay.finding("Deployment", f"there are {len(gateways)} of gateways, not 1")
        return
    gateway = gateways[0]
    container = containers_of(gateway)[0]
    yield from (overlay.finding(gateway, what) for what in unresolved(container))
    try:
        settings = settings_of(overlay)
        judge(settings.nats_url, "BROKER_NATS_URL")
    except SettingsError as error:
        yield overlay.finding(gateway, str(error))
        return
    yield from (overlay.finding(gateway, what) for what in _disagreements(gateway, settings))
    if overlay.has_proxy and not settings.trusted_proxies:
        yield overlay.finding(
            gateway, "BROKER_TRUSTED_PROXIES is empty: all clients of the proxy count as one"
        )


def check_file(root: Path) -> Iterator[Finding]:
    """Every setting stands in the file, set or with its default, and nothing else does."""
    text = (root / ENV_FILE).read_text()
    lines = [found for line in text.splitlines() if (found := _LINE.fullmatch(line))]
    known = {setting.variable: setting.default for setting in described()}
    told = {line[2] for line in lines}
    for line in lines:
        if line[2] not in known:
            yield Finding(str(ENV_FILE), f"unknown variable {line[2]}")
        elif line[1] and _shown(known[line[2]]) != line[3]:
            yield Finding(
                str(ENV_FILE),
                f"the default of {line[2]} is {_shown(known[line[2]])}, not {line[3]}",
            )
    for variable in known:
        if variable not in told and variable != "BROKER_NATS_URL":
            yield Finding(str(ENV_FILE), f"the setting {variable} of the program is missing")


def settings_of(overlay: Overlay) -> Settings:
    """The settings with which a gateway starts. Raises SettingsError."""
    (gateway,) = overlay.pods_matching(GATEWAY)
    return load({}, environment_of(overlay, containers_of(gateway)[0]))


def readable(overlay: Overlay) -> Settings | None:
    """As `settings_of`; None where the check of variables says what is wrong with them."""
    try:
        return settings_of(overlay)
    except (SettingsError, ValueError):
        return None


def environment_of(overlay: Overlay, container: Manifest) -> dict[str, str]:
    """The variables of a container, as Kubernetes fills them in; a secret is `secret`."""
    environment: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found = overlay.find("ConfigMap", source["configMapRef"]["name"])
        environment |= found["data"] if found else {}
    for each in container.get("env", []):
        value = each.get("value", "secret")
        environment[each["name"]] = _REFERENCE.sub(
            lambda match: environment.get(match[1], match[0]), value
        )
    return environment


def unresolved(container: Manifest) -> Iterator[str]:
    """`$(NAME)` stays as it is where NAME comes later in the list, or nowhere."""
    before: set[str] = set()
    for each in container.get("env", []):
        for name in _REFERENCE.findall(each.get("value", "")):
            if name not in before:
                yield f"{each['name']} names $({name}), which does not stand before it"
        before.add(each["name"])


def _disagreements(gateway: Manifest, settings: Settings) -> Iterator[str]:
    ports = ports_of(gateway)
    for name, variable, address in (
        ("http", "BROKER_LISTEN", settings.listen),
        ("admin", "BROKER_ADMIN_LISTEN", settings.admin_listen),
    ):
        host, _, port = address.rpartition(":")
        if port != str(ports.get(name)):
            yield f"{variable}={address!r} is not the port {name} ({ports.get(name)})"
        if host not in ("0.0.0.0", "[::]"):
            yield f"{variable}={address!r} is not reached from other pods"
    if settings.workers != 1:
        yield "BROKER_WORKERS is not 1: only the first has the admin port that is scraped"
    if not settings.insecure:
        yield "BROKER_INSECURE is not true: the gateway refuses to listen beyond loopback"
    urls = [urlsplit(url) for url in settings.nats_url.split(",")]
    if not all(url.hostname and url.port and url.username and url.password for url in urls):
        yield "BROKER_NATS_URL does not have user, password, host and port of each server"
    if len(urls) != settings.replicas:
        yield f"BROKER_REPLICAS is {settings.replicas}, but NATS has {len(urls)} servers"
    for network in filter(None, settings.trusted_proxies.split(",")):
        try:
            ipaddress.ip_network(network.strip())
        except ValueError as error:
            yield f"BROKER_TRUSTED_PROXIES: {error}"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def unknown_names(texts: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that stand in a text, and that the program does not know."""
    known = {setting.variable for setting in described()}
    for where, text in texts.items():
        for name in dict.fromkeys(re.findall(r"\bBROKER_[A-Z_]+[A-Z]\b", text)):
            if name not in known:
                yield Finding(where, f"unknown variable {name}")
