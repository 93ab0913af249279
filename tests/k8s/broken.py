"""Manifests with one thing wrong in them."""

import copy
import shutil
from pathlib import Path
from typing import Any, Final

from tools.k8s_check.overlay import ROOT, Finding, Manifest, Overlay

GONE: Final = object()
"""In place of a value: the field is taken away."""


def changed(overlay: Overlay, name: str, path: str, value: Any) -> Overlay:
    """The overlay with another value at a path of the first object whose name begins so."""
    other = Overlay(overlay.name, copy.deepcopy(overlay.objects))
    kind, _, beginning = name.partition("/")
    found = next(each for each in other.of(kind) if each["metadata"]["name"].startswith(beginning))
    *parents, last = path.split("/")
    at: Any = found
    for part in parents:
        at = at[_key(at, part)]
    if value is GONE:
        del at[_key(at, last)]
    else:
        at[_key(at, last)] = value
    return other


def without(overlay: Overlay, kind: str, name: str) -> Overlay:
    """The overlay without an object."""
    kept = [each for each in overlay.objects if not _is(each, kind, name)]
    assert len(kept) < len(overlay.objects)
    return Overlay(overlay.name, kept)


def tree(folder: Path, file: str, old: str, new: str) -> Path:
    """A copy of what is checked in which a file says something else."""
    for name in ("k8s", "deploy", "docs"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "README.md").write_text("")
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    return folder


def texts(found: list[Finding]) -> list[str]:
    return [str(each) for each in found]


def _is(each: Manifest, kind: str, name: str) -> bool:
    return bool(each["kind"] == kind and each["metadata"]["name"].startswith(name))


def _key(at: Any, part: str) -> Any:
    return int(part) if isinstance(at, list) else part.replace("~1", "/")
