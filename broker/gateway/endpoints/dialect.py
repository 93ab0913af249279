"""`?dialect=`: what producers of existing systems send over HTTP, stored as events, or nothing."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from aiohttp import web

from broker.dialects.said import Said
from broker.dialects.table import dialect_of
from broker.errors import (
    BrokerError,
    InvalidEvents,
    InvalidName,
    InvalidParameter,
    InvalidRequest,
)
from broker.gateway.endpoints.body import idempotency_key, read_body, texts_of
from broker.gateway.foreign.heard import Heard, addressed, read
from broker.gateway.foreign.translator import Plan, Translated
from broker.gateway.http.parameters import require_known
from broker.gateway.keys import (
    DIALECTS,
    LIMITS,
    LOGS,
    METRICS,
    RUNS,
    TRANSLATOR,
    run_key,
)
from broker.model.cursor import Cursor
from broker.model.ids import id_of
from broker.model.subjects import DEFAULT_TENANT, RunKey
from broker.stream.topology import DEDUPLICATION

PARAMETER: Final = "dialect"


async def translate(request: web.Request) -> web.Response:
    """Store what the messages of a request say: an object, an array, or one per line (NDJSON)."""
    require_known(request, (PARAMETER, "run"), "messages of a dialect")
    name = request.query[PARAMETER]
    read_one = dialect_of(name, request.app[DIALECTS])
    key = _run_of(request)
    repeated_as = idempotency_key(request)
    problems: list[tuple[int, str]] = []
    heard: defaultdict[RunKey, dict[int, Heard]] = defaultdict(dict)
    earliest = datetime.now(UTC) - DEDUPLICATION
    texts = texts_of(request, await read_body(request))
    if not texts:
        raise InvalidRequest("the body holds no message")
    limits = request.app[LIMITS]
    limits.ingest.spend(limits.client(request), len(texts))
    for index, text in enumerate(texts):
        try:
            said = read(read_one, text)
            run = _addressee(said, key)
        except BrokerError as error:
            problems.append((index, str(error)))
            continue
        id = repeated_as and id_of("dialect", *run, name, repeated_as, str(index))
        heard[run][index] = Heard(said, id, earliest if id and said.judged is not None else None)
    plans: list[Plan] = []
    for run, messages in heard.items():
        plan = await request.app[TRANSLATOR].plan(run, [*messages.values()])
        places = [*messages]
        problems += [(places[at], str(error)) for at, error in plan.refused.items()]
        plans.append(plan)
    counted = request.app[METRICS].dialect_messages
    if problems:
        counted.labels(name, "refused").inc(len(problems))
        raise InvalidEvents(sorted(problems))
    events = sum(len(plan.events) + len(plan.lines) for plan in plans)
    if events > len(texts):
        limits.ingest.spend(limits.client(request), events - len(texts))
    translated = [await request.app[TRANSLATOR].store(plan, whole=True) for plan in plans]
    counted.labels(name, "stored").inc(len(texts))
    return web.Response(
        status=202,
        body=msgspec.json.encode(_answer(request, len(texts), translated)),
        content_type="application/json",
    )


def _run_of(request: web.Request) -> RunKey | None:
    """The run that the path or the query names, for messages that name none."""
    named = request.query.get("run")
    if "run" not in request.match_info:
        return None if named is None else RunKey.checked(DEFAULT_TENANT, named)
    key = run_key(request)
    if named is not None and named != key.run:
        raise InvalidParameter("run", f"{named[:64]!r} is not the run in the path")
    return key


def _addressee(said: Said, key: RunKey | None) -> RunKey:
    """The run that a message is of. Raises InvalidName."""
    if key is not None:
        addressed(said, key)
        return key
    if said.run is None:
        raise InvalidName("run", "is missing: the message names none, so give it as ?run=")
    return RunKey.checked(DEFAULT_TENANT, said.run)


def _answer(
    request: web.Request, messages: int, translated: Sequence[Translated]
) -> dict[str, object]:
    """What was stored, and the cursor of the last of it; of log lines where there is no event."""
    events = [stored for each in translated for stored in each.events]
    lines = [stored for each in translated for stored in each.lines]
    fresh = sum(not stored.duplicate for stored in [*events, *lines])
    answer: dict[str, object] = {"accepted": messages, "stored": fresh}
    last = max((stored.seq for stored in events or lines), default=0)
    if last:
        epoch = request.app[RUNS].epoch if events else request.app[LOGS].source.epoch
        answer["last_cursor"] = str(Cursor(epoch, last))
    return answer
