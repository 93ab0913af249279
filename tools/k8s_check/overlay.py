"""A rendered overlay: its objects, and what they are looked up by."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

Manifest = dict[str, Any]

ROOT: Final = Path(__file__).parents[2]
GATEWAY: Final = {
    "app.kubernetes.io/name": "progress-broker",
    "app.kubernetes.io/component": "gateway",
}
"""The labels of a gateway's pod."""
_OF_THE_CHART: Final[Manifest] = {
    "kind": "StatefulSet",
    "metadata": {"name": "nats (of the chart)"},
    "spec": {
        "template": {
            "metadata": {
                "labels": {
                    "app.kubernetes.io/name": "nats",
                    "app.kubernetes.io/component": "nats",
                    "app.kubernetes.io/instance": "nats",
                }
            },
            "spec": {
                "containers": [
                    {
                        "name": "nats",
                        "ports": [
                            {"name": "nats", "containerPort": 4222},
                            {"name": "cluster", "containerPort": 6222},
                            {"name": "monitor", "containerPort": 8222},
                            {"name": "prom-metrics", "containerPort": 7777},
                        ],
                    }
                ]
            },
        }
    },
}
"""The pods that the official NATS chart makes, as far as others name them."""


class Finding(NamedTuple):
    """Something wrong: where, and what."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class RenderError(Exception):
    """An overlay cannot be rendered, for the renderer's reason."""


class Overlay:
    """The objects of one overlay."""

    def __init__(self, name: str, objects: list[Manifest]) -> None:
        self.name = name
        self.objects = objects

    @property
    def has_proxy(self) -> bool:
        """Whether others than who holds the cluster get in, so that somebody must ask them."""
        return bool(self.of("Gateway"))

    def of(self, *kinds: str) -> list[Manifest]:
        """The objects of these kinds."""
        return [each for each in self.objects if each["kind"] in kinds]

    def find(self, kind: str, name: str) -> Manifest | None:
        """The object of that kind and name."""
        return next((each for each in self.of(kind) if each["metadata"]["name"] == name), None)

    def workloads(self) -> list[Manifest]:
        """What makes pods here."""
        return self.of("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")

    def pods_matching(self, labels: Mapping[str, str]) -> list[Manifest]:
        """What makes pods with these labels, here or by the chart of NATS."""
        known = self.workloads()
        if self.find("StatefulSet", "nats") is None:
            known.append(_OF_THE_CHART)
        return [each for each in known if labels.items() <= labels_of(each).items()]

    def finding(self, found: Manifest | str, what: str) -> Finding:
        """A finding at an object."""
        at = found if isinstance(found, str) else named(found)
        return Finding(f"k8s/overlays/{self.name}: {at}", what)


def named(each: Manifest) -> str:
    """Kind and name of an object."""
    return f"{each['kind']}/{each['metadata']['name']}"


def labels_of(workload: Manifest) -> dict[str, str]:
    """The labels of a workload's pods."""
    labels: dict[str, str] = workload["spec"]["template"]["metadata"].get("labels", {})
    return labels


def pod_of(workload: Manifest) -> Manifest:
    """What a workload's pods are."""
    pod: Manifest = workload["spec"]["template"]["spec"]
    return pod


def containers_of(workload: Manifest) -> list[Manifest]:
    """The containers of a workload's pods, those that run first too."""
    pod = pod_of(workload)
    return [*pod.get("initContainers", []), *pod["containers"]]


def ports_of(workload: Manifest) -> dict[str, int]:
    """The ports of a workload's pods by their names."""
    return {
        port["name"]: port["containerPort"]
        for container in containers_of(workload)
        for port in container.get("ports", [])
    }


def names(root: Path) -> list[str]:
    """The overlays that there are."""
    folder = root / "k8s" / "overlays"
    return sorted(each.parent.name for each in folder.glob("*/kustomization.yaml"))


def rendered(root: Path, name: str) -> Overlay:
    """Render an overlay, twice. Raises RenderError, also where the two differ."""
    first, second = (_render(root, name) for _ in range(2))
    if first != second:
        raise RenderError("it renders differently each time")
    return Overlay(name, [each for each in yaml.safe_load_all(first) if each])


def _render(root: Path, name: str) -> str:
    command = [str(ROOT / "tools" / "kustomize.sh"), str(root / "k8s" / "overlays" / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RenderError(done.stderr.strip())
    return done.stdout


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value below, with its path."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, f"{path}[{index}]")
