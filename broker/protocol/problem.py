"""Problem details (RFC 9457): the one form of every error answer."""

from typing import Any, Final

import msgspec

MEDIA_TYPE: Final = "application/problem+json"
_BASE: Final = "urn:progress-broker:problem:"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error answer. `type` is stable; `detail` says what is wrong here and what to do.

    `extra` members stand beside the standard ones.
    """

    name: str
    title: str
    status: int
    detail: str = ""
    extra: dict[str, Any] = {}

    def encode(self, **more: object) -> bytes:
        """The problem as JSON, with `more` members of the answer that it is for."""
        body: dict[str, Any] = {
            "type": _BASE + self.name,
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            body["detail"] = self.detail
        return msgspec.json.encode(body | self.extra | more)
