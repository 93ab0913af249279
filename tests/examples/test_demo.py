"""The work of the demo pipelines, without a broker: files, checksums, and what SQLite says."""

import asyncio
import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from broker.demo import checksum, report


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "a.txt").write_bytes(b"a")
    (tmp_path / "below/b.txt").write_bytes(b"bb")
    (tmp_path / "__pycache__/left.pyc").write_bytes(b"out")
    (tmp_path / "link").symlink_to("a.txt")
    return tmp_path


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(report.SCHEMA)
        yield connection


def test_folders_are_scanned_one_by_one(tree: Path) -> None:
    assert list(checksum.folders(tree)) == [{Path("a.txt"): 1}, {Path("below/b.txt"): 2}]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(checksum.folders(tmp_path / "nowhere"))


def test_a_digest_reports_each_chunk(tmp_path: Path) -> None:
    content = b"x" * (checksum.CHUNK + 1)
    (tmp_path / "big").write_bytes(content)
    read: list[int] = []

    assert checksum.digest(tmp_path / "big", read.append) == hashlib.sha256(content).hexdigest()
    assert read == [checksum.CHUNK, checksum.CHUNK + 1]


def test_the_digest_of_a_tree_does_not_depend_on_the_order() -> None:
    first, second = {Path("a"): "1", Path("b"): "2"}, {Path("b"): "2", Path("a"): "1"}

    assert checksum.tree_digest(first) == checksum.tree_digest(second)
    assert checksum.tree_digest(first) != checksum.tree_digest({Path("a"): "2", Path("b"): "1"})


def test_every_third_run_is_damaged_in_turns() -> None:
    assert [report.damage_of(number) for number in range(1, 7)] == [
        None,
        None,
        "twice",
        None,
        None,
        "letter",
    ]


def test_a_sound_file_is_imported(tmp_path: Path, database: sqlite3.Connection) -> None:
    path = report.write_day(tmp_path, 1, 0, None)

    assert report.announced_rows(path) == report.METERS * report.HOURS
    assert report.import_day(database, path) == report.METERS * report.HOURS
    for query in report.TABLES.values():
        names, *rows = report.select(database, query)
        assert rows
        assert len(names) == len(rows[0])


@pytest.mark.parametrize(
    ("damage", "error", "text"),
    [("twice", sqlite3.IntegrityError, "UNIQUE"), ("letter", ValueError, "convert string")],
)
def test_of_a_damaged_file_nothing_is_kept(
    tmp_path: Path,
    database: sqlite3.Connection,
    damage: str,
    error: type[Exception],
    text: str,
) -> None:
    path = report.write_day(tmp_path, 3, 0, damage)

    with pytest.raises(error, match=text):
        report.import_day(database, path)

    assert database.execute("SELECT count(*) FROM reading").fetchone() == (0,)


async def test_a_database_is_not_closed_while_it_is_used() -> None:
    workshop = report.Workshop()
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(timeout=20)
        results.append(workshop.database.execute("SELECT 1").fetchone())

    results: list[tuple[int]] = []
    task = asyncio.ensure_future(workshop.do(work))
    await asyncio.to_thread(begun.wait, 20)
    task.cancel()
    workshop.close()
    go_on.set()
    workshop._thread.shutdown(wait=True)

    assert results == [(1,)]
    assert not workshop.folder.exists()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        workshop.database.execute("SELECT 1")
