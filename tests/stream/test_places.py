"""What acknowledgement subjects tell, of servers old and new."""

from datetime import UTC, datetime

import pytest

from broker.stream.places import Place, place_of


@pytest.mark.parametrize(
    "reply",
    [
        b"$JS.ACK.PROGRESS.projector.2.17.30.1767225605000000001.4",
        b"$JS.ACK.hub.ACCOUNT.PROGRESS.projector.2.17.30.1767225605000000001.4.random",
    ],
)
def test_a_place(reply: bytes) -> None:
    assert datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC) == place_of(reply).stored_at
    assert Place(2, 17, 30, 1767225605000000001, 4) == place_of(reply)
