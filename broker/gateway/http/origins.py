"""Whether a web page may have a browser ask for a change: every page can make it try.

A browser says in `Origin` which page it asks for, and sends it with every POST; one that keeps it
to itself still says in `Sec-Fetch-Site` whether the page is another site's. Who sends neither is no
browser.
"""

from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

from broker.errors import ForeignOrigin
from broker.protocol.handshake import same_origin

_CHANGES_NOTHING: Final = ("GET", "HEAD", "OPTIONS")
_FOREIGN: Final = ("cross-site", "same-site")


def guard(allowed: frozenset[str]) -> Callable[[web.Request], None]:
    """What refuses changes that a page asks for which is neither ours nor of an allowed origin.

    It raises ForeignOrigin.
    """

    def only_allowed(request: web.Request) -> None:
        if request.method not in _CHANGES_NOTHING:
            _refuse_foreign(request, allowed)

    return only_allowed


def _refuse_foreign(request: web.Request, allowed: frozenset[str]) -> None:
    site = request.headers.get("Sec-Fetch-Site", "none")
    if site == "same-origin":  # no page can write this header, and no proxy changes it
        return
    origins = request.headers.getall("Origin", [])
    if not origins and (site not in _FOREIGN or "*" in allowed):
        return
    if not welcome(origins, request.host, allowed):
        raise ForeignOrigin(", ".join(origins) or "another site")


def welcome(origins: Sequence[str], host: str, allowed: frozenset[str]) -> bool:
    """Whether a page of the one origin may ask a gateway that is reached as `host`."""
    return "*" in allowed or (
        len(origins) == 1 and (origins[0] in allowed or same_origin(origins[0], host))
    )
