"""What a run was started with, kept in the run itself, so that a retry starts it with the same.

Small inputs stand in the metadata of the run's first event, and so in its state. A state holds no
nulls and is cut at a depth, so that the event is asked before the state; the event is kept for a
week. Of large inputs only the size is kept: they would travel in every snapshot.
"""

from typing import Any, Final

import msgspec

from broker.errors import CommandRefused, MalformedEvent
from broker.model.decode import decode
from broker.model.events import RunQueued
from broker.model.subjects import RunKey
from broker.stream.live import LiveRuns

KEPT: Final = 16 * 1024
"""Bytes of JSON that inputs may have to be kept."""

_INPUTS: Final = "inputs"
_SIZE: Final = "inputs_bytes"


def kept(inputs: dict[str, Any]) -> dict[str, Any]:
    """What a run's metadata says of its inputs."""
    if not inputs:
        return {}
    size = len(msgspec.json.encode(inputs))
    return {_INPUTS: inputs} if size <= KEPT else {_SIZE: size}


async def inputs_of(runs: LiveRuns, key: RunKey, metadata: dict[str, Any]) -> dict[str, Any]:
    """What the run with this metadata was started with.

    Raises CommandRefused where it is not known any more, StreamUnavailable.
    """
    inputs = metadata.get(_INPUTS)
    if not isinstance(inputs, dict):
        if _SIZE in metadata:
            raise CommandRefused(
                key.run,
                f"its inputs had more than the {KEPT} bytes that are kept: start a new run with "
                "POST /v1/pipelines/{pipeline}/runs",
            )
        return {}
    async for page in runs.read(key, 0, 1):
        try:
            first = decode(page[0].payload)
        except MalformedEvent:
            return inputs
        if isinstance(first, RunQueued) and first.metadata is not None:
            exact = first.metadata.get(_INPUTS)
            return exact if isinstance(exact, dict) else inputs
        return inputs
    return inputs
