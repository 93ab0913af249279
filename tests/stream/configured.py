"""A NATS server with a configuration of its own, which can be changed while it runs."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from broker.stream.child import child
from tests.deploy.servers import nats_server
from tests.faults import pid_in, until

JETSTREAM = "jetstream {{ store_dir: {store} }}\n"


class Configured:
    """A running server. Made by `configured`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self.address = ""

    def url(self, user: str = "") -> str:
        """Its URL, for `name:password` or for nobody."""
        return f"nats://{user}@{self.address}" if user else f"nats://{self.address}"

    def write(self, rest: str) -> None:
        """Set the configuration; `{store}` in it is a folder."""
        store = json.dumps(str(self._folder / "store"))
        listen = f'listen: "127.0.0.1:-1"\nports_file_dir: {json.dumps(str(self._folder))}\n'
        (self._folder / "server.conf").write_text(listen + rest.format(store=store))

    async def reload(self, rest: str) -> None:
        """Change the configuration, and wait until it holds."""
        before = self._reloads()
        self.write(rest)
        os.kill(pid_in(self._folder), signal.SIGHUP)

        async def reloaded() -> bool:
            return self._reloads() > before

        await until(reloaded)

    def _reloads(self) -> int:
        return (self._folder / "log").read_text().count("Reloaded server configuration")

    async def listens(self) -> None:
        """Wait until it takes connections; it writes where when it does."""

        async def told() -> bool:
            texts = [file.read_text() for file in self._folder.glob("nats-server_*.ports")]
            self.address = next(
                (json.loads(text)["nats"][0].removeprefix("nats://") for text in texts if text), ""
            )
            return bool(self.address)

        await until(told)


@asynccontextmanager
async def configured(folder: Path, rest: str) -> AsyncIterator[Configured]:
    """Run a server in a folder, its address chosen for it."""
    server = Configured(folder)
    server.write(rest)
    with (folder / "log").open("wb") as output:
        command = [nats_server(), "-c", str(folder / "server.conf")]
        async with child(command, output=output):
            await server.listens()
            yield server


@asynccontextmanager
async def greeting(version: str) -> AsyncIterator[str]:
    """Something that greets as a NATS server of a version does, and says no more; gives its URL."""
    info = json.dumps({"version": version, "max_payload": 1 << 20, "jetstream": True})

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO %b\r\n" % info.encode())
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
