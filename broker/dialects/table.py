"""The dialects by name."""

from typing import Final

from broker.dialects.said import Dialect

DIALECTS: Final[dict[str, Dialect]] = {}
