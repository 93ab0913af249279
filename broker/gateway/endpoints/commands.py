"""`POST /v1/runs/{run}/cancel`, `/retry`, `/pause` and `/resume`."""

from typing import Final

import msgspec
from aiohttp import web

from broker.gateway.commands.dispatch import Dispatch, Order
from broker.gateway.endpoints.body import idempotency_key, read_json
from broker.gateway.http.limits import Limits
from broker.gateway.http.parameters import require_known
from broker.gateway.keys import DISPATCH, LIMITS, run_key
from broker.model.decide import COMMANDS, By, CommandName, Mode, Reason
from broker.model.subjects import RunKey

ROUTE: Final = "/v1/runs/{run:[^/]+}/{command:" + "|".join(COMMANDS) + "}"


class CommandBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, by whom, and how."""

    reason: Reason | None = None
    by: By | None = None
    mode: Mode | None = None


async def command(request: web.Request) -> web.Response:
    """Give the run a command; 202 with the command's id."""
    key = run_key(request)
    require_known(request, (), "a command")
    name: CommandName = next(c for c in COMMANDS if c == request.match_info["command"])
    body = await read_json(request, CommandBody)
    order = Order(
        command=name,
        by=body.by,
        reason=body.reason,
        mode=body.mode,
        key=idempotency_key(request),
    )
    limits = request.app[LIMITS]
    id = await give(request.app[DISPATCH], limits, limits.client(request), key, order)
    return web.json_response({"command": id}, status=202)


async def give(dispatch: Dispatch, limits: Limits, client: str, key: RunKey, order: Order) -> str:
    """Give a client's command, within its limit. Raises as Dispatch.give does, and RateLimited."""
    limits.ingest.spend(client)
    return await dispatch.give(key, order)
