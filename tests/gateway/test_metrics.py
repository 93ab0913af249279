"""What a running gateway tells, and what `docs/metrics.md` says it tells."""

import re
from pathlib import Path

from tests.gateway.runs import completed, started
from tests.gateway.serving import broker
from tests.sse import path

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


async def test_the_page_names_every_metric_and_no_other(tmp_path: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([`\w, ]*) \|", PAGE.read_text(), re.MULTILINE)
    assert rows
    async with broker(tmp_path) as b:
        await b.publish("r1", started(), completed())
        await b.get(path("r1"))
        text = (await b.get("/metrics")).body.decode()
    told = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert {name: kind for name, kind, _ in rows} == {
        name: kind for name, kind in told.items() if not name.endswith("_created")
    }
    labelled = {name: {*re.findall(r"\w+", labels)} for name, _, labels in rows}
    for name, inside in re.findall(r"^(\w+)\{(.*)\} ", text, re.MULTILINE):
        given = {*re.findall(r"(\w+)=", inside)} - {"le"}
        family = re.sub(r"_(bucket|sum|count|created)$", "", name)
        assert given == labelled.get(family, labelled.get(f"{family}_total")), name
