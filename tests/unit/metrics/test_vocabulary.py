"""What labels may be is listed with the metrics, and decided elsewhere."""

import re
from pathlib import Path

from broker.gateway.sockets.socket import ENDED_BY
from broker.metrics import Metrics
from broker.metrics.clients import ENDS, VIEWS
from broker.metrics.stream import NATS_ERRORS, STREAMS
from broker.model.decide import COMMANDS
from broker.protocol.close import Close
from broker.stream.topology import StreamSettings, streams
from broker.views.executions import ExecutionsStory
from broker.views.graphs import GraphsStory
from broker.views.job_lines import JobLines
from broker.views.jobs import JobsStory
from broker.views.lines import LinesView
from broker.views.native import VIEWS as NATIVE
from broker.views.runner import RunnerStory
from broker.views.workflows import WorkflowsStory

BROKER = Path(__file__).parents[3] / "broker"


def test_streams_are_those_of_the_topology() -> None:
    assert {stream["name"] for stream in streams(StreamSettings())} == set(STREAMS)


def test_views_are_those_that_can_be_watched() -> None:
    stories = (ExecutionsStory, GraphsStory, JobsStory, RunnerStory, WorkflowsStory)
    named = {*NATIVE, LinesView.kind, JobLines.kind, *(story.name for story in stories)}
    assert {*named, "list"} == set(VIEWS)


def test_commands_are_those_that_can_be_given() -> None:
    assert set(COMMANDS) == set(Metrics().labels["progress_broker_commands"]["command"])


def test_every_end_of_a_socket_is_a_reason() -> None:
    assert set(ENDED_BY) <= set(Close)
    assert set(ENDED_BY.values()) <= set(ENDS)


def test_what_the_code_counts_is_listed() -> None:
    """Words that stand in the code where something ends, is refused by a limit, or fails."""
    code = "\n".join(file.read_text() for file in BROKER.rglob("*.py"))
    ends = re.findall(r'(?:ended_by|why) = "(\w+)"|why="(\w+)"', code)
    assert {one or other for one, other in ends} <= {*ENDS}
    assert ends
    limits = re.findall(r'(?:\.hit|limited\.labels)\("(\w+)"\)', code)
    assert limits
    assert set(limits) <= {*Metrics().labels["progress_broker_limited"]["limit"]}
    kinds = re.findall(r'return "(\w+)"', (BROKER / "stream" / "error_kinds.py").read_text())
    assert set(kinds) == set(NATS_ERRORS)
