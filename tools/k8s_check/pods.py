"""Every pod keeps to the restricted standard, says what it needs, and is pinned."""

import re
from collections.abc import Iterator
from typing import Final

from tools.k8s_check.overlay import Finding, Manifest, Overlay, containers_of, pod_of
from tools.k8s_check.quantities import go_memory, memory

PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")
_DIGEST: Final = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
_TAGGED: Final = re.compile(r"[^@\s]+:(?!latest$)[\w][\w.-]*")
_VOLUMES: Final = ("configMap", "secret", "emptyDir", "projected")


def check(overlay: Overlay) -> Iterator[Finding]:
    """What is wrong with the pods of an overlay."""
    if not overlay.of("Namespace"):
        yield overlay.finding("Namespace", "there is none")
    for namespace in overlay.of("Namespace"):
        labels = namespace["metadata"].get("labels", {})
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            yield overlay.finding(
                namespace, "does not enforce the restricted pod security standard"
            )
    for workload in overlay.workloads():
        yield from (overlay.finding(workload, what) for what in _pod(workload))
        for container in containers_of(workload):
            at = f"container {container['name']}"
            found = [*_security(container), *_resources(container), *_image(overlay, container)]
            yield from (overlay.finding(workload, f"{at}: {what}") for what in found)
        for container in pod_of(workload)["containers"]:
            at = f"container {container['name']}"
            yield from (overlay.finding(workload, f"{at}: {what}") for what in _probes(container))


def _pod(workload: Manifest) -> Iterator[str]:
    pod = pod_of(workload)
    for field in ("automountServiceAccountToken", "enableServiceLinks"):
        if pod.get(field) is not False:
            yield f"{field} is not false"
    for field in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        if pod.get(field):
            yield f"{field} is set"
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True:
        yield "securityContext.runAsNonRoot is not true"
    if not isinstance(context.get("runAsUser"), int) or context["runAsUser"] == 0:
        yield "securityContext.runAsUser is no number above 0"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "securityContext.seccompProfile is not RuntimeDefault"
    for volume in pod.get("volumes", []):
        if not any(kind in volume for kind in _VOLUMES):
            yield f"volume {volume['name']} is none of {', '.join(_VOLUMES)}"
        if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
            yield f"volume {volume['name']} has no sizeLimit"


def _security(container: Manifest) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem is not true"
    if context.get("capabilities", {}).get("drop") != ["ALL"] or context["capabilities"].get("add"):
        yield "capabilities are not all dropped"
    if context.get("privileged"):
        yield "is privileged"
    for port in container.get("ports", []):
        if "name" not in port:
            yield f"port {port['containerPort']} has no name"
        if "hostPort" in port:
            yield f"port {port['containerPort']} is a port of the host"


def _resources(container: Manifest) -> Iterator[str]:
    resources = container.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for name, given in (("cpu", requests), ("memory", requests), ("memory", limits)):
        if name not in given:
            yield f"resources: no {'request' if given is requests else 'limit'} of {name}"
    yield from go_limit(container.get("env", []), limits)


def go_limit(env: list[Manifest], limits: Manifest) -> Iterator[str]:
    """A Go program told to use more than 85 % of the memory it has is killed for it."""
    told = next((each["value"] for each in env if each["name"] == "GOMEMLIMIT"), None)
    if told is not None and go_memory(told) > 0.85 * memory(limits.get("memory", "0")):
        yield f"GOMEMLIMIT {told} is more than 85 % of the memory {limits.get('memory')}"


def _image(overlay: Overlay, container: Manifest) -> Iterator[str]:
    image = container["image"]
    if overlay.has_proxy and not _DIGEST.fullmatch(image):
        yield f"image {image} is not pinned by a digest"
    elif not (_DIGEST.fullmatch(image) or _TAGGED.fullmatch(image)):
        yield f"image {image} has no tag, or `latest`"


def _probes(container: Manifest) -> Iterator[str]:
    ports = {port.get("name") for port in container.get("ports", [])}
    asked = {}
    for name in PROBES:
        probe = container.get(name, {}).get("httpGet")
        if probe is None:
            yield f"no {name} by HTTP"
            continue
        asked[name] = probe["path"]
        if probe["port"] not in ports:
            yield f"{name}: port {probe['port']!r} is none of {', '.join(sorted(map(str, ports)))}"
    if asked.get("livenessProbe") == asked.get("readinessProbe"):
        yield f"livenessProbe and readinessProbe both ask {asked.get('readinessProbe')}"
