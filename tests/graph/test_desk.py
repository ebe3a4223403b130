"""The LangGraph desk: the same mandates to the bit, and the shape that the drawing promises."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from desk_views import FAULTS, Witnessed, bent_views, bytes_of, decided, demo_events, fill_view, view_of

from graph.desk import STAND_ASIDE, DeskState, as_row, build, compile_desk, run_desk
from graph.stages import AGENTS, RECORDS, STAGES
from state.desk import Mandate
from state.params import default_params
from state.reasons import Gate, Reason
from state.records import as_dict, from_dict


@pytest.fixture(scope="module")
def recorded() -> list[Any]:
    witnessed = Witnessed()
    witnessed.play(demo_events(seed=8), most=300)
    return witnessed.views


def _run_rows(views: list[Any]) -> list[Any]:
    desk, params = compile_desk(), default_params()

    async def all_of() -> list[Any]:
        return [await run_desk(desk, params, view) for view in views]

    return asyncio.run(all_of())


def test_the_graph_gives_the_fused_mandate_to_the_bit_for_live_rows(recorded: list[Any]) -> None:
    views = bent_views(21, 260, recorded) + recorded[::5]
    ended: Counter[tuple[int, int]] = Counter()
    for view, state in zip(views, _run_rows(views), strict=True):
        fused = decided(view)
        assert bytes_of(state["mandate"]) == bytes_of(fused.mandate)
        assert all(bytes_of(state[key]) == bytes_of(fused[key]) for key in state if key in fused.dtype.names)
        ended[int(fused.mandate.gate_code), int(fused.mandate.reason_code)] += 1
    assert len(views) >= 320 and {gate for gate, _ in ended} == {int(gate) for gate in Gate}
    assert len(ended) >= 25


def test_the_graph_gives_the_fused_mandate_to_the_bit_through_json(recorded: list[Any]) -> None:
    desk, params = compile_desk(), default_params()
    views = [view_of(**fault) for fault in FAULTS] + recorded[::6]

    async def through(view: Any) -> dict[str, Any]:
        told = json.loads(json.dumps({"market": as_dict(view), "params": as_dict(params)}))
        answer = await desk.ainvoke(told)
        heard: dict[str, Any] = json.loads(json.dumps(answer))
        return heard

    async def all_of() -> list[dict[str, Any]]:
        return [await through(view) for view in views]

    gates = set()
    for view, answer in zip(views, asyncio.run(all_of()), strict=True):
        fused = decided(view)
        assert bytes_of(from_dict(Mandate, answer["mandate"])) == bytes_of(fused.mandate)
        assert answer["mandate"] == as_dict(fused.mandate)
        assert bytes_of(fill_view(answer["market"])) == bytes_of(view)
        gates.add(int(fused.mandate.gate_code))
    assert len(views) >= 100 and gates == {int(gate) for gate in Gate}


def test_a_run_stops_at_the_first_closed_gate(recorded: list[Any]) -> None:
    desk, params = compile_desk(), default_params()

    async def names(view: Any) -> list[str]:
        steps = desk.astream({"market": view, "params": params}, stream_mode="updates")
        return [name async for step in steps for name in step]

    open_all = asyncio.run(names(view_of()))
    assert set(open_all) == {stage.name for stage in STAGES} and open_all[-1] == "execute"
    assert sorted(open_all[1:5]) == sorted(AGENTS)
    assert asyncio.run(names(view_of(strike_code=0)))[5:] == ["fuse", STAND_ASIDE]
    assert asyncio.run(names(view_of(halted_code=1)))[5:] == ["fuse", "signal", "validate", "risk", STAND_ASIDE]


def test_no_key_has_two_writers_and_the_state_has_no_other_key() -> None:
    writes = Counter(stage.writes for stage in STAGES)
    assert set(writes.values()) == {1} and "market" not in writes
    assert set(DeskState.__annotations__) - {"params", "recorded"} == set(RECORDS)
    assert set(RECORDS) == {"market", *writes}


def test_agents_read_the_view_and_the_sight_and_nothing_else() -> None:
    agents = [stage for stage in STAGES if stage.name in AGENTS]
    assert {stage.name for stage in agents} == set(AGENTS)
    assert all(stage.reads == ("market", "sight") and stage.gate is Gate.NONE for stage in agents)


def test_every_stage_reads_only_what_stands_before_it() -> None:
    known = {"market"}
    for stage in STAGES:
        assert set(stage.reads) <= known, stage.name
        known.add(stage.writes)
        assert stage.gate is Gate.NONE or stage.gate_key in known


def test_the_drawing_has_the_agents_side_by_side_and_one_join() -> None:
    drawing = compile_desk().get_graph()
    ways = {(edge.source, edge.target) for edge in drawing.edges}
    into_agents = {way for way in ways if way[1] in AGENTS}
    out_of_agents = {way for way in ways if way[0] in AGENTS}
    assert into_agents == {("look", agent) for agent in AGENTS}
    assert out_of_agents == {(agent, "fuse") for agent in AGENTS}
    gates = {stage.name for stage in STAGES if stage.gate is not Gate.NONE}
    conditional = {(edge.source, edge.target) for edge in drawing.edges if edge.conditional}
    assert {source for source, _ in conditional} == gates
    assert {(gate, STAND_ASIDE) for gate in gates} == {way for way in conditional if way[1] == STAND_ASIDE}
    assert {way for way in ways if way[1] == "__end__"} == {("execute", "__end__"), (STAND_ASIDE, "__end__")}


def test_the_live_desk_keeps_no_memory_of_its_own() -> None:
    desk = compile_desk()
    assert desk.checkpointer is None and desk.store is None


def test_a_thread_that_is_run_again_does_not_remember_the_run_before() -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    desk = compile_desk(InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "one"}}

    async def both() -> Any:
        await desk.ainvoke({"market": as_dict(view_of())}, thread)
        return await desk.ainvoke({"market": as_dict(view_of(strike_code=0))}, thread)

    answer = asyncio.run(both())
    assert answer["mandate"] == as_dict(decided(view_of(strike_code=0)).mandate)


def test_a_recorded_name_is_fetched_again_on_the_same_thread_and_a_pasted_view_wins_next() -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    last = int(view_of().close_ns) - 1
    late = view_of(now_ns=last, book_seen_ns=last, nowcast_seen_ns=last)
    shelf = {"late": as_dict(late), "fires": as_dict(view_of())}

    async def recall(name: str) -> dict[str, Any]:
        return {"market": shelf[name]}

    desk = build(recall).compile(InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "one"}}

    async def reasons() -> list[int]:
        told: list[Any] = [{"recorded": "fires"}, {"recorded": "late"}, {"market": as_dict(view_of(halted_code=1))}]
        return [(await desk.ainvoke(each, thread))["mandate"]["reason_code"] for each in told]

    assert asyncio.run(reasons()) == [0, Reason.TOO_LATE, Reason.HALTED]


def test_a_record_is_the_same_from_either_form() -> None:
    view = view_of()
    assert as_row("market", view) is view
    assert bytes_of(as_row("market", as_dict(view))) == bytes_of(view)
