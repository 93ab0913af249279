"""A worker: checksums a folder whenever somebody asks for it.

    python examples/worker.py --nats nats://127.0.0.1:4222
    curl -H 'Content-Type: application/json' -d '{"inputs": {"folder": "/usr/share/doc"}}' \\
        http://127.0.0.1:8080/v1/pipelines/checksum-folder/runs

Its runs can be cancelled, paused and resumed. When the worker is killed, another one goes on with
the run as its next attempt; start it twice to see that.
"""

import argparse
import asyncio
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from broker.producer import Run, Worker

CHUNK = 1024 * 1024
MOST_LISTED = 5


async def checksum_folder(run: Run, inputs: dict[str, Any]) -> dict[str, Any]:
    """Read every file below the folder in `inputs`; its `delay` is a pause after each, in seconds.

    Raises ValueError where there is no such folder, which fails the run.
    """
    folder = folder_of(inputs)
    delay = float(inputs.get("delay", 0))
    async with run.step("find") as step:
        paths = await asyncio.to_thread(lambda: sorted(files(folder)))
        step.progress(len(paths), len(paths), unit="files", total_final=True)
    digests: dict[str, list[Path]] = {}
    async with run.step("hash") as step:
        for done, path in enumerate(paths):
            await run.checkpoint()  # here the run can be paused, and stops when it is cancelled
            step.progress(done, len(paths), unit="files", message=str(path.relative_to(folder)))
            try:
                digests.setdefault(await asyncio.to_thread(digest, path), []).append(path)
            except OSError as error:
                step.log(f"{path}: {error.strerror}", level="warning")
            await asyncio.sleep(delay)
        step.progress(len(paths), len(paths), unit="files")
    twice = [same for same in digests.values() if len(same) > 1]
    for same in twice[:MOST_LISTED]:
        run.log("the same: " + ", ".join(str(path.relative_to(folder)) for path in same))
    return {"files": len(paths), "different": len(digests), "doubled": len(twice)}


def folder_of(inputs: dict[str, Any]) -> Path:
    """The folder to read. Raises ValueError where there is none."""
    given = inputs.get("folder")
    folder = Path(given).expanduser() if isinstance(given, str) else None
    if folder is None or not folder.is_dir():
        raise ValueError(f"inputs.folder is {given!r}: give the path of a folder")
    return folder


def files(folder: Path) -> Iterator[Path]:
    """The regular files below a folder."""
    for root, _, names in os.walk(folder):
        for path in (Path(root, name) for name in names):
            if path.is_file() and not path.is_symlink():
                yield path


def digest(path: Path) -> str:
    """A file's SHA-256."""
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
    return sha256.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--nats", metavar="URL", help="default: BROKER_NATS_URL, or nats://127.0.0.1:4222"
    )
    parser.add_argument("--concurrency", type=int, default=2, help="runs at once (default 2)")
    options = parser.parse_args()
    worker = Worker(options.nats, concurrency=options.concurrency)
    worker.pipeline("checksum-folder", plan=["find", "hash"])(checksum_folder)
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
