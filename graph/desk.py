"""The LangGraph runner of the desk: the same stages as nodes, for live, paper, rehearsal and Studio.

The agents run side by side in one step and join once. Each producer has a key of its own, nothing accumulates, and
there is no checkpointer on the hot desk: the journal is the memory. Nodes and ways never await, yet are `async`, since
a synchronous one under an asynchronous run costs a hop to a thread.

Values are records. A run that starts from plain dicts (Studio, a recorded view in JSON) stays in plain dicts, which are
exact for every number; a run that starts from live rows stays in rows.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from itertools import pairwise
from typing import Any, Final, TypedDict

import numpy as np
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graph.execution import stand_aside
from graph.stages import AGENTS, RECORDS, STAGES, Stage, blank
from state.params import Params, default_params
from state.reasons import Gate
from state.records import as_dict, from_dict, one

Value = Any
"""A record's row, or the same as a plain dict."""

STAND_ASIDE: Final = "stand_aside"
RECALL: Final = "recall"
STEPS_MOST: Final = 15
"""Super-steps a run may take: the longest way is nine."""


class DeskInput(TypedDict, total=False):
    """What a run starts from: a view of a market, and parameters if not the defaults."""

    market: Value
    params: Value
    recorded: str
    """Name of a recorded view to start from instead; only where the builder was given a way to recall one (Studio)."""


class DeskState(DeskInput, total=False):
    """One key per producer; whoever writes a key is the only one who does."""

    sight: Value
    spread_opinion: Value
    lead_lag_opinion: Value
    flow_opinion: Value
    liquidity_opinion: Value
    forecast: Value
    alpha: Value
    validation: Value
    verdict: Value
    stake: Value
    mandate: Value


Recall = Callable[[str], Awaitable[Mapping[str, Value]]]
"""Gives what was recorded under a name: `market`, and `params` where they are not the defaults."""
Node = Callable[[DeskState], Coroutine[Any, Any, dict[str, Value]]]
Desk = CompiledStateGraph[DeskState, None, DeskInput, DeskState]


def build(recall: Recall | None = None) -> "StateGraph[DeskState, None, DeskInput, DeskState]":
    """Lay out the desk from the stage table: agents between `look` and `fuse`, a way out behind every gate.

    With `recall`, a first node fetches the view that `recorded` names; without a name the given view stands.
    """
    desk: StateGraph[DeskState, None, DeskInput, DeskState] = StateGraph(DeskState, input_schema=DeskInput)
    for stage in STAGES:
        desk.add_node(stage.name, _node(stage))  # type: ignore[call-overload]
    desk.add_node(STAND_ASIDE, _stand_aside)
    first, *_ = STAGES
    if recall is None:
        desk.add_edge(START, first.name)
    else:
        desk.add_node(RECALL, _recall(recall))  # type: ignore[arg-type]
        desk.add_edge(START, RECALL)
        desk.add_edge(RECALL, first.name)
    for agent in AGENTS:
        desk.add_edge(first.name, agent)
    desk.add_edge(list(AGENTS), "fuse")
    walk = [stage for stage in STAGES if stage.name not in AGENTS and stage is not first]
    for stage, following in pairwise(walk):
        if stage.gate is Gate.NONE:
            desk.add_edge(stage.name, following.name)
        else:
            ways = {"on": following.name, "aside": STAND_ASIDE}
            desk.add_conditional_edges(stage.name, _way(stage.gate_key), ways)  # type: ignore[arg-type]
    desk.add_edge(walk[-1].name, END)
    desk.add_edge(STAND_ASIDE, END)
    return desk


def compile_desk(checkpointer: Any = None) -> Desk:
    """Compile the desk; pass a checkpointer only where somebody steps through it (Studio brings its own)."""
    return build().compile(checkpointer=checkpointer, name="desk")


async def run_desk(desk: Desk, params: Params, view: Any) -> Any:
    """Run the desk once on a live view and give the final state; the mandate is under `mandate`."""
    return await desk.ainvoke({"market": view, "params": params}, {"recursion_limit": STEPS_MOST})


def as_row(key: str, value: Value) -> Any:
    """Give a record's row from either form."""
    return value if isinstance(value, np.void) else from_dict(RECORDS[key], value)


def _params(state: DeskState) -> Any:
    value = state.get("params")
    if value is None:
        return default_params()
    if isinstance(value, np.void):
        return value
    return from_dict(Params, {**as_dict(default_params()), **value})


def _like(state: DeskState, row: Any) -> Value:
    return row if isinstance(state["market"], np.void) else as_dict(row)


def _node(stage: Stage) -> Node:
    async def work(state: DeskState) -> dict[str, Value]:
        row = blank(stage.writes)
        values: dict[str, Value] = dict(state)
        stage.work(_params(state), *(as_row(key, values[key]) for key in stage.reads), row)
        return {stage.writes: _like(state, row)}

    work.__name__ = stage.name
    work.__doc__ = stage.work.__doc__
    return work


def _recall(recall: Recall) -> Node:
    async def work(state: DeskState) -> dict[str, Value]:
        name = state.get("recorded", "")
        if not name and state.get("market") is not None:
            return {}
        # The name is used up: a thread keeps its state, and the next run on it may paste a view instead.
        return {**await recall(name), "recorded": ""}

    work.__doc__ = "Fetch the recorded view that was named."
    return work


def _way(key: str) -> Callable[[DeskState], Coroutine[Any, Any, str]]:
    async def way(state: DeskState) -> str:
        values: dict[str, Value] = dict(state)
        return "on" if int(values[key]["reason_code"]) == 0 else "aside"

    return way


def closed_gate(state: DeskState) -> tuple[Gate, int]:
    """Find the first gate, in the desk's order, whose record carries a reason; (NONE, 0) when all are open."""
    values: dict[str, Value] = dict(state)
    for stage in STAGES:
        if stage.gate is not Gate.NONE and stage.gate_key in values:
            reason = int(values[stage.gate_key]["reason_code"])
            if reason != 0:
                return stage.gate, reason
    return Gate.NONE, 0


async def _stand_aside(state: DeskState) -> dict[str, Value]:
    gate, reason = closed_gate(state)
    mandate: Any = one(RECORDS["mandate"])
    values: dict[str, Value] = dict(state)
    if gate is Gate.LOOK:
        values.pop("alpha", None)  # where a thread is run again, it is the run before's
    keys = ("market", "sight", "forecast", "alpha")
    view, sight, forecast, alpha = (as_row(key, values[key]) if key in values else blank(key) for key in keys)
    stand_aside(_params(state), view, sight, forecast, alpha, int(gate), reason, mandate)
    return {"mandate": _like(state, mandate)}
