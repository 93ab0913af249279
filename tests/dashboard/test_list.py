"""The list of runs: what it counts, finds, shows live, and lets one do."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from broker.model.state import Counts, Progress
from broker.model.state import Problem as Failure
from tests.dashboard.browsing import (
    WIDTHS,
    Dashboard,
    Theme,
    busiest,
    dashboard,
    violations,
    widest,
)
from tests.dashboard.spoiling import problem, spoiler
from tests.faults import until
from tests.gateway.lists import listing, put
from tests.unit.index.rows import summary

MANY = 20_000
HOSTILE = "\u202e\u200b<img src=x onerror=alert(1)>" + "\u00e9" * 5_000


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[Dashboard]:
    async with dashboard(tmp_path) as d:
        yield d


ROWS = [
    summary("r1", 1, name="Nightly", pipeline="import", labels={"team": "data"}, started_at=1),
    summary("r2", 2, pipeline="import", labels={"team": "web"}, started_at=2, status="completed"),
    summary("r3", 3, name="Sales", pipeline="two words", started_at=3, status="failed"),
    summary("r4", 4, pipeline="export", queued_at=4, status="queued", parent="r1"),
    summary("r5", 5, pipeline="export", started_at=5, status="lost", last_seen=None),
]


def row(page: Page, name: str) -> Locator:
    """The row whose link says a name."""
    return page.locator(".runs-row", has=page.get_by_role("link", name=name, exact=True))


async def names(page: Page, *expected: str) -> None:
    """Wait until exactly these runs are shown, in this order."""
    await expect(page.locator(".runs-name")).to_have_text(list(expected))


async def listed(d: Dashboard, count: int) -> None:
    """Wait until so many runs are in the list."""

    async def all_of_them() -> bool:
        counts: dict[str, int] = (await listing(d.broker, limit=1))["counts"]
        return sum(counts.values()) == count

    await until(all_of_them)


async def test_cards_tabs_search_and_address_say_the_same(shown: Dashboard) -> None:
    await put(shown.broker, *ROWS)
    page = await shown.open("/")
    await names(page, "r5", "r4", "Sales", "r2", "Nightly")
    tabs = page.get_by_role("navigation", name="Status")
    await expect(tabs.get_by_role("link", name="All 5")).to_have_attribute("aria-current", "page")
    cards = page.get_by_role("navigation", name="Overview")
    await expect(cards.get_by_role("link").nth(2)).to_contain_text("50 % of those completed or")
    await cards.get_by_role("link", name="Failed, lost").click()
    await names(page, "r5", "Sales")
    await expect(page.get_by_label("Search runs")).to_have_value("status:failed,lost")
    await tabs.get_by_role("link", name="Queued 1").click()
    await names(page, "r4")
    await expect(page).to_have_url(re.compile(r"\?q=status%3Aqueued$"))
    await page.get_by_label("Search runs").fill("pipeline:import")
    await names(page, "r2", "Nightly")
    await expect(tabs.get_by_role("link", name="All 2")).to_have_attribute("aria-current", "page")
    await row(page, "Nightly").get_by_role("button", name="team:data").click()
    await names(page, "Nightly")
    await expect(page.get_by_label("Search runs")).to_have_value("pipeline:import label.team:data")
    await page.get_by_label("Order").select_option("Oldest first")
    await page.get_by_label("Search runs").fill("")
    await names(page, "Nightly", "r2", "Sales", "r4", "r5")
    await page.reload()
    await names(page, "Nightly", "r2", "Sales", "r4", "r5")


SEARCHES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("", {}, []),
    ("nightly  Import", {"q": ["nightly Import"]}, []),
    ("status:failed,LOST status:queued", {"status": ["queued,failed,lost"]}, []),
    ('pipeline:"two words" pipeline:b', {"pipeline": ["two words", "b"]}, []),
    ("label.team:data label.a.b:x:y", {"label": ["team:data", "a.b:x:y"]}, []),
    ('label."my team":x', {"label": ["my team:x"]}, []),
    ('LABEL."a:b ""c""":"d ""e"""', {"label": ['a:b "c":d "e"']}, []),
    ('label."":x label."open:x', {"q": ["label.open:x"]}, ["label"]),
    ("parent:r1", {"parent": ["r1"]}, []),
    ('"half:quoted" "open end', {"q": ["half:quoted open end"]}, []),
    ("age<1d", {"since": ["2026-01-30T12:00:00.000Z"]}, []),
    ("age>90m", {"until": ["2026-01-31T10:30:00.000Z"]}, []),
    ("status:faild x", {"q": ["x"]}, ["status"]),
    ("status: parent:", {}, ["empty", "empty"]),
    ("team:data", {}, ["key"]),
    ("label:team", {}, ["label"]),
    ("age:1d age<soon", {}, ["age", "age"]),
    ("age<1h age<2h", {"since": ["2026-01-31T11:00:00.000Z"]}, ["twice"]),
    ("age<1h age>2h", {}, ["span"]),
    ("a b c d e f g h i", {"q": ["a b c d e f g h"]}, ["words"]),
    ("x" * 513, {}, ["long"]),
]


async def test_what_a_search_means_and_what_it_cannot_mean(shown: Dashboard) -> None:
    """The latter is said under the box, with what to do."""
    await put(shown.broker, *ROWS)
    page = await shown.open("/?q=status:faild+team:web")
    box = page.get_by_label("Search runs")
    await expect(box).to_have_attribute("aria-invalid", "true")
    said = page.locator(".runs-problems")
    await expect(said).to_contain_text("status: takes queued, running, paused, completed, failed")
    await expect(said).to_contain_text('Write label.team:web for a label, or "team:web"')
    await box.fill("nothing-like-it")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    await expect(said).to_be_empty()
    await page.get_by_role("link", name="Show all runs").click()
    await names(page, "r5", "r4", "Sales", "r2", "Nightly")
    await page.get_by_role("button", name="How to search").click()
    await expect(page.get_by_role("dialog", name="How to search")).to_contain_text("age<1d")
    script = await page.locator("script[type=module]").get_attribute("src") or ""
    read = """async ([module, searches]) => {
      const { params, parse } = await import(module);
      return searches.map((text) => {
        const search = parse(text);
        const query = params(search, Date.UTC(2026, 0, 31, 12));
        const names = [...new Set(query.keys())];
        return [
          Object.fromEntries(names.map((name) => [name, query.getAll(name)])),
          search.problems.map(({ fault }) => fault),
        ];
      });
    }"""
    module = script.replace("app.js", "pages/list/search.js")
    found = await page.evaluate(read, [module, [text for text, _, _ in SEARCHES]])
    for (text, query, faults), meant in zip(SEARCHES, found, strict=True):
        assert [query, faults] == meant, text


async def test_why_a_run_failed_is_seen_at_once_and_the_rest_two_clicks_away(
    shown: Dashboard,
) -> None:
    error = {"type": "ValueError", "message": "row 4711 has no price"}
    await shown.broker.publish(
        "r1",
        {"type": "run.started", "name": "Nightly", "labels": {"team": "data"}},
        {"type": "step.started", "step": "clean"},
        {"type": "step.failed", "step": "clean", "error": error},
        {"type": "run.failed", "error": error},
    )
    page = await shown.open("/")
    failed = row(page, "Nightly")
    await expect(failed.locator(".runs-says")).to_have_text("ValueError: row 4711 has no price")
    await failed.get_by_role("button", name="Details of Nightly").click()
    steps = failed.locator("section", has=page.get_by_role("heading", name="Failed steps"))
    await expect(steps).to_contain_text("cleanrow 4711 has no price")
    await expect(failed.get_by_role("link", name="Its log")).to_have_attribute(
        "href", "/runs/r1?tab=logs"
    )
    await failed.get_by_role("link", name="Nightly").click()
    await expect(page).to_have_url(f"{shown.broker.url}/runs/r1")


async def test_rows_are_live_and_open_ones_stay_open(shown: Dashboard) -> None:
    publish = shown.broker.publish
    await publish("r1", {"type": "run.started", "name": "First", "plan": [{"step": "load"}]})
    page = await shown.open("/")
    await row(page, "First").get_by_role("button", name="Details of First").click()
    await expect(row(page, "First")).to_contain_text("No step is under way.")
    await page.mouse.move(5, 5)
    await publish("r2", {"type": "run.started", "name": "Second"})
    await names(page, "Second", "First")
    await publish(
        "r1",
        {"type": "step.started", "step": "load"},
        {"type": "step.progress", "step": "load", "current": 3, "total": 10, "unit": "files"},
    )
    await expect(row(page, "First").locator(".runs-steps")).to_contain_text("load3 / 10 files")
    bar = row(page, "First").get_by_role("progressbar", name="Progress of First")
    await expect(bar).to_have_attribute("aria-valuenow", "30")
    await page.reload()
    await expect(row(page, "First").locator(".runs-steps")).to_contain_text("load")
    await row(page, "First").get_by_role("button", name="Details of First").click()
    await expect(page.locator(".runs-details")).to_have_count(0)


async def test_rows_hold_still_under_the_pointer(shown: Dashboard) -> None:
    """What came meanwhile is counted, and shown when it is asked for."""
    await put(shown.broker, *(summary(f"r{n}", n, started_at=n) for n in range(10, 15)))
    page = await shown.open("/")
    await names(page, "r14", "r13", "r12", "r11", "r10")
    await page.get_by_role("link", name="r12").hover()
    before = await row(page, "r12").bounding_box()
    await put(shown.broker, summary("r15", 15, started_at=15), summary("r16", 16, started_at=16))
    # Within the seconds for which rows are held after the pointer last moved.
    await page.get_by_role("link", name="r12").hover(position={"x": 3, "y": 3})
    pill = page.get_by_role("button", name="2 new runs")
    await expect(pill).to_be_visible()
    assert before == await row(page, "r12").bounding_box()
    await pill.click()
    await names(page, "r16", "r15", "r14", "r13", "r12", "r11", "r10")
    await expect(pill).to_be_hidden()


async def test_many_are_told_at_once_and_each_answer_is_shown(shown: Dashboard) -> None:
    for n in range(4):
        await shown.broker.publish(f"r{n}", {"type": "run.started", "cancellable": n != 1})
    await shown.broker.publish("r3", {"type": "run.completed"})
    await listed(shown, 4)
    page = await shown.open("/?sort=name")
    await names(page, "r0", "r1", "r2", "r3")
    await page.get_by_label("Select r0").click()
    await page.get_by_label("Select r3").click(modifiers=["Shift"])
    bar = page.get_by_role("region", name="Selected runs")
    await expect(bar).to_contain_text("4 selected")
    await bar.get_by_role("button", name="Cancel").click()
    asked = page.get_by_role("dialog", name="Cancel 4 runs?")
    await asked.get_by_label("Reason").fill("maintenance")
    await asked.get_by_role("button", name="Cancel 4 runs").click()
    told = page.get_by_role("dialog", name="What came of it")
    await expect(told).to_contain_text("Cancel: 2 told, 2 refused.")
    await expect(told.get_by_role("listitem")).to_have_count(2)
    await expect(told.get_by_role("listitem").filter(has_text="r3")).to_contain_text("completed")
    await told.get_by_role("button", name="Select the 2 refused runs").click()
    await expect(bar).to_contain_text("2 selected")
    await expect(row(page, "r0")).to_contain_text("1 command unanswered")
    state = await shown.broker.snapshot("r2")
    [command] = state["commands"].values()
    assert ("cancel", "maintenance") == (command["type"], command["reason"])


async def test_what_none_was_told_can_be_tried_again_with_the_same_reason(
    shown: Dashboard,
) -> None:
    await shown.broker.publish("r1", {"type": "run.started"})
    async with spoiler(shown.broker.url) as way:
        page = await shown.open("/", url=way.url)
        await page.get_by_label("Select r1").click()
        await (
            page.get_by_role("region", name="Selected runs")
            .get_by_role("button", name="Cancel")
            .click()
        )
        asked = page.get_by_role("dialog", name="Cancel 1 run?")
        await asked.get_by_label("Reason").fill("maintenance")
        busy = problem(429, "ingest-rate", "too many at once", Retry_After="1")
        await way.spoil(busy, paths="^/v1/commands", sockets=False)
        await asked.get_by_role("button", name="Cancel 1 run").click()
        await expect(asked.get_by_role("alert")).to_have_text("Cancel failed: too many at once")
        way.heal()
        await asked.get_by_role("button", name="Cancel 1 run").click()
        await expect(asked).to_be_hidden()
    state = await shown.broker.snapshot("r1")
    [command] = state["commands"].values()
    assert command["reason"] == "maintenance"


async def test_an_answer_that_is_late_takes_no_other_question_away(shown: Dashboard) -> None:
    await shown.broker.publish("r1", {"type": "run.started", "pipeline": "import"})
    page = await shown.open("/")
    answered = asyncio.Event()

    async def late(route: Route) -> None:
        await answered.wait()
        await route.continue_()

    await page.route("**/v1/commands", late)
    await page.get_by_label("Select r1").click()
    bar = page.get_by_role("region", name="Selected runs")
    await bar.get_by_role("button", name="Pause").click()
    await bar.get_by_role("button", name="Cancel").click()
    await page.get_by_label("Reason").fill("maintenance")
    answered.set()
    await expect(page.locator(".toast")).to_have_text("Pause: 1 told")
    await expect(page.get_by_label("Reason")).to_have_value("maintenance")


async def test_all_that_match_are_selected(shown: Dashboard) -> None:
    """Also those that were never in sight; pausing is not asked about."""
    rows = [summary(f"r{n:03}", n, started_at=n, pipeline=f"p{n % 2}") for n in range(300)]
    await put(shown.broker, *rows)
    page = await shown.open("/?q=pipeline:p1")
    await page.get_by_label("Select r299").click()
    bar = page.get_by_role("region", name="Selected runs")
    await bar.get_by_role("button", name="Select all 150").click()
    await expect(bar).to_contain_text("150 selected")
    await bar.get_by_role("button", name="Pause").click()
    told = page.get_by_role("dialog", name="What came of it")
    await expect(told).to_contain_text("150 refused")  # the rows are there, their runs are not
    await told.get_by_role("button", name="Done").click()
    await bar.get_by_role("button", name="Clear").click()
    await expect(bar).to_be_hidden()


async def test_everything_by_keyboard(shown: Dashboard) -> None:
    await put(shown.broker, *ROWS)
    page = await shown.open("/")
    await names(page, "r5", "r4", "Sales", "r2", "Nightly")
    for _ in range(3):
        await page.keyboard.press("j")
    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_role("link", name="r4", exact=True)).to_be_focused()
    await page.keyboard.press("x")
    await expect(page.get_by_label("Select r4")).to_be_checked()
    await page.keyboard.press("e")
    await expect(row(page, "r4").locator(".runs-facts")).to_contain_text("Started byr1")
    await page.keyboard.press("Escape")
    await expect(page.get_by_label("Select r4")).not_to_be_checked()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("Select, or not")
    await page.keyboard.press("Escape")
    await page.keyboard.press("/")
    await expect(page.get_by_label("Search runs")).to_be_focused()
    await page.keyboard.type("export ?j")
    await expect(page.get_by_label("Search runs")).to_have_value("export ?j")
    await page.get_by_label("Search runs").fill("parent:r1")
    await names(page, "r4")
    await page.keyboard.press("Tab")
    await page.locator("body").press("j")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{shown.broker.url}/runs/r4")


async def test_the_last_runs_of_a_pipeline_beside_its_rows(shown: Dashboard) -> None:
    how = {"pipeline": "import", "started_at": 1}
    await put(
        shown.broker,
        summary("r1", 1, status="completed", duration=10.0, **how),
        summary("r2", 2, status="failed", duration=20.0, **how),
        summary("r3", 3, status="running", **how),
    )
    page = await shown.open("/")
    said = "Last runs of import: 1 completed, 1 failed, 1 running; 10 s to 20 s"
    await expect(row(page, "r1").get_by_role("img", name=said)).to_be_visible()


async def test_without_runs_it_says_how_to_make_one(shown: Dashboard) -> None:
    page = await shown.open("/")
    await expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
    await expect(page.locator(".runs-first pre")).to_contain_text(
        f"curl {shown.broker.url}/v1/runs/first/events"
    )
    await shown.broker.publish("first", {"type": "run.started", "name": "My first run"})
    await names(page, "My first run")


async def test_while_the_list_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.runs.index.Index.built", False, raising=False)
    with monkeypatch.context() as patched:
        patched.setattr(
            "broker.runs.index.Index.__setattr__",
            lambda self, name, value: (
                None if name == "built" else object.__setattr__(self, name, value)
            ),
        )
        async with dashboard(tmp_path) as d:
            page = await d.open("/")
            await expect(page.get_by_role("heading", name="The list is being made")).to_be_visible()
            monkeypatch.setattr("broker.runs.index.Index.built", True)
            await expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()


async def test_rows_stay_while_the_gateway_shows_no_more_of_them(shown: Dashboard) -> None:
    """It says for how long it refuses what is asked too often; what is there is no worse for it."""
    await put(shown.broker, *(summary(f"r{n:03}", n, started_at=n) for n in range(300)))
    async with spoiler(shown.broker.url) as way:
        page = await shown.open("/", url=way.url)
        await expect(page.get_by_role("link", name="r299", exact=True)).to_be_visible()
        refusal = {"name": "rate-limited", "detail": "too many at once", "retry_after": 1}

        def refused(text: str) -> str:
            said = json.loads(text)
            if said["type"] in ("hello", "pong") or "list" not in said:
                return text
            return json.dumps({**said, "type": "error", "data": refusal})

        way.rewrite = refused
        await page.evaluate("scrollTo(0, 12_000)")
        note = page.get_by_role("status").filter(has_text="Not up to date: too many at once")
        await expect(note).to_be_visible()
        assert await page.evaluate("scrollY") == 12_000
        way.rewrite = str
        await way.cut()
        await expect(page.get_by_role("link", name="r130", exact=True)).to_be_attached()
        await expect(note).to_be_hidden()


async def test_a_label_of_any_name_finds_its_runs(shown: Dashboard) -> None:
    odd = {"my team": 'the "best"'}
    await put(
        shown.broker, summary("r1", 1, labels=odd, started_at=1), summary("r2", 2, started_at=2)
    )
    page = await shown.open("/")
    await names(page, "r2", "r1")
    await row(page, "r1").get_by_role("button", name='my team:the "best"').click()
    await names(page, "r1")
    box = page.get_by_label("Search runs")
    await expect(box).to_have_value('label."my team":"the ""best"""')
    await page.reload()
    await names(page, "r1")


async def test_hostile_names_take_their_place_and_no_more(shown: Dashboard) -> None:
    await shown.broker.publish(
        "__proto__",
        {
            "type": "run.started",
            "name": HOSTILE,
            "pipeline": HOSTILE[:200],
            "labels": {"__proto__": HOSTILE[:200], 'a"b c:d': "x"},
        },
        {"type": "step.started", "step": "constructor"},
        {"type": "run.failed", "error": {"type": "<b>", "message": HOSTILE}},
    )
    await put(shown.broker, summary("r2", 2, name="Plain", started_at=2))
    for width in (375, 1440):
        page = await shown.open("/#open=__proto__", width=width)
        await expect(page.locator(".runs-details .runs-error").first).to_contain_text("<img src=x")
        await expect(row(page, "Plain")).to_be_visible()
        assert width == await widest(page)
        assert await page.locator(".runs-row img, .runs-row b b").count() == 0


async def test_twenty_thousand_runs(shown: Dashboard) -> None:
    """Any row is there a moment after one scrolls to it, and stays where it is."""
    await put(
        shown.broker,
        *(
            summary(
                f"r{n:05}",
                n,
                name=f"Run {n}",
                pipeline=f"p{n % 30}",
                started_at=n,
                labels={"team": "abc"[n % 3]},
                progress=Progress(current=n % 100, total=100, fraction=n % 100 / 100),
                status="failed" if n % 10 == 0 else "running",
                error=Failure(message="no answer") if n % 10 == 0 else None,
                counts=Counts(total=3, running=1),
            )
            for n in range(MANY)
        ),
    )
    page = await shown.open("/")
    await expect(page.get_by_role("link", name=f"Run {MANY - 1}", exact=True)).to_be_visible()
    for place in (15_000, 3_000, MANY - 1):
        await expect(await jumped(page, place)).to_be_in_viewport()
    middle = await jumped(page, 9_999)
    await expect(middle).to_be_in_viewport()
    there = await middle.bounding_box()
    await put(shown.broker, summary("new", MANY, name="New", started_at=MANY))
    await expect(page.get_by_role("button", name="1 new run")).to_be_visible()
    assert there == await middle.bounding_box()
    assert await page.locator(".runs-row").count() < 60


async def jumped(page: Page, place: int) -> Locator:
    """Scroll to a place; gives the link of the run that belongs there."""
    await page.evaluate(
        """(share) => {
          const rows = document.querySelector(".virtual-all");
          const top = rows.getBoundingClientRect().top + scrollY;
          scrollTo(0, top - 300 + rows.offsetHeight * share);
        }""",
        place / MANY,
    )
    return page.get_by_role("link", name=f"Run {MANY - 1 - place}", exact=True)


async def test_two_hundred_changes_a_second(shown: Dashboard) -> None:
    await put(shown.broker, *(summary(f"r{n:03}", n, started_at=n) for n in range(200)))
    page = await shown.open("/")
    await expect(page.get_by_role("link", name="r199", exact=True)).to_be_visible()
    async with busiest(page) as task:
        for tick in range(1, 11):
            rows = [
                summary(
                    f"r{n:03}",
                    200 + tick,
                    started_at=n,
                    cursor=f"e1-{tick + 1}",
                    progress=Progress(current=tick, total=20, fraction=tick / 20.001),
                )
                for n in range(200)
            ]
            await put(shown.broker, *rows)
            bar = page.get_by_role("progressbar", name="Progress of r199")
            await expect(bar).to_have_attribute("aria-valuetext", re.compile(f", {tick} / 20$"))
    assert task.longest < 0.1


async def test_it_fits_and_is_accessible_at_every_width(shown: Dashboard) -> None:
    await put(shown.broker, *ROWS)
    themes: tuple[Theme, ...] = ("light", "dark", "light")
    for width, theme in zip(WIDTHS, themes, strict=True):
        page = await shown.open("/#open=r3&open=r4", width=width, theme=theme)
        await expect(page.locator(".runs-details")).to_have_count(2)
        await page.get_by_label("Select Sales").check()
        await expect(page.get_by_role("region", name="Selected runs")).to_be_visible()
        assert width == await widest(page)
        assert [] == await violations(page)
        await page.context.close()


async def test_the_way_back_leads_to_where_one_was(shown: Dashboard) -> None:
    await put(shown.broker, *(summary(f"r{n:03}", n, started_at=n) for n in range(300)))
    page = await shown.open("/?q=r")
    await page.get_by_role("link", name="r299").wait_for()
    await page.evaluate("scrollTo(0, 8000)")
    there = page.locator(".runs-name", has_text="r178")
    await expect(there).to_be_in_viewport()
    before = await there.bounding_box()
    await there.click()
    await expect(page).to_have_url(f"{shown.broker.url}/runs/r178")
    await page.go_back()
    await expect(there).to_be_in_viewport()
    assert before == await there.bounding_box()
