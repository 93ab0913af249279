"""Runs a command that must not outlive its parent, not even a parent killed with SIGKILL.

Run as a script of its own: `python guardian.py SECONDS COMMAND…`; so long the command has for an
orderly end. The parent holds the other end of
standard input and never writes to it, so its end, whatever the cause, is the end of that input.
Works wherever POSIX does; Linux's parent-death signal would bind to a thread, not to a process.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys


def main() -> int:
    grace = float(sys.argv[1])
    command = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: _stop(command, grace))
    ended = os.pidfd_open(command.pid) if hasattr(os, "pidfd_open") else None
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        if ended is not None:
            selector.register(ended, selectors.EVENT_READ)
        while command.poll() is None:
            for key, _ in selector.select(timeout=None if ended is not None else 0.2):
                if key.fd != ended and not os.read(key.fd, 1024):
                    _stop(command, grace)
    return command.wait()


def _stop(command: "subprocess.Popen[bytes]", grace: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        command.terminate()
    try:
        command.wait(grace)
    except subprocess.TimeoutExpired:
        command.kill()


if __name__ == "__main__":
    sys.exit(main())
