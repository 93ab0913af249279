"""The schemas are written from the code, and a drift between the two is found."""

from pathlib import Path

import pytest

from broker.cli.main import main


def test_what_is_written_passes_the_check(tmp_path: Path) -> None:
    directory = str(tmp_path / "new" / "schemas")
    assert 0 == main(["schema", "--directory", directory])
    assert 0 == main(["schema", "--check", "--directory", directory])


def test_a_drift_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is changed, missing, or left over from before."""
    main(["schema", "--directory", str(tmp_path)])
    changed, missing, *_ = sorted(tmp_path.iterdir())
    changed.write_text(changed.read_text().replace('"type"', '"kind"', 1))
    missing.unlink()
    (tmp_path / "old.json").write_text("{}")
    before = {path: path.read_text() for path in tmp_path.iterdir()}
    assert 1 == main(["schema", "--check", "--directory", str(tmp_path)])
    said = capsys.readouterr().err
    for path in (changed, missing, tmp_path / "old.json"):
        assert f"{path} differs from the code" in said
    assert 3 == said.count("differs")
    assert before == {path: path.read_text() for path in tmp_path.iterdir()}


def test_the_checked_in_schemas_are_those_of_the_code() -> None:
    root = Path(__file__).parents[2]
    assert 0 == main(["schema", "--check", "--directory", str(root / "schemas")])
