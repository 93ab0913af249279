"""Summaries as they are kept in memory: without the names of their fields, half as long."""

from typing import Final

import msgspec

from broker.model.summary import Summary


class _Packed(Summary, frozen=True, omit_defaults=True, kw_only=True, array_like=True):
    """A summary as an array."""


_FIELDS: Final = Summary.__struct_fields__
_LEFT_OUT: Final = "durations"
"""The last field: of use to estimates alone, and as long as all others."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Packed).decode


def pack_row(summary: Summary) -> bytes:
    """The summary without its `durations`, as bytes."""
    fields = msgspec.structs.astuple(summary)
    if _FIELDS[-1] != _LEFT_OUT:
        raise AssertionError(f"{_LEFT_OUT} is not the last field of a summary")
    return _encode(fields[:-1])


def unpack_row(packed: bytes) -> Summary:
    """The summary that `pack_row` was given, without its `durations`."""
    fields = msgspec.structs.astuple(_decode(packed))
    return Summary(**dict(zip(_FIELDS, fields, strict=True)))
