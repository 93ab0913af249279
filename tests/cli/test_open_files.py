"""A gateway may open as many files as it has streams, whatever it is started with."""

import socket
import subprocess
import sys

import pytest

from broker.cli import exits
from broker.cli.open_files import SPARE
from tests.cli.shell import shell

_PROGRAM = """
import resource, sys
from broker.cli import open_files

soft, hard, streams = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
open_files.allow(streams)
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "streams", "wanted"),
    [(256, 1000, 1000 + SPARE), (256, 3500, 4096), (256, 0, 4096), (4000, 1000, 4000)],
    ids=["as needed", "as far as it goes", "streams without a limit", "enough already"],
)
def test_the_limit_is_raised(soft: int, streams: int, wanted: int) -> None:
    command = [sys.executable, "-c", _PROGRAM, str(soft), "4096", str(streams)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert (f"({wanted}, 4096)\n", "") == (told.stdout, told.stderr)


async def test_too_few_are_told_at_the_start() -> None:
    limited = ("sh", "-c", 'ulimit -n 500 && exec "$@"', "sh")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = await shell("", "serve", "--listen", address, under=limited)
    first, last = result.err.splitlines()
    assert "no more than 500 files may be open" in first
    assert "--streams-max=18000" in first
    assert exits.CANNOT_LISTEN == result.code, last
