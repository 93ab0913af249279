"""Whatever producers say, every page stays usable, tells the truth, and runs none of it."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from playwright.async_api import Page, expect

from tests.dashboard.browsing import Dashboard, dashboard
from tests.dashboard.spoiling import spoiler

WIDTH: Final = 375
TABS: Final = ("steps", "timeline", "graph", "logs", "artefacts", "events")

TRAPS: Final = (
    '<img src=x onerror="window.hacked=1">',
    "<script>window.hacked=1</script>",
    "\"'><svg onload=window.hacked=1>",
    "</title></style></textarea><iframe srcdoc='<script>top.hacked=1</script>'>",
    "javascript:window.hacked=1",
    "${window.hacked=1}{{constructor.constructor('window.hacked=1')()}}<%= hacked %>",
)
BLANK: Final = "\u200b\u2066\ufeff\u00ad"
"""Text of which nothing is seen."""
TURNED: Final = "\u202egnp.live\u202a"
LONG: Final = "".join(TRAPS) + TURNED + "W" * 5_000
SHORT: Final = "<b onclick=hacked=1>\u202e"

AT_ANY_TIME: Final = re.compile(r"NaN|undefined|Infinity|\[object |This page could not be shown")
FAULTS: Final = re.compile(rf"{AT_ANY_TIME.pattern}|(?<![\w.,-])1970(?!\w)")
"""What a page says of what it did not expect, such as the year of what was no time. A cursor or a
fraction of a second may have the same digits."""
TRAPPED: Final = """() => ({
  hacked: window.hacked !== undefined,
  links: [...document.links].map((link) => link.href).filter((href) => !/^https?:/.test(href)),
  wide: document.documentElement.scrollWidth,
  headings: [...document.querySelectorAll("h1")]
    .filter((h1) => h1.checkVisibility() && /[\\p{L}\\p{N}]/u.test(h1.innerText)).length,
  text: document.querySelector("main").innerText,
})"""


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        yield d


async def sound(page: Page, *, faults: re.Pattern[str] = FAULTS) -> str:
    """Check that the page is usable and was not taken over; gives its text."""
    found = await page.evaluate(TRAPPED)
    assert not found["hacked"], page.url
    assert found["links"] == [], page.url
    assert found["wide"] == WIDTH, page.url
    assert found["headings"] == 1, page.url
    assert not faults.search(found["text"]), (page.url, faults.search(found["text"]))
    return str(found["text"])


async def visited(d: Dashboard, run: str, **how: Any) -> dict[str, str]:
    """Go to every page that shows a run; gives the text of each."""
    context = await d.context(viewport={"width": WIDTH, "height": 800})
    page = await d.open("/", context=context)
    await expect(page.locator(".runs-name").first).to_be_visible()
    texts = {"list": await sound(page, **how)}
    at = f"/runs/{quote(run, safe='')}"
    await step_to(page, at)
    for tab in TABS:
        handle = page.locator(f"#tab-{tab}")
        if tab == "graph" and not await handle.count():
            continue
        await handle.click()
        await expect(page.get_by_text("Loading…", exact=True)).to_have_count(0)
        await settled(page, tab)
        texts[tab] = await sound(page, **how)
    await page.locator(".event-row button").first.click()
    await expect(page.locator(".event-detail")).to_be_visible()
    texts["past"] = await sound(page, **how)
    await step_to(page, f"/compare?a={quote(run, safe='')}&b={quote(run, safe='')}")
    await expect(page.locator(".compare-heads")).to_be_visible()
    texts["compare"] = await sound(page, **how)
    await step_to(page, f"/share/{quote(run, safe='')}")
    await expect(page.locator(".overall")).to_be_visible()
    texts["share"] = await sound(page, **how)
    await context.close()
    return texts


async def step_to(page: Page, to: str) -> None:
    """Go there as a link does."""
    await page.evaluate("to => history.pushState(null, '', to)", to)
    await page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
    await expect(page.locator("h1").first).to_be_visible()


async def settled(page: Page, tab: str) -> None:
    """Wait until a tab shows something of the run."""
    there = {"logs": ".logs", "events": ".event-row", "artefacts": ".artefacts"}.get(
        tab, "#tab-shown > *"
    )
    await expect(page.locator(there).first).to_be_attached()


def artefact(name: str, uri: str, **more: str) -> dict[str, Any]:
    return {"type": "artifact.added", "name": name, "uri": uri, **more}


def hostile(text: str, short: str) -> list[dict[str, Any]]:
    """A story in which every field that takes text has this."""
    error = {"type": text, "message": text, "stack": text, "details": {text: [text]}}
    document = {short: text, "<i>": {short: [text, {short: None}]}}
    plan = [{"step": short, "name": text, "metadata": document}, {"step": "b", "after": [short]}]
    return [
        {
            "type": "run.started", "pipeline": short, "name": text, "worker": text, "plan": plan,
            "labels": {short: text, "n": 1e308}, "metadata": document, "heartbeat_interval": 1e-3,
            "parent": {"run": short, "step": short}, "retry_of": short,
        },
        {"type": "run.progress", "current": 1, "total": 3, "unit": text, "message": text},
        {"type": "step.started", "step": short, "name": text, "metadata": document},
        {"type": "step.progress", "step": short, "current": 1, "unit": text, "message": text},
        {"type": "step.retrying", "step": short, "error": error},
        {"type": "step.failed", "step": short, "error": error},
        {"type": "step.skipped", "step": "b", "reason": text},
        {"type": "steps.counted", "group": short, "counts": {text: 3, "completed": 2}},
        artefact(short, TRAPS[4], kind="image"),
        artefact("b", f"https://example.test/{short}", media_type=short),
        artefact("c", f"data:text/html,{TRAPS[1]}", kind=short),
        {"type": "run.heartbeat", "resources": document},
        {"type": "run.annotated", "labels": {f"x{short}": text}, "metadata": {f"x{short}": text}},
        {"type": "command.cancel", "id": "c1", "by": text, "reason": text, "mode": text},
        {"type": "command.acknowledged", "command": "c1", "result": "rejected", "reason": text},
        {"type": "command.pause", "id": "c2", "by": short, "reason": short},
        {"type": "run.paused", "reason": text, "prompt": text},
        {"type": "<future>.thing", short: text},
    ]  # fmt: skip


async def logged(d: Dashboard, run: str, *lines: dict[str, Any]) -> None:
    batch = {"type": "log.appended", "lines": list(lines)}
    answer = await d.broker.post(f"/v1/runs/{quote(run, safe='')}/events", batch)
    assert answer.status == 202, answer.body


async def test_script_in_every_field_is_text(shown: Dashboard) -> None:
    run = "<img src=x onerror=hacked=1>"
    await shown.broker.publish(run, *hostile(LONG, SHORT))
    await logged(
        shown,
        run,
        {"text": LONG, "step": SHORT, "level": "error"},
        {"text": "\x1b]8;;javascript:hacked=1\x07x"},
    )
    texts = await visited(shown, run)
    assert TRAPS[0] in texts["logs"]
    assert "javascript:window.hacked=1" in texts["artefacts"]
    await shown.broker.publish(
        run, {"type": "run.failed", "error": {"type": LONG, "message": LONG, "stack": LONG}}
    )
    texts = await visited(shown, run)
    assert TRAPS[0] in texts["steps"]
    assert "Failed" in texts["list"]


async def test_text_of_which_nothing_is_seen(shown: Dashboard) -> None:
    await shown.broker.publish(f"r{BLANK}", *hostile(BLANK, BLANK))
    await logged(shown, f"r{BLANK}", {"text": BLANK}, {"text": ""})
    texts = await visited(shown, f"r{BLANK}")
    assert "Paused" in texts["steps"]
    await shown.broker.publish("empty", *hostile("", " "))
    await visited(shown, "empty")


async def test_steps_named_as_parts_of_the_language_are_steps(shown: Dashboard) -> None:
    ids = [
        "10",
        "9",
        "__proto__",
        "constructor",
        "toString",
        "hasOwnProperty",
        "valueOf",
        "-1",
        "1e3",
        "true",
    ]
    plan = [{"step": id_, "index": index} for index, id_ in enumerate(ids)]
    plan += [{"step": "last", "after": ids}]
    await shown.broker.publish(
        "names",
        {"type": "run.started", "plan": plan, "labels": {"__proto__": "x", "constructor": "y"}},
    )
    for id_ in ids:
        await shown.broker.publish(
            "names",
            {"type": "step.started", "step": id_, "parent": "__proto__" if id_ == "-1" else None},
        )
    await shown.broker.publish("names", {"type": "step.completed", "step": "__proto__"})
    await logged(
        shown, "names", {"text": "one", "step": "__proto__"}, {"text": "two", "step": "constructor"}
    )
    texts = await visited(shown, "names")
    for id_ in [*ids, "last"]:
        assert id_ in texts["compare"] or id_ in texts["steps"], id_
    page = await shown.open("/runs/names?step=__proto__", width=WIDTH)
    await expect(
        page.get_by_role("dialog").or_(page.get_by_role("complementary")).first
    ).to_contain_text("__proto__")
    await sound(page)
    counted = await shown.open("/runs/names?tab=logs&step=__proto__", width=WIDTH)
    await expect(counted.locator(".log-line")).to_have_count(1)


NUMBERS: Final[list[dict[str, Any]]] = [
    {"current": 5, "total": 3},
    {"current": 0, "total": 0},
    {"current": 2**53, "total": 2**53},
    {"current": 9e15, "total": 1e-300},
    {"current": 0.1 + 0.2, "total": 1 / 3, "unit": "%"},
]


async def test_numbers_that_make_no_sense(shown: Dashboard) -> None:
    for n, measured in enumerate(NUMBERS):
        run = f"n{n}"
        await shown.broker.publish(
            run,
            {"type": "run.started", "total_steps": 2**53, "heartbeat_interval": 9e15},
            {"type": "run.progress", **measured},
            {"type": "step.started", "step": "s", "index": 2**53, "weight": 1e9},
            {"type": "step.progress", "step": "s", **measured},
            {"type": "step.started", "step": "t", "weight": 0},
            {"type": "step.completed", "step": "t", "duration": 9e15},
            {"type": "steps.counted", "group": "g", "counts": {"completed": 2**53}, "total": 1},
        )  # fmt: skip
        page = await shown.open(f"/runs/{run}", width=WIDTH)
        bar = page.get_by_role("progressbar", name="Progress of the run")
        await expect(bar).to_be_visible()
        value = await bar.get_attribute("aria-valuenow")
        assert value is None or 0 <= int(value) < 100, measured  # it goes on
    await visited(shown, "n3")


TIMES: Final = (
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z",
    "1969-07-20T20:17:00Z",
    "2038-01-19T03:14:08Z",
)


async def test_clocks_that_are_wrong(shown: Dashboard) -> None:
    for n, (began, ended) in enumerate(zip(TIMES, TIMES[1:] + TIMES[:1], strict=True)):
        run = f"t{n}"
        await shown.broker.publish(
            run,
            {"type": "run.started", "time": began, "plan": [{"step": "a"}, {"step": "b"}]},
            {"type": "step.started", "step": "a", "time": ended},
            {"type": "step.completed", "step": "a", "time": began},
            {"type": "step.started", "step": "b", "time": ended},
        )  # fmt: skip
        await logged(shown, run, {"text": "x", "time": began}, {"text": "y", "time": ended})
    await visited(shown, "t0", faults=AT_ANY_TIME)
    await shown.broker.publish("t1", {"type": "run.completed", "time": TIMES[1]})
    texts = await visited(shown, "t1", faults=AT_ANY_TIME)
    assert "Completed" in texts["steps"]
    assert not re.search(r"(?<![\d-])-\d", texts["steps"])  # nothing took less than no time


async def test_a_browser_whose_clock_is_wrong_by_hours(shown: Dashboard) -> None:
    await shown.broker.publish("r", {"type": "run.started"})
    for hours in (-30, 30):
        context = await shown.context()
        page = await context.new_page()
        await page.add_init_script(
            f"const real = Date.now; Date.now = () => real() + {hours * 3_600_000};"
        )
        await page.goto(f"{shown.broker.url}/")
        updated = re.compile(r"updated (now|\d+ s ago)")
        await expect(page.locator(".runs-row[data-status]")).to_contain_text(updated)
        await page.goto(f"{shown.broker.url}/runs/r")
        await expect(page.locator(".facts dd").first).to_have_text(
            re.compile(r"^\d+(\.\d)? s$|^\d min")
        )


async def test_plans_that_go_in_circles_or_down_for_ever(shown: Dashboard) -> None:
    ring = [{"step": f"r{n}", "after": [f"r{(n + 1) % 5}", f"r{n}", "nowhere"]} for n in range(5)]
    await shown.broker.publish("ring", {"type": "run.started", "plan": ring})
    rings = [
        {"type": "step.started", "step": f"r{n}", "parent": f"r{(n + 1) % 5}"} for n in range(5)
    ]
    itself = {"type": "step.started", "step": "i", "parent": "i", "after": ["i"]}
    await shown.broker.publish("ring", *rings, itself)
    texts = await visited(shown, "ring")
    assert all(f"r{n}" in texts["steps"] for n in range(5))
    deep = [
        {
            "type": "step.started",
            "step": f"d{n}",
            "parent": f"d{n - 1}" if n else None,
            "after": [f"d{n - 1}"] if n else None,
        }
        for n in range(500)
    ]
    await shown.broker.publish("deep", {"type": "run.started"}, *deep)
    await visited(shown, "deep")


async def test_ten_thousand_steps(shown: Dashboard) -> None:
    await shown.broker.publish("many", {"type": "run.started"})
    for start in range(0, 10_000, 1_000):
        plan = [
            {"step": f"s{n}", "after": [f"s{n - 1}"] if n % 100 else []}
            for n in range(start, start + 1_000)
        ]
        await shown.broker.publish("many", {"type": "run.queued", "plan": plan})
    begun = [{"type": "step.started", "step": f"s{n}"} for n in range(300)]
    await shown.broker.publish("many", {"type": "run.started"}, *begun)
    texts = await visited(shown, "many")
    assert "10,000" in texts["steps"]


def calling(status: str) -> Callable[[str], str]:
    """What a gateway says that has another word for "running"."""
    return lambda text: text.replace('"running"', f'"{status}"')


async def test_what_a_later_version_says(shown: Dashboard) -> None:
    await shown.broker.publish(
        "r",
        {"type": "run.started", "plan": [{"step": "a"}]},
        {"type": "step.started", "step": "a"},
        {"type": "run.dreamt", "of": ["sheep"]},
        {"type": "constructor"},
        {"type": "x" * 300},
    )
    async with spoiler(shown.broker.url) as way:
        for word in ("dreaming", "constructor", ""):
            way.rewrite = calling(word)
            context = await shown.context(viewport={"width": WIDTH, "height": 800})
            page = await shown.open("/runs/r", url=way.url, context=context)
            await expect(page.locator(".run-status")).to_have_text(word)
            await sound(page)
            await page.goto(f"{way.url}/")
            await expect(page.locator(".runs-name")).to_have_count(1)
            await sound(page)
            await page.goto(f"{way.url}/runs/r?tab=timeline")
            await settled(page, "timeline")
            await sound(page)
            await page.goto(f"{way.url}/runs/r?tab=events")
            await expect(page.locator(".event-row", has_text="run.dreamt")).to_be_visible()
            await sound(page)
            await context.close()
