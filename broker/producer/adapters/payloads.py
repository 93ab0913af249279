"""What code of an existing system says, as JSON."""

from typing import Any, Final

import msgspec


def _plain(value: Any) -> Any:
    """JSON for what msgspec does not know: numbers of NumPy, and whatever has a text."""
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)


encode: Final = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number").encode
