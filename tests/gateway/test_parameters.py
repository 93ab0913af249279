"""What no route takes is refused by name, so that a slip never passes for a wish."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.gateway.runs import started
from tests.gateway.serving import Broker, broker
from tests.sse import PATIENCE, Answer, Stream, Wire, path

LIVE, PAGE, LINES = "text/event-stream", "application/json", "application/x-ndjson"

SLIPS = (
    ("GET", path("r1", "?wiat=1"), PAGE, "wiat", "did you mean wait?"),
    ("GET", path("r1", "/events?veiw=events"), LIVE, "veiw", "did you mean view?"),
    ("GET", path("r1", "/events?limit=5"), LIVE, "limit", "the live stream: these are view, after"),
    ("GET", path("r1", "/events?view=state"), PAGE, "view", "a page of events"),
    ("GET", path("r1", "/events?limit=5"), LINES, "limit", "a history: these are view, after"),
    ("GET", path("r1", "/logs?leve=error"), LIVE, "leve", "did you mean level?"),
    ("GET", path("r1", "/logs?steps=a"), PAGE, "steps", "did you mean step?"),
    ("GET", path("r1", "/logs?x=1"), LINES, "x", "these are level, step, attempt, q, tail"),
    ("GET", path("r1", "/logs?download=1"), "text/plain", "download", "is no parameter of"),
    ("GET", path("r1", "/estimate?at=1"), PAGE, "at", "takes none"),
    ("GET", "/v1/runs?limits=1", PAGE, "limits", "did you mean limit?"),
    ("GET", "/v1/pipelines?nam=a", PAGE, "nam", "did you mean name?"),
    ("GET", "/v1/pipelines/import?last=3", PAGE, "last", "takes none"),
    ("GET", "/v1/stream?runs=r1", LIVE, "runs", "did you mean run?"),
    ("GET", "/v1/stream?run=r1&veiw=state", LIVE, "veiw", "did you mean view?"),
    ("POST", path("r1", "/cancel?reason=late"), PAGE, "reason", "takes none"),
    ("POST", "/v1/commands?filter=all", PAGE, "filter", "takes none"),
    ("POST", "/v1/pipelines/import/runs?name=a", PAGE, "name", "takes none"),
    ("POST", "/v1/events?dialekt=jobs", PAGE, "dialekt", "did you mean dialect?"),
    ("POST", path("r1", "/events?run=r1"), PAGE, "run", "these are dialect"),
    ("POST", path("r1", "/events?dialect=jobs&jobs=1"), PAGE, "jobs", "these are dialect, run"),
)


async def test_a_parameter_that_nothing_takes_is_refused_by_name(tmp_path: Path) -> None:
    """On every route, with the nearest one or all that there are; nothing comes of it."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), {"type": "run.cancelled"})
        before = await b.snapshot("r1")
        for method, target, accept, name, told in SLIPS:
            body = started() if method == "POST" else None
            answer = await asked(b, method, target, accept, body)
            assert (422, name) == (answer.status, answer.json().get("parameter")), target
            assert told in answer.json()["detail"], target
        assert before == await b.snapshot("r1")


async def test_what_scripts_add_against_caches_is_no_slip(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), {"type": "run.cancelled"})
        for target in ("?_=17", "/events?r=0.5", "/logs?t=17", "/badge.svg?v=2&branch=main"):
            assert 200 == (await b.get(path("r1", target))).status, target


@asynccontextmanager
async def live(b: Broker, target: str) -> AsyncIterator[Stream]:
    """Any event stream."""
    async with Wire.connect(b.url) as wire:
        await wire.send("GET", target, {"Accept": LIVE})
        status, headers = await wire.head()
        assert 200 == status, target
        yield Stream(wire, status, headers, PATIENCE)


async def asked(
    b: Broker, method: str, target: str, accept: str, body: dict[str, object] | None
) -> Answer:
    headers = {"Accept": accept, "Content-Type": "application/json"}
    if body is None:
        return await b.get(target, headers=headers)
    return await b.post(target, body, headers=headers)


async def test_where_a_stand_in_for_event_source_was(tmp_path: Path) -> None:
    """event-source-polyfill puts the last id in `lastEventId`, behind what a page has written."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), {"type": "run.heartbeat"})
        cursor = (await b.snapshot("r1"))["cursor"]
        for target in (
            path("r1", f"/events?view=events&lastEventId={cursor}"),
            path("r1", f"/events?last_event_id=gone-1&lastEventId={cursor}"),
        ):
            async with live(b, target) as frames:
                [hello] = await frames.until("hello")
                assert (True, cursor) == (hello.data["resumed"], hello.data["from"])
        for target in ("/v1/runs", "/v1/stream?run=r1", path("r1", "/logs")):
            sign = "&" if "?" in target else "?"
            async with live(b, f"{target}{sign}lastEventId={cursor}") as frames:
                await frames.until("hello")


async def test_events_come_in_what_curl_and_fetch_say_of_them(tmp_path: Path) -> None:
    """`curl -d` calls every body a form, `fetch` every text; a form of parts holds no JSON."""
    async with broker(tmp_path) as b:
        for kind in ("application/x-www-form-urlencoded", "text/plain;charset=UTF-8"):
            answer = await b.post(path("r1", "/events"), started(), headers={"Content-Type": kind})
            assert 202 == answer.status
            for page in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
                headers = {"Content-Type": kind, **page}
                refused = await b.post(path("r2", "/events"), started(), headers=headers)
                assert 403 == refused.status
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        for target in ("/v1/events", path("r2", "/events"), path("r2", "/events?dialect=jobs")):
            answer = await b.post(target, b"--x\r\n\r\n{}\r\n--x--\r\n", headers=form)
            assert 415 == answer.status
            assert "-H 'Content-Type: application/json'" in answer.json()["detail"]
        assert 404 == (await b.get(path("r2"))).status


async def test_a_command_says_that_it_is_json_and_who_forgets_is_told_how(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        answer = await b.post(
            path("r1", "/cancel"),
            {"reason": "late"},
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert 415 == answer.status
        assert "curl says so with -H 'Content-Type: application/json'" in answer.json()["detail"]
