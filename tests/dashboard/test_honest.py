"""Pages say what is known of a run in every state, and nothing that did not happen."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.pages import way_to
from tests.dashboard.browsing import Dashboard, dashboard
from tests.dashboard.test_embed import hosted, opened

RUN = "import-7"
STEPS = ("read", "check", "write")
TABS = ("steps", "timeline", "graph", "logs", "artefacts", "events")
LISTEN = """() => {
  window.said = [];
  for (const role of ["status", "alert"]) {
    const live = document.querySelector(`.hidden[role=${role}]`);
    const say = () => live.textContent && window.said.push(live.textContent);
    const all = { childList: true, characterData: true, subtree: true };
    new MutationObserver(say).observe(live, all);
  }
}"""
AN_HOUR_AHEAD = """{
  const { now } = Date;
  Date.now = () => now() + 3_600_000;
}"""


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        yield d


def started(*steps: str, **more: Any) -> dict[str, Any]:
    plan = [{"step": step} for step in steps or STEPS]
    return {"type": "run.started", "pipeline": "import", "plan": plan, **more}


def step(kind: str, step_id: str, **more: Any) -> dict[str, Any]:
    return {"type": f"step.{kind}", "step": step_id, **more}


def command(kind: str, name: str, *, result: str | None = None) -> list[dict[str, Any]]:
    given: dict[str, Any] = {"type": f"command.{kind}", "id": name, "by": "ada"}
    answer = {"type": "command.acknowledged", "command": name, "result": result}
    return [given, answer] if result else [given]


async def extent(part: Locator) -> tuple[float, float]:
    """Where a part of a page begins and ends, in pixels from the top."""
    box = await part.bounding_box()
    assert box is not None
    return box["y"], box["y"] + box["height"]


def live(page: Page, role: str) -> Locator:
    """The part of a page that says aloud what is put in it."""
    return page.locator(f"[role={role}].hidden")


async def said(page: Page) -> list[str]:
    return list(await page.evaluate("window.said"))


async def test_what_a_run_left_open_goes_on_nowhere(shown: Dashboard) -> None:
    under_way = step("started", "read"), step("progress", "read", current=1, total=2)
    await shown.broker.publish("failed", started(), *under_way, {"type": "run.failed", "error": {}})
    await shown.broker.publish("lost", started(), *under_way, {"type": "run.lost"})
    for run, status in (("failed", "unknown"), ("lost", "lost")):
        for place in ("runs", "share"):
            page = await shown.open(f"/{place}/{run}")
            await expect(page.locator(".stage").first).to_have_attribute("data-status", status)
            # What the percentage counts is in the bar too, but not as if it went on.
            part = page.locator(".overall-bar i")
            await expect(part).to_have_count(1)
            await expect(part).to_have_attribute("data-status", status)
            current = page.locator(".stage[aria-current=step]")
            await expect(current).to_contain_text("read")
    page = await shown.open("/#open=failed&open=lost")
    await expect(page.locator(".runs-steps .status[data-status=unknown]")).to_be_visible()
    await expect(page.locator(".runs-steps .status[data-status=lost]")).to_be_visible()
    full = started(), step("started", "read"), step("progress", "read", current=2, total=2)
    await shown.broker.publish("full", *full)
    await page.goto(f"{shown.broker.url}/#open=full")
    far = page.locator(".runs-steps").get_by_role("progressbar")
    await expect(far).to_have_attribute("aria-valuenow", "99")
    await page.goto(f"{shown.broker.url}/compare?a=failed&b=lost")
    await expect(page.locator(".compare-steps .status").first).to_have_text("Unknown")
    await page.goto(f"{shown.broker.url}/share/failed")
    await page.get_by_role("button", name="read").click()
    await expect(page.get_by_text("Started", exact=True)).to_be_visible()
    await expect(page.get_by_role("link", name="Its log lines")).to_have_count(0)


async def test_what_became_of_a_command_is_said_only_where_it_is_known(shown: Dashboard) -> None:
    publish = shown.broker.publish
    await publish(
        RUN,
        started(),
        *command("pause", "p", result="accepted"),
        {"type": "run.paused"},
        *command("resume", "r", result="accepted"),
    )
    page = await shown.open(f"/runs/{RUN}")
    receipts = page.get_by_role("region", name="What was asked of this run").get_by_role("listitem")
    resume = receipts.filter(has_text="Resume").first
    await expect(resume).to_contain_text("not in effect yet")
    await publish(RUN, {"type": "run.lost"})
    await expect(page.get_by_text("No sign of life")).to_be_visible()
    await expect(resume).to_contain_text("not in effect yet")
    await publish(RUN, {"type": "run.resumed"}, *command("cancel", "c", result="accepted"))
    cancel = receipts.filter(has_text="Cancel").first
    await expect(cancel).to_contain_text("not in effect yet")
    await expect(resume.locator("[data-stage=effective]")).to_have_text("running")
    pause = receipts.filter(has_text="Pause").first
    await page.get_by_text("1 earlier").click()
    await expect(pause.locator("[data-stage=accepted]")).to_be_visible()
    await expect(pause.locator("[data-stage=waiting], [data-stage=effective]")).to_have_count(0)
    await publish(RUN, {"type": "run.completed"})
    await expect(cancel).to_contain_text("too late: completed")

    unanswered = command("cancel", "c"), {"type": "run.cancelled", "by": "bob", "reason": "wrong"}
    await publish("other", started(), *unanswered[0], unanswered[1])
    await page.goto(f"{shown.broker.url}/runs/other")
    await expect(page.get_by_text("Cancelled by bob")).to_be_visible()
    await expect(receipts.filter(has_text="Cancel").first).to_contain_text("never answered")


async def test_milestones_are_said_and_little_else(shown: Dashboard) -> None:
    publish = shown.broker.publish
    many = [f"s{n}" for n in range(100)]
    await publish("many", started(*many))
    page = await shown.open("/runs/many")
    bar = page.get_by_role("progressbar", name="Progress of the run")
    await expect(bar).to_have_attribute("aria-valuenow", "0")
    await page.evaluate(LISTEN)
    for n in range(0, 100, 20):
        await publish("many", *(step("completed", name) for name in many[n : n + 20]))
        await expect(bar).to_have_attribute("aria-valuenow", str(min(99, n + 20)))
    await publish("many", {"type": "run.completed"})
    await expect(bar).to_have_attribute("aria-valuenow", "100")
    await expect(live(page, "status")).to_have_text("The run is completed")
    assert await said(page) == ["25 percent", "50 percent", "75 percent", "The run is completed"]

    await publish("few", started())
    await page.goto(f"{shown.broker.url}/runs/few?tab=events")
    status = page.locator(".run-status")
    await expect(status).to_have_text("Running")
    await page.evaluate(LISTEN)
    happened = [
        ("run.paused", "status", "The run is paused"),
        ("run.resumed", "status", "The run goes on"),
        ("run.lost", "alert", "The run's producer is lost"),
        ("run.recovered", "status", "The run's producer is heard of again"),
    ]
    for event, role, words in happened:
        await publish("few", {"type": event})
        await expect(live(page, role)).to_have_text(words)
    await page.get_by_role("slider").focus()
    for _ in range(4):
        await page.keyboard.press("ArrowLeft")
    await expect(page.locator(".past-band")).to_be_visible()
    await page.get_by_role("button", name="Back to now").click()
    await expect(live(page, "status")).to_have_text("You see what is now")
    heard = await said(page)
    assert heard[:4] == [words for _, _, words in happened]
    assert [text[:16] for text in heard[4:]] == ["You see the past", "You see what is "]


async def test_no_key_means_two_things(shown: Dashboard) -> None:
    plan = [{"step": "read"}, {"step": "check", "after": ["read"]}]
    counted = {"type": "steps.counted", "group": "rows", "counts": {"completed": 3}, "total": 9}
    await shown.broker.publish(RUN, started(plan=plan), counted)
    page = await shown.open(f"/runs/{RUN}", width=375)
    await expect(page.get_by_text("rows", exact=True)).to_be_visible()
    for tab in TABS:
        await page.locator(f"#tab-{tab}").click()
        await expect(page.locator("#tab-shown .empty")).to_have_count(0)
        await page.keyboard.press("?")
        panel = page.get_by_role("dialog", name="Keyboard shortcuts")
        await expect(panel).to_be_visible()
        keys = await panel.locator("kbd").all_inner_texts()
        assert len(keys) == len(set(keys)), (tab, keys)
        await panel.get_by_role("button", name="Close").click()
        await expect(panel).to_have_count(0)


async def test_little_room_hides_nothing(shown: Dashboard) -> None:
    ended = {"type": "run.cancelled", "by": "bob", "reason": "wrong file"}
    await shown.broker.publish(RUN, started(), *command("cancel", "c"), ended)
    page = await shown.open("/", width=375)
    await expect(page.get_by_text("1 command unanswered")).to_be_visible()
    _, told = await extent(page.locator(".runs-unanswered"))
    begins, when = await extent(page.locator(".runs-when"))
    _, line = await extent(page.locator(".runs-line"))
    assert told <= begins + 1
    assert when <= line
    await page.goto(f"{shown.broker.url}/runs/{RUN}")
    await page.get_by_role("button", name="Share").click()
    close = await page.get_by_role("dialog").get_by_role("button", name="Close").bounding_box()
    assert close is not None
    assert close["width"] < 60


async def test_an_elements_clock_is_the_gateways_and_stops_with_the_connection(
    tmp_path: Path,
) -> None:
    async with hosted(tmp_path, "") as (d, host), way_to(d.broker) as (way, url):
        host.gateway = url
        host.body = '<progress-run run="a" steps></progress-run><progress-run run="b" steps>'
        await d.broker.publish("a", started("read"), step("started", "read"))
        await d.broker.publish("b", started("read"), step("started", "read"), {"type": "run.lost"})
        context = await d.context()
        await context.add_init_script(AN_HOUR_AHEAD)
        page = await opened(d, host, context=context)
        element, silent = page.locator("progress-run").first, page.locator("progress-run").last
        passed = element.locator(".muted .numbers").first
        await expect(silent.get_by_text("Lost").first).to_be_visible()
        await expect(silent.get_by_role("progressbar")).to_have_count(1)
        await expect(silent.locator(".muted .numbers").first).to_have_text(re.compile(r"^0\.\d s$"))
        await d.broker.publish("a", step("progress", "read", current=1, total=2))
        await expect(passed).to_have_text(re.compile(r"^\d+(\.\d)? s$"))
        await d.broker.publish("a", step("progress", "read", current=2, total=2))
        far = element.get_by_role("progressbar", name="read")
        await expect(far).to_have_attribute("aria-valuenow", "99")
        seen = await passed.inner_text()
        await expect(passed).not_to_have_text(seen)
        way.shut()
        await expect(element.get_by_role("status")).to_contain_text("Connection lost")
        stood = await passed.inner_text()
        # Nothing tells that a clock stands still but time: twice what it takes to go on.
        await page.wait_for_timeout(2_000)
        assert await passed.inner_text() == stood
        await way.open()
