"""`GET /v1/runs/{run}/badge.svg`, and the same of a pipeline's last run: a picture for any page."""

import hashlib
from typing import Final, get_args

from aiohttp import web

from broker.errors import InvalidParameter, NotFound
from broker.gateway.endpoints.estimates import built_index, checked_pipeline
from broker.gateway.endpoints.snapshot import has_tag
from broker.gateway.keys import INDEX, LIMITS, REGISTRY, run_key
from broker.model.state import RunState
from broker.model.summary import Summary
from broker.runs.query import Query
from broker.views.badge import Badge, Style, badge_of, drawn, unknown

MAX_AGE: Final = 5
"""Seconds that a picture may be shown although the run went on."""

_STYLES: Final[tuple[Style, ...]] = get_args(Style)
_HEADERS: Final = {
    "Content-Type": "image/svg+xml; charset=utf-8",
    "Cache-Control": f"max-age={MAX_AGE}",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


async def run_badge(request: web.Request) -> web.Response:
    """The picture of a run; that of an unknown one comes with 404, and browsers show it too."""
    key, label, style = run_key(request), request.query.get("label"), _style(request)
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), key, "badge"))
    run: RunState | Summary | None = request.app[INDEX].get(key.run, key.tenant)
    if run is None:
        try:
            run = (await request.app[REGISTRY].hub(key)).state
        except NotFound:
            return _picture(request, unknown(label or key.run), style, status=404)
    return _picture(request, badge_of(run, label), style)


async def pipeline_badge(request: web.Request) -> web.Response:
    """The picture of the run of a pipeline that began last."""
    name = checked_pipeline(request.match_info["pipeline"])
    label, style = request.query.get("label"), _style(request)
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), "pipeline badge", name))
    index = built_index(request)
    page = index.page(Query(pipelines=(name,), sort="started_at", limit=1))
    if not page.rows:
        return _picture(request, unknown(label or name), style, status=404)
    return _picture(request, badge_of(page.rows[0].summary, label or name), style)


def _style(request: web.Request) -> Style:
    """The style that is asked for, whatever else an address of a picture holds against caches.

    Raises InvalidParameter.
    """
    name = request.query.get("style", "flat")
    for style in _STYLES:
        if name == style:
            return style
    raise InvalidParameter("style", f"{name[:32]!r} is none of {', '.join(_STYLES)}")


def _picture(
    request: web.Request, badge: Badge, style: Style, *, status: int = 200
) -> web.Response:
    body = drawn(badge, style)
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {**_HEADERS, "ETag": tag}
    if status == 200 and has_tag(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    return web.Response(status=status, headers=headers, body=body)
