"""What is installed is whole: the dashboard's files are in the wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

from broker.gateway.endpoints.pages import packaged

ROOT = Path(__file__).parent.parent


def test_the_wheel_has_the_dashboard(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    files = {f"broker/web/{name}" for name in packaged().by_path}
    assert "broker/web/index.html" in files
    assert set() == files - names
