"""The lock files and the installed package agree with pyproject.toml and with each other."""

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import Requirement

import broker

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
GROUPS = PYPROJECT["dependency-groups"]

DECLARED = {
    "build": [*resolve_dependency_groups(GROUPS, "build")],
    "image": [*PROJECT["dependencies"]],
    "run": [*PROJECT["dependencies"], *EXTRAS["embedded"]],
    "demo": [*PROJECT["dependencies"], *EXTRAS["embedded"], *EXTRAS["langgraph"]],
    "dev": [
        *PROJECT["dependencies"],
        *(requirement for extra in EXTRAS.values() for requirement in extra),
        *resolve_dependency_groups(GROUPS, "dev"),
    ],
}

each_lock = pytest.mark.parametrize("lock", DECLARED)


def entries(lock: str) -> list[str]:
    """Every requirement of a lock file on one line, with its hashes."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]


def pins(lock: str) -> dict[str, str]:
    """The version that a lock file gives each distribution."""
    requirements = [Requirement(entry.split("--hash=")[0]) for entry in entries(lock)]
    return {r.name: str(r.specifier).removeprefix("==") for r in requirements}


def test_every_lock_file_is_tested() -> None:
    """A lock file added to requirements/ is held to the same rules."""
    assert set(DECLARED) == {path.stem for path in (ROOT / "requirements").iterdir()}


@each_lock
def test_every_requirement_is_pinned_and_hashed(lock: str) -> None:
    """No line but `name==version [; marker] --hash=…`: no option, no address, no path."""
    wrong = [entry for entry in entries(lock) if not ("==" in entry and "--hash=sha256:" in entry)]
    assert [] == wrong


@each_lock
def test_no_address_of_a_package_index(lock: str) -> None:
    """Packages come from wherever the reader's pip looks; comments name no host either."""
    assert "://" not in (ROOT / "requirements" / f"{lock}.txt").read_text()


@each_lock
def test_lock_satisfies_pyproject(lock: str) -> None:
    """A dependency changed in pyproject.toml needs `make lock`."""
    locked = pins(lock)
    declared = [Requirement(text) for text in DECLARED[lock]]
    unmet = [r for r in declared if r.name not in locked or locked[r.name] not in r.specifier]
    assert [] == unmet


@each_lock
def test_locks_agree_on_versions(lock: str) -> None:
    """One environment can hold all of them: dev.txt has every pin of the others."""
    assert pins(lock).items() <= pins("dev").items()


def test_installed_version_is_the_source_version() -> None:
    """`pyproject.toml`, `broker.__version__` and the installed metadata name one version."""
    assert PROJECT["version"] == broker.__version__ == version("progress-broker")
