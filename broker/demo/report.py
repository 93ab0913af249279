"""Builds a report on electricity readings: writes the readings, imports them, sums them up.

The readings are made up, since a demo has no meters; all that happens to them is real. In every
third run one file is damaged, and the import fails with whatever SQLite or Python says to that.
"""

import asyncio
import csv
import functools
import itertools
import random
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import ParamSpec, TypeAlias, TypeVar

from broker.demo import loop
from broker.producer import Producer, Run, Step

__all__ = ["run_once"]

P = ParamSpec("P")
T = TypeVar("T")

Table: TypeAlias = list[tuple[object, ...]]
"""Rows under a row of column names."""

METERS, HOURS = 250, 24
DAYS = 60

SCHEMA = """
CREATE TABLE reading (
    meter INTEGER NOT NULL, day INTEGER NOT NULL, hour INTEGER NOT NULL, kwh REAL NOT NULL,
    UNIQUE (meter, day, hour)
)
"""

TABLES = {
    "by_meter": "SELECT meter, round(sum(kwh), 2) AS kwh FROM reading GROUP BY meter ORDER BY 1",
    "by_day": "SELECT day, round(sum(kwh), 2) AS kwh FROM reading GROUP BY day ORDER BY 1",
    "by_hour": "SELECT hour, round(avg(kwh), 4) AS kwh FROM reading GROUP BY hour ORDER BY 1",
    "peaks": """
        SELECT meter, day, hour, kwh FROM (
            SELECT *, rank() OVER (PARTITION BY meter ORDER BY kwh DESC) AS place FROM reading
        ) WHERE place = 1 ORDER BY meter, day, hour
    """,
    "night_share": """
        SELECT meter, round(sum(kwh) FILTER (WHERE hour < 6) / sum(kwh), 4) AS share
        FROM reading GROUP BY meter ORDER BY share DESC, meter
    """,
}


class Workshop:
    """A scratch folder, a database, and the one thread in which both are touched.

    Cancelling a task does not stop the thread it waits for. Since there is one thread only, the
    closing waits its turn: a connection that is closed while it is used crashes the process.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "report")
        self._scratch = tempfile.TemporaryDirectory(prefix="progress-broker-")
        self.folder = Path(self._scratch.name)
        self.database = sqlite3.connect(":memory:", check_same_thread=False)

    async def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do blocking work in the thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, functools.partial(work, *args, **kwargs))

    def close(self) -> None:
        """Interrupt the query that may be running, and clean up after it, without waiting."""
        self.database.interrupt()
        self._thread.submit(self.database.close)
        self._thread.submit(self._scratch.cleanup)
        self._thread.shutdown(wait=False)


async def run_once(
    producer: Producer, number: int = 1, *, folder: Path | None = None, days: int = DAYS
) -> None:
    """Build one report, in `folder` or else a temporary one.

    Raises what the import meets in a damaged file: sqlite3.IntegrityError or ValueError.
    """
    async with producer.run(
        "report",
        name=f"Meter report {number}",
        labels={"days": days},
        plan=["generate", "import", "aggregate", "export"],
    ) as run:
        with closing(Workshop()) as workshop:
            async with run.step("generate") as step:
                files = await _generate(workshop, run, step, number, days)
            async with run.step("import") as step:
                rows = await _import(workshop, run, step, files)
                step.outputs = {"rows": rows}
            async with run.step("aggregate") as step:
                tables = await _aggregate(workshop, run, step)
            async with run.step("export") as step:
                written = await _export(workshop, run, step, tables, folder)
        if folder is not None:  # a temporary file is nothing to point at
            for path in written:
                run.artifact(path.name, path.absolute().as_uri(), media_type="text/csv")
        run.outputs = {"rows": rows, "most_at_night": f"meter {tables['night_share'][1][0]}"}


async def _generate(workshop: Workshop, run: Run, step: Step, number: int, days: int) -> list[Path]:
    files = []
    for day in range(days):
        await run.checkpoint()
        damage = damage_of(number) if day == days * 2 // 3 else None
        files.append(await workshop.do(write_day, workshop.folder, number, day, damage))
        step.progress(day + 1, days, unit="files")
    return files


async def _import(workshop: Workshop, run: Run, step: Step, files: Sequence[Path]) -> int:
    """Import file by file. Each names its number of rows in its first line, so that the total is
    unknown at first, then a guess from the files seen, and final when the last was opened.
    """
    await workshop.do(workshop.database.execute, SCHEMA)
    step.progress(0, unit="rows")
    imported = announced = 0
    for opened, file in enumerate(files, 1):
        await run.checkpoint()
        announced += await workshop.do(announced_rows, file)
        final = opened == len(files)
        guess = announced if final else announced * len(files) // opened
        step.progress(imported, guess, unit="rows", message=file.name, total_final=final)
        try:
            imported += await workshop.do(import_day, workshop.database, file)
        except (sqlite3.Error, ValueError):
            step.log(f"{file.name} cannot be imported; nothing of it was kept", level="error")
            raise
        step.progress(imported, guess, unit="rows", message=file.name, total_final=final)
    return imported


async def _aggregate(workshop: Workshop, run: Run, step: Step) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    for name, query in TABLES.items():
        await run.checkpoint()
        step.progress(len(tables), len(TABLES), unit="tables", message=name)
        tables[name] = await workshop.do(select, workshop.database, query)
    step.progress(len(tables), len(TABLES), unit="tables")
    return tables


async def _export(
    workshop: Workshop, run: Run, step: Step, tables: Mapping[str, Table], folder: Path | None
) -> list[Path]:
    target = folder or workshop.folder / "report"
    await workshop.do(target.mkdir, parents=True, exist_ok=True)
    total, rows, written = sum(len(table) - 1 for table in tables.values()), 0, []
    for name, table in tables.items():
        await run.checkpoint()
        written.append(target / f"{name}.csv")
        await workshop.do(write_csv, written[-1], table)
        rows += len(table) - 1
        step.progress(rows, total, unit="rows", message=written[-1].name)
    return written


def damage_of(number: int) -> str | None:
    """What happens to a file in this run: a line sent twice, or a letter among the digits."""
    return ("twice" if number % 2 else "letter") if number % 3 == 0 else None


def write_day(folder: Path, number: int, day: int, damage: str | None) -> Path:
    """Write one day's readings: a line that says how many they are, a header, the rows."""
    chance = random.Random(f"{number}/{day}")
    rows = [
        (meter, day, hour, f"{chance.expovariate(1.5) + 0.1 * (6 < hour < 22):.3f}")
        for meter, hour in itertools.product(range(METERS), range(HOURS))
    ]
    if damage == "twice":
        rows.append(rows[-1])
    elif damage == "letter":
        rows[-1] = (*rows[-1][:3], rows[-1][3].replace(".", "O"))
    path = folder / f"day-{day:03}.csv"
    with path.open("w", newline="") as file:
        file.write(f"# rows: {len(rows)}\n")
        csv.writer(file).writerows([("meter", "day", "hour", "kwh"), *rows])
    return path


def announced_rows(path: Path) -> int:
    """The number of rows that the file's first line promises."""
    with path.open() as file:
        return int(file.readline().removeprefix("# rows:"))


def import_day(database: sqlite3.Connection, path: Path) -> int:
    """Import all rows of a file, or none: one transaction."""
    with path.open(newline="") as file, database:
        file.readline()
        cursor = database.executemany(
            "INSERT INTO reading VALUES (:meter, :day, :hour, :kwh)", _rows(csv.DictReader(file))
        )
        return cursor.rowcount


def _rows(reader: "csv.DictReader[str]") -> Iterator[dict[str, str | float]]:
    for row in reader:
        yield {**row, "kwh": float(row["kwh"])}


def select(database: sqlite3.Connection, query: str) -> Table:
    """The result of a query, under a row of column names."""
    cursor = database.execute(query)
    return [tuple(column[0] for column in cursor.description), *cursor]


def write_csv(path: Path, table: Table) -> None:
    """Write a table, its column names first."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(table)


def main() -> int:
    parser = loop.flags(__doc__)
    parser.add_argument("--folder", type=Path, help="keep the report here (default: nowhere)")
    parser.add_argument("--days", type=int, default=DAYS, help=f"days to report (default {DAYS})")
    options = parser.parse_args()
    once = functools.partial(run_once, folder=options.folder, days=options.days)
    return loop.run(once, options)


if __name__ == "__main__":
    sys.exit(main())
