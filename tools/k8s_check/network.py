"""Nothing is open but what must be."""

from collections.abc import Iterator
from typing import Any, Final

from tools.k8s_check.overlay import (
    GATEWAY,
    Finding,
    Manifest,
    Overlay,
    labels_of,
    named,
    ports_of,
)

_MONITORING: Final = {"kubernetes.io/metadata.name": "monitoring"}
_PROXY: Final = "oauth2-proxy"
_NAME_SERVERS: Final = {"kube-dns", "node-local-dns"}
"""The latter where nodes have a cache of names, as on GKE: without it nothing finds NATS."""
_UNUSED: Final = {"monitor"}
"""Ports that the kubelet alone asks, which no policy concerns."""


def check(overlay: Overlay) -> Iterator[Finding]:
    """Pods without a policy, ways that are missing, and ways past the proxy."""
    policies = overlay.of("NetworkPolicy")
    if not any(_denies_all(each["spec"]) for each in policies):
        yield overlay.finding("NetworkPolicy", "none denies everything both ways")
    asked = _name_servers(policies)
    for name in sorted(_NAME_SERVERS - asked):
        yield overlay.finding("NetworkPolicy", f"none lets names be asked of DNS: {name}")
    for workload in overlay.workloads():
        yield from _ways_in(overlay, workload)
    for gateway in overlay.pods_matching(GATEWAY):
        admin = ports_of(gateway).get("admin")
        for policy, peer, ports in _into(overlay, gateway):
            if ports & {"admin", admin} and peer != {
                "namespaceSelector": {"matchLabels": _MONITORING}
            }:
                yield overlay.finding(policy, "opens the admin port to others than monitoring")
            if ports & {"http", ports_of(gateway).get("http")} and not _is_proxy(overlay, peer):
                yield overlay.finding(policy, f"opens a way to the gateway past {_PROXY}")
        if not any(_reaches(overlay, rule, "nats") for rule in _out_of(overlay, gateway)):
            yield overlay.finding(gateway, "no policy lets it reach NATS")


def _name_servers(policies: list[Manifest]) -> set[str]:
    """The pods, by their label, that may be asked for names."""
    peers = (
        peer
        for policy in policies
        for rule in _rules(policy, "egress")
        if 53 in _ports(rule, "port")
        for peer in rule.get("to", [])
    )
    return {peer.get("podSelector", {}).get("matchLabels", {}).get("k8s-app", "") for peer in peers}


def _ways_in(overlay: Overlay, workload: Manifest) -> Iterator[Finding]:
    """A port that a Service or a monitor names has somebody who may reach it."""
    if not overlay.has_proxy:
        return  # by kubectl port-forward, which no policy concerns
    open_to: set[Any] = set()
    for _, _, ports in _into(overlay, workload):
        open_to |= ports
    for name, number in ports_of(workload).items():
        if name not in _UNUSED and not open_to & {name, number}:
            yield overlay.finding(workload, f"no policy lets anybody reach the port {name}")


def _denies_all(spec: Manifest) -> bool:
    return (
        spec["podSelector"] == {}
        and set(spec.get("policyTypes", [])) == {"Ingress", "Egress"}
        and not spec.get("ingress")
        and not spec.get("egress")
    )


def _into(overlay: Overlay, workload: Manifest) -> Iterator[tuple[Manifest, Manifest, set[Any]]]:
    """Who may reach a workload's pods: the policy, the peer, and the ports."""
    for policy in _of(overlay, workload):
        for rule in _rules(policy, "ingress"):
            for peer in rule.get("from", [{}]):
                yield policy, peer, _ports(rule, "port")


def _out_of(overlay: Overlay, workload: Manifest) -> Iterator[Manifest]:
    for policy in _of(overlay, workload):
        yield from _rules(policy, "egress")


def _of(overlay: Overlay, workload: Manifest) -> Iterator[Manifest]:
    for policy in overlay.of("NetworkPolicy"):
        labels = policy["spec"]["podSelector"].get("matchLabels", {})
        if labels.items() <= labels_of(workload).items():
            yield policy


def _rules(policy: Manifest, side: str) -> list[Manifest]:
    rules: list[Manifest] = policy["spec"].get(side, [])
    return rules


def _ports(rule: Manifest, field: str) -> set[Any]:
    return {port[field] for port in rule.get("ports", [])}


def _reaches(overlay: Overlay, rule: Manifest, name: str) -> bool:
    return any(
        name in named(found)
        for peer in rule.get("to", [])
        for found in overlay.pods_matching(peer.get("podSelector", {}).get("matchLabels", {"": ""}))
    )


def _is_proxy(overlay: Overlay, peer: Manifest) -> bool:
    labels = peer.get("podSelector", {}).get("matchLabels", {"": ""})
    found = overlay.pods_matching(labels) if "namespaceSelector" not in peer else []
    return [each["metadata"]["name"] for each in found] == [_PROXY]
