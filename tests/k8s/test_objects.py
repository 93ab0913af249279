"""One thing wrong in the manifests of production: the check names it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.k8s.broken import GONE, changed, without
from tests.k8s.rendering import overlay
from tools.k8s_check import (
    capacity,
    edge,
    files,
    network,
    pods,
    references,
    rollout,
    schemas,
    selectors,
    variables,
)
from tools.k8s_check.overlay import ROOT, Finding, Overlay

GATEWAY = "Deployment/progress-broker"
PROXY = "Deployment/oauth2-proxy"
CONTAINER = "spec/template/spec/containers/0"
SETTINGS = "ConfigMap/progress-broker"
SCALER = "HorizontalPodAutoscaler/progress-broker"

Check = Callable[[Overlay], Iterator[Finding]]


def capacities(overlay: Overlay) -> Iterator[Finding]:
    return capacity.check(overlay, ROOT)


def beside_deploy(overlay: Overlay) -> Iterator[Finding]:
    return files.check_overlay(overlay, ROOT)


CHECKS: list[Check] = [
    schemas.check,
    pods.check,
    selectors.check,
    references.check,
    variables.check,
    rollout.check,
    network.check,
    edge.check,
    capacities,
    beside_deploy,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__module__ + check.__name__)
def test_nothing_is_wrong_with_what_is_there(production: Overlay, check: Check) -> None:
    assert [] == list(check(production))


@pytest.mark.parametrize(
    ("check", "name", "path", "value", "said"),
    [
        (schemas.check, GATEWAY, "spec/minReadySecond", 5, "'minReadySecond' was unexpected"),
        (schemas.check, GATEWAY, "spec/replicas", "two", "spec.replicas: 'two' is not of type"),
        (schemas.check, GATEWAY, "kind", "Deploiment", "has no apps/v1 Deploiment"),
        (schemas.check, "HTTPRoute/progress-broker", "spec/hostname", "x", "unexpected"),
        (schemas.check, "PodMonitor/progress", "spec/selector", GONE, "'selector' is a required"),
        (schemas.check, "Certificate/nats-tls", "spec/duration", "90 days", "does not match"),
        (pods.check, "Namespace/progress", "metadata/labels", {}, "restricted"),
        (pods.check, GATEWAY, "spec/template/spec/hostNetwork", True, "hostNetwork is set"),
        (
            pods.check,
            GATEWAY,
            "spec/template/spec/automountServiceAccountToken",
            GONE,
            "automountServiceAccountToken is not false",
        ),
        (pods.check, GATEWAY, "spec/template/spec/securityContext/runAsUser", 0, "runAsUser"),
        (pods.check, GATEWAY, "spec/template/spec/securityContext/seccompProfile", GONE, "seccomp"),
        (
            pods.check,
            GATEWAY,
            "spec/template/spec/volumes/0",
            {"name": "x", "hostPath": {"path": "/"}},
            "volume x is none of",
        ),
        (
            pods.check,
            GATEWAY,
            "spec/template/spec/volumes/0",
            {"name": "x", "emptyDir": {}},
            "volume x has no sizeLimit",
        ),
        (pods.check, GATEWAY, f"{CONTAINER}/securityContext/capabilities", GONE, "capabilities"),
        (
            pods.check,
            PROXY,
            f"{CONTAINER}/securityContext/readOnlyRootFilesystem",
            False,
            "container oauth2-proxy: readOnlyRootFilesystem is not true",
        ),
        (pods.check, PROXY, f"{CONTAINER}/resources/limits", GONE, "no limit of memory"),
        (pods.check, PROXY, f"{CONTAINER}/image", "proxy:v7", "not pinned by a digest"),
        (pods.check, PROXY, f"{CONTAINER}/ports/0/hostPort", 80, "is a port of the host"),
        (pods.check, PROXY, f"{CONTAINER}/ports/0/name", GONE, "port 4180 has no name"),
        (pods.check, GATEWAY, f"{CONTAINER}/livenessProbe", GONE, "no livenessProbe by HTTP"),
        (
            pods.check,
            GATEWAY,
            f"{CONTAINER}/readinessProbe/httpGet/port",
            "admn",
            "readinessProbe: port 'admn' is none of admin, http",
        ),
        (
            pods.check,
            GATEWAY,
            f"{CONTAINER}/livenessProbe/httpGet/path",
            "/readyz",
            "livenessProbe and readinessProbe both ask /readyz",
        ),
        (
            selectors.check,
            "Service/progress-broker",
            "spec/ports/0/targetPort",
            "htp",
            "port 'htp' is none of progress-broker: http (8080), admin (8081)",
        ),
        (
            selectors.check,
            "Service/progress-broker",
            "spec/ports/0/targetPort",
            8080,
            "targetPort 8080 is not the name of a port",
        ),
        (
            selectors.check,
            "Service/progress-broker",
            "spec/selector",
            {"app.kubernetes.io/name": "progres-broker"},
            "selects no pod by app.kubernetes.io/name=progres-broker",
        ),
        (
            selectors.check,
            "PodDisruptionBudget/progress-broker",
            "spec/selector/matchLabels",
            {},
            "selects oauth2-proxy and progress-broker and nats (of the chart) by",
        ),
        (
            selectors.check,
            "PodMonitor/progress-broker",
            "spec/podMetricsEndpoints/0/port",
            "metrics",
            "port 'metrics' is none of progress-broker",
        ),
        (
            selectors.check,
            "NetworkPolicy/gateway-to-nats",
            "spec/egress/0/ports/0/port",
            4223,
            "port 4223 is none of nats (of the chart)",
        ),
        (
            selectors.check,
            "NetworkPolicy/oauth2-proxy-to-gateway",
            "spec/ingress/0/ports",
            GONE,
            "a rule names no ports",
        ),
        (selectors.check, SCALER, "spec/scaleTargetRef/name", "x", "no Deployment/x to scale"),
        (
            selectors.check,
            GATEWAY,
            "spec/template/spec/topologySpreadConstraints/0/labelSelector/matchLabels",
            {"a": "b"},
            "its own pods are not labelled a=b",
        ),
        (
            references.check,
            GATEWAY,
            f"{CONTAINER}/envFrom/0/configMapRef/name",
            "x",
            "there is no ConfigMap/x",
        ),
        (
            references.check,
            GATEWAY,
            f"{CONTAINER}/env/0/valueFrom/secretKeyRef/key",
            "gatway",
            "Secret nats-passwords has no gatway: gateway, operator, producer, system",
        ),
        (
            references.check,
            GATEWAY,
            "spec/template/spec/volumes/0/secret/secretName",
            "nats-cert",
            "nobody makes the Secret nats-cert",
        ),
        (
            references.check,
            PROXY,
            "spec/template/spec/serviceAccountName",
            "x",
            "no ServiceAccount/x",
        ),
        (references.check, "Certificate/nats-tls", "spec/issuerRef/name", "x", "no Issuer/x"),
        (references.check, "Issuer/nats", "spec/ca", {"secretName": "x"}, "makes the Secret x"),
        (references.check, SETTINGS, "kind", "Secret", "stands in the files"),
        (
            variables.check,
            SETTINGS,
            "data/BROKER_HEARTBEET",
            "15",
            "unknown variable BROKER_HEARTBEET: did you mean BROKER_HEARTBEAT?",
        ),
        (
            variables.check,
            SETTINGS,
            "data/BROKER_DRAIN_SECONDS",
            "25s",
            "BROKER_DRAIN_SECONDS='25s'",
        ),
        (
            variables.check,
            SETTINGS,
            "data/BROKER_LISTEN",
            "0.0.0.0:80",
            "is not the port http (8080)",
        ),
        (variables.check, SETTINGS, "data/BROKER_ADMIN_LISTEN", "127.0.0.1:8081", "not reached"),
        (variables.check, SETTINGS, "data/BROKER_ADMIN_LISTEN", GONE, "not the port admin (8081)"),
        (variables.check, SETTINGS, "data/BROKER_WORKERS", "2", "BROKER_WORKERS is not 1"),
        (variables.check, SETTINGS, "data/BROKER_INSECURE", "false", "refuses to listen"),
        (variables.check, SETTINGS, "data/BROKER_REPLICAS", "1", "but NATS has 3 servers"),
        (variables.check, SETTINGS, "data/BROKER_TRUSTED_PROXIES", "10.0.0.1/8", "host bits set"),
        (variables.check, SETTINGS, "data/BROKER_TRUSTED_PROXIES", "", "count as one"),
        (
            variables.check,
            GATEWAY,
            f"{CONTAINER}/env/0/name",
            "NATS_PASSWORD",
            "BROKER_NATS_URL names $(NATS_GATEWAY_PASSWORD), which does not stand before it",
        ),
        (
            variables.check,
            GATEWAY,
            f"{CONTAINER}/env/1/value",
            "tls://gateway:$(NATS_GATEWAY_PASSWORD)@nats-0.nats-headless:4222O",
            "the port is no number from 1 to 65535",
        ),
        (
            rollout.check,
            GATEWAY,
            "spec/template/spec/terminationGracePeriodSeconds",
            40,
            "40 is below preStop 10 + BROKER_DRAIN_SECONDS 25 + 10 = 45",
        ),
        (
            rollout.check,
            SETTINGS,
            "data/BROKER_DRAIN_SECONDS",
            "60",
            "50 is below preStop 10 + BROKER_DRAIN_SECONDS 60 + 10 = 80",
        ),
        (rollout.check, GATEWAY, "spec/progressDeadlineSeconds", 50, "progressDeadlineSeconds"),
        (
            rollout.check,
            GATEWAY,
            "spec/strategy/rollingUpdate/maxUnavailable",
            1,
            "takes a pod away",
        ),
        (rollout.check, GATEWAY, "spec/minReadySeconds", 0, "minReadySeconds is below 10"),
        (rollout.check, GATEWAY, "spec/replicas", 3, "its target has a number of replicas"),
        (rollout.check, PROXY, f"{CONTAINER}/lifecycle", GONE, "no preStop sleep"),
        (rollout.check, PROXY, "spec/replicas", 1, "may be alone"),
        (
            rollout.check,
            GATEWAY,
            "spec/template/spec/topologySpreadConstraints",
            [],
            "is not spread by kubernetes.io/hostname",
        ),
        (rollout.check, "PodDisruptionBudget/oauth2", "spec/maxUnavailable", 0, "not 1"),
        (rollout.check, SCALER, "spec/minReplicas", 1, "minReplicas is below 2"),
        (
            rollout.check,
            SCALER,
            "spec/behavior/scaleDown/stabilizationWindowSeconds",
            300,
            "stabilizationWindowSeconds is below 600",
        ),
        (
            rollout.check,
            SCALER,
            "spec/metrics/0/pods/metric/name",
            "progress_broker_conections",
            "the program has no metric progress_broker_conections",
        ),
        (rollout.check, SETTINGS, "data/BROKER_STREAMS_MAX", "10000", "more than 80 % of"),
        (
            network.check,
            "NetworkPolicy/default-deny",
            "spec/policyTypes",
            ["Ingress"],
            "none denies everything both ways",
        ),
        (
            network.check,
            "NetworkPolicy/monitoring-to-gateway",
            "spec/ingress/0/from",
            [{"podSelector": {}}],
            "opens the admin port to others than monitoring",
        ),
        (
            network.check,
            "NetworkPolicy/oauth2-proxy-to-gateway",
            "spec/ingress/0/from",
            [{"namespaceSelector": {}}],
            "opens a way to the gateway past oauth2-proxy",
        ),
        (
            network.check,
            "NetworkPolicy/dns",
            "spec/egress/0/to/1/podSelector/matchLabels/k8s-app",
            "kube-dns",
            "none lets names be asked of DNS: node-local-dns",
        ),
        (
            network.check,
            "NetworkPolicy/gateway-to-nats",
            "spec/egress",
            [],
            "no policy lets it reach NATS",
        ),
        (
            edge.check,
            "HTTPRoute/progress-broker",
            "spec/rules/0/timeouts",
            GONE,
            "request timeout None: streams are cut by it",
        ),
        (
            edge.check,
            "HTTPRoute/progress-broker",
            "spec/rules/0/backendRefs/0",
            {"name": "progress-broker-admin", "port": 9180},
            "leads to progress-broker-admin, past oauth2-proxy",
        ),
        (
            edge.check,
            "HTTPRoute/progress-broker",
            "spec/rules/0/backendRefs/0/port",
            80,
            "there is no port 80 of Service oauth2-proxy",
        ),
        (
            edge.check,
            "HTTPRoute/progress-broker",
            "spec/parentRefs/0/sectionName",
            "tls",
            "there is no listener tls",
        ),
        (edge.check, "HTTPRoute/progress-broker", "spec/hostnames/0", "x", "is not the listener's"),
        (
            edge.check,
            "Gateway/progress-broker",
            "spec/listeners/1/tls/certificateRefs/0/name",
            "x",
            "no Certificate makes x for progress.example.com",
        ),
        (
            edge.check,
            "Certificate/nats-tls",
            "spec/dnsNames",
            ["nats"],
            "name nats-0.nats-headless",
        ),
        (
            edge.check,
            "Certificate/nats-tls",
            "spec/dnsNames",
            [f"nats-{number}.nats-headless" for number in range(3)],
            "does not name localhost",
        ),
        (
            edge.check,
            GATEWAY,
            f"{CONTAINER}/env/1/value",
            "nats://gateway:$(NATS_GATEWAY_PASSWORD)@nats-0.nats-headless:4222",
            "speaks to NATS without TLS",
        ),
        (
            edge.check,
            "ConfigMap/oauth2-proxy",
            "data/OAUTH2_PROXY_COOKIE_SECUR",
            "true",
            "unknown variable OAUTH2_PROXY_COOKIE_SECUR",
        ),
        (
            edge.check,
            "ConfigMap/oauth2-proxy",
            "data/OAUTH2_PROXY_API_ROUTES",
            "^/(v1|api|executions|workflows|runner|jobs|graphs|ws)(/|$)",
            "programs that ask /health are sent to the login page",
        ),
        (
            edge.check,
            "ConfigMap/oauth2-proxy",
            "data/OAUTH2_PROXY_API_ROUTES",
            "^/",
            "who opens /runs/x is not sent to the login page",
        ),
        (
            edge.check,
            "ConfigMap/oauth2-proxy",
            "data/OAUTH2_PROXY_UPSTREAM_TIMEOUT",
            "30s",
            "not above the longest poll",
        ),
        (
            edge.check,
            "ConfigMap/oauth2-proxy",
            "data/OAUTH2_PROXY_REDIRECT_URL",
            "https://elsewhere.example.com/oauth2/callback",
            "is not at https://progress.example.com",
        ),
        (
            edge.check,
            "ConfigMap/oauth2-proxy",
            "data/OAUTH2_PROXY_UPSTREAMS",
            "http://progress-broker:8081",
            "is no Service and port",
        ),
        (
            edge.check,
            "PodMonitor/progress-broker",
            "spec/podMetricsEndpoints/0/path",
            "/metric",
            "asks /metric of admin",
        ),
        (
            edge.check,
            GATEWAY,
            f"{CONTAINER}/readinessProbe/httpGet/path",
            "/ready",
            "readinessProbe asks /ready of port admin; the admin port answers /healthz, /metrics",
        ),
        (capacities, SCALER, "spec/maxReplicas", 40, "pods 30 is less than all pods may need: 47"),
        (
            capacities,
            GATEWAY,
            f"{CONTAINER}/resources/limits/memory",
            "8Gi",
            "limits.memory 80Gi is less than all pods may need: 130.1Gi",
        ),
        (
            beside_deploy,
            "ConfigMap/progress-broker-dashboards",
            "data/progress-broker-users.json",
            GONE,
            "dashboards/progress-broker-users.json is not in it",
        ),
        (
            beside_deploy,
            GATEWAY,
            "spec/template/spec/securityContext/runAsUser",
            1000,
            "does not run as the image's user 10001:10001",
        ),
        (
            beside_deploy,
            GATEWAY,
            f"{CONTAINER}/ports/1/containerPort",
            9180,
            "its ports 8080 9180 are not the image's 8080 8081",
        ),
        (
            beside_deploy,
            SETTINGS,
            "data/BROKER_HEARTBEAT",
            "40",
            "is over half of proxy_read_timeout",
        ),
        (
            beside_deploy,
            SETTINGS,
            "data/BROKER_LISTEN",
            "0.0.0.0:8000",
            "listen is 0.0.0.0:8000, but not of gateway-1",
        ),
    ],
)
def test_what_is_wrong_is_named(
    production: Overlay, check: Check, name: str, path: str, value: Any, said: str
) -> None:
    found = [str(each) for each in check(changed(production, name, path, value))]
    assert any(said in each for each in found), found
    assert all(each.startswith("k8s/overlays/production: ") for each in found), found


@pytest.mark.parametrize("image", ["nats", "nats:latest", "registry.example.com:5000/nats"])
def test_an_image_without_a_version_is_named_in_dev_too(image: str) -> None:
    dev = overlay("dev")
    assert [] == list(pods.check(dev))
    (found,) = pods.check(changed(dev, "StatefulSet/nats", f"{CONTAINER}/image", image))
    assert f"image {image} has no tag, or `latest`" in str(found)


@pytest.mark.parametrize(
    ("check", "kind", "name", "said"),
    [
        (pods.check, "Namespace", "", "there is none"),
        (rollout.check, "PodDisruptionBudget", "progress-broker", "has 0 disruption budgets"),
        (network.check, "NetworkPolicy", "dns", "names be asked of DNS"),
        (network.check, "NetworkPolicy", "oauth2-proxy-to", "reach the port http"),
        (edge.check, "Deployment", "oauth2-proxy", "nobody asks who is there"),
        (capacities, "ResourceQuota", "", "there is not one of it"),
        (variables.check, "Deployment", "progress-broker", "there are 0 of gateways"),
    ],
)
def test_what_is_missing_is_named(
    production: Overlay, check: Check, kind: str, name: str, said: str
) -> None:
    found = [str(each) for each in check(without(production, kind, name))]
    assert any(said in each for each in found), found


@pytest.mark.parametrize(
    ("name", "path", "value", "said"),
    [
        ("HTTPRoute/progress-broker", "spec/rules/0/timeouts", {"request": "0s"}, "GKE refuses"),
        ("GCPBackendPolicy/oauth2-proxy", "spec/targetRef/name", "x", "before BROKER_MAX_AGE"),
        ("GCPBackendPolicy/oauth2-proxy", "spec/default/timeoutSec", 30, "before BROKER_MAX_AGE"),
    ],
)
def test_the_variant_for_gke_has_its_own_rules(
    gke: Overlay, name: str, path: str, value: Any, said: str
) -> None:
    assert [] == list(edge.check(gke))
    found = [str(each) for each in edge.check(changed(gke, name, path, value))]
    assert any(said in each for each in found), found
