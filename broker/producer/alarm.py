"""Says when events are not stored: once for each time of trouble, and not if it passes quickly."""

import asyncio
from typing import Final

from broker.producer.spool import log

PATIENCE: Final = 2.0
"""Seconds of trouble before a person hears of it."""


class Alarm:
    """Hears of trouble and its end, and logs what a person should know."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._reason = ""
        self._timer: asyncio.TimerHandle | None = None
        self._told = False

    def trouble(self, reason: str) -> None:
        """Something does not work; the first trouble since all was well starts the clock."""
        self._reason = reason
        if self._timer is None and not self._told:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._tell)

    def hush(self) -> None:
        """It may be well again: stop the clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def well(self) -> None:
        """An event was stored."""
        self.hush()
        if self._told:
            self._told = False
            log.info("events are stored again in NATS at %s", self._where)

    def _tell(self) -> None:
        self._timer = None
        self._told = True
        log.warning(
            "events are not stored (%s): they wait in memory. Is NATS running at %s, and has a "
            "gateway made its streams? Producer.connect or BROKER_NATS_URL give another address",
            self._reason,
            self._where,
        )
