"""How gateways come and go: updates, disruptions, the sum of the grace, spread, numbers."""

from collections.abc import Iterator
from typing import Final

from broker.metrics import Metrics
from tools.k8s_check.overlay import GATEWAY, Finding, Manifest, Overlay, labels_of, pod_of
from tools.k8s_check.variables import readable

MARGIN: Final = 10.0
"""Seconds that a gateway has beyond its drain, to close what is left and exit."""
_SPREAD: Final = {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
_SLOWEST: Final = 600
"""Seconds that few connections must last before a gateway is taken away."""


def check(overlay: Overlay) -> Iterator[Finding]:
    """What would cut streams, or leave too few gateways."""
    for workload in overlay.of("Deployment"):
        yield from (overlay.finding(workload, what) for what in _update(workload))
        yield from _budget(overlay, workload)
        if overlay.has_proxy:
            yield from _spread(overlay, workload)
            if replicas_of(overlay, workload)[0] < 2:
                yield overlay.finding(workload, "may be alone: fewer than 2 replicas")
    for gateway in overlay.pods_matching(GATEWAY):
        yield from (overlay.finding(gateway, what) for what in _grace(overlay, gateway))
    for scaler in overlay.of("HorizontalPodAutoscaler"):
        yield from (overlay.finding(scaler, what) for what in _scaler(overlay, scaler))


def replicas_of(overlay: Overlay, workload: Manifest) -> tuple[int, int]:
    """How many pods there are, at least and at most."""
    for scaler in overlay.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == (workload["kind"], workload["metadata"]["name"]):
            return scaler["spec"].get("minReplicas", 1), scaler["spec"]["maxReplicas"]
    replicas = workload["spec"].get("replicas", 1)
    return replicas, replicas


def _update(workload: Manifest) -> Iterator[str]:
    spec = workload["spec"]
    rolling = spec.get("strategy", {}).get("rollingUpdate", {})
    if rolling.get("maxUnavailable") != 0 or not rolling.get("maxSurge"):
        yield "strategy: an update takes a pod away before another is there"
    if spec.get("minReadySeconds", 0) < 10:
        yield "minReadySeconds is below 10"
    grace = pod_of(workload).get("terminationGracePeriodSeconds", 30)
    if spec.get("progressDeadlineSeconds", 600) <= grace:
        yield f"progressDeadlineSeconds is not above terminationGracePeriodSeconds ({grace})"
    for container in pod_of(workload)["containers"]:
        if "sleep" not in container.get("lifecycle", {}).get("preStop", {}):
            yield f"container {container['name']}: no preStop sleep, and the image has no shell"


def _grace(overlay: Overlay, gateway: Manifest) -> Iterator[str]:
    pod = pod_of(gateway)
    settings = readable(overlay)
    if settings is None:
        return
    drain = settings.drain_seconds
    sleep = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {})
    wanted = sleep.get("seconds", 0) + drain + MARGIN
    grace = pod.get("terminationGracePeriodSeconds", 30)
    if grace < wanted:
        yield (
            f"terminationGracePeriodSeconds {grace} is below preStop {sleep.get('seconds', 0)}"
            f" + BROKER_DRAIN_SECONDS {drain:g} + {MARGIN:g} = {wanted:g}"
        )


def _budget(overlay: Overlay, workload: Manifest) -> Iterator[Finding]:
    budgets = [
        each
        for each in overlay.of("PodDisruptionBudget")
        if each["spec"]["selector"]["matchLabels"].items() <= labels_of(workload).items()
    ]
    if len(budgets) != 1:
        yield overlay.finding(workload, f"has {len(budgets)} disruption budgets, not 1")
    for budget in budgets:
        if budget["spec"].get("maxUnavailable") != 1:
            yield overlay.finding(budget, "maxUnavailable is not 1")


def _spread(overlay: Overlay, workload: Manifest) -> Iterator[Finding]:
    spread = pod_of(workload).get("topologySpreadConstraints", [])
    for key in sorted(_SPREAD - {each["topologyKey"] for each in spread}):
        yield overlay.finding(workload, f"is not spread by {key}")


def _scaler(overlay: Overlay, scaler: Manifest) -> Iterator[str]:
    spec = scaler["spec"]
    if spec.get("minReplicas", 1) < 2:
        yield "minReplicas is below 2"
    down = spec.get("behavior", {}).get("scaleDown", {})
    if down.get("stabilizationWindowSeconds", 0) < _SLOWEST:
        yield f"scaleDown.stabilizationWindowSeconds is below {_SLOWEST}"
    target = overlay.find(spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"])
    if target is not None and "replicas" in target["spec"]:
        yield "its target has a number of replicas, which each apply would set again"
    metrics = [each["pods"] for each in spec["metrics"] if each["type"] == "Pods"]
    if not metrics:
        yield "does not scale on connections"
    known = {metric.name for metric in Metrics().registry.collect()}
    for metric in metrics:
        name = metric["metric"]["name"]
        if name not in known:
            yield f"the program has no metric {name}"
        settings = readable(overlay)
        most = settings.streams_max if settings else 0
        if most and int(metric["target"]["averageValue"]) > 0.8 * most:
            yield (
                f"averageValue {metric['target']['averageValue']} is more than 80 % of"
                f" BROKER_STREAMS_MAX {most}: gateways are full before others come"
            )
