"""Files that are served as they are: read once, hashed and compressed, and then only looked up."""

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

FILES_MOST: Final = 500
BYTES_MOST: Final = 8 * 1024 * 1024

_WORTH_IT: Final = 0.9
"""A compressed file that is not smaller than this part of the file is thrown away."""
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


class File(NamedTuple):
    """A file as it is sent; `zipped` is empty where compression gains nothing."""

    type: str
    tag: str
    """Tells this content from any other."""
    body: bytes
    zipped: bytes


class Files(NamedTuple):
    """All files of a folder by their path in it, and what tells this set from any other."""

    version: str
    by_path: Mapping[str, File]


def read_files(folder: Path) -> Files:
    """The files of a folder and of the folders in it, but for hidden ones and those that no page
    loads, such as declarations of types. None need be there.

    Raises OSError, and ValueError where they are more than should be held in memory.
    """
    contents: dict[str, bytes] = {}
    size = 0
    for path in _paths(folder):
        size += path.stat().st_size
        if len(contents) >= FILES_MOST or size > BYTES_MOST:
            raise ValueError(f"{folder} has more than {FILES_MOST} files or {BYTES_MOST} bytes")
        contents[path.relative_to(folder).as_posix()] = path.read_bytes()
    all_of_it = hashlib.blake2b(digest_size=8)
    for name, body in contents.items():
        all_of_it.update(f"{name}\n{len(body)}\n".encode() + body)
    by_path = {name: file_of(name, body) for name, body in contents.items()}
    return Files(all_of_it.hexdigest(), by_path)


def file_of(name: str, body: bytes) -> File:
    """A file of a name with a content."""
    zipped = gzip.compress(body, mtime=0)
    return File(
        _TYPES[Path(name).suffix],
        hashlib.blake2b(body, digest_size=12).hexdigest(),
        body,
        zipped if len(zipped) < _WORTH_IT * len(body) else b"",
    )


def _paths(folder: Path) -> Iterator[Path]:
    """Every file of a type that browsers load, in an order that is the same everywhere."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.suffix in _TYPES and path.is_file():
            yield path
