"""How long it took until everyone went on, for each fault."""

import asyncio
from collections.abc import Sequence

COLUMNS = (
    "fault",
    "first ack",
    "all producers",
    "all clients",
    "longest silence",
    "cut off",
    "all resumed",
    "lists",
    "whole again",
)


class Fault:
    """One fault, from its beginning to the next one's. Times are seconds from its beginning."""

    def __init__(self, name: str, producers: Sequence[str], clients: int, lists: int) -> None:
        self.name = name
        self.began = asyncio.get_running_loop().time()
        self.first_ack: float | None = None
        """When an event that was first sent after the fault was acknowledged."""
        self.producers: float | None = None
        """When every producer had such an acknowledgement."""
        self.clients: float | None = None
        """When every client had been shown something that was stored after that."""
        self.resumed = 0.0
        """When the last of the clients that were cut off was connected again."""
        self.lists: float | None = None
        """When the lists of all gateways had shown something that was stored after the fault."""
        self.whole: float | None = None
        """When every server and gateway said that it is well."""
        self.cut_off = 0
        self.silence = 0.0
        """The longest time that one client was shown nothing."""
        self.over = asyncio.Event()
        """Set when everyone goes on."""
        self._first_seq = 0
        self._silent_producers = set(producers)
        self._silent_clients = set(range(clients))
        self._old_lists = set(range(lists))
        self._lost: set[int] = set()
        self._last_news = dict.fromkeys(range(clients), self.began)

    def now(self) -> float:
        """Seconds since it began."""
        return asyncio.get_running_loop().time() - self.began

    def acknowledged(self, producer: str, sent: float, seq: int) -> None:
        """A producer heard that an event is stored; sequence 0 is one that it was not told."""
        if sent < self.began:
            return
        if self.first_ack is None:
            self.first_ack = self.now()
        if not self._first_seq:
            self._first_seq = seq
        self._silent_producers.discard(producer)
        if self.producers is None and not self._silent_producers:
            self.producers = self.now()
        self._look()

    def news(self, client: int, seq: int) -> None:
        """A client was shown something."""
        now = self.began + self.now()
        self.silence = max(self.silence, now - self._last_news[client])
        self._last_news[client] = now
        if self._first_seq and seq >= self._first_seq and client in self._silent_clients:
            self._silent_clients.discard(client)
            if not self._silent_clients:
                self.clients = self.now()
            self._look()

    def listed(self, gateway: int, seq: int) -> None:
        """The newest change in the list of a gateway."""
        if self._first_seq and seq >= self._first_seq:
            self._old_lists.discard(gateway)
            if self.lists is None and not self._old_lists:
                self.lists = self.now()

    def lost(self, client: int) -> None:
        """A client has no connection."""
        if client not in self._lost:
            self._lost.add(client)
            self.cut_off += 1

    def back(self, client: int) -> None:
        """A client is connected."""
        if client in self._lost:
            self._lost.discard(client)
            self.resumed = self.now()
            self._look()

    def _look(self) -> None:
        if self.producers is not None and self.clients is not None and not self._lost:
            self.over.set()

    def missing(self) -> str:
        """Who does not go on."""
        return (
            f"producers {sorted(self._silent_producers)}, clients {sorted(self._silent_clients)}, "
            f"not connected {sorted(self._lost)}"
        )

    def row(self) -> list[str]:
        """The line of the table."""
        return [
            self.name,
            _seconds(self.first_ack),
            _seconds(self.producers),
            _seconds(self.clients),
            _seconds(self.silence),
            str(self.cut_off),
            _seconds(self.resumed) if self.cut_off else "",
            _seconds(self.lists),
            _seconds(self.whole),
        ]


def table(faults: Sequence[Fault]) -> str:
    """The times of all faults, as Markdown."""
    rows = [list(COLUMNS), *(fault.row() for fault in faults)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f}"
