"""The image takes in what it needs, and a bill of materials says what that is."""

import json
import re
import subprocess
import sysconfig
from pathlib import Path

from tests.deploy.servers import DEPLOY

LOCK = DEPLOY.parent / "requirements" / "image.txt"


def test_nothing_goes_into_the_build_but_what_is_named() -> None:
    """Neither tests nor .git nor anybody's .env."""
    first, *rest = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert "*" == first
    named = {line.removeprefix("!") for line in rest if line.startswith("!")}
    assert {"broker", "requirements", "pyproject.toml", "README.md", "LICENSE"} == named


def test_packages_are_installed_by_hash_alone() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    installs = re.findall(r"pip .*?install (\S+)", text)
    assert {"--require-hashes", "--no-deps"} == set(installs)


def test_the_bill_of_materials_names_every_package(tmp_path: Path) -> None:
    """As `make sbom` writes it; it needs no network."""
    bill = tmp_path / "sbom.json"
    command = Path(sysconfig.get_path("scripts")) / "cyclonedx-py"
    subprocess.run(
        [command, "requirements", LOCK, "--output-reproducible", "--of", "JSON", "-o", bill],
        check=True,
        capture_output=True,
    )
    components = json.loads(bill.read_text())["components"]
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", LOCK.read_text(), re.MULTILINE)
    assert sorted(pins) == sorted((each["name"], each["version"]) for each in components)
    assert all(each["externalReferences"][0]["hashes"] for each in components)
