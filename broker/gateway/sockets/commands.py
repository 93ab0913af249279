"""Commands given over a WebSocket: carried out as over HTTP, and answered on the socket."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from broker.errors import BrokerError
from broker.gateway.commands.dispatch import Order
from broker.gateway.endpoints.body import checked_key
from broker.gateway.middleware import problem_of
from broker.gateway.sockets.socket import Socket
from broker.logs import about
from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.protocol.conversation import GiveCommand, tell

log = logging.getLogger(__name__)

COMMANDS_MAX: Final = 32
"""Commands of one socket that may be under way."""

Give: TypeAlias = Callable[[str, RunKey, Order], Awaitable[str]]
"""Gives a client's command to a run; gives the command's id, or raises a BrokerError."""


def refuse(socket: Socket, asked: GiveCommand) -> None:
    """Tell a client that it does not wait for its answers."""
    socket.hit("commands_per_socket")
    detail = f"a socket has at most {COMMANDS_MAX} commands under way: wait for an answer"
    more = {"limit": "commands_per_socket", "value": COMMANDS_MAX}
    _tell_error(socket, asked, "too-many-commands", detail, more)


async def carry_out(socket: Socket, asked: GiveCommand, give: Give) -> None:
    """Give a command, and tell the client what came of it. It goes on when the client leaves."""
    key = asked.idempotency_key
    try:
        order = Order(
            command=asked.command,
            by=asked.by,
            reason=asked.reason,
            mode=asked.mode,
            key=None if key is None else checked_key(key),
        )
        id = await give(socket.client, RunKey(DEFAULT_TENANT, asked.run), order)
    except BrokerError as error:
        problem = problem_of(error)
        _tell_error(socket, asked, problem.name, problem.detail, problem.extra)
    except Exception:
        more = about("command_failed", run=asked.run)
        log.exception("giving a command that came over a WebSocket", extra=more)
        _tell_error(socket, asked, "internal", "it is in the gateway's log", {})
    else:
        _tell(socket, asked, "command", {"command": id})
    finally:
        socket.commands -= 1


def _tell_error(
    socket: Socket, asked: GiveCommand, name: str, detail: str, more: dict[str, Any]
) -> None:
    _tell(socket, asked, "error", {"op": "command", "name": name, "detail": detail, **more})


def _tell(socket: Socket, asked: GiveCommand, kind: str, data: dict[str, Any]) -> None:
    # At once, also where the client does not read: it is little, and bounded with the commands.
    if socket.closing_at is None:
        socket.write(tell(kind, data, run=asked.run, id=asked.id))
