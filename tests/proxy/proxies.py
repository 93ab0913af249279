"""Real reverse proxies before a gateway, as people set them up."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.faults import until
from tests.gateway.process import free_ports

NGINX = """\
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=runs:1m use_temp_path=off;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    keepalive_timeout 60s;
    upstream gateway {{ server {upstream}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /status {{ stub_status; }}
        location ~ ^/v1/runs/[^/]+$ {{
            proxy_pass http://gateway;
            proxy_read_timeout 70s;
            proxy_cache runs;
            proxy_cache_key $request_uri;
            proxy_cache_lock on;
            proxy_cache_lock_timeout 70s;
            proxy_cache_lock_age 70s;
        }}
        location / {{
            proxy_pass http://gateway;
            proxy_read_timeout {idle}s;
        }}
    }}
}}
"""

# Without http-no-delay haproxy holds each frame back for 200 ms, for more that might follow.
HAPROXY = """\
defaults
    mode http
    option http-no-delay
    timeout connect 5s
    timeout client {idle}s
    timeout server {idle}s
frontend all
    bind 127.0.0.1:{port}
    default_backend gateway
backend gateway
    server one {upstream}
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
async def _running(command: Sequence[str], port: int) -> AsyncIterator[str]:
    """Run a server until the block ends; gives its URL once it takes connections."""
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True)

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
    """Write the configuration; gives the command that runs with it."""
    folder.mkdir()
    config = folder / "proxy.conf"
    template = NGINX if name == "nginx" else HAPROXY
    text = template.format(
        folder=folder,
        upstream=gateway.removeprefix("http://"),
        port=port,
        idle=idle,
        user="user root;" if os.geteuid() == 0 else "",
    )
    config.write_text(text)
    if name == "nginx":
        return [tool(name), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    return [tool(name), "-db", "-f", str(config)]


@asynccontextmanager
async def proxy(name: str, folder: Path, gateway: str, *, idle: int = 60) -> AsyncIterator[str]:
    """Run nginx or haproxy before a gateway; it cuts connections silent for `idle` seconds."""
    [port] = free_ports(1)
    async with _running(_command(name, folder, gateway, port, idle), port) as url:
        yield url
