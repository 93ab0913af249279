"""Checks k8s/ and what deploy/ shares with it.

python -m tools.k8s_check [ROOT]
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from tools.k8s_check import (
    capacity,
    edge,
    files,
    nats_values,
    network,
    pods,
    references,
    rollout,
    schemas,
    selectors,
    variables,
)
from tools.k8s_check.overlay import ROOT, Finding, RenderError, names, rendered


def findings(root: Path) -> Iterator[Finding]:
    """Everything wrong with k8s/ below a folder."""
    yield from variables.check_file(root)
    yield from nats_values.check(root)
    yield from files.check(root)
    for name in names(root):
        yield from of_overlay(root, name)


def of_overlay(root: Path, name: str) -> Iterator[Finding]:
    """Everything wrong with one overlay."""
    try:
        overlay = rendered(root, name)
    except RenderError as error:
        yield Finding(f"k8s/overlays/{name}", f"is not rendered: {error}")
        return
    malformed = list(schemas.check(overlay))
    yield from malformed
    if malformed:
        return  # the other checks count on the form of each object
    for module in (pods, selectors, references, variables, rollout, network, edge):
        yield from module.check(overlay)
    yield from capacity.check(overlay, root)
    yield from files.check_overlay(overlay, root)


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    found = list(findings(root))
    for each in found:
        sys.stderr.write(f"{each}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
