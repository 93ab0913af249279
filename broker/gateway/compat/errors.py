"""What an error answer holds besides, where the clients of an existing interface look for it."""

from typing import Any, Final

from broker.gateway.compat.paths import RUNNER
from broker.protocol.problem import Problem

_WITH_ERROR: Final = tuple(f"{begin}/" for begin in RUNNER)


def members(path: str, problem: Problem) -> dict[str, Any]:
    """Members for the clients of the interface at a path; none for those of the API."""
    if path.startswith(_WITH_ERROR):
        told = problem.title if problem.status == 404 else problem.detail or problem.title
        return {"error": told}
    return {}
