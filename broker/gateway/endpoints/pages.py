"""The dashboard: its pages, and the files that they load.

All pages are one document, which looks at its own address. It names its files under a version, so
that browsers may keep them for ever; whoever asks for another version is led to the present one,
because a page may have been opened before the gateway was upgraded, or may be of another gateway
that is not upgraded yet. What a page needs at first, its document names (`modules`).
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from aiohttp import web

import broker
from broker.gateway.endpoints.snapshot import has_tag
from broker.gateway.http.modules import FIRST, all_needed, closure, needed
from broker.gateway.http.static_files import File, Files, file_of, read_files
from broker.gateway.keys import PAGES

_ASSETS: Final = b"{{assets}}"
_MODULES: Final = b"{{modules}}"
_MODULE: Final = '<link rel="modulepreload" href="{{{{assets}}}}/{}">'
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_EACH_TIME: Final = "no-cache"
_EMBED_AGE: Final = "public, max-age=300"

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors "
)
_PICTURE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_NOBODY: Final = "'none'"
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s;,]+|\*")


class Pages:
    """The files of the dashboard as they are answered. `framers` may show a shared run in a frame.

    Without an `index.html` no page is there.
    """

    def __init__(self, files: Files, framers: Iterable[str] = ()) -> None:
        self.version = files.version
        self._files = files.by_path
        self._documents = _documents(files)
        known = sorted(origin for origin in framers if _ORIGIN.fullmatch(origin))
        self._framers = " ".join(["'self'", *known])

    def page(
        self, request: web.Request, *, status: int = 200, shared: bool = False
    ) -> web.Response:
        """The document; a shared one may stand in a frame of allowed origins."""
        if not self._documents:
            raise web.HTTPNotFound
        wanted = needed(request.path, request.query.get("tab")) if status == 200 else FIRST
        headers = {
            "Cache-Control": _ASK_EACH_TIME,
            "Content-Security-Policy": _POLICY + (self._framers if shared else _NOBODY),
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
        }
        return _answer(request, self._documents[wanted], headers, status)

    def asset(self, request: web.Request, version: str, path: str) -> web.Response:
        """A file of the present version, or the way to it."""
        file = self._files.get(path)
        if file is None:
            raise web.HTTPNotFound
        if version != self.version:
            return web.Response(
                status=307,
                headers={"Location": self._address(path), "Cache-Control": "no-store"},
            )
        # A worker is bound by the policy that its own script came with.
        policy = _PICTURE_POLICY if file.type == "image/svg+xml" else _POLICY + _NOBODY
        headers = {
            "Cache-Control": _FOR_EVER,
            "Content-Security-Policy": policy,
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        return _answer(request, file, headers)

    def embed(self, request: web.Request) -> web.Response:
        """The script that shows runs in other pages: anyone may load it."""
        file = self._files.get("embed.js")
        if file is None:
            raise web.HTTPNotFound
        headers = {
            "Cache-Control": _EMBED_AGE,
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        return _answer(request, file, headers)

    def missing(self, request: web.Request) -> web.Response | None:
        """What a person sees where nothing is; None for who is no browser, or asks for data."""
        wants_page = any("text/html" in line for line in request.headers.getall("Accept", []))
        looked_for_data = f"{request.path}/".startswith(("/v1/", "/api/", "/assets/"))
        if not self._documents or not wants_page or looked_for_data:
            return None
        return self.page(request, status=404) if request.method in ("GET", "HEAD") else None

    def _address(self, path: str) -> str:
        return f"/assets/{self.version}/{path}"


@lru_cache(1)
def packaged() -> Files:
    """The dashboard as it came with the package."""
    return read_files(Path(broker.__file__).parent / "web")


async def page(request: web.Request) -> web.Response:
    """The document, at each address that it knows."""
    return request.app[PAGES].page(request)


async def shared(request: web.Request) -> web.Response:
    """The document where it shows one run and can do nothing to it."""
    return request.app[PAGES].page(request, shared=True)


async def asset(request: web.Request) -> web.Response:
    """A file that the document loads."""
    found = request.match_info
    return request.app[PAGES].asset(request, found["version"], found["path"])


async def embed(request: web.Request) -> web.Response:
    """The script for other pages."""
    return request.app[PAGES].embed(request)


def _documents(files: Files) -> Mapping[tuple[str, ...], File]:
    """The document as each page gets it, by the scripts that show the page."""
    index = files.by_path.get("index.html")
    if index is None:
        return {}
    scripts = {name: file.body for name, file in files.by_path.items() if name.endswith(".js")}
    documents = {}
    for wanted in all_needed():
        links = "\n".join(map(_MODULE.format, closure(scripts, wanted)))
        body = index.body.replace(_MODULES, links.encode())
        body = body.replace(_ASSETS, f"/assets/{files.version}".encode())
        documents[wanted] = file_of("index.html", body)
    return documents


def _answer(
    request: web.Request, file: File, headers: Mapping[str, str], status: int = 200
) -> web.Response:
    """A file, compressed where that is less and the client takes it; 304 where it has it."""
    zipped = bool(file.zipped) and takes_gzip(request.headers.getall("Accept-Encoding", []))
    tag = f'"{file.tag}-gzip"' if zipped else f'"{file.tag}"'
    sent = {"ETag": tag, "Vary": "Accept-Encoding", **headers}
    if status == 200 and has_tag(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=sent)
    sent["Content-Type"] = file.type
    if zipped:
        sent["Content-Encoding"] = "gzip"
    return web.Response(status=status, headers=sent, body=file.zipped if zipped else file.body)


def takes_gzip(accepted: Iterable[str]) -> bool:
    """Whether a client reads gzip, by its Accept-Encoding (RFC 9110 §12.5.3)."""
    named: dict[str, bool] = {}
    for part in ",".join(accepted).split(","):
        coding, _, weight = part.partition(";")
        refused = re.fullmatch(r"\s*[qQ]\s*=\s*0(\.0*)?\s*", weight) is not None
        named[coding.strip().lower()] = not refused
    return named.get("gzip", named.get("*", False))
