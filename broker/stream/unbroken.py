"""What a consumer's numbers prove: that this gateway was told everything of a stretch."""


class Unbroken:
    """The stretch of the stream of which every message came to this gateway.

    A consumer hands messages out in their order and numbers each delivery, to whomever it goes. So
    as long as no number is missing here, nobody else got a message in between.
    """

    def __init__(self) -> None:
        self._first = 0
        self._last = 0
        """The sequences that the stretch begins and ends with, ..."""
        self._delivery = 0
        """... and the number of the last delivery; 0 before any."""

    def since(self, delivery: int, seq: int, *, again: bool) -> int:
        """Take the next delivery in; gives from which sequence on everything up to `seq` has come.

        That is beyond `seq` where nothing is proven: the message was handed out before.
        """
        goes_on = self._delivery and delivery == self._delivery + 1
        self._delivery = delivery
        if again:
            if not goes_on:
                self._first = 0
            return seq + 1
        if not (goes_on and self._first and seq > self._last):
            self._first = seq
        self._last = seq
        return self._first

    def end(self) -> None:
        """Something may be missing."""
        self._delivery = 0
