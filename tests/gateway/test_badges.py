"""Badges over HTTP: pictures for pages of any origin."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.faults import until
from tests.gateway.lists import put, summary
from tests.gateway.runs import completed, started, step_progress, step_started
from tests.gateway.serving import Broker, broker
from tests.gateway.test_problems import is_problem
from tests.sse import Answer, path


def says(answer: Answer) -> str | None:
    """What a picture says to who hears it."""
    assert "image/svg+xml; charset=utf-8" == answer.headers["content-type"]
    assert (
        "default-src 'none'; style-src 'unsafe-inline'"
        == (answer.headers["content-security-policy"])
    )
    assert ("max-age=5", "cross-origin", "nosniff") == tuple(
        answer.headers[name]
        for name in ("cache-control", "cross-origin-resource-policy", "x-content-type-options")
    )
    return ET.fromstring(answer.body).get("aria-label")


async def reaches(b: Broker, target: str, said: str) -> None:
    """Wait until a picture says this."""

    async def does() -> bool:
        return says(await b.get(target)) == said

    await until(does)


async def test_a_badge_follows_its_run(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        badge = path("r 1/é", "/badge.svg")
        await b.publish("r 1/é", started())
        await reaches(b, badge, "import: 0%")
        await b.publish("r 1/é", step_started("fetch"), step_progress("fetch", 5))
        await reaches(b, badge, "import: 16%")
        await b.publish("r 1/é", completed())
        await reaches(b, badge, "import: completed")
        again = await b.get(f"{badge}?label=%3Cnightly%3E&style=square")
        assert "<nightly>: completed" == says(again)
        same = await b.get(
            f"{badge}?label=%3Cnightly%3E&style=square",
            headers={"If-None-Match": again.headers["etag"]},
        )
        assert (304, b"") == (same.status, same.body)
        head = await b.get(badge, method="HEAD")
        assert (200, b"") == (head.status, head.body)


async def test_an_unknown_run_is_a_grey_picture(tmp_path: Path) -> None:
    """With the status that says so; browsers show it all the same."""
    async with broker(tmp_path) as b:
        for target, label in (
            (path("nobody", "/badge.svg"), "nobody"),
            (path("nobody", "/badge.svg?label=tests"), "tests"),
            ("/v1/pipelines/nothing/badge.svg", "nothing"),
        ):
            answer = await b.get(target)
            assert (404, f"{label}: unknown") == (answer.status, says(answer))
            known = await b.get(target, headers={"If-None-Match": answer.headers["etag"]})
            assert 404 == known.status


async def test_the_badge_of_a_pipeline_is_that_of_its_last_run(tmp_path: Path) -> None:
    """The one that began last, not the one that changed last."""
    async with broker(tmp_path) as b:
        await put(
            b,
            summary("new", 20, pipeline="a/b", started_at=10, status="failed"),
            summary("old", 30, pipeline="a/b", started_at=5, status="completed"),
            summary("waits", 40, pipeline="a/b", queued_at=40, status="queued"),
        )
        assert "a/b: failed" == says(await b.get("/v1/pipelines/a%2Fb/badge.svg"))
        assert "x: failed" == says(await b.get("/v1/pipelines/a%2Fb/badge.svg?label=x"))


@pytest.mark.parametrize("target", ["/v1/runs/r1/badge.svg", "/v1/pipelines/import/badge.svg"])
async def test_hostile_parameters(tmp_path: Path, target: str) -> None:
    """A picture or a problem, never markup of theirs."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        await reaches(b, "/v1/pipelines/import/badge.svg", "import: 0%")
        assert is_problem(await b.get(f"{target}?style=huge"), 422, "invalid-request")
        for label in (
            "%00",
            "%ff",
            "%ED%A0%80",
            "x" * 6000,
            "%3C/title%3E%3Cscript%3E",
            "%E2%80%AE",
        ):
            answer = await b.get(f"{target}?label={label}")
            assert 200 == answer.status
            picture = ET.fromstring(answer.body)
            assert "script" not in "".join(each.tag for each in picture.iter())
            assert len(answer.body) < 2_000


async def test_badges_have_a_limit_of_their_own(tmp_path: Path) -> None:
    async with broker(tmp_path, poll_rate=0.01, poll_burst=1) as b:
        await b.publish("r1", started())
        assert 200 == (await b.get(path("r1", "/badge.svg"))).status
        assert 200 == (await b.get(path("r1"))).status
        assert is_problem(await b.get(path("r1", "/badge.svg")), 429, "rate-limited")
