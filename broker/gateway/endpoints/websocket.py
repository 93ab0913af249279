"""`GET /v1/ws`: one WebSocket for any number of runs and views."""

from collections.abc import Callable

from aiohttp import web

from broker.gateway.http.origins import welcome
from broker.gateway.http.sinks import release, transport_of
from broker.gateway.keys import DRAIN, LIMITS, SOCKETS
from broker.gateway.sockets.socket import Socket
from broker.protocol import handshake
from broker.protocol.problem import MEDIA_TYPE


async def websocket(request: web.Request) -> web.StreamResponse:
    """The socket on which a client says what it wants to see."""
    sockets = request.app[SOCKETS]
    return upgrade(request, lambda socket: socket.write(sockets.hello(socket)))


def upgrade(
    request: web.Request,
    begin: Callable[[Socket], None],
    hear: Callable[[Socket, bytes], None] | None = None,
) -> web.StreamResponse:
    """Turn the connection into a WebSocket, or say why it cannot be one.

    `begin` is called once the handshake is written, `hear` with what the client says; without it
    the client subscribes as on `/v1/ws`. Raises Draining, RateLimited, Overloaded.
    """
    sockets = request.app[SOCKETS]
    refusal = handshake.refusal(request.method, request.headers.items())
    if refusal is None and not _welcome(request, sockets.limits.allowed_origins):
        refusal = handshake.FOREIGN
    if refusal is not None:
        return _refused(refusal)
    request.app[DRAIN].refuse()
    limits = request.app[LIMITS]
    who = limits.client(request)
    limits.opens.spend(who)
    closed = limits.streams.open(who, "websocket")

    try:
        transport = transport_of(request)
    except BaseException:
        closed("client")
        raise
    socket = sockets.take(transport, closed, who, hear)
    early = request.protocol._message_tail  # what came right behind the request
    release(request, transport, socket, high_water=sockets.limits.high_water)
    socket.write(handshake.answer(request.headers["Sec-WebSocket-Key"]))
    begin(socket)
    transport.resume_reading()  # aiohttp stops it where much came
    if early:
        socket.data_received(early)
    return web.Response(status=101)  # for the middleware to count; aiohttp cannot send it


def _welcome(request: web.Request, allowed: frozenset[str]) -> bool:
    """Whether the page that connects may: a browser lets every page try, and sends its cookies."""
    origins = request.headers.getall("Origin", [])
    return not origins or welcome(origins, request.host, allowed)


def _refused(refusal: handshake.Refusal) -> web.Response:
    problem = refusal.problem
    return web.Response(
        status=problem.status,
        body=problem.encode(),
        content_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **refusal.headers},
    )
