"""`deploy/grafana/`: the dashboards are what the code says, and ask for what a gateway tells."""

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deploy.promql import Told, named
from tests.deploy.servers import DEPLOY
from tests.deploy.test_files import SERVICES
from tests.deploy.test_rules import rules
from tests.gateway.serving import broker
from tools.observability.files import BOARDS, GRAFANA, ROOT, wanted

FILES: Final = sorted(GRAFANA.glob("*.json"))
DASHBOARDS: Final[list[dict[str, Any]]] = [json.loads(file.read_text()) for file in FILES]
ONES: Final = [pytest.param(each, id=each["uid"]) for each in DASHBOARDS]
WITH_WINDOWS: Final = {"Storm: opens against the hour before", "Starts"}
"""Panels that look over the same time whatever is shown, as the alerts do."""


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """What is not a heading."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def exprs(dashboard: dict[str, Any]) -> list[str]:
    """Every expression."""
    return [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]


def test_every_file_is_what_the_code_says() -> None:
    for path, text in wanted().items():
        assert path.read_text() == text, f"{path.relative_to(ROOT)}: run `make dashboards`"
    assert {f"{board.uid}.json" for board in BOARDS} == {file.name for file in FILES}


def test_names_are_given_once() -> None:
    for key in ("uid", "title"):
        assert len(DASHBOARDS) == len({each[key] for each in DASHBOARDS})


@pytest.mark.parametrize("dashboard", ONES)
def test_ids_and_titles_are_given_once_and_nothing_overlaps(dashboard: dict[str, Any]) -> None:
    for key in ("id", "title"):
        doubles = Counter(panel[key] for panel in dashboard["panels"])
        assert [] == [name for name, times in doubles.items() if times > 1]
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        assert beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]


@pytest.mark.parametrize("dashboard", ONES)
def test_every_panel_says_what_is_good_and_in_which_unit(dashboard: dict[str, Any]) -> None:
    for panel in panels(dashboard):
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert re.search(r"\b(good|bad)\b", panel["description"], re.IGNORECASE), panel["title"]
        assert panel["targets"], panel["title"]
        for asked in (panel, *panel["targets"]):
            assert {"type": "prometheus", "uid": "${datasource}"} == asked["datasource"]


@pytest.mark.parametrize("dashboard", ONES)
def test_every_variable_is_one_of_the_dashboard(dashboard: dict[str, Any]) -> None:
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert {"datasource", "namespace", "job", "instance"} == variables.keys()
    text = json.dumps(dashboard)
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__all", "__rate_interval"}
    assert used <= variables.keys()
    for name in ("namespace", "job", "instance"):
        metric, label = re.fullmatch(
            r"label_values\((.+), (\w+)\)", variables[name]["query"]
        ).groups()  # type: ignore[union-attr]
        assert "progress_broker_build_info" == named(metric)[0].metric
        assert name == label


@pytest.mark.parametrize("dashboard", ONES)
def test_rates_follow_what_is_shown(dashboard: dict[str, Any]) -> None:
    for panel in panels(dashboard):
        fixed = [e["expr"] for e in panel["targets"] if re.search(r"\[\d+[smhdwy]", e["expr"])]
        assert not fixed or panel["title"] in WITH_WINDOWS, fixed


async def test_every_query_asks_for_what_a_running_gateway_tells(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        text = (await b.get("/metrics")).body.decode()
    told = Told(text)
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for dashboard in DASHBOARDS:
        for expr in exprs(dashboard):
            for asked in named(expr):
                assert {"namespace", "job"} <= asked.labels, expr
                if asked.metric not in recorded:
                    assert "instance" in asked.labels, expr
                if asked.metric not in {*recorded, "up"}:
                    assert told.missing(asked) is None, expr


def test_compose_gives_grafana_what_it_is_provisioned_with() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    mounts = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    assert provisioning == DEPLOY / next(
        here for here, there in mounts.items() if there == "/etc/grafana/provisioning"
    )
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "progress-broker.yml").read_text())[
        "providers"
    ]
    folder = provider["options"]["path"]
    assert GRAFANA == DEPLOY / next(here for here, there in mounts.items() if there == folder)
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in SERVICES
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
