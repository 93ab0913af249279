"""The URL of NATS: read, judged, and shown without its secrets."""

import re
from typing import Final
from urllib.parse import urlsplit

from broker.errors import SettingsError

_SCHEMES: Final = ("nats", "tls", "ws", "wss")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def judge(url: str, source: str) -> None:
    """Raise SettingsError where one of the servers, apart by commas, is no address of NATS.

    `source` names where the URL stands.
    """
    for server in url.split(","):
        problem = _problem(server.strip())
        if problem is not None:
            raise SettingsError(
                f"{source}={masked(url)!r}: {problem}; it is nats://HOST:PORT, with a user "
                "nats://USER:PASSWORD@HOST:PORT, and several are apart by commas"
            )


def _problem(server: str) -> str | None:
    """What is wrong with the address of one server; it may lack the scheme and the port."""
    if not server:
        return "a server is empty"
    address = server if "://" in server else f"nats://{server}"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "the port is no number from 1 to 65535, or the host no address"
    if parts.scheme not in _SCHEMES:
        return f"{parts.scheme}:// is not what NATS speaks"
    if not parts.hostname or any(letter.isspace() for letter in parts.netloc):
        return "the host is missing"
    if port == 0:
        return "the port is no number from 1 to 65535, or the host no address"
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        return "something stands behind the port (write / ? # of a password as %2F %3F %23)"
    return None


def inbox_of(url: str) -> bytes:
    """Where answers come: below the user's own name, so that a server can keep others away."""
    first = urlsplit(url.split(",")[0])
    user = first.username if first.password else None  # alone it is a token, and secret
    return b"_INBOX" if user is None or not _NAME.fullmatch(user) else b"_INBOX." + user.encode()


def masked(url: str) -> str:
    """The URL without user and password."""
    return ",".join(map(_masked, url.split(",")))


def _masked(server: str) -> str:
    secret, found, address = server.rpartition("@")
    if not found:
        return server
    scheme = secret.strip().partition("://")[0]
    return f"{scheme if scheme in _SCHEMES else _SCHEMES[0]}://***@{address}"
