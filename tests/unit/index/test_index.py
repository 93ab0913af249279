"""The index finds what looking at every row would find, whatever rows come, change and go."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.metrics import Metrics
from broker.model.summary import Summary, encode_summary
from broker.runs import columns, order
from broker.runs.index import Index
from broker.runs.query import SORTS, STATUSES, Query, parse
from tests.unit.index.rows import Naive, an_index, apply, at, summary

RUNS = [f"Run-{n:02}" for n in range(12)]
WORDS = ("Straße", "orders", "order", "o", "Ωmega", "x y", "")
LABELS = ("prod", "Prod", "eu", 7, True, "a b")

times = st.none() | st.integers(0, 20).map(lambda n: n * 1_000.0)
rows = st.builds(
    summary,
    st.sampled_from(RUNS),
    st.integers(0, 6).map(float),
    status=st.sampled_from(STATUSES),
    pipeline=st.none() | st.sampled_from(WORDS[:3]),
    name=st.none() | st.sampled_from(WORDS),
    labels=st.dictionaries(st.sampled_from(("env", "k")), st.sampled_from(LABELS)),
    parent=st.none() | st.sampled_from(RUNS),
    queued_at=times,
    started_at=times,
    ended_at=times,
    duration=st.none() | st.integers(0, 3).map(float),
)
changes = st.lists(rows | st.sampled_from(RUNS), max_size=40)
"""Rows that come or change, and names of rows that go."""

queries = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(("running", "failed,completed", "lost")),
        "pipeline": st.sampled_from(WORDS[:3]),
        "label": st.sampled_from(("env:prod", "env:7", "k:eu")),
        "q": st.sampled_from(
            ("order", "o", "or", "strasse", "run-0", "ωme prod", "7", "env:p", "zz")
        ),
        "parent": st.sampled_from(RUNS),
        "since": st.sampled_from([at(n).isoformat() for n in (0, 3_000, 7_500)]),
        "until": st.sampled_from([at(n).isoformat() for n in (8_000, 9_001)]),
        "sort": st.sampled_from([*SORTS, *(f"-{key}" for key in SORTS)]),
        "limit": st.sampled_from(("1", "3", "50")),
    },
)
offsets = st.sampled_from((0, 1, 5, 11, 12, 10_000))
every_way = st.sampled_from((0, 4, 4096))
"""How many rows are few: those are sorted, more are looked for in the order of all."""


@contextmanager
def small(few: int) -> Iterator[None]:
    """With blocks of four rows, and few rows enough to take every way to them."""
    with (
        patch.object(columns, "_FEW", few),
        patch.object(columns, "_MANY_TIMES", 1),
        patch.object(order, "_BLOCK", 4),
    ):
        yield


@settings(max_examples=300, deadline=None)
@given(changes=changes, asked=st.lists(queries, min_size=1, max_size=4), few=every_way)
def test_it_finds_what_looking_at_every_row_finds(
    changes: list[Summary | str], asked: list[dict[str, str]], few: int
) -> None:
    with small(few):
        index, naive = an_index(), Naive()
        for number, change in enumerate(changes):
            for query in map(parse, map(dict.items, asked[: number % 3])):
                index.page(query)  # so that orders and words are kept from now on
            take(index, naive, change)
        for query in map(parse, map(dict.items, asked)):
            everything = naive.found(query)
            page = index.page(query)
            assert everything[: query.limit] == [row.summary.run for row in page.rows]
            assert naive.counts(query) == page.counts
            assert (len(everything) > query.limit) == (page.next is not None)
            assert everything[:5] == index.matching(query, 5)
            assert {run for run, row in naive.rows.items() if query.admits(row)} == set(everything)
            assert [naive.rows[row.summary.run] for row in page.rows] == [
                row.summary for row in page.rows
            ]


def take(index: Any, naive: Naive, change: Summary | str) -> None:
    if isinstance(change, str):
        index.remove(change)
        naive.rows.pop(change, None)
    else:
        apply(index, change)
        naive.rows[change.run] = change


@settings(max_examples=300, deadline=None)
@given(changes=changes, asked=queries, offset=offsets, few=every_way)
def test_a_page_at_an_offset_is_that_part_of_everything(
    changes: list[Summary | str], asked: dict[str, str], offset: int, few: int
) -> None:
    """And leads on to the rest by a token, as any page does."""
    with small(few):
        index, naive = an_index(), Naive()
        for change in changes:
            take(index, naive, change)
        query = parse([*asked.items(), ("offset", str(offset))])
        everything, page = naive.found(query), index.page(query)
        seen = [row.summary.run for row in page.rows]
        assert everything[offset : offset + query.limit] == seen
        assert naive.counts(query) == page.counts
        while page.next:
            page = index.page(parse([*asked.items(), ("page_token", page.next)]))
            seen += [row.summary.run for row in page.rows]
        assert everything[offset:] == seen


@settings(max_examples=200, deadline=None)
@given(
    begin=st.lists(rows, max_size=30),
    between=st.lists(st.lists(rows | st.sampled_from(RUNS), max_size=4), max_size=12),
    asked=queries,
    few=every_way,
)
def test_a_walk_by_tokens_gives_each_row_that_stays_as_it_is_once(
    begin: list[Summary], between: list[list[Summary | str]], asked: dict[str, str], few: int
) -> None:
    """Whatever happens to others between two pages."""
    with small(few):
        index, naive = an_index(), Naive()
        for row in begin:
            take(index, naive, row)
        still = set(naive.found(parse(asked.items())))
        seen: list[str] = []
        token: str | None = None
        while True:
            page = index.page(parse([*asked.items(), *([("page_token", token)] if token else [])]))
            seen += [row.summary.run for row in page.rows]
            token = page.next
            if token is None:
                break
            for change in between.pop() if between else ():
                take(index, naive, change)
                still.discard(change if isinstance(change, str) else change.run)
        assert sorted(still) == sorted(run for run in seen if run in still)


def test_the_oldest_leave_when_there_are_too_many() -> None:
    index = an_index(most=3)
    apply(index, *(summary(f"r{n}", updated=n) for n in range(5)))
    assert ["r4", "r3", "r2"] == index.matching(parse([]), 10)
    apply(index, summary("r2", updated=9), summary("r0", updated=0.5))
    assert ["r2", "r4", "r3"] == index.matching(parse([]), 10)
    assert index.get("r0") is None


def test_long_rows_count_for_several() -> None:
    """Labels count for more than their text: each has a place in the index."""
    index = an_index(most=10)
    labels = {f"key-{n}": n for n in range(30)}
    apply(index, *(summary(f"r{n}", updated=n, labels=labels) for n in range(10)))
    assert ["r9", "r8"] == index.matching(parse([]), 10)
    apply(index, *(summary(f"r{n}", updated=n) for n in range(8, 15)))
    assert 7 == len(index)


def test_rows_leave_after_thirty_days() -> None:
    now = at(0).timestamp()
    index = an_index(now=lambda: now)
    apply(index, summary("old", updated=0), summary("new", updated=86_400))
    now += 30 * 86_400 + 1
    assert ["new"] == index.matching(parse([]), 10)
    assert index.get("old") is None
    assert 1 == len(index)


def test_feeds_hear_of_each_batch_with_the_durations_of_steps() -> None:
    index, heard = an_index(), []
    stop = index.subscribe(lambda changed: heard.append([(s.run, s.durations) for s in changed]))
    apply(index, summary("a", durations={"fit": 2.5}), summary("b"))
    stop()
    apply(index, summary("c"))
    assert [[("a", {"fit": 2.5}), ("b", {})]] == heard
    kept = index.get("a")
    assert kept is not None
    assert {} == kept.durations


def test_what_is_no_summary_and_what_is_of_another_stream_is_left_out() -> None:
    metrics = Metrics()
    index = Index(most=10, now=time.time, metrics=metrics, epoch="e1")
    deep = b'{"later":' + b"[" * 50_000
    good = encode_summary(summary("good"))
    foreign = encode_summary(summary("foreign", cursor="e2-7"))
    index.apply([(1, b"{}"), (2, b"\xff"), (3, foreign), (4, good), (5, b""), (6, deep)])
    assert ["good"] == index.matching(parse([]), 10)
    unreadable = "progress_broker_checkpoints_unreadable_total"
    assert 4 == metrics.registry.get_sample_value(unreadable)


def test_tenants_do_not_see_one_another() -> None:
    """Even where their runs have the same ids."""
    index = an_index()
    apply(index, summary("r1", name="ours"), summary("r1", name="theirs", tenant="other"))
    ours, theirs = index.get("r1"), index.get("r1", "other")
    assert ours is not None
    assert theirs is not None
    assert ("ours", "theirs") == (ours.name, theirs.name)
    for tenant, name in (("default", "ours"), ("other", "theirs")):
        page = index.page(Query(tenant=tenant))
        assert [name] == [row.summary.name for row in page.rows]
        assert 1 == sum(page.counts.values())
    index.remove("r1", "other")
    assert index.get("r1") is not None


def test_clearing_forgets_everything_and_finishing_makes_it_whole() -> None:
    index = an_index()
    apply(index, summary("r1", name="n", labels={"a": "b"}))
    for _ in index.finish():
        assert not index.built
    assert index.built
    index.clear()
    assert (False, 0) == (index.built, len(index))
    assert ([], None) == index.page(parse([("q", "n"), ("label", "a:b")]))[:2]
    apply(index, summary("r2", name="n"))
    assert ["r2"] == index.matching(parse([("q", "n")]), 5)


def test_feeds_hear_that_it_is_built() -> None:
    """Who watches a list could not ask while it was not, and nothing else may come."""
    index, built = an_index(), []
    apply(index, summary("r1"))
    index.subscribe(lambda changed: built.append((index.built, index.version)))
    for _ in index.finish():
        assert not built
    assert [(True, index.version)] == built


@pytest.mark.parametrize("term", ["pipe", "ipeline-7", "e-7", "-7", "7"])
def test_words_are_found_in_parts_of_labels_and_pipelines(term: str) -> None:
    """One row has the value, or many; and none any more."""
    index = an_index()
    apply(index, summary("a", pipeline="Pipeline-7"), summary("b", labels={"of": "pipeline-7"}))
    apply(index, summary("c", labels={"of": "pipeline-7"}), summary("d", pipeline="other"))
    assert ["c", "b", "a"] == index.matching(parse([("q", term)]), 5)
    apply(index, summary("b"), summary("c", labels={"of": "nothing"}))
    assert ["a"] == index.matching(parse([("q", term)]), 5)
