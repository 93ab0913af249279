"""The nchan module of nginx, as Debian packages it: one worker, EventSource subscribers.

It keeps its recent messages, so that a subscriber can resume as with the broker. nginx sets
TCP_NODELAY when a connection is used a second time, never for the first response: then the kernel
(Nagle) joins events that come while others are not acknowledged. So subscribers ask for `/first`
before they subscribe; how nchan does without, a scenario measures apart.
"""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.processes import SERVED, START, Server, Sharing, child_of, on_core
from broker.stream.child import child

MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
INSTALL = "apt-get install --no-install-recommends nginx-light libnginx-mod-nchan"

_CONFIG = """\
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 8192; use epoll; }}
http {{
  access_log off;
  client_body_temp_path {folder};
  proxy_temp_path {folder};
  fastcgi_temp_path {folder};
  uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  keepalive_requests 100000000;
  tcp_nodelay on;
  nchan_shared_memory_size 128M;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /first {{ return 204; }}
    location = /publish {{
      nchan_publisher http;
      nchan_channel_id run;
      nchan_message_buffer_length 1024;
      nchan_message_timeout 10m;
    }}
    location = /events {{
      nchan_subscriber eventsource;
      nchan_channel_id run;
      nchan_subscriber_first_message newest;
    }}
  }}
}}
"""


def missing() -> str:
    """What is not installed, and how to install it; empty if all is there."""
    if shutil.which("nginx") and MODULE.exists():
        return ""
    return f"nginx with nchan is not installed: {INSTALL}"


@asynccontextmanager
async def nchan() -> AsyncIterator[Server]:
    """Run nginx on a free port; the process that is measured is its worker.

    Raises RuntimeError where it is not installed.
    """
    if missing():
        raise RuntimeError(missing())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as name, on_core(SERVED):
        folder = Path(name)
        command = _configured(folder, port)
        with (folder / "output").open("wb") as output:
            async with child(command, output=output) as guardian:
                Sharing.favour(guardian.pid)
                yield Server("127.0.0.1", port, await _worker(guardian.pid, port, folder))


def _configured(folder: Path, port: int) -> list[str]:
    """The command that runs nginx by a configuration written to the folder."""
    folder.chmod(0o755)  # nginx gives up root
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(module=MODULE, folder=folder, port=port))
    return ["nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(config)]


async def _worker(guardian: int, port: int, folder: Path) -> int:
    """The process that serves, once it can: the master listens before it forks its worker."""
    try:
        async with asyncio.timeout(START):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return child_of(child_of(guardian))
                except (ConnectionRefusedError, IndexError):
                    await asyncio.sleep(0.02)  # nginx has no other sign
    except TimeoutError:
        raise RuntimeError((folder / "error.log").read_text()) from None
