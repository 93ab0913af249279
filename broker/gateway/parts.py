"""Answers that are longer than memory should hold: written part by part, at the client's pace."""

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from broker.errors import BrokerError
from broker.gateway.keys import METRICS, OPTIONS

log = logging.getLogger(__name__)


async def write_parts(
    request: web.Request, response: web.StreamResponse, parts: AsyncIterator[bytes]
) -> None:
    """Write all parts of a response that has begun.

    The status is sent: where they break off, or the client takes no byte for `stall_timeout`
    seconds, only a cut tells it that this is not all. Raises ConnectionError then.
    """
    try:
        async for part in parts:
            async with asyncio.timeout(request.app[OPTIONS].stall_timeout):
                await response.write(part)
    except TimeoutError:
        request.app[METRICS].closes.labels(reason="slow").inc()
        raise _cut(request) from None
    except BrokerError as error:
        log.info("an answer breaks off: %s", error)
        raise _cut(request) from error


def _cut(request: web.Request) -> ConnectionError:
    if request.transport is not None:
        request.transport.abort()
    return ConnectionResetError("the connection is cut")
