"""`progress-broker schema`: write the JSON Schemas, or check that the written ones are right."""

import argparse
import sys
from pathlib import Path

from broker.model.schemas import documents


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("schema", help="write or check the JSON Schemas")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if they differ")
    parser.add_argument("--directory", type=Path, default=Path("schemas"))
    parser.set_defaults(run=_run)


def _run(called: argparse.Namespace) -> int:
    directory: Path = called.directory
    wanted = documents()
    if not called.check:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in wanted.items():
            (directory / name).write_text(text)
        return 0
    found = {path.name: path.read_text() for path in directory.glob("*.json")}
    different = sorted(
        name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)
    )
    for name in different:
        print(f"{directory / name} differs from the code: run `make schemas`", file=sys.stderr)
    return 1 if different else 0
