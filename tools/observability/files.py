"""Every file that is written, with its text."""

from pathlib import Path
from typing import Any, Final

import yaml

from tools.observability import slo
from tools.observability.board import Board
from tools.observability.grafana import as_json
from tools.observability.jetstream import JETSTREAM
from tools.observability.operators import OPERATORS
from tools.observability.users import USERS

ROOT: Final = Path(__file__).parents[2]
BOARDS: Final[tuple[Board, ...]] = (USERS, OPERATORS, JETSTREAM)
RULES: Final = ROOT / "deploy" / "prometheus" / "rules"
GRAFANA: Final = ROOT / "deploy" / "grafana" / "dashboards"
KUBERNETES: Final = ROOT / "k8s" / "components" / "monitoring"

_WRITTEN: Final = "# Written by `python -m tools.observability`; "
_SLO: Final = _WRITTEN + "change tools/observability/slo.py.\n"
_CUSTOM: Final = _WRITTEN + "change deploy/prometheus/rules/.\n"


def wanted() -> dict[Path, str]:
    """The files, by their paths."""
    rules = _SLO + _yaml(slo.rules())
    boards = {f"{board.uid}.json": as_json(board) for board in BOARDS}
    return (
        {GRAFANA / name: text for name, text in boards.items()}
        | {RULES / "slo.yml": rules}
        | {KUBERNETES / "rules.yaml": _CUSTOM + _yaml(_prometheus_rule(rules))}
        | {KUBERNETES / "dashboards" / name: text for name, text in boards.items()}
    )


def _prometheus_rule(slo_rules: str) -> dict[str, Any]:
    """All rules as the custom resource of the Prometheus operator."""
    alerts = (RULES / "alerts.yml").read_text()
    groups = [group for text in (slo_rules, alerts) for group in yaml.safe_load(text)["groups"]]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "progress-broker",
            "labels": {"app.kubernetes.io/name": "progress-broker"},
        },
        "spec": {"groups": groups},
    }


def _yaml(content: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(content, sort_keys=False, width=96, allow_unicode=True)
    return text
