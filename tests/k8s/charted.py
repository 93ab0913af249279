"""The server that the official chart would run with our values: alone, and on loopback."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from broker.stream.child import child
from tests.deploy.servers import environment, nats_server, password_of
from tests.faults import until
from tests.proxy.proxies import tool
from tools.k8s_check.nats_values import load
from tools.k8s_check.overlay import ROOT, Manifest

_UNQUOTED = re.compile(r'"<< (.*?) >>"')


async def certificate(folder: Path) -> dict[str, str]:
    """A server's certificate for localhost, which is its own authority: file names by their use."""
    made = {"cert_file": str(folder / "tls.crt"), "key_file": str(folder / "tls.key")}
    process = await asyncio.create_subprocess_exec(
        *(tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "1", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost"),
        *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
        *("-out", made["cert_file"], "-keyout", made["key_file"]),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert 0 == await process.wait()
    return {**made, "ca_file": made["cert_file"]}


def configuration(folder: Path, tls: dict[str, str]) -> str:
    """What the chart writes into nats.conf, as far as one server needs it."""
    values: Manifest = load(ROOT)["config"]
    jetstream = {
        "store_dir": str(folder / "store"),
        "max_file_store": 1 << 30,
        "max_memory_store": 0,
        **values["jetstream"]["merge"],
    }
    found = {
        "listen": "127.0.0.1:-1",
        "ports_file_dir": str(folder),
        "tls": tls,
        "jetstream": jetstream,
        **values["merge"],
    }
    return _UNQUOTED.sub(r"\1", json.dumps(found, indent=1))


@asynccontextmanager
async def charted_server(folder: Path, tls: dict[str, str]) -> AsyncIterator[str]:
    """Run it; gives its address and port."""
    config = folder / "nats.conf"
    config.write_text(configuration(folder, tls))
    addresses: list[str] = []

    async def ready() -> bool:
        addresses.extend(_addresses(folder))
        return bool(addresses)

    with (folder / "log").open("wb") as output:
        command = [nats_server(), "-c", str(config)]
        async with child(command, output=output, environment=environment()):
            await until(ready)
            yield f"localhost:{addresses[0].rsplit(':', 1)[1]}"


def _addresses(folder: Path) -> list[str]:
    """Where the server says it listens; it writes the file when it does."""
    said = [ports.read_text() for ports in folder.glob("nats-server_*.ports")]
    return [json.loads(text)["nats"][0] for text in said if text]


def url_of(user: str, address: str) -> str:
    """As the gateway's URL is written in the component of NATS."""
    return f"tls://{user}:{password_of(user)}@{address}"
