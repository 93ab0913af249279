"""Checksums a tree of files, then reads all of it again to see that nothing changed.

Without a folder it reads Python's own standard library. Caches and site-packages are left out.
"""

import asyncio
import contextlib
import functools
import hashlib
import os
import stat
import sys
import sysconfig
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from broker.demo import loop
from broker.producer import Producer, Run, Step

__all__ = ["TreeChanged", "run_once"]

CHUNK = 1024 * 1024
RATE = 16 * CHUNK
"""Bytes read per second: like a backup job, it leaves the disk and the processor to others."""

LEFT_OUT = {"__pycache__", "site-packages", "dist-packages"}

Sizes: TypeAlias = dict[Path, int]
Digests: TypeAlias = dict[Path, str]


class TreeChanged(Exception):
    """Files whose second checksum differs from the first."""

    def __init__(self, paths: list[Path]) -> None:
        super().__init__(paths)
        self.paths = paths

    def __str__(self) -> str:
        more = f" and {len(self.paths) - 3} more" if len(self.paths) > 3 else ""
        return f"changed while it was read: {', '.join(map(str, self.paths[:3]))}{more}"


async def run_once(
    producer: Producer, number: int = 1, *, folder: Path | None = None, rate: int = RATE
) -> None:
    """Scan, hash and verify the files under `folder`, at most `rate` bytes a second.

    Raises TreeChanged if a file changed in between.
    """
    root = folder or Path(sysconfig.get_path("stdlib"))
    async with producer.run(
        "checksum", name=f"Checksums of {root.name}", plan=["scan", "hash", "verify"]
    ) as run:
        async with run.step("scan") as step:
            sizes = await _scan(root, run, step)
            total = sum(sizes.values())
            step.outputs = {"files": len(sizes), "bytes": total}
        async with run.step("hash") as step:
            digests = await _hash(root, sizes, run, step, rate)
            step.outputs = {"files": len(digests), "unreadable": len(sizes) - len(digests)}
        async with run.step("verify") as step:
            again = await _hash(root, {path: sizes[path] for path in digests}, run, step, rate)
            if changed := [path for path in digests if again.get(path) != digests[path]]:
                raise TreeChanged(changed)
        run.outputs = {"files": len(digests), "bytes": total, "sha256": tree_digest(digests)}


async def _scan(root: Path, run: Run, step: Step) -> Sizes:
    """Find the files: how many there are is known only when the last one was found."""
    sizes: Sizes = {}
    async for folder in _folders(root):
        await run.checkpoint()
        sizes.update(folder)
        step.progress(len(sizes), unit="files")
    step.progress(len(sizes), len(sizes), unit="files", total_final=True)
    return sizes


async def _folders(root: Path) -> AsyncIterator[Sizes]:
    walk = folders(root)
    while (found := await asyncio.to_thread(next, walk, None)) is not None:
        yield found


async def _hash(root: Path, sizes: Sizes, run: Run, step: Step, rate: int) -> Digests:
    digests: Digests = {}
    done, total, began = 0, sum(sizes.values()), time.monotonic()
    for path, size in sizes.items():
        # Called in the worker thread, with the bytes read of this file so far.
        def report(read: int, before: int = done, path: Path = path) -> None:
            step.progress(before + read, total, unit="bytes", message=str(path), total_final=True)

        try:
            digests[path] = await asyncio.to_thread(digest, root / path, report)
        except OSError as error:  # gone since the scan, or not ours to read
            step.log(f"{path}: {error.strerror}", level="warning")
        done += size
        await asyncio.sleep(done / rate - (time.monotonic() - began))
        reached = time.monotonic()
        await run.checkpoint()
        began += time.monotonic() - reached  # what was lost to a pause is not made up for
    step.progress(done, total, unit="bytes", total_final=True)
    return digests


def folders(root: Path) -> Iterator[Sizes]:
    """The regular files of each folder below `root`, relative to it, with their sizes.

    Raises OSError at a folder that cannot be read: a checksum of the rest would be one of less.
    """

    def refuse(error: OSError) -> None:
        raise error

    for folder, below, names in os.walk(root, onerror=refuse):
        below[:] = sorted(set(below) - LEFT_OUT)
        found: Sizes = {}
        for path in (Path(folder, name) for name in sorted(names)):
            with contextlib.suppress(FileNotFoundError):  # gone since the folder was listed
                status = path.lstat()
                if stat.S_ISREG(status.st_mode):
                    found[path.relative_to(root)] = status.st_size
        yield found


def digest(path: Path, report: Callable[[int], None]) -> str:
    """The file's SHA-256; `report` is told the bytes read after every chunk."""
    sha256, read = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            read += len(chunk)
            report(read)
    return sha256.hexdigest()


def tree_digest(digests: Mapping[Path, str]) -> str:
    """One checksum of all: that of the list which `sha256sum` would print, sorted by path."""
    lines = (f"{digests[path]}  {path.as_posix()}\n" for path in sorted(digests))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def main() -> int:
    parser = loop.flags(__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="the tree to read")
    parser.add_argument(
        "--rate", type=float, default=RATE / CHUNK, help="MiB read per second (default 16)"
    )
    options = parser.parse_args()
    once = functools.partial(
        run_once, folder=options.folder, rate=max(1, int(options.rate * CHUNK))
    )
    return loop.run(once, options)


if __name__ == "__main__":
    sys.exit(main())
