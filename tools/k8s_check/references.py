"""What is named is there: settings, secrets, accounts, services, certificates, issuers."""

from collections.abc import Iterator, Mapping
from typing import Final

from tools.k8s_check.overlay import Finding, Manifest, Overlay, containers_of, pod_of

SECRETS: Final[Mapping[str, frozenset[str]]] = {
    "nats-passwords": frozenset({"producer", "gateway", "operator", "system"}),
    "oauth2-proxy": frozenset({"client-id", "client-secret", "cookie-secret"}),
}
"""Those that are made by hand, as docs/kubernetes.md says, with their keys."""
_OF_A_CERTIFICATE: Final = frozenset({"ca.crt", "tls.crt", "tls.key"})
_ISSUERS: Final = frozenset({"public"})
"""Cluster issuers that the platform has."""


def check(overlay: Overlay) -> Iterator[Finding]:
    """Names of nothing."""
    made = {each["spec"]["secretName"] for each in overlay.of("Certificate")}
    secrets = {**SECRETS, **dict.fromkeys(made, _OF_A_CERTIFICATE)}
    for workload in overlay.workloads():
        for kind, name, keys in _named_by(workload):
            yield from _missing(overlay, workload, secrets, kind, name, keys)
    for certificate in overlay.of("Certificate"):
        issuer = certificate["spec"]["issuerRef"]
        known = (
            {each["metadata"]["name"] for each in overlay.of("Issuer")}
            if issuer["kind"] == "Issuer"
            else _ISSUERS
        )
        if issuer["name"] not in known:
            yield overlay.finding(certificate, f"there is no {issuer['kind']}/{issuer['name']}")
    for issuer in overlay.of("Issuer"):
        name = issuer["spec"].get("ca", {}).get("secretName")
        if name is not None and name not in made:
            yield overlay.finding(issuer, f"no Certificate makes the Secret {name}")
    for policy in overlay.of("GCPBackendPolicy", "HealthCheckPolicy"):
        target = policy["spec"]["targetRef"]
        if overlay.find(target["kind"], target["name"]) is None:
            yield overlay.finding(policy, f"there is no {target['kind']}/{target['name']}")
    if overlay.of("Secret"):
        yield overlay.finding("Secret", "stands in the files: name it, and make it by hand")


def _named_by(workload: Manifest) -> Iterator[tuple[str, str, list[str]]]:
    """What a workload names: kind, name, and the keys of it."""
    pod = pod_of(workload)
    if "serviceAccountName" in pod:
        yield "ServiceAccount", pod["serviceAccountName"], []
    if workload["kind"] == "StatefulSet":
        yield "Service", workload["spec"]["serviceName"], []
    for volume in pod.get("volumes", []):
        for field, kind, name in (
            ("configMap", "ConfigMap", "name"),
            ("secret", "Secret", "secretName"),
        ):
            if field in volume:
                items = [each["key"] for each in volume[field].get("items", [])]
                yield kind, volume[field][name], items
    for container in containers_of(workload):
        for source in container.get("envFrom", []):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if field in source:
                    yield kind, source[field]["name"], []
        for each in container.get("env", []):
            source = each.get("valueFrom", {})
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if field in source:
                    yield kind, source[field]["name"], [source[field]["key"]]


def _missing(
    overlay: Overlay,
    workload: Manifest,
    secrets: Mapping[str, frozenset[str]],
    kind: str,
    name: str,
    keys: list[str],
) -> Iterator[Finding]:
    if kind == "Secret":
        if name not in secrets:
            yield overlay.finding(workload, f"nobody makes the Secret {name}")
            return
        there: frozenset[str] = secrets[name]
    else:
        found = overlay.find(kind, name)
        if found is None:
            yield overlay.finding(workload, f"there is no {kind}/{name}")
            return
        there = frozenset(found.get("data", {}))
    for key in keys:
        if key not in there:
            yield overlay.finding(
                workload, f"{kind} {name} has no {key}: {', '.join(sorted(there))}"
            )
