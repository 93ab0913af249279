"""A run told as server-sent events in a form of its own."""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.gateway.endpoints.event_stream import Begun, admit, begin, unchanged
from broker.gateway.keys import METRICS, REGISTRY, RUNS, run_key
from broker.gateway.runs.cursors import resume_of
from broker.model.subjects import RunKey
from broker.protocol.sse import BARE
from broker.views.message import Story

_NEVER: Final = sys.float_info.max
"""Later than any age; draining sets an earlier time."""


def stream(story: Story) -> Handler:
    """A handler that streams the run of the path; `EventSource` resumes where it was."""

    async def handler(request: web.Request) -> web.StreamResponse:
        who = admit(request)
        return await tell(request, who, run_key(request), story)

    return handler


async def tell(
    request: web.Request,
    who: str,
    key: RunKey,
    story: Story,
    *,
    bare: bool = False,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> web.StreamResponse:
    """Stream a run to a client that was admitted.

    A client that has everything of a run that has ended is told to stop (204). To a `bare` one,
    which does not know how to come back, the stream has no cursors, begins with a comment where
    nothing is to be told yet, and goes on as long as the run does.
    """
    app = request.app
    hub = await app[REGISTRY].hub(key)
    resume = None if bare else await resume_of(request, hub, app[RUNS])
    since = None if resume is None else resume.seq
    if since is not None and hub.over_at(since, story):
        return unchanged()

    def join(begun: Begun) -> bool:
        if not app[REGISTRY].holds(hub):
            return False

        def hello(resumed: bool) -> bytes:
            if resume is not None:
                app[METRICS].resumes.labels("resumed" if resumed else "snapshot").inc()
            return framing.heartbeat if bare else b""

        framing = BARE[begun.framing.name] if bare else begun.framing
        if bare:
            begun.client.comes_back, begun.client.expires_at = False, _NEVER
        app[METRICS].opens.labels(begun.framing.name, story.name).inc()
        hub.join(begun.client, story, framing, since, hello)
        return True

    return await begin(request, who, join, headers)
