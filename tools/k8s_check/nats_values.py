"""NATS by its official chart, and the copy for trying things on: both agree with deploy/nats/."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from tools.k8s_check.nats_config import parse
from tools.k8s_check.overlay import Finding, Manifest, walk
from tools.k8s_check.pods import go_limit
from tools.k8s_check.quantities import seconds

VALUES: Final = Path("k8s/components/nats/values.yaml")
COPY: Final = Path("k8s/components/nats-dev/users.conf")
USERS: Final = Path("deploy/nats/users.conf")
SERVER: Final = Path("deploy/nats/server.conf")

_SHARED: Final = (
    "max_payload",
    "max_connections",
    "write_deadline",
    "lame_duck_grace_period",
    "lame_duck_duration",
)
_SHARED_JETSTREAM: Final = ("sync_interval", "max_outstanding_catchup")
_CONTAINERS: Final = ("container", "reloader", "promExporter")
_STOPPING: Final = 20.0
"""Seconds that a server has beyond lame duck, as the chart counts them."""


def check(root: Path) -> Iterator[Finding]:
    """Users, limits and security that are not those of deploy/nats/, or none."""
    if (root / COPY).read_text() != (root / USERS).read_text():
        yield Finding(str(COPY), f"is not {USERS}: copy that")
    values = load(root)
    what = [
        *_users(values, parse((root / USERS).read_text())),
        *_limits(values, parse((root / SERVER).read_text())),
        *_cluster(values),
        *_security(values),
        *_environment(values),
    ]
    yield from (Finding(str(VALUES), each) for each in what)


def load(root: Path) -> Manifest:
    """The values of the chart."""
    values: Manifest = yaml.safe_load((root / VALUES).read_text())
    return values


def chart_pod(root: Path) -> tuple[int, list[Manifest]]:
    """How many pods the chart makes, and their containers."""
    values = load(root)
    containers = [
        values[name]["merge"] for name in _CONTAINERS if values[name].get("enabled", True)
    ]
    return values["config"]["cluster"]["replicas"], containers


def plain(value: Any) -> Any:
    """A value as the server reads it: the chart takes `<< >>` off."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return re.sub(r"^<< (.*) >>$", r"\1", str(value))


def _users(values: Manifest, wanted: Manifest) -> Iterator[str]:
    merged = values["config"]["merge"]
    found = dict(walk(plain(merged.get("accounts", {}))))
    for path, value in walk(wanted["accounts"]):
        if not isinstance(value, dict | list) and found.get(path) != value:
            yield f"accounts.{path} is {found.get(path)}, but {value} in {USERS}"
    known = dict(walk(wanted["accounts"]))
    for path in found:
        if path not in known:
            yield f"accounts.{path} ({found[path]}) is not in {USERS}"
    if merged.get("system_account") != wanted["system_account"]:
        yield f"system_account is not that of {USERS}"


def _limits(values: Manifest, wanted: Manifest) -> Iterator[str]:
    told = plain(values["config"]["merge"])
    for name in _SHARED:
        if told.get(name) != wanted.get(name):
            yield f"{name} is {told.get(name)}, but {wanted.get(name)} in {SERVER}"
    told = plain(values["config"]["jetstream"]["merge"])
    for name in _SHARED_JETSTREAM:
        if told.get(name) != wanted["jetstream"].get(name):
            yield f"{name} is {told.get(name)}, but {wanted['jetstream'].get(name)} in {SERVER}"


def _cluster(values: Manifest) -> Iterator[str]:
    config = values["config"]
    if not config["cluster"]["enabled"] or config["cluster"]["replicas"] != 3:
        yield "config.cluster is not three servers"
    for name in ("nats", "cluster"):
        if not config[name].get("tls", {}).get("enabled"):
            yield f"config.{name} is without TLS"
    spread = values["podTemplate"].get("topologySpreadConstraints", {})
    for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname"):
        if spread.get(key, {}).get("whenUnsatisfiable") != "DoNotSchedule":
            yield f"podTemplate does not keep servers apart by {key}"
    merged = config["merge"]
    lame = seconds(merged["lame_duck_grace_period"]) + seconds(merged["lame_duck_duration"])
    grace = values["podTemplate"]["merge"]["spec"]["terminationGracePeriodSeconds"]
    if grace < lame + _STOPPING:
        yield f"terminationGracePeriodSeconds {grace} is below lame duck {lame:g} + {_STOPPING:g}"


def _security(values: Manifest) -> Iterator[str]:
    if values["natsBox"]["enabled"]:
        yield "natsBox is enabled: it is outside the restricted standard"
    pod = values["podTemplate"]["merge"]["spec"]
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "podTemplate.merge: securityContext is not runAsNonRoot with a number"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "podTemplate.merge: seccompProfile is not RuntimeDefault"
    if pod.get("automountServiceAccountToken") is not False:
        yield "podTemplate.merge: automountServiceAccountToken is not false"
    for name in _CONTAINERS:
        merged = values[name].get("merge", {})
        own = merged.get("securityContext", {})
        if (
            own.get("allowPrivilegeEscalation") is not False
            or own.get("readOnlyRootFilesystem") is not True
            or own.get("capabilities") != {"drop": ["ALL"]}
        ):
            yield f"{name}.merge: securityContext is not that of the restricted standard"
        resources = merged.get("resources", {})
        if not resources.get("requests") or resources["requests"] != resources.get("limits"):
            yield f"{name}.merge: requests are not the limits, so the pod is not Guaranteed"
        tag = values[name]["image"].get("tag", "latest")
        if not re.match(r"\d+\.\d+\.\d+", tag):
            yield f"{name}.image.tag {tag} is no version"
    if "@sha256:" not in values["container"]["image"]["tag"]:
        yield "container.image.tag has no digest"


def _environment(values: Manifest) -> Iterator[str]:
    environment = values["container"]["env"]
    limits = values["container"]["merge"]["resources"]["limits"]
    if "GOMEMLIMIT" not in environment:
        yield "container.env has no GOMEMLIMIT"
    yield from go_limit(
        [{"name": "GOMEMLIMIT", "value": environment.get("GOMEMLIMIT", "0B")}], limits
    )
    asked = {
        str(value) for _, value in walk(plain(values["config"]["merge"])) if "$NATS_" in str(value)
    }
    asked = set(re.findall(r"\$(NATS_\w+_PASSWORD)", " ".join(asked)))
    for name in sorted(asked):
        bare = name.replace("NATS_", "BARE_", 1)
        if environment.get(name) != f'"$({bare})"':
            yield f"container.env.{name} is not $({bare}) in quotes"
        if "secretKeyRef" not in environment.get(bare, {}).get("valueFrom", {}):
            yield f"container.env.{bare} is not from a Secret"
