"""One thing wrong in the files themselves, as a slip of the pen makes it: the check names it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.k8s.broken import texts, tree
from tools.k8s_check import files, nats_values, variables
from tools.k8s_check.__main__ import of_overlay
from tools.k8s_check.overlay import ROOT, names

PRODUCTION = "k8s/overlays/production/kustomization.yaml"
VALUES = "k8s/components/nats/values.yaml"


def test_nothing_is_wrong_with_what_is_there() -> None:
    checks = (variables.check_file, nats_values.check, files.check)
    assert [] == [each for check in checks for each in check(ROOT)]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            PRODUCTION,
            "BROKER_TRUSTED_PROXIES=",
            "BROKER_TRUSTED_PROXY=",
            "k8s/overlays/production: Deployment/progress-broker: unknown variable"
            " BROKER_TRUSTED_PROXY: did you mean BROKER_TRUSTED_PROXIES?",
        ),
        (
            "k8s/base/services.yaml",
            "targetPort: admin",
            "targetPort: amdin",
            "k8s/overlays/production: Service/progress-broker-admin: port 'amdin' is none of"
            " progress-broker: http (8080), admin (8081)",
        ),
        (
            "k8s/base/deployment.yaml",
            "terminationGracePeriodSeconds",
            "terminationGracePeriodSecond",
            "('terminationGracePeriodSecond' was unexpected) (Kubernetes 1.32.0)",
        ),
        (PRODUCTION, "components/nats\n", "components/natz\n", "production: is not rendered: "),
    ],
)
def test_a_slip_in_an_overlay_is_named(
    tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    found = texts(list(of_overlay(tree(tmp_path, file, old, new), "production")))
    assert any(said in each for each in found), found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "# BROKER_TICK=0.035",
            "# BROKER_TICK=0.05",
            "the default of BROKER_TICK is 0.035, not 0.05",
        ),
        ("# BROKER_TICK=0.035", "", "the setting BROKER_TICK of the program is missing"),
        ("# BROKER_TICK=", "# BROKER_TOCK=", "unknown variable BROKER_TOCK"),
    ],
)
def test_the_file_of_settings_has_each_with_its_default(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    file = str(variables.ENV_FILE)
    found = texts(list(variables.check_file(tree(tmp_path, file, old, new))))
    assert f"{file}: {said}" in found


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "deploy/compose.yaml",
            "BROKER_REPLICAS:",
            "BROKER_REPLICA:",
            "deploy/compose.yaml: gateway-1: unknown variable BROKER_REPLICA: did you mean",
        ),
        (
            "docs/deploy.md",
            "BROKER_REPLICAS",
            "BROKER_REPLIKAS",
            "docs/deploy.md: unknown variable",
        ),
        (
            "deploy/systemd/progress-broker.service",
            "BROKER_NATS_URL",
            "BROKER_NATSURL",
            "progress-broker.service: unknown variable BROKER_NATSURL",
        ),
        (
            "deploy/nats/users.conf",
            "password: $NATS_GATEWAY_PASSWORD",
            "password: 7Hs8dk2kd93kdk2kd9Qk",
            "looks like a secret's value",
        ),
        (
            "k8s/components/nats-dev/gateway.yaml",
            "$(NATS_GATEWAY_PASSWORD)@",
            "hunter2@",
            "gateway.yaml:15: looks like a password in a URL",
        ),
        (
            "deploy/proxy/haproxy.cfg",
            "timeout server 70s",
            "timeout server 60s",
            "timeout server of deploy/proxy/haproxy.cfg: 60 s is not above the longest poll",
        ),
    ],
)
def test_names_and_secrets_in_files(
    tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    found = texts(list(files.check(tree(tmp_path, file, old, new))))
    assert any(said in each for each in found), found


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("deploy/nats/users.conf", "{", "{ ", "users.conf: is not deploy/nats/users.conf"),
        (
            VALUES,
            "- $KV.GRAPHS.>",
            "- $KV.>",
            "is $KV.>, but $KV.GRAPHS.> in deploy/nats/users.conf",
        ),
        (VALUES, "- logs.default.*\n", "", "publish.allow[10] is None, but $JS.ACK.JOBS.>"),
        (
            VALUES,
            "- live.>\n",
            "- live.>\n                  - progress.>\n",
            "subscribe.allow[2] (_INBOX.gateway.>) is not in deploy/nats/users.conf",
        ),
        (VALUES, "max_payload: << 1MB >>", "max_payload: << 8MB >>", "max_payload is 8MB, but 1MB"),
        (VALUES, "sync_interval: 10s", "sync_interval: 2m", "sync_interval is 2m, but 10s"),
        (VALUES, "replicas: 3", "replicas: 1", "config.cluster is not three servers"),
        (VALUES, "tls: { enabled: true, secretName: nats-tls }", "tls: {}", "is without TLS"),
        (VALUES, "GOMEMLIMIT: 6GiB", "GOMEMLIMIT: 8GiB", "8GiB is more than 85 % of"),
        (VALUES, "system_account: SYS", "system_account: PROGRESS", "system_account is not that"),
        (VALUES, "@sha256:ad7a43", "-ad7a43", "container.image.tag has no digest"),
        (VALUES, "secretKeyRef: { name", "configMapKeyRef: { name", "is not from a Secret"),
        (VALUES, "natsBox: { enabled: false }", "natsBox: { enabled: true }", "natsBox is enabled"),
        (VALUES, 'limits: { cpu: "2"', 'limits: { cpu: "4"', "the pod is not Guaranteed"),
        (VALUES, "runAsNonRoot: true", "runAsNonRoot: false", "is not runAsNonRoot"),
        (
            VALUES,
            "promExporter:\n  enabled: true\n  image: { tag: 0.20.1 }",
            "promExporter:\n  enabled: true\n  image: { tag: latest }",
            "promExporter.image.tag latest",
        ),
        (VALUES, "'\"$(BARE_GATEWAY_PASSWORD)\"'", "$(BARE_GATEWAY_PASSWORD)", "in quotes"),
        (VALUES, "lame_duck_duration: 30s", "lame_duck_duration: 2m", "60 is below lame duck 130"),
        (
            VALUES,
            "whenUnsatisfiable: DoNotSchedule",
            "whenUnsatisfiable: ScheduleAnyway",
            "apart by",
        ),
    ],
)
def test_nats_is_that_of_deploy(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    found = texts(list(nats_values.check(tree(tmp_path, file, old, new))))
    assert any(said in each for each in found), found


def test_the_command_says_what_is_wrong_and_fails(tmp_path: Path) -> None:
    """A proxy that waits too short is wrong for every overlay."""
    root = tree(
        tmp_path, "deploy/proxy/nginx.conf", "proxy_read_timeout 70s", "proxy_read_timeout 20s"
    )
    command = [sys.executable, "-m", "tools.k8s_check", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    said = (
        "BROKER_HEARTBEAT 15 is over half of proxy_read_timeout of deploy/proxy/nginx.conf (20 s)"
    )
    assert 1 == done.returncode
    polls, *silences = done.stderr.splitlines()
    assert "20 s is not above the longest poll" in polls
    assert [f"k8s/overlays/{name}: ConfigMap: {said}" for name in names(ROOT)] == silences


def test_the_image_and_the_manifests_have_one_user(tmp_path: Path) -> None:
    root = tree(tmp_path, "deploy/Dockerfile", "USER 10001:10001", "USER 10002:10002")
    found = texts(list(of_overlay(root, "dev")))
    assert [
        "k8s/overlays/dev: Deployment/progress-broker: does not run as the image's user 10002:10002"
    ] == found
