"""Which web pages may read from a browser."""

from pathlib import Path

from tests.gateway.runs import started
from tests.gateway.serving import broker
from tests.sse import Answer, path, stream

APP, OTHER = "https://app.example", "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}


def allowed(answer: Answer) -> str | None:
    return answer.headers.get("access-control-allow-origin")


async def test_nobody_is_allowed_unless_it_is_said(tmp_path: Path) -> None:
    async with broker(tmp_path) as b:
        await b.publish("r1", started())
        for target in (path("r1"), path("nobody"), "/v1/nothing", "/healthz", "/metrics"):
            answer = await b.get(target, headers={"Origin": APP})
            assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_the_listed_origins_are_allowed_and_no_others(tmp_path: Path) -> None:
    """By name, also on errors and streams; the answer depends on the origin, and caches know."""
    async with broker(tmp_path, allowed_origins=f" {APP} , https://two.example") as b:
        await b.publish("r1", started())
        for target in (path("r1"), path("nobody"), "/v1/nothing"):
            for origin in (APP, "https://two.example"):
                answer = await b.get(target, headers={"Origin": origin})
                assert (origin, "Origin") == (allowed(answer), answer.headers["vary"])
            for origin in (OTHER, "null", f"{APP}.evil.example", APP.upper(), "*", f"{APP}:444"):
                answer = await b.get(target, headers={"Origin": origin})
                assert (None, "Origin") == (allowed(answer), answer.headers["vary"])
            assert None is allowed(await b.get(target))
        async with stream(b.url, "r1", headers={"Origin": APP}) as frames:
            assert APP == frames.headers["access-control-allow-origin"]


async def test_a_preflight_is_answered_for_any_path(tmp_path: Path) -> None:
    """Whether it is allowed, the origin decides."""
    async with broker(tmp_path, allowed_origins=APP) as b:
        for target in (path("r1", "/events"), "/v1/events"):
            ask = {"method": "OPTIONS", "headers": PREFLIGHT | {"Origin": APP}}
            answer = await b.get(target, **ask)
            assert (204, APP, b"") == (answer.status, allowed(answer), answer.body)
            assert "POST" in answer.headers["access-control-allow-methods"]
            assert "Last-Event-ID" in answer.headers["access-control-allow-headers"]
            ask["headers"] = PREFLIGHT | {"Origin": OTHER}
            assert None is allowed(await b.get(target, **ask))


async def test_a_star_allows_everyone_but_no_credentials(tmp_path: Path) -> None:
    async with broker(tmp_path, allowed_origins="*") as b:
        answer = await b.get("/healthz", headers={"Origin": OTHER})
        assert allowed(answer) in (OTHER, "*")
        assert "access-control-allow-credentials" not in answer.headers
