"""A state as it is stored: what a fold goes on from, so that nobody replays from the beginning."""

import zlib
from typing import Final, NamedTuple

import msgspec

from broker.model.state import RunState

COMPRESSED_FROM: Final = 4096
"""Bytes of JSON from which on a state is stored compressed; it shrinks about tenfold."""

UNREADABLE: Final = (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `unpack` raises, and `decode_summary` too: whoever can write to NATS may have stored it."""


class Checkpoint(NamedTuple):
    """What is stored of a run.

    `seq` is the last sequence folded, 0 where nothing holds for the present stream; `packed` the
    state, empty where there is none to go on from. Who replaces it must expect `revision`.
    """

    revision: int = 0
    seq: int = 0
    packed: bytes = b""


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(RunState).decode


def pack(state: RunState) -> bytes:
    """The state as bytes: JSON, or zlib-compressed JSON (RFC 1950), which begins with `x`."""
    encoded = _encode(state)
    return encoded if len(encoded) < COMPRESSED_FROM else zlib.compress(encoded, 1)


def unpack(packed: bytes) -> RunState:
    """The state that `pack` was given. Raises one of UNREADABLE."""
    return _decode(packed if packed.startswith(b"{") else zlib.decompress(packed))
