"""Three NATS servers with the configuration of `deploy/nats/`, and what is stored on each."""

import hashlib
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from broker.errors import StreamUnavailable
from broker.stream.connection import Connection
from broker.stream.direct import direct_get
from broker.stream.topology import PROGRESS, api
from tests.cluster.processes import Program, answers_well, steady_ports
from tests.deploy.servers import DEPLOY, environment, nats_server, password_of
from tests.faults import until

SERVERS = 3
LAME_DUCK = signal.SIGUSR2
"""What `nats-server --signal ldm=PID` sends."""


class Cluster:
    """The servers. Made by `cluster`."""

    def __init__(self, servers: list[Program], addresses: list[str]) -> None:
        self.servers = servers
        self._addresses = addresses

    def url(self, user: str, only: int | None = None) -> str:
        """Where a user finds all servers, or one of them."""
        chosen = self._addresses if only is None else [self._addresses[only]]
        return ",".join(f"nats://{user}:{password_of(user)}@{address}" for address in chosen)

    async def leader(self, stream: str = PROGRESS) -> int:
        """Which server leads a stream."""
        found = -1

        async def told() -> bool:
            nonlocal found
            try:
                async with Connection.connect(self.url("operator"), name="test") as connection:
                    answer = await api(connection, f"STREAM.INFO.{stream}")
            except StreamUnavailable:
                return False
            name = answer["cluster"].get("leader")  # nobody while one is elected
            found = next((n for n, s in enumerate(self.servers) if s.name == name), -1)
            return found >= 0

        await until(told, 60)
        return found

    async def healthy(self) -> None:
        """Wait until every server has all that the others have."""
        for server in self.servers:
            await server.ready(90)

    async def copy(self, number: int) -> list[tuple[int, str, bytes]]:
        """Every event that a server has: sequence, subject, payload."""
        found: list[tuple[int, str, bytes]] = []
        async with Connection.connect(self.url("operator", number), name="test") as connection:
            while True:
                after = found[-1][0] if found else 0
                request: dict[str, Any] = {
                    "seq": after + 1,
                    "next_by_subj": ">",
                    "batch": 1000,
                    "max_bytes": 8 * 1024 * 1024,
                }
                page = await direct_get(connection, PROGRESS, request)
                if not page:
                    return found
                for headers, payload in page:
                    fields = dict(
                        line.split(": ", 1) for line in headers.decode().split("\r\n")[1:] if line
                    )
                    found.append((int(fields["Nats-Sequence"]), fields["Nats-Subject"], payload))


def digest(copy: list[tuple[int, str, bytes]]) -> str:
    """What tells two copies apart."""
    return hashlib.sha256(repr(copy).encode()).hexdigest()[:12]


@asynccontextmanager
async def cluster(folder: Path, *, grace: int) -> AsyncIterator[Cluster]:
    """Run three servers; a lame duck lets its clients go after `grace` seconds."""
    made = _configured(folder, grace)
    async with AsyncExitStack() as life:
        for server in made.servers:
            life.push_async_callback(server.close)
        for server in made.servers:
            await server.start()
        await made.healthy()
        yield made


def _configured(folder: Path, grace: int) -> Cluster:
    """The servers of a folder, with the configuration of each."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(DEPLOY / "nats" / "users.conf", folder / "users.conf")
    ports = steady_ports(3 * SERVERS)
    clients, routes, http = ports[:SERVERS], ports[SERVERS : 2 * SERVERS], ports[2 * SERVERS :]
    others = ", ".join(f"nats://127.0.0.1:{port}" for port in routes)
    servers = []
    for number in range(SERVERS):
        config = folder / f"server-{number}.conf"
        changed = {
            "0.0.0.0:4222": f"127.0.0.1:{clients[number]}",
            "0.0.0.0:8222": f"127.0.0.1:{http[number]}",
            "0.0.0.0:6222": f"127.0.0.1:{routes[number]}",
            "lame_duck_grace_period: 10s": f"lame_duck_grace_period: {grace}s",
        }
        config.write_text(_here((DEPLOY / "nats" / "server.conf").read_text(), changed))
        variables = {
            "NATS_NAME": f"nats-{number + 1}",
            "NATS_ROUTES": f"[{others}]",
            "NATS_STORE": str(folder / f"store-{number}"),
        }
        server = Program(
            f"nats-{number + 1}",
            [nats_server(), "-c", str(config)],
            {**environment(), **variables},
            folder / f"server-{number}.log",
            answers_well(f"http://127.0.0.1:{http[number]}", "/healthz"),
        )
        servers.append(server)
    return Cluster(servers, [f"127.0.0.1:{port}" for port in clients])


def _here(text: str, changed: dict[str, str]) -> str:
    for old, new in changed.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text
