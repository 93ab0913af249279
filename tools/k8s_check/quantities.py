"""Amounts as Kubernetes and Go write them."""

import re
from typing import Final

_BYTES: Final = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_GO_BYTES: Final = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def cores(text: str | int | float) -> float:
    """`500m` is half a core."""
    shown = str(text)
    return float(shown[:-1]) / 1000 if shown.endswith("m") else float(shown)


def memory(text: str | int) -> float:
    """`2Gi`, in bytes."""
    return _amount(str(text), _BYTES)


def go_memory(text: str) -> float:
    """`6GiB`, as GOMEMLIMIT has it, in bytes."""
    return _amount(text, _GO_BYTES)


def seconds(text: str) -> float:
    """`1h30m`, in seconds."""
    parts = re.findall(r"(\d+)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration")
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)


def _amount(text: str, units: dict[str, int]) -> float:
    found = re.fullmatch(r"([\d.]+)([A-Za-z]*)", text)
    if found is None or found[2] not in units:
        raise ValueError(f"{text!r} is no amount: units are {', '.join(filter(None, units))}")
    return float(found[1]) * units[found[2]]
