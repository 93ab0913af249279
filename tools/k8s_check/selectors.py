"""Whoever selects pods gets those that are meant, and ports are found by their names."""

from collections.abc import Iterator, Mapping
from typing import Any

from tools.k8s_check.overlay import Finding, Manifest, Overlay, labels_of, pod_of, ports_of


def check(overlay: Overlay) -> Iterator[Finding]:
    """Selectors without pods or with two kinds of them, and ports that are nowhere."""
    for workload in overlay.workloads():
        yield from _own(overlay, workload)
    for service in overlay.of("Service"):
        yield from _service(overlay, service)
    for budget in overlay.of("PodDisruptionBudget"):
        yield from _selected(overlay, budget, budget["spec"]["selector"]["matchLabels"], ())
    for monitor in overlay.of("PodMonitor"):
        ports = [each["port"] for each in monitor["spec"]["podMetricsEndpoints"]]
        labels = monitor["spec"]["selector"]["matchLabels"]
        yield from _selected(overlay, monitor, labels, ports)
    for policy in overlay.of("NetworkPolicy"):
        yield from _policy(overlay, policy)
    for scaler in overlay.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        if overlay.find(target["kind"], target["name"]) is None:
            yield overlay.finding(scaler, f"there is no {target['kind']}/{target['name']} to scale")


def _own(overlay: Overlay, workload: Manifest) -> Iterator[Finding]:
    """A workload selects its own pods, and spreads these."""
    labels = labels_of(workload)
    selectors = [
        ("selector", workload["spec"]["selector"]["matchLabels"]),
        *(
            (f"spread by {spread['topologyKey']}", spread["labelSelector"]["matchLabels"])
            for spread in pod_of(workload).get("topologySpreadConstraints", [])
        ),
    ]
    for what, selector in selectors:
        if not selector.items() <= labels.items():
            yield overlay.finding(
                workload, f"{what}: its own pods are not labelled {_shown(selector)}"
            )


def _service(overlay: Overlay, service: Manifest) -> Iterator[Finding]:
    spec = service["spec"]
    targets = [port.get("targetPort") for port in spec["ports"]]
    for target in targets:
        if not isinstance(target, str):
            yield overlay.finding(service, f"targetPort {target!r} is not the name of a port")
    names = [target for target in targets if isinstance(target, str)]
    yield from _selected(overlay, service, spec["selector"], names)


def _policy(overlay: Overlay, policy: Manifest) -> Iterator[Finding]:
    spec = policy["spec"]
    own = spec["podSelector"].get("matchLabels", {})
    if own:
        yield from _selected(overlay, policy, own, ())
    for side, rules in (("from", spec.get("ingress", [])), ("to", spec.get("egress", []))):
        for rule in rules:
            peers = [
                peer["podSelector"]["matchLabels"]
                for peer in rule.get(side, [])
                if "podSelector" in peer and "namespaceSelector" not in peer
            ]
            for labels in peers:
                yield from _selected(overlay, policy, labels, ())
            if "ports" not in rule:
                yield overlay.finding(policy, f"a rule names no ports: all are open {side} there")
            wanted = [port["port"] for port in rule.get("ports", [])]
            for labels in [own] if side == "from" else peers:
                yield from _selected(overlay, policy, labels, wanted)


def _selected(
    overlay: Overlay, by: Manifest, labels: Mapping[str, str], ports: Any
) -> Iterator[Finding]:
    """Exactly one kind of pod has the labels, and it has the ports."""
    found = overlay.pods_matching(labels)
    if len(found) != 1:
        what = " and ".join(each["metadata"]["name"] for each in found) or "no pod"
        yield overlay.finding(by, f"selects {what} by {_shown(labels)}")
        return
    there = ports_of(found[0])
    for port in ports:
        if port not in there and port not in there.values():
            name = found[0]["metadata"]["name"]
            known = ", ".join(f"{key} ({number})" for key, number in there.items())
            yield overlay.finding(by, f"port {port!r} is none of {name}: {known}")


def _shown(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())
