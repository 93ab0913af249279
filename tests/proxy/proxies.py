"""Real reverse proxies before a gateway, as `deploy/proxy/` sets them up."""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.faults import until
from tests.gateway.process import free_ports

EXAMPLES = Path(__file__).parents[2] / "deploy" / "proxy"

_NGINX = """\
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
"""
_NGINX_HTTP = """\
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
"""


def tool(*names: str) -> str:
    """The first of these commands that is installed; without any, CI fails and others skip."""
    for name in names:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
        if found is not None:
            return found
    text = f"{names[0]} is not installed: run tools/apt-test.sh as root"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)


@asynccontextmanager
async def _running(command: Sequence[str], port: int, home: Path) -> AsyncIterator[str]:
    """Run a server until the block ends; gives its URL once it takes connections."""
    process = await asyncio.create_subprocess_exec(
        *command, start_new_session=True, env={**os.environ, "HOME": str(home)}
    )

    async def listens() -> bool:
        assert process.returncode is None, f"{command[0]} ended"
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    try:
        await until(listens)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _command(name: str, folder: Path, gateway: str, port: int, idle: int) -> list[str]:
    """Write the example's configuration for one gateway; gives the command that runs with it.

    Addresses, folders and the time a silent connection has are other than in the example.
    """
    folder.mkdir()
    config = folder / "proxy.conf"
    upstream = gateway.removeprefix("http://")
    if name == "nginx":
        config.write_text(_nginx(folder, upstream, port, idle))
        return [tool(name), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    if name == "haproxy":
        config.write_text(_haproxy(upstream, port, idle))
        return [tool(name), "-db", "-f", str(config)]
    config.write_text(_caddy(upstream, port))
    return [tool(name), "run", "--adapter", "caddyfile", "--config", str(config)]


def _nginx(folder: Path, upstream: str, port: int, idle: int) -> str:
    text = _replaced(
        (EXAMPLES / "nginx.conf").read_text(),
        (r"worker_rlimit_nofile .*|worker_connections \d+", _fewer_files),
        (r"http \{\n", lambda found: found[0] + _NGINX_HTTP.format(folder=folder)),
        (r"/var/cache/nginx/progress", lambda found: f"{folder}/cache"),
        (r"server gateway-1:8080 .*\n.*", lambda found: f"server {upstream};"),
        (r"listen 80 backlog=4096;.*", lambda found: f"listen 127.0.0.1:{port} backlog=4096;"),
        (r"proxy_read_timeout 70s", lambda found: f"proxy_read_timeout {idle}s"),
        (r"location / ", lambda found: "location = /status { stub_status; }\n" + found[0]),
    )
    user = "user root;" if os.geteuid() == 0 else ""
    return _NGINX.format(folder=folder, user=user) + text


def _fewer_files(found: re.Match[str]) -> str:
    """What a test may open, in place of what a server may."""
    return re.sub(r"\d+", lambda number: str(int(number[0]) // 4), found[0])


def _haproxy(upstream: str, port: int, idle: int) -> str:
    return _replaced(
        (EXAMPLES / "haproxy.cfg").read_text(),
        (r"maxconn 40000", lambda found: "maxconn 4000"),
        (r"bind :80", lambda found: f"bind 127.0.0.1:{port}"),
        (r"timeout (client|server|tunnel) 70s", lambda found: f"timeout {found[1]} {idle}s"),
        (r"server gateway-1 .*\n.*", lambda found: f"server one {upstream}"),
    )


def _caddy(upstream: str, port: int) -> str:
    return _replaced(
        (EXAMPLES / "Caddyfile").read_text(),
        (r":80 \{", lambda found: f"http://:{port} {{\n\tbind 127.0.0.1"),
        (r"gateway-1:8080 gateway-2:8080", lambda found: upstream),
        (r"\t\thealth_.*\n", lambda found: ""),
    )


def _replaced(text: str, *changes: tuple[str, Callable[[re.Match[str]], str]]) -> str:
    """The text with every change made, each of which must find something."""
    for pattern, change in changes:
        text, count = re.subn(pattern, change, text)
        assert count, f"{pattern} is not in the example"
    return text


@asynccontextmanager
async def proxy(name: str, folder: Path, gateway: str, *, idle: int = 60) -> AsyncIterator[str]:
    """Run nginx, haproxy or caddy before a gateway.

    The former two cut connections that are silent for `idle` seconds; caddy never does.
    """
    [port] = free_ports(1)
    async with _running(_command(name, folder, gateway, port, idle), port, folder) as url:
        yield url
