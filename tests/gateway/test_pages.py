"""The dashboard's pages and files as the gateway serves them."""

import gzip
from pathlib import Path

import pytest

import broker as broker_package
from broker.gateway import app
from broker.gateway.endpoints.pages import packaged, takes_gzip
from broker.gateway.http.static_files import BYTES_MOST, Files, read_files
from tests.gateway.serving import broker
from tests.gateway.test_problems import is_problem

WEB = Path(broker_package.__file__).parent / "web"
APP = "https://app.example"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGES = ("/", "/compare?a=x&b=y", "/runs/r1", "/runs/a%2Fb%20c/logs", "/runs/r1/x/y", "/share/r1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small dashboard, served in place of the one in the package."""
    web = tmp_path / "web"
    (web / "core").mkdir(parents=True)
    (web / "index.html").write_text('<script src="{{assets}}/core/app.js"></script>')
    (web / "core/app.js").write_text("export const x = 1;\n" * 100)
    (web / "icon.svg").write_text("<svg/>")
    (web / "embed.js").write_text("export {};")
    (web / ".hidden.js").write_text("secret")
    (web / "core/app.d.ts").write_text("secret")
    monkeypatch.setattr(app, "packaged", lambda: read_files(web))
    return web


async def test_every_page_is_the_same_document(tmp_path: Path, folder: Path) -> None:
    """With the address of its files, and a policy that lets nothing foreign in."""
    version = read_files(folder).version
    async with broker(tmp_path) as b:
        for target in PAGES:
            page = await b.get(target)
            assert (200, "text/html; charset=utf-8") == (page.status, page.headers["content-type"])
            assert f'<script src="/assets/{version}/core/app.js"></script>' == page.body.decode()
            policy = page.headers["content-security-policy"]
            assert {"default-src 'none'", "script-src 'self'"} <= set(policy.split("; "))
            assert "unsafe" not in policy
            assert ("no-cache", "nosniff", "same-origin", "same-origin") == tuple(
                page.headers[name]
                for name in (
                    "cache-control",
                    "x-content-type-options",
                    "referrer-policy",
                    "cross-origin-opener-policy",
                )
            )
            again = await b.get(target, headers={"If-None-Match": page.headers["etag"]})
            assert (304, b"") == (again.status, again.body)


async def test_the_session_of_a_proxy_may_be_long(tmp_path: Path) -> None:
    """One that asks who is there passes its cookies on: tokens of people who are in many groups."""
    session = "; ".join(f"__Host-progress_{part}={'x' * 3900}" for part in range(6))
    async with broker(tmp_path) as b:
        assert 200 == (await b.get("/", headers={"Cookie": session})).status
        assert 400 == (await b.get("/", headers={"Cookie": 2 * session})).status


async def test_a_shared_run_may_be_framed_by_allowed_origins_alone(
    tmp_path: Path, folder: Path
) -> None:
    """What is allowed is a setting: what would end the directive in a header is left out."""
    async with broker(tmp_path, allowed_origins=f"{APP}, null, https://x;script-src *") as b:
        shared, run = await b.get("/share/r1"), await b.get("/runs/r1")
        policy = shared.headers["content-security-policy"]
        assert policy.endswith(f"frame-ancestors 'self' {APP}")
        assert run.headers["content-security-policy"].endswith("frame-ancestors 'none'")


async def test_a_file_may_be_kept_for_ever(tmp_path: Path, folder: Path) -> None:
    """Compressed for who takes it; another content is another version."""
    version, files = read_files(folder)
    script = files["core/app.js"]
    target = f"/assets/{version}/core/app.js"
    async with broker(tmp_path) as b:
        plain = await b.get(target)
        zipped = await b.get(target, headers={"Accept-Encoding": "br, gzip;q=0.5"})
        assert script.body == plain.body == gzip.decompress(zipped.body)
        assert (None, "gzip") == (
            plain.headers.get("content-encoding"),
            zipped.headers["content-encoding"],
        )
        assert plain.headers["etag"] != zipped.headers["etag"]
        for answer in (plain, zipped):
            assert "text/javascript; charset=utf-8" == answer.headers["content-type"]
            assert "public, max-age=31536000, immutable" == answer.headers["cache-control"]
            assert "Accept-Encoding" in answer.headers["vary"]
        head = await b.get(target, method="HEAD")
        assert (200, str(len(script.body))) == (head.status, head.headers["content-length"])
        same = await b.get(target, headers={"If-None-Match": plain.headers["etag"]})
        assert 304 == same.status
        picture = await b.get(f"/assets/{version}/icon.svg", headers={"Accept-Encoding": "gzip"})
        assert ("image/svg+xml", None) == (
            picture.headers["content-type"],
            picture.headers.get("content-encoding"),
        )
    (folder / "core/app.js").write_text("export const x = 2;")
    assert version != read_files(folder).version


async def test_a_page_of_another_version_goes_on(tmp_path: Path, folder: Path) -> None:
    """What it still loads is the present file, as long as there is one of that name."""
    async with broker(tmp_path) as b:
        led = await b.get("/assets/0123456789abcdef/core/app.js")
        assert (307, "no-store") == (led.status, led.headers["cache-control"])
        assert f"/assets/{read_files(folder).version}/core/app.js" == led.headers["location"]
        assert 200 == (await b.get(led.headers["location"])).status
        assert is_problem(await b.get("/assets/0123456789abcdef/gone.js"), 404, "not-found")


async def test_only_the_files_of_the_folder(tmp_path: Path, folder: Path) -> None:
    version = read_files(folder).version
    (tmp_path / "web.js").write_text("secret")
    tries = (
        "../web.js",
        "%2e%2e/web.js",
        "core/../../web.js",
        ".hidden.js",
        "core/app.d.ts",
        "core",
        "core/",
        "/etc/passwd",
        "core%2Fapp.js%00",
        "%ff",
    )
    async with broker(tmp_path) as b:
        for path in tries:
            answer = await b.get(f"/assets/{version}/{path}", headers=BROWSER)
            assert 404 == answer.status
            assert b"secret" not in answer.body
        assert is_problem(await b.get("/", method="POST"), 405, "method-not-allowed")


async def test_the_script_for_other_pages(tmp_path: Path, folder: Path) -> None:
    """At an address that stays, for every origin."""
    async with broker(tmp_path) as b:
        script = await b.get("/embed.js", headers={"Origin": "https://anyone.example"})
        assert (200, "*", "public, max-age=300", "cross-origin") == (
            script.status,
            script.headers["access-control-allow-origin"],
            script.headers["cache-control"],
            script.headers["cross-origin-resource-policy"],
        )


async def test_where_nothing_is(tmp_path: Path, folder: Path) -> None:
    """A person sees a page that says so; a program, and who asks for data, a problem."""
    async with broker(tmp_path) as b:
        page = await b.get("/nowhere", headers=BROWSER)
        assert (404, "text/html; charset=utf-8") == (page.status, page.headers["content-type"])
        assert b"/core/app.js" in page.body
        assert is_problem(await b.get("/nowhere"), 404, "not-found")
        assert is_problem(await b.get("/nowhere", headers={"Accept": "*/*"}), 404, "not-found")
        assert 404 == (await b.get("/v10", headers=BROWSER)).status
        for target in (
            "/v1",
            "/v1/nothing",
            "/v1/runs/nobody",
            "/api",
            "/assets",
            "/assets/x/y.js",
        ):
            assert 404 == (answer := await b.get(target, headers=BROWSER)).status
            assert "application/problem+json" in answer.headers["content-type"]
        assert 405 == (await b.get("/v1/events", headers=BROWSER)).status


async def test_without_its_files_the_api_still_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "packaged", lambda: read_files(tmp_path / "nothing"))
    async with broker(tmp_path) as b:
        for target in ("/", "/runs/r1", "/embed.js", "/nowhere"):
            assert is_problem(await b.get(target, headers=BROWSER), 404, "not-found")
        assert 200 == (await b.get("/healthz")).status


def test_a_folder_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big.js").write_bytes(b"x" * (BYTES_MOST + 1))
    with pytest.raises(ValueError, match="more than"):
        read_files(tmp_path)


def test_the_packaged_dashboard() -> None:
    """Every file is served but declarations; the document names its files under their version."""
    files: Files = packaged()
    every = {path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file()}
    assert files.by_path.keys() == {name for name in every if not name.endswith(".d.ts")}
    assert b"{{assets}}/app.js" in files.by_path["index.html"].body


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ([], False),
        (["gzip"], True),
        (["br", "GZIP;q=0.1"], True),
        (["gzip;q=0"], False),
        (["gzip; q = 0.000 "], False),
        (["*"], True),
        (["*;q=0, gzip"], True),
        (["gzip;q=0, *"], False),
        (["gzip; Q=0.000"], False),
        (["identity", "xgzip", ""], False),
    ],
)
def test_who_takes_gzip(accepted: list[str], takes: bool) -> None:
    assert takes == takes_gzip(accepted)
