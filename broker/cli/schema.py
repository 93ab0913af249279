"""`progress-broker schema`: write what is generated from the code, or check that it is right."""

import argparse
import sys
from pathlib import Path
from typing import Final

from broker.errors import SettingsError
from broker.model.schemas import documents
from broker.settings import described

_BEGIN: Final = "<!-- settings: written by `make schemas` -->\n"
_END: Final = "<!-- end of settings -->\n"


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "schema", help="write or check schemas/ and the README's table of settings"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if they differ")
    parser.add_argument("--directory", type=Path, default=Path("schemas"))
    parser.add_argument("--readme", type=Path, default=Path("README.md"))
    parser.set_defaults(run=_run)


def _run(called: argparse.Namespace) -> int:
    directory: Path = called.directory
    readme: Path = called.readme
    wanted = {directory / name: text for name, text in documents().items()}
    if readme.exists():
        wanted[readme] = _with_settings(readme)
    found = {
        path: path.read_text() for path in [*directory.glob("*.json"), *wanted] if path.exists()
    }
    different = sorted(
        path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path)
    )
    if called.check:
        for path in different:
            print(f"{path} differs from the code: run `make schemas`", file=sys.stderr)
        return 1 if different else 0
    directory.mkdir(parents=True, exist_ok=True)
    for path in different:
        if path in wanted:
            path.write_text(wanted[path])
        else:
            path.unlink()
    return 0


def _with_settings(readme: Path) -> str:
    """The README with the table of settings as the code has it."""
    text = readme.read_text()
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise SettingsError(f"{readme} has lost the marks between which the settings stand")
    rows = [
        f"| `{setting.flag}` | `{setting.variable}` "
        f"| `{_shown(setting.default)}` | {setting.text} |\n"
        for setting in described()
    ]
    head = "| flag | variable | default | meaning |\n|---|---|---|---|\n"
    return f"{before}{begin}{head}{''.join(rows)}{end}{after}"


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return str(default) or " "
