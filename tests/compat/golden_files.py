"""Golden files: what an interface shows of the three runs, byte for byte.

`make golden` writes them anew; look at the difference before it is kept.
"""

import os
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).with_name("golden")
WRITE = "GOLDEN_WRITE"
"""The variable of the environment with which a test writes its file, and fails."""


def check(name: str, parts: Mapping[str, bytes]) -> None:
    """Compare parts, each under its title, with the file of a name."""
    shown = b"".join(b"# %b\n\n%b\n" % (title.encode(), part) for title, part in parts.items())
    file = FOLDER / f"{name}.txt"
    if os.environ.get(WRITE):
        file.write_bytes(shown)
        raise AssertionError(
            f"{file.name} is written: look at it, and run the test without {WRITE}"
        )
    assert file.read_bytes() == shown, f"{file.name} differs: is that meant? then make golden"
