"""Every error is a problem+json that says what is wrong, and nothing about the inside."""

import asyncio
import json
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from aiohttp import web

from broker.gateway.endpoints import live, snapshot
from tests.faults import until
from tests.gateway.runs import started
from tests.gateway.serving import broker
from tests.sse import Answer, Wire, path

PROBLEM = "application/problem+json"


def is_problem(answer: Answer, status: int, name: str) -> bool:
    """Whether an answer has the one form of an error."""
    body = answer.json()
    assert (status, PROBLEM, "nosniff") == (
        answer.status,
        answer.headers["content-type"].split(";")[0],
        answer.headers["x-content-type-options"],
    )
    assert ("no-store", status) == (answer.headers["cache-control"], body["status"])
    assert body["title"]
    return bool(body["type"] == f"urn:progress-broker:problem:{name}")


async def test_a_path_where_nothing_is_served(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        for target in ("/v2", "/v1", "/v1/", "/v1/runs/r1/", "/v1/runs/r1/x", "/v1/runs/a/b/c"):
            answer = await b.get(target)
            assert is_problem(answer, 404, "not-found")
            assert "/v1" in answer.json()["detail"]


async def test_a_method_that_a_path_does_not_take(tmp_path: Path) -> None:
    """The answer names those that it takes."""
    async with broker(tmp_path) as b:
        for method in ("DELETE", "PUT", "PATCH", "PURGE"):
            answer = await b.get(path("r1"), method=method)
            assert is_problem(answer, 405, "method-not-allowed")
            assert {"GET", "HEAD"} <= set(answer.headers["allow"].split(","))
        answer = await b.get("/v1/events")
        assert is_problem(answer, 405, "method-not-allowed")
        assert "POST" in answer.headers["allow"]


async def test_a_mistake_of_ours_does_not_show_the_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in the log; the client learns that it is."""

    def broken(condition: str | None, tag: str) -> bool:
        raise RuntimeError("the secret of /etc/passwd")

    monkeypatch.setattr(snapshot, "has_tag", broken)
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        answer = await b.get(path("r1"))
        assert is_problem(answer, 500, "internal")
        assert b"secret" not in answer.body
        assert "the secret of /etc/passwd" in caplog.text


HOSTILE = [
    "..",
    "%2e%2e",
    "%2e%2e%2f%2e%2e",
    "..%2f..%2fevents",
    "*",
    ">",
    "%2A",
    "a.*",
    "a.>",
    "%3E",
    "%00",
    "a%00b",
    "a%0d%0aPUB%20x%201",
    "%0d%0aX-Evil:%201",
    "a%20b",
    "%F0%9F%98%80",
    "%25%32%65",
    "x" * 257,
    "%20" * 100,
    "x" * 7000,
    "$JS.API.STREAM.DELETE.PROGRESS",
    "_INBOX.x",
    "a%2Fb",
    "a;b=c",
    "=zz",
    "=41",
]
NOT_UTF8 = ["%ff", "%ED%A0%80", "%C3%28"]


async def test_a_hostile_id_reaches_nothing_but_its_own_run(tmp_path: Path) -> None:
    """It is refused, unknown, or a run like any other: stored under one token, and found again."""
    async with broker(tmp_path) as b:
        heard: set[str] = set()
        await b.nats.connection.subscribe(">", lambda subject, *rest: heard.add(subject.decode()))
        await b.nats.connection.flush()
        targets = [f"/v1/runs/{text}" for text in HOSTILE + NOT_UTF8]
        for target in [*targets, *(f"{target}/events" for target in targets)]:
            answer = await b.get(target)
            assert answer.status in (404, 422)
            assert PROBLEM == answer.headers["content-type"].split(";")[0]
            assert "x-evil" not in answer.headers
            assert len(answer.body) < 1500
        for text, target in zip(HOSTILE, targets, strict=False):
            stored = await b.post(f"{target}/events", started())
            assert stored.status in (202, 404, 422)
            if stored.status == 202:
                state = (await b.get(target)).json()
                assert ("running", unquote(text)) == (state["status"], state["run"])
        subjects = await b.nats.subjects()
        await b.nats.connection.flush()
        assert len(subjects) > 10
        for subject in subjects:
            token = subject.removeprefix("progress.default.")
            assert token != subject
            assert not set(token) & set(".*> \r\n\t\0")
        kept = ("progress.", "live.", "deadletter.", "logs.")
        asked = {subject for subject in heard if not subject.startswith(kept)}
        checkpoints = {subject for subject in asked if subject.startswith("$KV.RUNS.default.")}
        assert {4} >= {len(subject.split(".")) for subject in checkpoints}
        assert {"$JS", "_INBOX"} >= {subject.split(".")[0] for subject in asked - checkpoints}
        assert not [subject for subject in asked if "STREAM.DELETE" in subject]


@pytest.mark.parametrize("id", ["{6F9619FF}", "{", "a}b", "{run}", "%7B"])
async def test_an_id_with_braces_is_one_like_any_other(tmp_path: Path, id: str) -> None:
    """Written as it is, or escaped; programs that put GUIDs into braces name runs so."""
    async with broker(tmp_path) as b:
        pipeline = f"/v1/pipelines/{quote(id, safe='')}"
        assert 202 == (await b.post(path(id, "/events"), started() | {"pipeline": id})).status
        assert id == (await b.snapshot(id))["run"]
        for rest in ("/events?view=state", "/estimate", "/badge.svg", "/logs"):
            lines = {"Accept": "application/x-ndjson, image/svg+xml;q=0.5"}
            assert 200 == (await b.get(path(id, rest), headers=lines)).status, rest
        if "%" not in id:
            assert id == (await b.get(f"/v1/runs/{id}")).json()["run"]

        async def listed() -> bool:
            return (await b.get(pipeline)).status == 200

        await until(listed)
        json = {"Content-Type": "application/json"}
        assert 200 == (await b.get(f"{pipeline}/badge.svg")).status
        assert 202 == (await b.post(f"{pipeline}/runs", b"", headers=json)).status
        assert 202 == (await b.post(path(id, "/cancel"), b"", headers=json)).status
        for page in (f"/runs/{quote(id, safe='')}", f"/share/{quote(id, safe='')}"):
            assert 200 == (await b.get(page)).status
        told = await b.get(f"/api/v1/executions/{quote(id, safe='')}")
        assert 200 == told.status


async def test_a_run_in_an_event_is_as_harmless(tmp_path: Path) -> None:
    """JSON strings hold what paths cannot."""
    names = ["..", "*", ">", "a.b", "\0", "\r\nPUB x 1\r\n", "😀", "x" * 10_000, " ", "é" * 200, ""]
    async with broker(tmp_path) as b:
        for name in names:
            answer = await b.post("/v1/events", started() | {"run": name})
            too_long = len(name.encode()) > 300 or not name
            assert (422 if too_long else 202) == answer.status
        surrogate = b'{"type":"run.started","run":"\\ud800"}'
        assert 422 == (await b.post("/v1/events", surrogate)).status
        for subject in await b.nats.subjects():
            assert subject.startswith("progress.default.")
            assert 3 == len(subject.split("."))
            assert not set(subject) & set("*> \r\n\t\0")


@pytest.mark.parametrize(
    "request_", [b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET /a b HTTP/9\r\n\r\n"]
)
async def test_what_is_no_http_gets_400_and_the_gateway_goes_on(
    tmp_path: Path, request_: bytes
) -> None:
    async with broker(tmp_path) as b:
        async with Wire.connect(b.url) as wire:
            wire.writer.write(request_)
            status, _ = await wire.head()
            assert 400 == status
        assert 200 == (await b.get("/healthz")).status


async def test_headers_of_any_size_and_bytes_do_no_harm(tmp_path: Path) -> None:
    """What a browser remembered, however garbled, never makes a 500."""
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        for value in ("\xff\xfe", "x" * 7000, "a, b;;q==", '"' * 50, "*/*;q=1e999", "q=nan;q=inf"):
            for name in ("If-None-Match", "Accept", "Origin", "X-Forwarded-For", "Content-Type"):
                answer = await b.get(path("r1"), headers={name: value})
                assert 200 == answer.status
            answer = await b.get(path("r1", "/events"), headers={"Accept": value}, method="HEAD")
            assert answer.status in (200, 422)
            answer = await b.post(path("r1", "/events"), started(), headers={"Content-Type": value})
            assert answer.status in (202, 422)
        answer = await b.get(path("r1"), headers={"Accept": "x" * 40_000})
        assert 400 == answer.status


async def test_two_problems_of_one_kind_have_one_type(tmp_path: Path) -> None:
    """`type` is for programs: it does not change with the text."""
    async with broker(tmp_path) as b:
        one, two = await b.get(path("a")), await b.get(path("b"))
        assert one.json()["type"] == two.json()["type"]
        assert json.loads(one.body)["detail"] != json.loads(two.body)["detail"]


async def test_a_client_that_goes_before_it_is_answered_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Thousands of pages that are closed at once would fill the log."""

    async def gone(request: web.Request, *rest: object) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        raise ConnectionResetError("the client has gone")

    monkeypatch.setattr(live, "begin", gone)
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        with pytest.raises(asyncio.IncompleteReadError):
            await b.get(path("r1", "/events"), headers={"Accept": "text/event-stream"})
        assert [] == [record for record in caplog.records if record.levelname == "ERROR"]
        counted = {"code": "499", "endpoint": "/v1/runs/{run}/events", "method": "GET"}
        assert 1 == await b.metric("http_requests_total", **counted)
