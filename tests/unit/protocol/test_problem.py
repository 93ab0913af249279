"""Problem details have the members of RFC 9457, and only those that say something."""

import msgspec

from broker.protocol.problem import MEDIA_TYPE, Problem


def test_a_problem_in_full() -> None:
    """A stable type, a title for all of its kind, a detail for this one, and what belongs to it."""
    problem = Problem(
        name="run-not-found",
        title="Run not found",
        status=404,
        detail="no events are stored for run 'r1'",
        extra={"run": "r1"},
    )
    assert (
        b'{"type":"urn:progress-broker:problem:run-not-found","title":"Run not found",'
        b'"status":404,"detail":"no events are stored for run \'r1\'","run":"r1"}'
    ) == problem.encode()


def test_the_smallest_problem() -> None:
    """Without a detail there is none, not an empty one."""
    body = msgspec.json.decode(Problem(name="busy", title="Busy", status=503).encode())
    assert {"type": "urn:progress-broker:problem:busy", "title": "Busy", "status": 503} == body


def test_media_type() -> None:
    """The media type is the one that RFC 9457 registers."""
    assert "application/problem+json" == MEDIA_TYPE
