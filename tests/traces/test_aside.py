"""A turn of the chat is a tree of its own: what was asked, the tools it used, what was answered."""

from infra.traces.aside import Step, aside_tree


def test_a_turn_has_its_tools_below_it_in_their_order_and_the_same_ids_each_time() -> None:
    whole = Step(name="turn", start_ns=10**9, end_ns=5 * 10**9, inputs={"asked": "why 3?"}, outputs={"said": "thin"})
    steps = [
        Step(name="get_decision", start_ns=2 * 10**9, end_ns=3 * 10**9, inputs={"decision": 3}, run_type="tool"),
        Step(name="verify", start_ns=4 * 10**9, end_ns=4 * 10**9, error="42 is in no result"),
    ]
    tree = aside_tree("chat turn", "thread", 7, whole, steps, tags=["chat"], metadata={"model": "none"})
    root = tree[0]
    assert [run.name for run in tree] == ["chat turn", "get_decision", "verify"]
    assert root.metadata == {"thread_id": "thread", "number": 7, "model": "none"} and root.tags == ("chat",)
    assert all(run.parent_id == root.run_id and run.trace_id == root.run_id for run in tree[1:])
    assert [run.dotted_order for run in tree] == sorted(run.dotted_order for run in tree)
    assert tree == aside_tree("chat turn", "thread", 7, whole, steps, tags=["chat"], metadata={"model": "none"})
