"""How real LangGraph graphs map to steps; the run is a recorder, so nothing is published."""

import asyncio
import contextlib
import importlib
import operator
import sys
import threading
from typing import Annotated, Any, TypedDict, cast

import pytest

pytest.importorskip("langgraph", reason="the extra progress-broker[langgraph] is not installed")

from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import NodeTimeoutError
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, TimeoutPolicy, interrupt

from broker.producer.langgraph import ProgressCallback, plan_of

AT_ONCE = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ValueError)


class State(TypedDict, total=False):
    count: int
    items: Annotated[list[int], operator.add]


class Recorder:
    """Stands in for `Run`: keeps (step id, call, detail) in the order of the calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.parents: dict[str, str | None] = {}
        self.names: dict[str, str | None] = {}
        self.threads: set[int] = set()

    def step(
        self, step: str, *, name: str | None = None, parent: str | None = None
    ) -> "RecorderStep":
        assert step not in self.parents, "a step id is used once"
        self.parents[step], self.names[step] = parent, name
        return RecorderStep(step, self)

    def progress(self, current: float, total: float | None = None, **more: Any) -> None:
        self.calls.append(("run", "progress", (current, total)))

    def log(self, text: str, level: str = "info") -> None:
        self.calls.append(("run", "log", (level, text)))

    def pause(self, reason: str, prompt: str | None) -> None:
        self.calls.append(("run", "pause", (reason, prompt)))

    def resume(self) -> None:
        self.calls.append(("run", "resume", None))

    def artifact(self, name: str, uri: str, **more: Any) -> None:
        self.calls.append(("run", "artifact", (name, uri)))

    def of(self, step: str) -> list[tuple[str, Any]]:
        return [(call, detail) for name, call, detail in self.calls if name == step]

    def brief(self) -> list[str]:
        return [f"{step} {call}" for step, call, _ in self.calls]


class RecorderStep:
    def __init__(self, step: str, run: Recorder) -> None:
        self._step, self._run = step, run

    def _note(self, call: str, detail: Any = None) -> None:
        self._run.calls.append((self._step, call, detail))
        self._run.threads.add(threading.get_ident())

    def start(self) -> None:
        self._note("start")

    def progress(self, current: float, total: float | None = None, unit: str | None = None) -> None:
        self._note("progress", (current, total))

    def log(self, text: str, level: str = "info") -> None:
        self._note("log", (level, text))

    def complete(self, outputs: dict[str, Any] | None = None) -> None:
        self._note("complete", outputs)

    def fail(self, error: BaseException) -> None:
        self._note("fail", str(error))

    def cancel(self, reason: str | None = None) -> None:
        self._note("cancel", reason)

    def retrying(self, attempt: int, error: BaseException | None = None) -> None:
        self._note("retrying", (attempt, str(error)))


@pytest.fixture
def run() -> Recorder:
    return Recorder()


def watched(run: Any, **config: Any) -> RunnableConfig:
    return {"callbacks": [ProgressCallback(run)], "configurable": config}


def graph(*nodes: tuple[str, Any], edges: str, **compiling: Any) -> Any:
    """A compiled graph; `edges` is "a>b b>c", and the start leads to the first node."""
    builder: Any = StateGraph(State)
    for name, action in nodes:
        builder.add_node(name, action)
    builder.add_edge(START, nodes[0][0])
    for edge in edges.split():
        builder.add_edge(*edge.split(">"))
    return builder.compile(**compiling)


async def call(graph: Any, config: RunnableConfig, *, threaded: bool) -> None:
    if threaded:
        await asyncio.to_thread(graph.invoke, {}, config)
    else:
        await graph.ainvoke({}, config)


async def add(state: State) -> State:
    return {"count": state.get("count", 0) + 1}


def add_in_thread(state: State) -> State:
    return {"count": state.get("count", 0) + 1}


def failing(state: State) -> State:
    raise ValueError("no such page")


class Flaky:
    """Fails with ValueError as often as it is told, then succeeds."""

    def __init__(self, failures: int) -> None:
        self.left = failures

    def __call__(self, state: State) -> State:
        self.left -= 1
        if self.left >= 0:
            raise ValueError(f"{self.left} to go")
        return {"count": 1}


async def test_each_node_is_a_step(run: Recorder) -> None:
    linear = graph(("read", add), ("write", add_in_thread), edges="read>write")

    await linear.ainvoke({}, watched(run))

    assert run.calls == [
        ("read", "start", None),
        ("read", "complete", {"changed": ["count"]}),
        ("write", "start", None),
        ("write", "complete", {"changed": ["count"]}),
    ]


def test_a_graph_without_an_event_loop(run: Recorder) -> None:
    linear = graph(("read", add_in_thread), ("write", add_in_thread), edges="read>write")

    linear.invoke({}, watched(run))

    assert run.brief() == ["read start", "read complete", "write start", "write complete"]


async def test_streaming_reports_the_same(run: Recorder) -> None:
    linear = graph(("read", add), ("write", add_in_thread), edges="read>write")

    async for _ in linear.astream({}, watched(run)):
        pass

    assert run.brief() == ["read start", "read complete", "write start", "write complete"]


async def test_runnables_inside_a_node_are_not_steps(run: Recorder) -> None:
    async def node(state: State) -> State:
        inner: RunnableLambda[int, int] = RunnableLambda(lambda number: number + 1)
        count = await (inner | inner).ainvoke(1)
        await adispatch_custom_event("progress", {"current": 1})
        return {"count": count}

    await graph(("node", node), ("chain", RunnableLambda(add)), edges="node>chain").ainvoke(
        {}, watched(run)
    )

    assert run.brief() == [
        "node start",
        "node progress",
        "node complete",
        "chain start",
        "chain complete",
    ]


async def test_outputs_are_names_not_contents(run: Recorder) -> None:
    def both(state: State) -> State:
        return {"count": 1, "items": [1]}

    def nothing(state: State) -> None:
        return None

    def onward(state: State) -> Command[Any]:
        return Command(update={"items": [2]}, goto=END)

    await graph(
        ("both", both),
        ("nothing", nothing),
        ("onward", onward),
        edges="both>nothing nothing>onward",
    ).ainvoke({}, watched(run))

    assert ("complete", {"changed": ["count", "items"]}) in run.of("both")
    assert ("complete", None) in run.of("nothing")
    assert ("complete", {"changed": ["items"]}) in run.of("onward")


@pytest.mark.parametrize("threaded", [False, True])
async def test_a_failing_node_fails_its_step(run: Recorder, threaded: bool) -> None:
    broken = graph(("read", add_in_thread), ("parse", failing), edges="read>parse")

    with pytest.raises(ValueError, match="no such page"):
        await call(broken, watched(run), threaded=threaded)

    assert run.of("parse") == [("start", None), ("fail", "no such page")]


@pytest.mark.parametrize("threaded", [False, True])
async def test_a_retry_policy_is_one_step_retrying(run: Recorder, threaded: bool) -> None:
    builder = StateGraph(State)
    builder.add_node("fetch", Flaky(2), retry_policy=AT_ONCE)
    builder.add_edge(START, "fetch")

    await call(builder.compile(), watched(run), threaded=threaded)

    assert run.of("fetch") == [
        ("start", None),
        ("retrying", (2, "1 to go")),
        ("start", None),
        ("retrying", (3, "0 to go")),
        ("start", None),
        ("complete", {"changed": ["count"]}),
    ]


async def test_when_the_tries_are_used_up_the_last_error_counts(run: Recorder) -> None:
    builder = StateGraph(State)
    builder.add_node("fetch", Flaky(9), retry_policy=AT_ONCE._replace(max_attempts=2))
    builder.add_edge(START, "fetch")

    with pytest.raises(ValueError, match="7 to go"):
        await builder.compile().ainvoke({}, watched(run))

    assert [call for call, _ in run.of("fetch")] == ["start", "retrying", "start", "fail"]
    assert run.of("fetch")[-1] == ("fail", "7 to go")


async def test_a_node_visited_again_is_another_step(run: Recorder) -> None:
    builder = StateGraph(State)
    builder.add_node("think", add)
    builder.add_node("act", add_in_thread)
    builder.add_edge(START, "think")
    builder.add_edge("think", "act")
    builder.add_conditional_edges("act", lambda state: "think" if state["count"] < 5 else END)

    await builder.compile().ainvoke({}, watched(run))

    steps = ["think", "act", "think#2", "act#2", "think#3", "act#3"]
    assert run.brief() == [f"{step} {call}" for step in steps for call in ("start", "complete")]


async def test_parallel_nodes_run_side_by_side(run: Recorder) -> None:
    met = threading.Barrier(2, timeout=20)

    def meet(state: State) -> State:
        met.wait()  # neither thread passes unless both nodes run at once
        return {"items": [1]}

    builder = StateGraph(State)
    builder.add_node("left", meet)
    builder.add_node("right", meet)
    builder.add_node("join", add)
    for side in ("left", "right"):
        builder.add_edge(START, side)
        builder.add_edge(side, "join")

    await builder.compile().ainvoke({}, watched(run))

    assert sorted(run.brief()[:2]) == ["left start", "right start"]
    assert sorted(run.brief()[2:4]) == ["left complete", "right complete"]
    assert run.brief()[4:] == ["join start", "join complete"]


async def test_a_map_is_a_step_per_item(run: Recorder) -> None:
    builder: Any = StateGraph(State)
    builder.add_node("split", add)
    builder.add_node("item", lambda state: {"items": [state["count"]]})
    builder.add_edge(START, "split")
    builder.add_conditional_edges(
        "split", lambda _: [Send("item", {"count": n}) for n in range(3)], ["item"]
    )

    await builder.compile().ainvoke({}, watched(run))

    for step in ("item", "item#2", "item#3"):
        assert run.of(step) == [("start", None), ("complete", {"changed": ["items"]})]


async def test_the_sibling_of_a_failing_node_is_cancelled(run: Recorder) -> None:
    waiting = asyncio.Event()

    async def forever(state: State) -> State:
        waiting.set()
        await asyncio.Event().wait()
        return {}

    async def fail(state: State) -> State:
        await waiting.wait()
        raise RuntimeError("boom")

    builder = StateGraph(State)
    for name, action in (("slow", forever), ("quick", fail)):
        builder.add_node(name, action)
        builder.add_edge(START, name)

    with pytest.raises(RuntimeError, match="boom"):
        await builder.compile().ainvoke({}, watched(run))

    assert run.of("quick")[-1] == ("fail", "boom")
    assert run.of("slow")[-1] == ("cancel", "another node failed")


async def test_a_cancelled_task_cancels_its_node(run: Recorder) -> None:
    waiting = asyncio.Event()

    async def forever(state: State) -> State:
        waiting.set()
        await asyncio.Event().wait()
        return {}

    task = asyncio.ensure_future(graph(("slow", forever), edges="").ainvoke({}, watched(run)))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert run.of("slow") == [("start", None), ("cancel", None)]


@pytest.mark.parametrize("interval", [0.0, 0.001])
async def test_a_node_over_its_timeout_fails_or_is_retried(run: Recorder, interval: float) -> None:
    tries = 0

    async def slow_once(state: State) -> State:
        nonlocal tries
        tries += 1
        if tries == 1:
            await asyncio.Event().wait()
        return {"count": tries}

    builder = StateGraph(State)
    builder.add_node(
        "slow",
        slow_once,
        timeout=TimeoutPolicy(run_timeout=0.05),
        retry_policy=RetryPolicy(initial_interval=interval, jitter=False),
    )
    builder.add_edge(START, "slow")
    await builder.compile().ainvoke({}, watched(run))
    calls = [call for call, _ in run.of("slow")]
    assert calls == ["start", "retrying", "start", "complete"]

    async def forever(state: State) -> State:
        await asyncio.Event().wait()
        return {}

    builder = StateGraph(State)
    builder.add_node("stuck", forever, timeout=TimeoutPolicy(run_timeout=0.05))
    builder.add_edge(START, "stuck")
    with pytest.raises(NodeTimeoutError, match="exceeded its run timeout"):
        await builder.compile().ainvoke({}, watched(run))
    call, error = run.of("stuck")[-1]
    assert call == "fail"
    assert "exceeded its run timeout" in error


async def test_the_sibling_of_a_node_over_its_timeout_is_cancelled(run: Recorder) -> None:
    async def forever(state: State) -> State:
        await asyncio.Event().wait()
        return {}

    builder = StateGraph(State)
    builder.add_node("stuck", forever, timeout=TimeoutPolicy(run_timeout=0.05))
    builder.add_node("sibling", forever)
    builder.add_edge(START, "stuck")
    builder.add_edge(START, "sibling")
    with pytest.raises(NodeTimeoutError):
        await builder.compile().ainvoke({}, watched(run))

    assert run.of("stuck")[-1][0] == "fail"
    assert run.of("sibling")[-1] == ("cancel", "another node failed")


async def test_a_handled_failure_is_reported_before_the_graph_goes_on(run: Recorder) -> None:
    def recover(state: State) -> Command[Any]:
        return Command(update={"count": 0}, goto="after")

    builder = StateGraph(State)
    builder.add_node("risky", failing, error_handler=recover)
    builder.add_node("after", add)
    builder.add_edge(START, "risky")

    await builder.compile().ainvoke({}, watched(run))

    assert run.of("risky") == [("start", None), ("fail", "no such page")]
    assert run.brief().index("risky fail") < run.brief().index("after start")


async def test_a_subgraph_is_children_of_its_node(run: Recorder) -> None:
    inner = graph(("search", add), ("rank", add_in_thread), edges="search>rank")
    outer = graph(("plan", add), ("research", inner), edges="plan>research")

    await outer.ainvoke({}, watched(run))

    assert run.parents == {
        "plan": None,
        "research": None,
        "research/search": "research",
        "research/rank": "research",
    }
    assert run.names["research/rank"] == "rank"
    assert run.brief()[2:] == [
        "research start",
        "research/search start",
        "research/search complete",
        "research/rank start",
        "research/rank complete",
        "research complete",
    ]


async def test_a_subgraph_with_its_node_s_name_called_twice_at_once(run: Recorder) -> None:
    inner = graph(("study", add), edges="")

    async def study(state: State) -> State:
        await asyncio.gather(inner.ainvoke({}), inner.ainvoke({}))
        return {"count": 1}

    await graph(("study", study), edges="").ainvoke({}, watched(run))

    assert run.parents == {"study": None, "study/study": "study", "study/study#2": "study"}
    assert run.brief()[-1] == "study complete"


async def test_a_tool_that_runs_a_graph_is_inside_its_node(run: Recorder) -> None:
    inner = graph(("search", add), edges="")

    @tool
    async def look_up(word: str) -> str:
        """Look a word up."""
        await adispatch_custom_event("progress", {"current": 1, "total": 2})
        await inner.ainvoke({})
        return word

    async def tools(state: State) -> State:
        await look_up.ainvoke({"word": "broker"})
        return {"count": 1}

    await graph(("tools", tools), edges="").ainvoke({}, watched(run))

    assert ("progress", (1, 2)) in run.of("tools")
    assert run.parents["tools/search"] == "tools"


async def test_a_subgraph_s_node_may_go_on_in_the_parent_graph(run: Recorder) -> None:
    def up(state: State) -> Command[Any]:
        return Command(graph=Command.PARENT, goto="after", update={"count": 3})

    inner = graph(("leave", up), edges="")
    builder = StateGraph(State)
    builder.add_node("sub", inner, destinations=("after",))
    builder.add_node("after", add)
    builder.add_edge(START, "sub")

    result = await builder.compile().ainvoke({}, watched(run))

    assert result["count"] == 4
    assert run.of("sub/leave")[-1] == ("complete", {"changed": ["count"]})
    assert run.of("sub")[-1][0] == "complete"
    assert run.of("after")[-1][0] == "complete"


async def test_an_interrupted_node_stays_open_and_goes_on_when_resumed(run: Recorder) -> None:
    def ask(state: State) -> State:
        return {"count": interrupt("how many?")}

    inner = graph(("ask", ask), edges="")
    outer = graph(
        ("person", inner), ("after", add), edges="person>after", checkpointer=InMemorySaver()
    )
    config = watched(run, thread_id="one")

    await outer.ainvoke({}, config)
    assert run.calls[2:] == [("run", "pause", ("person waits for an answer", "how many?"))]
    await outer.ainvoke(Command(resume=4), config)

    assert run.brief() == [
        "person start",
        "person/ask start",
        "run pause",
        "run resume",
        "person/ask complete",
        "person complete",
        "after start",
        "after complete",
    ]


async def test_nodes_report_progress_logs_and_artifacts(run: Recorder) -> None:
    async def in_loop(state: State) -> State:
        await adispatch_custom_event("progress", {"current": 1, "total": 3, "unit": "pages"})
        await adispatch_custom_event("log", {"text": "page 2 is empty", "level": "warning"})
        await adispatch_custom_event("log", "just text")
        await adispatch_custom_event("somebody else's", {"whatever": 1})
        return {}

    def in_thread(state: State) -> State:
        dispatch_custom_event("progress", {"current": 2, "total": None})
        dispatch_custom_event("artifact", {"name": "report", "uri": "file:report.md"})
        return {}

    await graph(("loop", in_loop), ("thread", in_thread), edges="loop>thread").ainvoke(
        {}, watched(run)
    )

    assert run.of("loop")[1:-1] == [
        ("progress", (1, 3)),
        ("log", ("warning", "page 2 is empty")),
        ("log", ("info", "just text")),
    ]
    assert run.of("thread")[1:-1] == [("progress", (2, None))]
    assert run.of("run") == [("artifact", ("report", "file:report.md"))]


async def test_outside_any_node_an_event_is_the_run_s(run: Recorder) -> None:
    async def plain(number: int) -> int:
        await adispatch_custom_event("progress", {"current": 1, "total": 2})
        return number

    await RunnableLambda(plain).ainvoke(1, watched(run))

    assert run.calls == [("run", "progress", (1, 2))]


@pytest.mark.parametrize("data", [5, {"amount": 5}])
async def test_an_event_that_does_not_fit_is_logged_and_harms_nobody(
    run: Recorder, data: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def wrong(state: State) -> State:
        await adispatch_custom_event("progress", data)
        return {"count": 1}

    result = await graph(("wrong", wrong), edges="").ainvoke({}, watched(run))

    assert result["count"] == 1
    assert "ProgressCallback.on_custom_event" in caplog.text
    assert run.brief() == ["wrong start", "wrong complete"]


async def test_an_event_of_a_thread_that_outlived_its_node_is_dropped(
    run: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    ended = threading.Event()

    def late() -> None:
        ended.wait(timeout=20)
        dispatch_custom_event("progress", {"current": 1})

    async def leave(state: State) -> State:
        threads.append(asyncio.ensure_future(asyncio.to_thread(late)))
        return {}

    threads: list[asyncio.Future[None]] = []
    await graph(("leave", leave), edges="").ainvoke({}, watched(run))
    ended.set()
    await threads[0]

    assert run.brief() == ["leave start", "leave complete"]
    assert not caplog.records


async def test_the_callback_is_called_in_the_thread_of_the_event(run: Recorder) -> None:
    await graph(("read", add), edges="").ainvoke({}, watched(run))

    assert run.threads == {threading.get_ident()}


async def test_a_node_that_ends_after_its_graph_changes_nothing(
    run: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    released = asyncio.Event()

    async def stubborn(state: State) -> State:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await released.wait()
        return {"count": 1}

    builder = StateGraph(State)
    builder.add_node("stubborn", stubborn, timeout=TimeoutPolicy(run_timeout=0.01))
    builder.add_edge(START, "stubborn")
    with pytest.raises(NodeTimeoutError):
        await builder.compile().ainvoke({}, watched(run))
    released.set()
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()}, timeout=20)

    assert run.brief() == ["stubborn start", "stubborn fail"]
    assert not caplog.records


async def test_nothing_is_kept_once_a_run_has_ended(run: Recorder) -> None:
    callback = ProgressCallback(cast(Any, run))
    inner = graph(("search", add), edges="")
    outer = graph(
        ("plan", add),
        ("research", inner),
        ("broken", failing),
        edges="plan>research research>broken",
    )

    with pytest.raises(ValueError, match="no such page"):
        await outer.ainvoke({}, {"callbacks": [callback]})

    assert [callback._owner, callback._open, callback._waiting] == [{}, {}, {}]


def test_the_plan_of_a_line() -> None:
    plan = plan_of(graph(("read", add), ("write", add), edges="read>write"))

    assert [(step.step, step.index, step.after) for step in plan] == [
        ("read", 0, []),
        ("write", 1, ["read"]),
    ]


def test_the_plan_of_branches_that_join() -> None:
    nodes = [(name, add) for name in ("start", "join", "left", "right")]
    plan = plan_of(graph(*nodes, edges="start>left start>right left>join right>join"))

    assert [step.step for step in plan] == ["start", "left", "right", "join"]
    assert plan[-1].after == ["left", "right"]


def test_the_plan_of_a_loop_leaves_out_the_way_back() -> None:
    builder = StateGraph(State)
    for name in ("tools", "model", "answer"):  # declared in another order than they run
        builder.add_node(name, add)
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", lambda _: "tools", ["tools", "answer"])
    builder.add_edge("tools", "model")

    plan = plan_of(builder.compile())

    assert [step.step for step in plan] == ["model", "tools", "answer"]
    assert [step.after for step in plan] == [[], ["model"], ["model"]]


def test_without_langgraph_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain_core.callbacks", None)
    monkeypatch.delitem(sys.modules, "broker.producer.langgraph")

    with pytest.raises(ImportError, match=r"pip install 'progress-broker\[langgraph\]'"):
        importlib.import_module("broker.producer.langgraph")
