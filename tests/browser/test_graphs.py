"""A page that executes a graph and shows how it goes, in Chromium in front of the real gateway."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from broker.producer import Worker
from examples.graphs_worker import PIPELINE, Graphs
from tests.browser.pages import frontend, opened, way_to
from tests.compat.executing import STATISTICS, began, loaded, node, steps
from tests.faults import until
from tests.gateway.commanding import given, jobs
from tests.gateway.serving import Broker
from tests.producer.test_worker import working

COMPLETED = {"type": "run.completed"}


async def asked_for(b: Broker) -> str:
    """Wait until an execution is queued; gives its run."""
    await until(lambda: jobs(b, PIPELINE))
    run: str = (await jobs(b, PIPELINE))[0]["run"]
    return run


async def shows(page: Page, **statuses: str) -> None:
    """Wait until the nodes have these colours."""
    for name, status in statuses.items():
        await expect(page.locator(f"[data-node={name}]")).to_have_class(status)


async def is_complete(page: Page) -> None:
    """Wait for the picture of a run of which all went well."""
    await expect(page.locator("#outcome")).to_have_text("complete")
    await expect(page.locator("#summary")).to_have_text("3 of 3 nodes, 0 failed")
    await shows(page, fetch="success", clean="success", fit="success")
    await expect(page.locator("path.executing")).to_have_count(0)


async def test_a_real_graph_is_executed_and_drawn(tmp_path: Path) -> None:
    """By a worker, from the click to the summary; nodes, edges, times, and what each found out."""
    graphs = Graphs(STATISTICS.parent)
    async with frontend(tmp_path) as (b, origin):
        graph = await loaded(b.url, str(STATISTICS), "Statistics")
        worker = Worker(b.nats.url)
        worker.pipeline(PIPELINE, plan=graphs.plan)(graphs.execute)
        state = '{"text": "One fish. Two fish, three fish!"}'
        async with (
            opened(origin, "graphs", base=b.url, graph=graph, state=state) as page,
            working(worker),
        ):
            await page.click("#run")
            await expect(page.locator("#outcome")).to_have_text("complete")
            await expect(page.locator("#summary")).to_have_text("6 of 6 nodes, 0 failed")
            await expect(page.locator("[data-node]")).to_have_count(6)
            await expect(page.locator("g.success")).to_have_count(6)
            await expect(page.locator("path")).to_have_count(7)
            await expect(page.locator("[data-node=words] .took")).to_have_text(
                re.compile(r"^\d+\.\d\d s$")
            )
            log = page.locator("ol")
            await expect(log).to_contain_text("Execution started, 6 nodes")
            await expect(log).to_contain_text("6 words in 2 sentences, 3.0 words in each")
            await expect(page.locator("li.error")).to_have_count(0)
            await expect(page.locator("#run")).to_be_enabled()


async def test_a_node_is_highlighted_while_it_executes_and_coloured_when_it_failed(
    tmp_path: Path,
) -> None:
    async with frontend(tmp_path) as (b, origin):
        graph = await loaded(b.url)
        async with opened(origin, "graphs", base=b.url, graph=graph) as page:
            await page.click("#run")
            run = await asked_for(b)
            await expect(page.locator("#outcome")).to_have_text("waits for a worker")
            await b.publish(run, began(graph), *steps("fetch"), node("clean", "started"))
            await shows(page, fetch="success", clean="executing", fit="waiting")
            await expect(page.locator("path[data-to=clean]")).to_have_class("executing")
            failed = node("clean", "failed", error={"message": "no disk"}, duration=2.5)
            await b.publish(run, failed, node("fit", "started"))
            await shows(page, clean="error", fit="executing")
            await expect(page.locator("[data-node=clean] .took")).to_have_text("2.50 s")
            await expect(page.locator("li.error")).to_contain_text("clean: no disk (2.50 s)")
            await b.publish(run, node("fit", "completed"), COMPLETED)
            await expect(page.locator("#outcome")).to_have_text("complete")
            await expect(page.locator("#summary")).to_have_text("2 of 3 nodes, 1 failed")
            await shows(page, clean="error", fit="success")


async def test_who_stops_watching_stops_nothing_and_can_come_back(tmp_path: Path) -> None:
    async with frontend(tmp_path) as (b, origin):
        graph = await loaded(b.url)
        async with opened(origin, "graphs", base=b.url, graph=graph) as page:
            await page.click("#run")
            run = await asked_for(b)
            await b.publish(run, began(graph), node("fetch", "started"))
            await shows(page, fetch="executing")
            await page.click("#stop")
            await expect(page.locator("#by")).to_have_text("nobody watches here")
            await b.publish(run, node("fetch", "completed"), *steps("clean"))
            assert "running" == (await b.snapshot(run))["status"]
            await shows(page, fetch="executing", clean="waiting")
            await page.click("#watch")
            await shows(page, fetch="success", clean="success", fit="waiting")
            await b.publish(run, *steps("fit"), COMPLETED)
            await is_complete(page)
        assert 1 == len(await jobs(b, PIPELINE))


async def test_after_a_cut_the_page_goes_on_with_the_same_run(tmp_path: Path) -> None:
    """First by the other stream, which then comes back by itself."""
    async with frontend(tmp_path) as (b, origin), way_to(b) as (way, url):
        graph = await loaded(b.url)
        async with opened(origin, "graphs", base=url, graph=graph) as page:
            await page.click("#run")
            run = await asked_for(b)
            await b.publish(run, began(graph), node("fetch", "started"))
            await shows(page, fetch="executing")
            way.cut()
            await expect(page.locator("#by")).to_have_text("by EventSource")
            await b.publish(run, node("fetch", "completed"), node("clean", "started"))
            await shows(page, fetch="success", clean="executing")
            way.cut()
            await b.publish(run, node("clean", "completed"), *steps("fit"), COMPLETED)
            await is_complete(page)
        assert 1 == len(await jobs(b, PIPELINE))


@pytest.mark.parametrize("late", ["in the middle", "after the end"])
async def test_who_comes_late_sees_the_same(tmp_path: Path, late: str) -> None:
    happened = [began("g-1"), *steps("fetch"), node("clean", "started")]
    rest = [node("clean", "completed"), *steps("fit"), COMPLETED]
    async with frontend(tmp_path) as (b, origin):
        await b.publish("r1", *happened, *(rest if late == "after the end" else []))
        async with opened(origin, "graphs", base=b.url, graph="g-1", run="r1") as page:
            if late == "in the middle":
                await shows(page, fetch="success", clean="executing", fit="waiting")
                await b.publish("r1", *rest)
            await is_complete(page)
            await expect(page.locator("li")).to_have_count(8)


async def test_a_run_that_is_cancelled_says_so(tmp_path: Path) -> None:
    async with frontend(tmp_path) as (b, origin):
        graph = await loaded(b.url)
        async with opened(origin, "graphs", base=b.url, graph=graph) as page:
            await page.click("#run")
            await given(b, await asked_for(b), "cancel", {"by": "ann"})
            await expect(page.locator("#outcome")).to_have_text("cancelled")
            await expect(page.locator("#run")).to_be_enabled()


async def test_a_graph_that_nobody_loaded_is_said_to_be_unknown(tmp_path: Path) -> None:
    async with (
        frontend(tmp_path) as (b, origin),
        opened(origin, "graphs", base=b.url, graph="nobody") as page,
    ):
        await page.click("#run")
        await expect(page.locator("#outcome")).to_contain_text("no graph 'nobody' is loaded")
