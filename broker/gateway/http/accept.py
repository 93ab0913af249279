"""Content negotiation (RFC 9110 §12.5.1), as far as this API needs it."""

from collections.abc import Sequence

from broker.errors import InvalidRequest


def preferred(accept: Sequence[str], offered: Sequence[str]) -> str:
    """The offered media type that the client prefers; among equals the first offered.

    Raises InvalidRequest where it accepts none.
    """
    ranges = [_range(part) for line in accept for part in line.split(",") if part.strip()]
    if not ranges:
        return offered[0]
    best = max(offered, key=lambda kind: _quality(kind, ranges))
    if _quality(best, ranges) == 0:
        raise InvalidRequest(f"nothing acceptable: Accept one of {', '.join(offered)}")
    return best


def _range(text: str) -> tuple[str, float]:
    kind, *parameters = [part.strip() for part in text.split(";")]
    quality = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                quality = min(1.0, max(0.0, float(parameter[2:])))
            except ValueError:
                quality = 0.0
    return kind.lower(), quality


def _quality(kind: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality of the most specific range that names the type."""
    for name in (kind, kind.split("/")[0] + "/*", "*/*"):
        for accepted, quality in ranges:
            if accepted == name:
                return quality
    return 0.0
