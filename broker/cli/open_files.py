"""How many files the process may have open: each stream is one."""

import logging
import sys
from contextlib import suppress
from typing import Final

from broker.logs import about

log = logging.getLogger(__name__)

SPARE: Final = 2048
"""Files for what is no stream: polls, downloads, idle connections, NATS, the process itself."""

_MOST: Final = 1 << 20
"""What is asked for where streams have no limit."""


def allow(streams: int) -> None:
    """Have as many files allowed as `streams` need, 0 being no limit; log where that cannot be.

    A container or a shell begins with 1,024 mostly, and the process itself may raise that.
    """
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    least = sys.maxsize if soft == resource.RLIM_INFINITY else soft
    most = sys.maxsize if hard == resource.RLIM_INFINITY else hard
    wanted = min(streams + SPARE if streams else _MOST, most)
    if least < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            least = wanted
    if least <= streams:
        more = about("files_few", limit=least)
        log.warning(
            "no more than %d files may be open, and each stream is one: raise that (LimitNOFILE=, "
            "ulimit -n) well above --streams-max=%d, or lower this",
            *(least, streams),
            extra=more,
        )
