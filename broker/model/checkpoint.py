"""A state as it is stored: what a fold goes on from, so that nobody replays from the beginning."""

import zlib
from typing import Final

import msgspec

from broker.model.state import RunState

COMPRESSED_FROM: Final = 4096
"""Bytes of JSON from which on a state is stored compressed; it shrinks about tenfold."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(RunState).decode


def pack(state: RunState) -> bytes:
    """The state as bytes: JSON, or zlib-compressed JSON (RFC 1950), which begins with `x`."""
    encoded = _encode(state)
    return encoded if len(encoded) < COMPRESSED_FROM else zlib.compress(encoded, 1)


def unpack(packed: bytes) -> RunState:
    """The state that `pack` was given. Raises zlib.error and msgspec.DecodeError."""
    return _decode(packed if packed.startswith(b"{") else zlib.decompress(packed))
