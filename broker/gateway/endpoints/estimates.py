"""`GET /v1/runs/{run}/estimate` and `GET /v1/pipelines`: how long things take."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from aiohttp import web

from broker.errors import IndexNotBuilt, InvalidName, InvalidParameter, PipelineNotFound
from broker.gateway.http.parameters import require_known
from broker.gateway.keys import ESTIMATES, INDEX, LIMITS, RECENT, REGISTRY, run_key
from broker.gateway.lists.recent import RecentRun
from broker.model.state import RunState, RunStatus
from broker.model.subjects import DEFAULT_TENANT
from broker.model.summary import Summary
from broker.runs.estimate import Estimate, estimate
from broker.runs.history import Histories, History, quantile
from broker.runs.index import Index, Page
from broker.runs.query import Query

MAX_AGE: Final = 5
"""Seconds that an answer may be kept: an estimate is no exacter than that."""
LAST: Final = 20
"""Ended runs that a pipeline shows."""
PIPELINES: Final = 1_000
"""Pipelines that the list of them names."""
NAMES: Final = 100
"""Pipelines that one request may name."""

_ENDED: Final[tuple[RunStatus, ...]] = ("completed", "failed", "cancelled")


class Spread(msgspec.Struct, frozen=True):
    """Seconds that half, 90 and 95 in 100 of the completed runs took at most."""

    p50: float
    p90: float
    p95: float


class StepSpread(msgspec.Struct, frozen=True):
    """The same of a step, and in how many runs it was timed."""

    p50: float
    p95: float
    runs: int


class LastRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run that has ended."""

    run: str
    status: RunStatus
    duration: float | None = None
    ended_at: datetime | None = None


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """How the runs of a pipeline went.

    `success_rate` is the part of the completed among the completed and the failed; `runs` is how
    many completed runs the durations are of, the last ones; `slowest` is the step with the longest
    p50. `last` are the runs that ended last, `recent` those that began last. What nothing is known
    of is null.
    """

    pipeline: str
    counts: dict[str, int]
    success_rate: float | None
    runs: int
    duration: Spread | None
    steps: dict[str, StepSpread]
    slowest: str | None
    last: list[LastRun]
    recent: list[RecentRun]


_encode: Final = msgspec.json.Encoder().encode


class Estimates:
    """Judges runs by what is known of their pipelines. `wall` gives seconds since 1970."""

    def __init__(self, histories: Histories, wall: Callable[[], float]) -> None:
        self.histories = histories
        self._wall = wall

    def of(self, run: RunState | Summary) -> Estimate:
        """When a run will end, as far as anyone can say."""
        history = self.histories.get(run.tenant, run.pipeline)
        return estimate(run, history, datetime.fromtimestamp(self._wall(), UTC))

    def row(self, summary: Summary) -> dict[str, Any] | None:
        """The same for a row of the list, its `eta`; None where nobody can say.

        To the second, so that a page that is asked for again is seldom another for this alone.
        """
        if summary.status != "running":
            return None
        found = self.of(summary)
        if found.finish is None:
            return None
        return {
            "p50": _next_second(found.finish.p50),
            "p90": _next_second(found.finish.p90),
            "basis": found.basis,
            "overdue": found.overdue,
        }


async def run_estimate(request: web.Request) -> web.Response:
    """When the run will end: a range and its basis, or null and the reason."""
    key = run_key(request)
    require_known(request, (), "an estimate")
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), key, "estimate"))
    hub = await request.app[REGISTRY].hub(key)
    return _answer(request.app[ESTIMATES].of(hub.state))


async def pipeline(request: web.Request) -> web.Response:
    """How the runs of one pipeline went."""
    require_known(request, (), "a pipeline")
    name = checked_pipeline(request.match_info["pipeline"])
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), "pipeline", name))
    index = built_index(request)
    ended = Query(pipelines=(name,), statuses=_ENDED, sort="ended_at", limit=LAST)
    page = index.page(ended)
    if not any(page.counts.values()):
        raise PipelineNotFound(name)
    history = request.app[ESTIMATES].histories.get(DEFAULT_TENANT, name)
    recent = request.app[RECENT].of(name)
    return _answer(_shown(name, page, history, [] if recent is None else recent.runs))


async def pipelines(request: web.Request) -> web.Response:
    """The pipelines that have runs, by name, with how many have each status.

    `?name=` picks some, and these come with the runs that began last.
    """
    require_known(request, ("name",), "the list of pipelines")
    names = list(dict.fromkeys(request.query.getall("name", [])))
    limits = request.app[LIMITS]
    limits.polls.spend((limits.client(request), "recent runs" if names else "pipelines"))
    index = built_index(request)
    if names:
        return _answer({"items": await _named(request, names)})
    found = index.pipelines(PIPELINES)
    items = [{"pipeline": name, "counts": counts} for name, counts in found.items()]
    return _answer({"items": items})


async def _named(request: web.Request, names: list[str]) -> list[dict[str, Any]]:
    """Those of the pipelines that have runs. Raises InvalidParameter."""
    if len(names) > NAMES:
        raise InvalidParameter("name", f"names {len(names)} pipelines: it may name {NAMES}")
    items = []
    for name in names:
        found = request.app[RECENT].of(checked_pipeline(name))
        if found is not None:
            items.append({"pipeline": name, "counts": found.counts, "recent": found.runs})
        await asyncio.sleep(0)  # each may take milliseconds
    return items


def checked_pipeline(name: str) -> str:
    """The name. Raises InvalidName where it cannot be one."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidName("pipeline", "is not valid Unicode") from None
    return name


def built_index(request: web.Request) -> Index:
    """The index. Raises IndexNotBuilt."""
    index = request.app[INDEX]
    if not index.built:
        raise IndexNotBuilt(len(index))
    return index


def _shown(name: str, page: Page, history: History | None, recent: list[RecentRun]) -> Pipeline:
    counts = page.counts
    judged = counts["completed"] + counts["failed"]
    steps = {} if history is None else _spreads(history)
    return Pipeline(
        pipeline=name,
        counts=counts,
        success_rate=round(counts["completed"] / judged, 4) if judged else None,
        runs=0 if history is None else len(history),
        duration=None if history is None else Spread(*history.quantiles(0.5, 0.9, 0.95)),
        steps=steps,
        slowest=max(steps, key=lambda step: steps[step].p50, default=None),
        last=[_last_run(row.summary) for row in page.rows],
        recent=recent,
    )


def _spreads(history: History) -> dict[str, StepSpread]:
    spreads = {}
    for name in history.steps:
        taken = history.step(name)
        if taken:
            spreads[name] = StepSpread(quantile(taken, 0.5), quantile(taken, 0.95), len(taken))
    return spreads


def _last_run(summary: Summary) -> LastRun:
    return LastRun(summary.run, summary.status, summary.duration, summary.ended_at)


def _next_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0) + timedelta(seconds=moment.microsecond > 0)


def _answer(body: object) -> web.Response:
    return web.Response(
        body=_encode(body),
        content_type="application/json",
        headers={"Cache-Control": f"max-age={MAX_AGE}"},
    )
