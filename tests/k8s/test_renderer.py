"""`tools/kustomize.sh` renders, or says in a line why not and what to do."""

import subprocess
from pathlib import Path

import pytest

from tools.k8s_check.overlay import ROOT

SCRIPT = str(ROOT / "tools" / "kustomize.sh")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "tools/kustomize.sh: called with one folder"),
        (["nowhere"], "tools/kustomize.sh: there is no folder nowhere"),
    ],
)
def test_a_wrong_call_is_refused(arguments: list[str], said: str) -> None:
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False)
    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith(said)


def test_what_cannot_be_built_is_told(tmp_path: Path) -> None:
    """An old kubectl is not taken, and without .venv there is nowhere to build."""
    (tmp_path / "tools").mkdir()
    script = tmp_path / "tools" / "kustomize.sh"
    script.write_text((ROOT / "tools" / "kustomize.sh").read_text())
    commands = tmp_path / "bin"
    commands.mkdir()
    kubectl = commands / "kubectl"
    kubectl.write_text("#!/bin/sh\necho 'Client Version: v1.20.5'\n")
    kubectl.chmod(0o755)
    (commands / "dirname").symlink_to("/usr/bin/dirname")
    done = subprocess.run(
        ["/bin/bash", str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(commands)},
    )
    assert 1 == done.returncode
    assert done.stderr.splitlines()[-1].startswith("tools/kustomize.sh: there is no .venv")
