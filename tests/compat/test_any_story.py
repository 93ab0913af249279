"""What holds for every story, whatever is stored of a run."""

from collections.abc import Sequence

import pytest
from hypothesis import given

from broker.errors import MalformedEvent
from broker.model.cursor import Cursor
from broker.model.decode import decode
from broker.model.evolve import Fold
from broker.model.record import Record
from broker.model.state import TERMINAL, initial
from broker.views.executions import ExecutionsStory
from broker.views.graphs import GraphsStory
from broker.views.message import Moment, Story
from broker.views.runner import RunnerStory
from broker.views.workflows import WORKFLOWS
from tests.compat.told import EPOCH
from tests.strategies import payloads, records

STORIES = [RunnerStory(), WORKFLOWS, ExecutionsStory(), GraphsStory()]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
@given(stored=records(payloads))
def test_it_is_told_whatever_comes_and_ends_with_the_run(
    story: Story, stored: Sequence[Record]
) -> None:
    """The last message of an event, and of a snapshot, leads on from there; none follows the end.

    A hub that is given an error by a story would serve no view of the run any more.
    """
    fold = Fold(initial("default", "r1"))
    for record in stored:
        try:
            event = decode(record.payload)
        except MalformedEvent:
            fold.add_record(record)
            continue
        moment = Moment.before(fold.state, event, record)
        fold.add(event, record.seq, record.stored_at)
        told = list(story.tell(moment, fold.state, EPOCH))
        if moment.status in TERMINAL and fold.state.attempt == moment.attempt:
            assert [] == told
        if told:
            assert Cursor(EPOCH, record.seq) == told[-1].cursor
        late = list(story.snapshot(fold.state, EPOCH))
        if late:
            assert Cursor(EPOCH, fold.seq) == late[-1].cursor
        if fold.state.ended:
            assert late
