"""The page of a run, without its log and its events."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.browsing import HIDE, NOTES, Dashboard, dashboard, violations, widest

RUN = "import-7"
STEPS = ("read", "check", "write")
WRONG = {
    "type": "ValueError",
    "message": "row 311: amount is no number",
    "stack": 'File "import.py", line 311, in check',
}
HOSTILE = "<img src=x onerror=window.pwned=1>‮" + "A\u200b" * 2500


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        yield d


def started(**more: Any) -> dict[str, Any]:
    plan = [{"step": step} for step in STEPS]
    return {"type": "run.started", "pipeline": "import", "plan": plan, **more}


def step(kind: str, step_id: str, **more: Any) -> dict[str, Any]:
    return {"type": f"step.{kind}", "step": step_id, **more}


def overall(page: Page) -> Any:
    return page.get_by_role("progressbar", name="Progress of the run")


async def test_why_it_failed_stands_at_the_top(shown: Dashboard) -> None:
    failure = {"type": "run.failed", "error": WRONG, "kind": "application", "retryable": False}
    failed = step("failed", "check", error=WRONG)
    await shown.broker.publish(
        RUN, started(), step("completed", "read"), step("started", "check"), failed, failure
    )
    page = await shown.open(f"/runs/{RUN}", width=375, height=700)
    why = page.get_by_role("region", name="Why it failed")
    await expect(why.get_by_text(WRONG["message"])).to_be_in_viewport()
    await expect(why).to_contain_text("Fault of the application")
    await expect(why).to_contain_text("Another try will not help")
    await expect(why.get_by_text("line 311, in check")).to_be_hidden()
    await why.get_by_text("Stack").click()
    await expect(why.get_by_text("line 311, in check")).to_be_visible()
    await expect(page).to_have_title(re.compile("Failed"))
    await why.get_by_role("button", name="check").click()
    details = page.get_by_role("dialog", name="check")
    await expect(details.get_by_role("link", name="Its log lines")).to_have_attribute(
        "href", re.compile("tab=logs.*step=check|step=check.*tab=logs")
    )
    assert await widest(page) == 375


async def test_it_goes_on_live_and_is_full_only_when_completed(shown: Dashboard) -> None:
    publish = shown.broker.publish
    await publish(RUN, started(), step("started", "read"))
    page = await shown.open(f"/runs/{RUN}")
    await expect(overall(page)).to_have_attribute("aria-valuenow", "0")
    await publish(RUN, step("progress", "read", current=3, total=4, unit="rows"))
    await expect(page.get_by_text("3/4 rows")).to_be_visible()
    await expect(overall(page)).to_have_attribute("aria-valuenow", "25")
    current = page.get_by_role("listitem").filter(has=page.get_by_role("button", name="read"))
    await expect(current).to_have_attribute("aria-current", "step")
    await publish(RUN, *(step("completed", name) for name in STEPS))
    await expect(overall(page)).to_have_attribute("aria-valuenow", "99")
    await publish(RUN, {"type": "run.completed"})
    await expect(overall(page)).to_have_attribute("aria-valuenow", "100")
    await expect(page.locator("[role=status].hidden")).to_have_text("The run is completed")


async def test_what_is_unknown_looks_unknown(shown: Dashboard) -> None:
    amount = {"type": "run.progress", "current": 412, "unit": "pages"}
    await shown.broker.publish(RUN, {"type": "run.started"}, amount)
    page = await shown.open(f"/runs/{RUN}")
    await expect(page.get_by_text("412 pages")).to_be_visible()
    assert await overall(page).get_attribute("aria-valuenow") is None
    await expect(overall(page)).to_have_attribute("aria-valuetext", re.compile("not known"))
    await expect(page.get_by_text("Ends").locator("..")).to_contain_text("Unknown")
    await shown.broker.publish(RUN, {**amount, "total": 1000, "total_final": False})
    await expect(page.get_by_text("412 of at least 1,000 pages")).to_be_visible()


async def test_a_run_that_is_not_known_yet_is_waited_for(shown: Dashboard) -> None:
    page = await shown.open(f"/runs/{RUN}")
    await expect(page.get_by_role("heading", name="Not known yet; watching")).to_be_visible()
    await shown.broker.publish(RUN, started(name="At last"))
    await expect(page.get_by_role("heading", name="At last")).to_be_visible()


async def test_a_command_is_seen_from_asked_to_effective(shown: Dashboard) -> None:
    publish = shown.broker.publish
    await publish(RUN, started(), step("started", "read"))
    page = await shown.open(f"/runs/{RUN}")
    # It tells why it does nothing, for which Playwright has to be made to click.
    await page.get_by_role("button", name="Retry").click(force=True)
    await expect(page.locator(".toast")).to_have_text("Retry: It has not ended")
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_label("Reason").fill("wrong file")
    await page.get_by_label("Your name").fill("ada")
    await page.get_by_role("button", name="Cancel the run").click()
    receipt = page.get_by_role("region", name="What was asked of this run")
    await expect(receipt).to_contain_text(re.compile("Cancel.*by ada.*asked.*not answered for"))
    await expect(receipt).to_contain_text("wrong file")
    [command] = (await shown.broker.snapshot(RUN))["commands"]
    answer = {"type": "command.acknowledged", "command": command, "result": "accepted"}
    await publish(RUN, answer)
    await expect(receipt).to_contain_text(re.compile("accepted by the producer.*not in effect yet"))
    await publish(RUN, {"type": "run.cancelled", "by": "ada"})
    await expect(receipt).to_contain_text(re.compile("accepted by the producer.*cancelled"))
    await expect(page.get_by_role("button", name="Cancel")).to_have_attribute(
        "aria-disabled", "true"
    )


async def test_an_earlier_attempt_and_a_past_moment_are_told_from_now(shown: Dashboard) -> None:
    [first, *_] = await shown.broker.publish(
        RUN,
        started(),
        step("started", "read"),
        {"type": "run.failed", "error": WRONG},
        {"type": "run.queued", "attempt": 2},
        {"type": "run.started", "attempt": 2},
    )
    page = await shown.open(f"/runs/{RUN}")
    status = page.locator(".run-status")
    await expect(status).to_have_text("Running")
    await page.get_by_label("Attempt").select_option("1")
    await expect(page).to_have_url(re.compile("attempt=1"))
    await expect(page.locator(".past-band")).to_contain_text(
        "You see attempt 1 of 2, which is over"
    )
    await expect(status).to_have_text("Failed")
    await expect(page.locator(".stage").first).to_have_attribute("data-status", "unknown")
    await page.get_by_role("button", name="Back to the latest attempt").click()
    await expect(status).to_have_text("Running")
    epoch = (await shown.broker.snapshot(RUN))["cursor"].split("-")[0]
    await page.goto(f"{shown.broker.url}/runs/{RUN}?at={epoch}-{first}")
    await expect(page.locator(".past-band")).to_contain_text("You see the past")
    await expect(page.locator(".stage[data-status=pending]")).to_have_count(3)
    await page.get_by_role("button", name="Cancel").click(force=True)
    await expect(page.locator(".toast")).to_have_text("Cancel: You see the past")
    await page.get_by_role("button", name="Back to now").click()
    await expect(page.locator(".past-band")).to_have_count(0)


async def test_the_producers_silence_is_not_the_viewers(shown: Dashboard) -> None:
    lost = {"type": "run.lost", "threshold": 45.0}
    await shown.broker.publish(RUN, started(heartbeat_interval=3600), step("started", "read"), lost)
    page = await shown.open(f"/runs/{RUN}")
    await expect(page.get_by_text("No sign of life from its producer")).to_be_visible()
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await expect(page.locator(".stage").first).to_have_attribute("data-status", "lost")
    await expect(page.get_by_text("Connection lost")).to_have_count(0)
    await shown.broker.publish(RUN, step("progress", "read", current=1, total=2))
    await expect(page.get_by_text("No sign of life")).to_have_count(0)


async def test_only_addresses_of_the_web_are_links_and_text_is_text(shown: Dashboard) -> None:
    evil, proto = HOSTILE, "__proto__"
    await shown.broker.publish(
        RUN,
        started(name=evil, worker=evil, labels={evil[:60]: evil}, metadata={"a": {proto: evil}}),
        step("started", proto, name=evil),
        step("progress", proto, current=1, unit=evil, message=evil),
        {"type": "artifact.added", "name": "trap", "uri": "javascript:alert(1)"},
        {"type": "artifact.added", "name": "report", "uri": "https://example.com/report"},
        {"type": "run.failed", "error": {"type": evil, "message": evil, "stack": evil}},
    )
    page = await shown.open(f"/runs/{RUN}?tab=artefacts", width=375)
    await expect(page.get_by_role("link", name="report")).to_be_visible()
    await expect(page.get_by_text("javascript:alert(1)")).to_be_visible()
    assert await page.locator('a[href^="javascript"]').count() == 0
    for tab, drawn in (
        ("Steps", ".stage"),
        ("Timeline", ".chart-canvas"),
        ("Artefacts", "h2"),
    ):
        await page.get_by_role("tab", name=tab).click()
        await expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
        await expect(page.get_by_role("tabpanel").locator(drawn).first).to_be_visible()
        assert await widest(page) == 375
    assert await page.evaluate("window.pwned") is None


async def test_who_asked_for_it_is_told_of_the_end_in_a_hidden_tab(shown: Dashboard) -> None:
    await shown.broker.publish(RUN, started(name="The import"))
    context = await shown.context()
    notes = asyncio.Queue[str]()
    await context.expose_function("noted", notes.put_nowait)
    await context.add_init_script(NOTES)
    page = await shown.open(f"/runs/{RUN}", context=context)
    bell = page.get_by_role("button", name="Tell me when it ends")
    await bell.click()
    await expect(bell).to_have_attribute("aria-pressed", "true")
    await page.evaluate(HIDE, True)
    await shown.broker.publish(RUN, {"type": "run.failed", "error": WRONG})
    assert await notes.get() == f"Failed: The import ({WRONG['message']})"
    await expect(page).to_have_title(re.compile("^Failed · The import"))


async def test_addresses_are_given_to_others(shown: Dashboard) -> None:
    await shown.broker.publish(RUN, started())
    page = await shown.open(f"/runs/{RUN}?tab=timeline")
    await page.get_by_role("button", name="Share").click()
    share = page.get_by_role("dialog", name="Share")
    url = shown.broker.url
    await expect(share.get_by_label("Link to what you see").first).to_have_value(
        f"{url}/runs/{RUN}?tab=timeline"
    )
    await expect(share.get_by_role("textbox").nth(1)).to_have_value(f"{url}/share/{RUN}")
    await expect(share.get_by_role("textbox").nth(2)).to_have_value(
        f"[![{RUN}]({url}/v1/runs/{RUN}/badge.svg)]({url}/runs/{RUN})"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_everyone_can_use_it(shown: Dashboard, theme: Any) -> None:
    artifact = {"type": "artifact.added", "name": "report", "uri": "https://example.com/report"}
    counted = {"type": "steps.counted", "group": "rows", "counts": {"completed": 3}, "total": 9}
    plan = [{"step": f"s{n}", "after": [f"s{n - 1}"] if n else []} for n in range(12)]
    await shown.broker.publish(
        "few", started(), step("started", "read"), artifact, {"type": "command.pause", "by": "ada"}
    )
    await shown.broker.publish("many", {"type": "run.started", "plan": plan}, counted)
    await shown.broker.publish(
        "many", step("failed", "s0", error=WRONG), {"type": "run.failed", "error": WRONG}
    )
    page = await shown.open("/runs/few", width=375, theme=theme)
    for address, ready in (
        ("few", ".stepper"),
        ("few?tab=artefacts", ".artefacts"),
        ("many", ".step-row"),
        ("many?tab=timeline&step=s0", ".lane"),
        ("many?tab=graph", ".node"),
    ):
        for width in (375, 1440):
            await page.set_viewport_size({"width": width, "height": 900})
            await page.goto(f"{shown.broker.url}/runs/{address}")
            await expect(page.locator(ready).first).to_be_attached()
            assert await violations(page) == [], (address, width)
            assert await widest(page) == width
