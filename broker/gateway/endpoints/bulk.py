"""`POST /v1/commands`: one command for many runs, each judged alone."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from aiohttp import web

from broker.errors import BrokerError, IndexNotBuilt, InvalidRequest
from broker.gateway.commands.dispatch import Dispatch, Order
from broker.gateway.endpoints.body import idempotency_key, read_json
from broker.gateway.http.parameters import require_known
from broker.gateway.keys import DISPATCH, INDEX, LIMITS
from broker.gateway.middleware import problem_of
from broker.model.decide import By, CommandName, Mode, Reason
from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.runs.query import Query, parse

MOST: Final = 1_000
"""Runs that one request may name, or find."""

AT_ONCE: Final = 32
"""Runs commanded at a time."""

_FILTERS: Final = ("status", "pipeline", "label", "q", "parent", "since", "until")
"""The parameters of the list that say which runs; the others say how they are shown."""

_EVERY: Final = Query(tenant=DEFAULT_TENANT)


class BulkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command, and either the runs it is for or the filter that finds them."""

    command: CommandName
    runs: list[str] | None = None
    filter: dict[str, Any] | None = None
    reason: Reason | None = None
    by: By | None = None
    mode: Mode | None = None


async def bulk(request: web.Request) -> web.Response:
    """Give every run the command; 202 with what came of each, in the order of the runs."""
    require_known(request, (), "a command for many runs")
    body = await read_json(request, BulkBody)
    order = Order(
        command=body.command,
        by=body.by,
        reason=body.reason,
        mode=body.mode,
        key=idempotency_key(request),
    )
    runs = _runs(request, body)
    limits = request.app[LIMITS]
    limits.ingest.spend(limits.client(request), len(runs))
    places = asyncio.Semaphore(AT_ONCE)
    dispatch = request.app[DISPATCH]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_one(dispatch, run, order, places)) for run in runs]
    items = [task.result() for task in tasks]
    return web.Response(
        status=202, body=msgspec.json.encode({"items": items}), content_type="application/json"
    )


def _runs(request: web.Request, body: BulkBody) -> list[str]:
    """The runs that are named, each once, or those that pass the filter."""
    if (body.runs is None) == (body.filter is None):
        raise InvalidRequest("the body: give `runs`, or a `filter` that finds them")
    if body.filter is not None:
        query = parse(_parameters(body.filter))
        if query == _EVERY:
            raise InvalidRequest("the body: `filter` says nothing, which would find every run")
        index = request.app[INDEX]
        if not index.built:
            raise IndexNotBuilt(len(index))
        runs = index.matching(query, MOST + 1)
        if len(runs) > MOST:
            raise InvalidRequest(
                f"more than {MOST} runs pass the filter: narrow it, for instance by `since`, and "
                "give the command to a part at a time"
            )
        return runs
    runs = list(dict.fromkeys(body.runs or []))
    if not runs or len(runs) > MOST:
        raise InvalidRequest(f"the body: `runs` names {len(runs)} runs, not 1 to {MOST}")
    return runs


def _parameters(filter: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A filter as the parameters of the list. Raises InvalidRequest."""
    if not filter:
        raise InvalidRequest(
            "the body: an empty `filter` finds every run: say which, for instance by `status`"
        )
    for name, value in filter.items():
        if name not in _FILTERS:
            raise InvalidRequest(
                f"the body: `filter` has no {name[:64]!r}: it has {', '.join(_FILTERS)}"
            )
        if name == "label" and isinstance(value, dict):
            value = [f"{key}:{_text(name, each)}" for key, each in value.items()]
        values = value if isinstance(value, list) else [value]
        if not values:
            raise InvalidRequest(f"the body: `filter.{name}` is empty, which would find every run")
        for each in values:
            yield name, _text(name, each)


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise InvalidRequest(f"the body: a value of `filter.{name}` is neither text nor a number")
    return str(value)


async def _one(
    dispatch: Dispatch, run: str, order: Order, places: asyncio.Semaphore
) -> dict[str, Any]:
    async with places:
        try:
            key = RunKey.checked(DEFAULT_TENANT, run)
            return {"run": run, "command": await dispatch.give(key, order)}
        except BrokerError as error:
            return {"run": run, "problem": msgspec.Raw(problem_of(error).encode())}
