"""A NATS server as `deploy/nats/` configures it: its users, not its addresses."""

import asyncio
import json
import os
import shutil
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from broker.stream.child import child
from tests.faults import until

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
USERS: Final = ("producer", "gateway", "operator", "system")


class Server:
    """A running server, and whom it has turned away."""

    def __init__(self, address: str, log: Path) -> None:
        self._address = address
        self._log = log

    def url(self, user: str) -> str:
        """The address with a user and its password."""
        return f"nats://{user}:{password_of(user)}@{self._address}"

    def violations(self) -> list[str]:
        """What was refused so far, as the server logs it."""
        return [line for line in self._log.read_text().splitlines() if "Violation" in line]

    async def refused(self, *subjects: str) -> None:
        """Wait until exactly these were refused, each once, in any order."""

        async def all_told() -> bool:
            return len(self.violations()) >= len(subjects)

        await until(all_told)
        lines = self.violations()
        assert len(subjects) == len(lines), lines
        for subject in subjects:
            assert any(f'"{subject}"' in line for line in lines), lines


def password_of(user: str) -> str:
    """A password that is none anywhere else."""
    return f"0x{user}-of-this-test"


def environment() -> dict[str, str]:
    """What the configuration takes from the environment."""
    passwords = {f"NATS_{user.upper()}_PASSWORD": f'"{password_of(user)}"' for user in USERS}
    return {**os.environ, **passwords}


def nats_server() -> str:
    """The server that comes with the development tools."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    assert found is not None
    return found


@asynccontextmanager
async def server_with_users(folder: Path) -> AsyncIterator[Server]:
    """Run one server with the users of `deploy/nats/users.conf`."""
    shutil.copy(DEPLOY / "nats" / "users.conf", folder / "users.conf")
    config = folder / "server.conf"
    config.write_text(
        f'listen: "127.0.0.1:-1"\nports_file_dir: {json.dumps(str(folder))}\n'
        f"jetstream {{ store_dir: {json.dumps(str(folder / 'store'))} }}\n"
        "include ./users.conf\n"
    )
    log = folder / "log"
    told: list[str] = []

    async def ready() -> bool:
        told.extend(_addresses(folder))
        return bool(told)

    with log.open("wb") as output:
        command = [nats_server(), "-c", str(config)]
        async with child(command, output=output, environment=environment()):
            await until(ready)
            yield Server(told[0], log)


def _addresses(folder: Path) -> list[str]:
    """Where the server says it listens; it writes the file when it does."""
    texts = [ports.read_text() for ports in folder.glob("nats-server_*.ports")]
    return [json.loads(text)["nats"][0].removeprefix("nats://") for text in texts if text]


async def checked(config: Path, environment: dict[str, str]) -> tuple[int, str]:
    """What the server says of a configuration; 0 where it takes it."""
    process = await asyncio.create_subprocess_exec(
        nats_server(),
        "-t",
        "-c",
        str(config),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()
