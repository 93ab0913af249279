"""The quota of a namespace holds all that may be in it, at its largest and during an update."""

from collections.abc import Iterator
from pathlib import Path

from tools.k8s_check.nats_values import chart_pod
from tools.k8s_check.overlay import Finding, Manifest, Overlay, containers_of
from tools.k8s_check.quantities import cores, memory
from tools.k8s_check.rollout import replicas_of


def check(overlay: Overlay, root: Path) -> Iterator[Finding]:
    """Quotas that are missing, or too small."""
    quotas = overlay.of("ResourceQuota")
    if len(quotas) != 1 or not overlay.of("LimitRange"):
        yield overlay.finding("ResourceQuota", "there is not one of it, with a LimitRange")
        return
    hard = quotas[0]["spec"]["hard"]
    needed = _needed(overlay, root)
    allowed = {
        "pods": float(hard["pods"]),
        "requests.cpu": cores(hard["requests.cpu"]),
        "requests.memory": memory(hard["requests.memory"]),
        "limits.memory": memory(hard["limits.memory"]),
    }
    for name, amount in needed.items():
        if amount > allowed[name]:
            yield overlay.finding(
                quotas[0],
                f"{name} {hard[name]} is less than all pods may need: {_shown(name, amount)}",
            )


def _needed(overlay: Overlay, root: Path) -> dict[str, float]:
    pods = [(_most(overlay, each), containers_of(each)) for each in overlay.workloads()]
    if overlay.find("StatefulSet", "nats") is None:
        pods.append(chart_pod(root))
    total = dict.fromkeys(("pods", "requests.cpu", "requests.memory", "limits.memory"), 0.0)
    for count, containers in pods:
        total["pods"] += count
        for container in containers:
            resources = container.get("resources", {})
            requests, limits = resources.get("requests", {}), resources.get("limits", {})
            total["requests.cpu"] += count * cores(requests.get("cpu", 0))
            total["requests.memory"] += count * memory(requests.get("memory", 0))
            total["limits.memory"] += count * memory(limits.get("memory", 0))
    return total


def _most(overlay: Overlay, workload: Manifest) -> int:
    surge = workload["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxSurge", 0)
    return replicas_of(overlay, workload)[1] + int(surge)


def _shown(name: str, amount: float) -> str:
    return f"{amount / 2**30:.1f}Gi" if name.endswith("memory") else f"{amount:g}"
