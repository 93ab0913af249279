"""`docs/compatibility.md`: every row names a test, and that test exists."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
TESTS = Path(__file__).parents[1]
NAMED = re.compile(r"`((?:[a-z_]+/)*test_[a-z0-9_]+\.py)::(test_\w+)`")


def test_every_row_names_tests_that_exist() -> None:
    sections = PAGE.read_text().split("\n## ")[1:]
    assert 6 == len(sections)
    for section in sections:
        title, *lines = section.splitlines()
        rows = [line for line in lines if re.match(r"\| (?!---)", line)][1:]
        for row in rows:
            named = NAMED.findall(row)
            assert named, f"{title}: {row} names no test"
            for file, test in named:
                text = (TESTS / file).read_text()
                assert re.search(rf"def {test}\(", text), f"{title}: there is no {file}::{test}"
