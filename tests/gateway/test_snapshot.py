"""The snapshot of a run, and how not to send it twice."""

import asyncio
from pathlib import Path

from tests.faults import until
from tests.gateway.runs import completed, short_run, started
from tests.gateway.serving import broker
from tests.sse import path


async def test_the_snapshot_is_the_folded_state(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        [*_, last] = await b.publish("r1", *short_run())
        answer = await b.get(path("r1"))
        state = answer.json()
        assert (200, "application/json") == (answer.status, answer.headers["content-type"])
        assert ("r1", "default", "import", "completed", 1.0) == (
            state["run"],
            state["tenant"],
            state["pipeline"],
            state["status"],
            state["progress"]["fraction"],
        )
        assert {"fetch": "completed", "clean": "completed", "fit": "completed"} == {
            name: step["status"] for name, step in state["steps"].items()
        }
        assert (len(short_run()), str(last)) == (state["events"], state["cursor"].split("-")[1])
        assert f'"{state["cursor"]}"' == answer.headers["etag"]
        assert ("max-age=1", "nosniff") == (
            answer.headers["cache-control"],
            answer.headers["x-content-type-options"],
        )


async def test_a_client_that_has_it_gets_304(tmp_path: Path) -> None:
    """Compared weakly, in a list, and against `*`; another tag gets the state."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        tag = (await b.get(path("r1"))).headers["etag"]
        for condition in (tag, f"W/{tag}", f'"x", {tag}', f'"x",W/{tag},"y"', "*"):
            answer = await b.get(path("r1"), headers={"If-None-Match": condition})
            assert (304, tag, b"") == (answer.status, answer.headers["etag"], answer.body)
        for condition in ('"x"', tag.strip('"'), "", '"x", W/"y"'):
            answer = await b.get(path("r1"), headers={"If-None-Match": condition})
            assert 200 == answer.status
        await b.publish("r1", completed())
        async with asyncio.timeout(5):
            while (await b.get(path("r1"), headers={"If-None-Match": tag})).status == 304:
                pass


async def test_head_is_get_without_a_body(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", *short_run())
        get, head = await b.get(path("r1")), await b.get(path("r1"), method="HEAD")
        assert (200, get.headers["etag"], str(len(get.body))) == (
            head.status,
            head.headers["etag"],
            head.headers["content-length"],
        )
        stream = await b.get(
            path("r1", "/events"), method="HEAD", headers={"Accept": "text/event-stream"}
        )
        assert (200, "text/event-stream; charset=utf-8") == (
            stream.status,
            stream.headers["content-type"],
        )


async def test_an_unknown_run_is_404_until_something_is_stored_for_it(tmp_path: Path) -> None:
    """The answer is remembered for a second, but not longer than the first event sent here."""
    async with broker(tmp_path) as b:
        for target in (path("r1"), path("r1", "/events")):
            answer = await b.get(target)
            assert (404, "urn:progress-broker:problem:run-not-found") == (
                answer.status,
                answer.json()["type"],
            )
        assert 202 == (await b.post(path("r1", "/events"), started())).status
        assert 200 == (await b.get(path("r1"))).status

        assert 404 == (await b.get(path("r2"))).status
        await b.publish("r2", started())

        async def known() -> bool:
            return (await b.get(path("r2"))).status == 200

        await until(known, 2)


async def test_ids_of_any_kind_name_runs(tmp_path: Path) -> None:
    """Whatever is in a path, percent-encoded, is an id, and comes back as it is."""
    async with broker(tmp_path) as b:
        for run in ("größe 1", "a/b/c", "😀", "100%", "=41", "x.y", "a?b#c", "nl\nid", "%2e"):
            answer = await b.post(path(run, "/events"), started())
            assert 202 == answer.status
            assert run == (await b.snapshot(run))["run"]
