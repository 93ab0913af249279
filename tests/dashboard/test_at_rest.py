"""A run that is paused, or was: what rests looks at rest, and every pause is seen."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from broker.stream.topology import PROGRESS, api
from tests.dashboard.browsing import Dashboard, ago, dashboard

RUN = "deploy-4"
COLOUR = """(canvas, [share, y]) => {
  const ratio = canvas.width / canvas.clientWidth;
  const [x, at] = [share * canvas.clientWidth * ratio, y * ratio];
  return [...canvas.getContext("2d").getImageData(x, at, 1, 1).data].slice(0, 3);
}"""
"""What is drawn at a share of the canvas's width and so many pixels from its top."""
MOVES = """bar => getComputedStyle(bar, "::after").animationName"""


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        yield d


def lane(page: Page, name: str) -> Locator:
    return page.get_by_role("treeitem", name=re.compile(f"^{name}:"))


async def test_earlier_pauses_are_drawn(shown: Dashboard) -> None:
    began = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def at(seconds: float, kind: str, step: str | None = None) -> dict[str, Any]:
        time = (began + timedelta(seconds=seconds)).isoformat()
        return {"type": kind, "time": time, **({"step": step} if step else {})}

    await shown.broker.publish(
        RUN,
        at(0, "run.started"),
        at(0, "step.started", "build"),
        at(10, "run.paused"),
        at(30, "run.resumed"),
        at(60, "step.completed", "build"),
        at(70, "run.paused"),
        at(80, "run.resumed"),
        at(100, "run.completed"),
    )
    page = await shown.open(f"/runs/{RUN}?tab=timeline")
    whole = lane(page, "The whole run")
    await expect(whole).to_have_accessible_name(re.compile(r"took 1 min 40 s · paused 30 s"))
    await expect(lane(page, "build")).to_have_accessible_name(
        re.compile(r"took 1 min 00 s · paused 20 s")
    )
    canvas = page.locator(".chart-canvas")
    work, pause = [await canvas.evaluate(COLOUR, [share, 14]) for share in (0.05, 0.2)]
    assert work != pause
    assert [await canvas.evaluate(COLOUR, [share, 14]) for share in (0.5, 0.75)] == [work, pause]
    await page.get_by_label("As a table").check()
    cells = page.get_by_role("row").filter(has_text="build").get_by_role("cell")
    await expect(cells.last).to_have_text("20 s")


async def test_a_pause_that_ends_while_one_looks_stays_to_be_seen(shown: Dashboard) -> None:
    publish = shown.broker.publish
    await publish(RUN, ago(60, "run.started"), ago(60, "step.started", "build"))
    page = await shown.open(f"/runs/{RUN}?tab=timeline")
    await expect(lane(page, "build")).to_have_accessible_name(re.compile("running for"))
    await publish(RUN, ago(40, "run.paused"))
    # Its work is told up to the pause, which alone grows.
    await expect(lane(page, "build")).to_have_accessible_name(re.compile(r"Paused .* took 20 s"))
    await publish(RUN, ago(25, "run.resumed"))
    await expect(lane(page, "build")).to_have_accessible_name(
        re.compile("Running .* running for .* paused 15 s")
    )


async def test_pauses_that_cannot_be_read_are_missed(shown: Dashboard) -> None:
    await shown.broker.publish(RUN, ago(60, "run.started"), ago(50, "run.paused"))
    page = await shown.open(f"/runs/{RUN}?tab=timeline")
    whole = lane(page, "The whole run")
    await expect(whole).to_have_accessible_name(re.compile("Paused .* paused"))
    await page.route("**/events", lambda route: route.abort())
    await shown.broker.publish(RUN, ago(20, "run.resumed"))
    await expect(page.get_by_text("the events of the run could not be read")).to_be_visible()
    await expect(whole).not_to_have_accessible_name(re.compile("paused"))
    await page.unroute("**/events")
    await page.get_by_role("button", name="Try again").click()
    await expect(whole).to_have_accessible_name(re.compile("paused 30 s"))
    await expect(page.get_by_text("the events of the run could not be read")).to_have_count(0)


async def test_who_comes_back_to_the_timeline_reads_only_what_is_new(shown: Dashboard) -> None:
    first = ago(60, "run.started"), ago(50, "run.paused"), ago(40, "run.resumed")
    await shown.broker.publish(RUN, *first)
    page = await shown.open(f"/runs/{RUN}")
    await expect(page.locator(".run-status")).to_have_text("Running")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.partition("/events")[2]))
    whole = lane(page, "The whole run")
    for _ in range(2):
        await page.get_by_role("tab", name="Timeline").click()
        await expect(whole).to_have_accessible_name(re.compile("paused 10 s"))
        await page.get_by_role("tab", name="Steps").click()
        await expect(whole).to_have_count(0)
    await shown.broker.publish(RUN, ago(30, "run.paused"), ago(15, "run.resumed"))
    await page.get_by_role("tab", name="Timeline").click()
    await expect(whole).to_have_accessible_name(re.compile("paused 25 s"))
    read = [query for query in asked if query.startswith("?after=")]
    assert len(read) == 1


async def test_events_that_are_not_kept_are_missed(shown: Dashboard) -> None:
    story = ago(60, "run.started"), ago(50, "run.paused"), ago(20, "run.resumed")
    seqs = await shown.broker.publish(RUN, *story)
    page = await shown.open(f"/runs/{RUN}")
    await expect(page.locator(".run-status")).to_have_text("Running")
    await api(shown.broker.nats.connection, f"STREAM.PURGE.{PROGRESS}", {"seq": seqs[1]})
    await page.get_by_role("tab", name="Timeline").click()
    await expect(page.get_by_text("the first events of the run are not kept")).to_be_visible()


async def test_the_steps_of_a_paused_run_rest(shown: Dashboard) -> None:
    plan = [{"step": "crawl"}, {"step": "index", "after": ["crawl"]}]
    await shown.broker.publish(
        RUN,
        ago(600, "run.started", plan=plan),
        ago(600, "step.started", "crawl"),
        ago(500, "step.progress", "crawl", current=4120, unit="pages"),
    )
    page = await shown.open(f"/runs/{RUN}")
    stage = page.locator(".stage").first
    bar = stage.locator(".bar")
    await expect(stage).to_have_attribute("data-status", "running")
    assert await bar.evaluate(MOVES) != "none"
    await shown.broker.publish(RUN, ago(60, "run.paused"))
    for place in ("runs", "share"):
        await page.goto(f"{shown.broker.url}/{place}/{RUN}")
        await expect(stage).to_have_attribute("data-status", "paused")
        await expect(stage).to_have_attribute("aria-current", "step")
        await expect(stage.get_by_text("Paused", exact=True)).to_be_visible()
        # Ten minutes ago it began, one minute ago it was paused.
        await expect(stage).to_contain_text("9 min 00 s")
        assert await bar.evaluate(MOVES) == "none"
        await expect(page.locator(".legend")).to_contain_text("1 paused")
    await page.goto(f"{shown.broker.url}/runs/{RUN}?tab=graph")
    await expect(page.get_by_role("button", name="crawl, Paused")).to_be_visible()
    await expect(page.locator(".arrow[data-flow]")).to_have_count(0)
    await shown.broker.publish(RUN, {"type": "run.resumed"})
    await expect(page.get_by_role("button", name="crawl, Running")).to_be_visible()


async def test_a_long_list_says_which_steps_are_paused(shown: Dashboard) -> None:
    plan = [{"step": f"s{n}"} for n in range(12)]
    await shown.broker.publish(
        RUN, {"type": "run.started", "plan": plan}, {"type": "step.started", "step": "s3"}
    )
    await shown.broker.publish(RUN, {"type": "run.paused"})
    page = await shown.open(f"/runs/{RUN}")
    await expect(page.get_by_role("treeitem", name="Paused 1")).to_be_visible()
    await expect(page.locator(".step-row[data-status=paused]")).to_contain_text("s3")
    await page.goto(f"{shown.broker.url}/#open={RUN}")
    await expect(page.locator(".runs-steps")).to_contain_text("s3")
