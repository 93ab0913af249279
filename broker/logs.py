"""How the broker logs: lines for people, or one JSON object per line for machines."""

import logging
import sys
from datetime import UTC, datetime

import msgspec


def set_up(level: str, form: str) -> None:
    """Log to standard error, from `level` on, as `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonLines()
        if form == "json"
        else logging.Formatter("%(levelname).1s %(name)s %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("nats").setLevel(logging.CRITICAL)


class _JsonLines(logging.Formatter):
    """One object per line; the encoder escapes control characters, so a line stays a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()
