"""`deploy/prometheus/`: the rules are right, tested, about what a gateway tells, and explained."""

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest
import yaml
from aiohttp import web

from broker.gateway.keys import INDEX, SOCKETS
from broker.gateway.routes import add_api
from broker.gateway.sockets.sockets import Sockets
from broker.metrics import Metrics
from broker.metrics.registered import SECONDS
from broker.runs.index import Index
from broker.settings import Settings, described
from broker.stream.topology import StreamSettings, streams
from tests.deploy.promql import Told, named
from tests.deploy.servers import DEPLOY
from tests.gateway.serving import broker
from tests.proxy.proxies import tool
from tools.observability.files import BOARDS, KUBERNETES
from tools.observability.serving import STREAMS_MAX
from tools.observability.slo import STREAMS

PROMETHEUS: Final = DEPLOY / "prometheus"
RULE_FILES: Final = sorted((PROMETHEUS / "rules").glob("*.yml"))
TEST_FILES: Final = sorted((PROMETHEUS / "tests").glob("*.yml"))
RUNBOOK: Final = DEPLOY.parent / "docs" / "runbook.md"
SECTIONS: Final = ("Means", "Users notice", "Look at", "Do", "False when")

Rule = dict[str, Any]


def rules() -> Iterator[Rule]:
    """Every rule of every file."""
    for file in RULE_FILES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


ALERTS: Final = [rule for rule in rules() if "alert" in rule]
RECORDED: Final = {rule["record"] for rule in rules() if "record" in rule}


async def promtool(*arguments: str) -> str:
    """What promtool says; it must agree."""
    process = await asyncio.create_subprocess_exec(
        tool("promtool"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert 0 == process.returncode, said
    return said


async def test_prometheus_takes_the_configuration() -> None:
    said = await promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))
    assert f"{len(RULE_FILES)} rule files found" in said


async def test_the_alerts_fire_when_they_should_and_not_else() -> None:
    await promtool("test", "rules", *map(str, TEST_FILES))


def test_every_alert_has_a_test_of_firing_and_one_of_silence() -> None:
    fires, silent = set(), set()
    for file in TEST_FILES:
        for test in yaml.safe_load(file.read_text())["tests"]:
            for asked in test["alert_rule_test"]:
                if not asked["exp_alerts"]:
                    silent.add(asked["alertname"])
                for alert in asked["exp_alerts"]:
                    fires.add((asked["alertname"], _burn(alert["exp_labels"])))
    assert {(rule["alert"], _burn(rule["labels"])) for rule in ALERTS} == fires
    assert {rule["alert"] for rule in ALERTS} == silent


def _burn(labels: dict[str, str]) -> str | None:
    """What the alerts of one objective differ by."""
    return labels.get("burn")


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_urgent_it_is_and_where_to_read_on(rule: Rule) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    told = rule["annotations"]
    assert {"summary", "description", "runbook_url"} == told.keys()
    assert f"docs/runbook.md#{rule['alert'].lower()}" == told["runbook_url"]


def test_the_runbook_has_a_section_for_every_alert_and_no_other() -> None:
    parts = re.split(r"^### (\w+)\n", RUNBOOK.read_text(), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert {rule["alert"] for rule in ALERTS} == sections.keys()
    for name, text in sections.items():
        assert list(SECTIONS) == re.findall(r"^- \*\*(.+):\*\* \S", text, re.MULTILINE), name


def test_the_runbook_names_what_there_is() -> None:
    text = RUNBOOK.read_text()
    assert set(re.findall(r"\(#(\w+)\)", text)) <= {rule["alert"].lower() for rule in ALERTS}
    assert set(re.findall(r"BROKER_\w+", text)) <= {setting.variable for setting in described()}
    panels = {panel.title for board in BOARDS for panel in board.panels()}
    assert set(re.findall(r'"([A-Z][^"]+)"', re.sub(r"`[^`]*`", "", text))) <= panels


async def test_every_rule_is_about_what_a_running_gateway_tells(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        text = (await b.get("/metrics")).body.decode()
    told = Told(text)
    for rule in rules():
        for asked in named(rule["expr"]):
            if asked.metric not in {*RECORDED, "up"}:
                assert told.missing(asked) is None, rule


def test_what_is_recorded_is_used() -> None:
    used = {each.metric for rule in ALERTS for each in named(rule["expr"])}
    assert RECORDED >= {name for name in used if ":" in name}


def test_streams_are_opened_where_the_objective_counts_them(api: web.Application) -> None:
    """Each route that may be a stream is counted, or known to be none."""
    routes = {
        resource.canonical
        for resource in api.router.resources()
        if any(route.method == "GET" for route in resource)
    }
    counted = {route for route in routes if re.fullmatch(STREAMS, route)}
    maybe = {
        route for route in routes if re.search(r"/(events|logs|stream|ws|progress)(/|$)", route)
    }
    documents = {"/api/v1/executions/{run}/progress", "/executions/{run}/progress"}
    assert maybe - documents == counted
    for alternative in re.split(r"\|(?![^(]*\))", STREAMS):
        assert any(re.fullmatch(alternative, route) for route in routes), alternative


@pytest.fixture
async def api() -> web.Application:
    """The routes for clients, without what they lead to."""
    app = web.Application()
    app[INDEX] = Index(most=1, now=time.time, metrics=Metrics())
    app[SOCKETS] = cast(Sockets, None)  # routes are added, and nobody asks
    add_api(app)
    return app


def test_numbers_are_those_of_the_program() -> None:
    assert Settings().streams_max == STREAMS_MAX
    by_name = {rule["alert"]: rule["expr"] for rule in ALERTS}
    assert f"> {STREAMS_MAX * 8 // 10}" in by_name["ProgressBrokerNearCapacity"]
    assert 0.25 in SECONDS
    most = max(stream["max_consumers"] for stream in streams(StreamSettings()))
    assert f"> {most * 8 // 10}" in by_name["ProgressBrokerConsumersNearLimit"]


def test_kubernetes_has_the_same_rules() -> None:
    resource = yaml.safe_load((KUBERNETES / "rules.yaml").read_text())
    assert "monitoring.coreos.com/v1" == resource["apiVersion"]
    assert "PrometheusRule" == resource["kind"]
    there = [rule for group in resource["spec"]["groups"] for rule in group["rules"]]
    key = lambda rule: (rule.get("alert", ""), rule.get("record", ""), rule["expr"])  # noqa: E731
    assert sorted(rules(), key=key) == sorted(there, key=key)
