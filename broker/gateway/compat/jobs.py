"""`GET /api/jobs`: the jobs that are kept; and what a person asks of one of them."""

import hashlib
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from broker.errors import IndexNotBuilt
from broker.gateway.commands.dispatch import Order
from broker.gateway.compat.job_queries import ACTIVE, ENDED, LARGEST, LIMIT, number, wanted_by
from broker.gateway.compat.shown import POLL
from broker.gateway.endpoints.body import idempotency_key, read_json
from broker.gateway.endpoints.commands import give
from broker.gateway.endpoints.snapshot import has_tag
from broker.gateway.keys import DISPATCH, INDEX, LIMITS, OPTIONS, REGISTRY, RUNS, run_key
from broker.gateway.runs.standing import standing
from broker.hub.registry import Registry
from broker.model.decide import By, CommandName, Reason
from broker.model.subjects import RunKey
from broker.model.summary import Summary
from broker.runs.index import Index
from broker.runs.query import Query
from broker.views.job import WORDS, Job, job_in_list, job_of

_COMMANDS: Final[tuple[CommandName, ...]] = ("cancel", "retry")
COMMAND: Final = "{command:" + "|".join(_COMMANDS) + "}"

_encode: Final = msgspec.json.Encoder().encode


class _Body(msgspec.Struct, frozen=True):
    """What a person may say with it; what else a page sends is not for us."""

    reason: Reason | None = None
    by: By | None = None


async def listing(request: web.Request) -> web.Response:
    """The jobs, the newest first: all that are active before any that has ended, up to a limit.

    The index may be a second behind; a job that somebody watches is shown as it is now, so that no
    page is thrown back by what it asks for beside its socket.
    """
    wanted = wanted_by(request)
    limit = number(request, "limit", least=1, most=LARGEST, otherwise=LIMIT)
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), "jobs"), POLL)
    index = request.app[INDEX]
    if not index.built:
        raise IndexNotBuilt(len(index))
    found = _page(index, wanted.among(ACTIVE, limit))
    found += _page(index, wanted.among(ENDED, limit - len(found)) if len(found) < limit else None)
    words = {WORDS[status] for status in wanted.query.statuses}
    now = partial(_now, request.app[REGISTRY])
    jobs = [job for job in map(now, found) if not words or job.status in words]
    jobs.sort(key=lambda job: job.created_at or "", reverse=True)
    body = _encode(jobs)
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": f"max-age={request.app[OPTIONS].snapshot_ttl}"}
    if has_tag(request.headers.get("If-None-Match"), tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)


async def command(request: web.Request) -> web.Response:
    """Cancel a job, or begin it again; 202 with the job as it stands then."""
    key = run_key(request)
    body = await read_json(request, _Body)
    order = Order(
        command=next(c for c in _COMMANDS if c == request.match_info["command"]),
        by=body.by,
        reason=body.reason,
        key=idempotency_key(request),
    )
    limits = request.app[LIMITS]
    await give(request.app[DISPATCH], limits, limits.client(request), key, order)
    hub = (await standing(request.app[REGISTRY], request.app[RUNS], key)).hub
    return web.Response(
        status=202,
        body=_encode(job_of(hub.state)),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _page(index: Index, query: Query | None) -> list[Summary]:
    return [] if query is None else [row.summary for row in index.page(query).rows]


def _now(registry: Registry, summary: Summary) -> Job:
    hub = registry.opened(RunKey(summary.tenant, summary.run))
    return job_in_list(summary) if hub is None else job_of(hub.state)
