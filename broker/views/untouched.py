"""The broker's own state, which travels beside what an interface with fewer words shows of it."""

from typing import Final

import msgspec

from broker.model.state import RunState

X_STATE_MAX: Final = 64 * 1024
"""Bytes of a state that travels along: that of a large run has millions."""

_encode: Final = msgspec.json.Encoder().encode


def untouched(state: RunState, epoch: str | None = None) -> msgspec.Raw | None:
    """The state as `x_state`, None where it is too large for that.

    With an epoch it is the snapshot of v1, cursor included; a document has its cursor as ETag.
    """
    body = _encode(state)
    if len(body) > X_STATE_MAX:
        return None
    cursor = b"" if epoch is None else b',"cursor":"%b-%d"' % (epoch.encode(), state.seq)
    return msgspec.Raw(b"{%b%b}" % (body[body.index(b",") + 1 : -1], cursor))
