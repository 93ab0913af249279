"""Answers that are longer than memory should hold: written part by part, at the client's pace."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping

from aiohttp import HttpVersion11, web

from broker.errors import BrokerError
from broker.gateway.keys import METRICS, OPTIONS
from broker.logs import about

log = logging.getLogger(__name__)


async def answer_in_parts(
    request: web.Request, headers: Mapping[str, str], parts: AsyncIterator[bytes]
) -> web.StreamResponse:
    """Answer with all the parts. Raises ConnectionError where they do not all get there."""
    response = web.StreamResponse(headers=headers)
    if request.version < HttpVersion11:  # which has no chunks: the end of the connection is the end
        response.force_close()
    await response.prepare(request)
    await _write(request, response, parts)
    await response.write_eof()
    return response


async def _write(
    request: web.Request, response: web.StreamResponse, parts: AsyncIterator[bytes]
) -> None:
    """Write all parts of a response that has begun.

    The status is sent: where they break off, or the client takes no byte for `stall_timeout`
    seconds, only a cut tells it that this is not all. Raises ConnectionError then. Who asks for the
    head alone gets none: the bytes would be taken for the next answer.
    """
    if request.method == "HEAD":
        return
    metrics, why = request.app[METRICS], "error"
    metrics.connections.labels("download").inc()
    try:
        async for part in parts:
            async with asyncio.timeout(request.app[OPTIONS].stall_timeout):
                await response.write(part)
        why = "end"
    except TimeoutError:
        why = "slow"
        raise _cut(request) from None
    except BrokerError as error:
        why = "interrupted"
        log.info("an answer breaks off: %s", error, extra=about("download_cut"))
        raise _cut(request) from error
    except (ConnectionError, asyncio.CancelledError):
        why = "client"
        raise
    finally:
        metrics.connections.labels("download").dec()
        metrics.closes.labels(why).inc()


def _cut(request: web.Request) -> ConnectionError:
    if request.transport is not None:
        request.transport.abort()
    return ConnectionResetError("the connection is cut")
