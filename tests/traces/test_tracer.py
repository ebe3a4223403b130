"""A session's journal becomes run trees and feedback: the real client sends them, the real sink keeps them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inline_snapshot import snapshot
from traced_sessions import traded_session

from infra.shell.session import play_session
from infra.traces.follow import Follower, coded_words
from infra.traces.kept import FILE, KeptRun, kept_lines, trees_of
from infra.traces.runs import Feedback, Tree
from infra.traces.serving import sink_beside
from infra.traces.settings import settings_of
from infra.traces.shown import lines_of
from infra.traces.tracer import Traced, open_sender, trace_journal
from state.orders import Act, Command
from state.records import layout

pytestmark = pytest.mark.rehearsal

Collected = tuple[Traced, list[KeptRun], Path]


def collect(home: Path, **more: str) -> Collected:
    """Trace the session into a sink, and give what the sink then has."""
    complaints: list[str] = []
    with sink_beside(home) as (endpoint, _):
        surroundings = {name: value.replace("SINK", endpoint) for name, value in more.items()}
        sender = open_sender(settings_of(surroundings), surroundings, complaints.append)
        told = trace_journal(traded_session(), settings_of(surroundings), sender, deadline_s=60.0)
    assert complaints == []
    return told, trees_of(kept_lines(home / FILE)), home / FILE


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collected]:
    yield collect(
        tmp_path_factory.mktemp("sink"), LANGSMITH_ENDPOINT="SINK", LANGSMITH_TRACING_SAMPLING_RATE="0.05"
    )  # fmt: skip


def placed() -> dict[int, list[Any]]:
    """Give the session's orders by decision, from its replay and not from the tracer."""
    orders: dict[int, list[Any]] = {}
    for packed in play_session(traded_session()).placed:
        command = np.frombuffer(packed, layout(Command))[0]
        assert command["act_code"] == Act.PLACE
        orders.setdefault(int(command["mandate_id"]), []).append(command)
    return orders


def test_every_decision_that_traded_arrives_whole(collected: Collected) -> None:
    told, trees, _ = collected
    assert told.counts.sent == told.trees == len(trees)
    assert told.counts.feedback == told.feedback > 0
    assert (told.counts.dropped, told.counts.refused, told.counts.left) == (0, 0, 0)
    orders = placed()
    fired = {tree.metadata["decision"]: tree for tree in trees if tree.outputs["fired"]}
    assert fired.keys() == orders.keys() and orders
    for number, tree in fired.items():
        names = [run.name for run in tree.walk()]
        assert [name for name in names if name.startswith("order ")] == [
            f"order {int(order['order_id'])}" for order in orders[number]
        ]
        first = orders[number][0]
        assert tree.outputs["limit_price"] == int(first["price_bps"]) / 1e4
        assert tree.outputs["size"] == int(first["amount_micros"]) / 1e6


def test_a_tree_has_the_stages_in_the_desks_words_and_gates_below_them(collected: Collected) -> None:
    tree = next(tree for tree in collected[1] if tree.outputs["fired"])
    assert [(run.name, [each.name for each in run.below]) for run in tree.below] == snapshot(
        [
            ("look", []),
            ("spread", []),
            ("lead_lag", []),
            ("flow", []),
            ("liquidity", []),
            ("fuse", ["gate after fuse"]),
            ("signal", ["gate after signal"]),
            ("validate", ["gate after validate"]),
            ("risk", ["gate after risk"]),
            ("size", ["gate after size"]),
            ("execute", ["order 1"]),
        ]
    )
    assert sorted(tag.partition(":")[0] for tag in tree.tags) == snapshot(["market", "mode", "params_hash", "reason"])
    assert sorted(tree.metadata) == snapshot(
        [
            "code_version",
            "decision",
            "decision_hash",
            "event_seq",
            "journal_seq",
            "mode",
            "params_hash",
            "session",
            "thread_id",
            "view_hash",
            "window",
        ]
    )
    assert tree.outputs["explanation"] == snapshot(
        "quoted: the price leaves the wanted edge at the posterior's worse end; p of UP 0.368 (0.343 to 0.395)"
    )
    assert {name: value for name, value in tree.outputs.items() if name != "explanation"} == snapshot(
        {
            "fired": True,
            "side": "DOWN",
            "size": 48.47,
            "limit_price": 0.59,
            "fair": 0.631561,
            "fair_low": 0.605156,
            "ask": 0.61,
            "edge_net_bps": 151.56,
            "allowed": True,
            "blocked_by": "",
        }
    )


def test_a_tree_reads_on_one_screen(collected: Collected) -> None:
    tree = next(tree for tree in collected[1] if tree.outputs["fired"])
    lines = lines_of(tree)
    assert lines.pop().strip().startswith("feedback: brier 0.3989, filled 0.5655, markout_1s_bps 100,")
    assert "\n".join(lines) == snapshot("""\
decision 72  market:btc-updown-5m-1792573200  reason:fired  mode:paper  params_hash:0b394af5dcda90a5
   fired: DOWN  size 48.47  limit price 0.59  fair 0.631561  ask 0.61  edge net bps 151.56
   quoted: the price leaves the wanted edge at the posterior's worse end; p of UP 0.368 (0.343 to 0.395)
   ├ look
   ├ spread           -0.342 log-odds  fair value lies below the book's middle
   ├ lead_lag         +0.000 log-odds  no lag between the feeds and the book has been established
   ├ flow             +0.004 log-odds  takers have been buying UP
   ├ liquidity        -0.142 log-odds  depth is even on both sides
   ├ fuse             p up 0.3684 (0.3428 to 0.3948)
   │  └ gate after fuse  open
   ├ signal
   │  └ gate after signal open
   ├ validate
   │  └ gate after validate open
   ├ risk
   │  └ gate after risk  open
   ├ size
   │  └ gate after size  open
   └ execute
      └ order 1          quote 48.47 DOWN at 59 c\
""")


def test_feedback_comes_after_the_settlement_and_only_upon_runs_that_are_there(collected: Collected) -> None:
    trees = collected[1]
    fired = [tree for tree in trees if tree.outputs["fired"]]
    keys = {str(each["key"]) for tree in fired for each in tree.feedback}
    assert keys >= {
        "filled",
        "won",
        "pnl_net_usd",
        "markout_1s_bps",
        "markout_5s_bps",
        "brier",
        "rule_verdict",
        "outcome",
    }
    assert {str(each["key"]) for tree in trees if tree not in fired for each in tree.feedback} == {
        "brier", "rule_verdict", "outcome"
    }  # fmt: skip
    scores = {each["key"]: each.get("score", each.get("value")) for each in fired[0].feedback}
    assert scores == snapshot(
        {
            "brier": 0.3989,
            "filled": 0.5655,
            "markout_1s_bps": 100.0,
            "markout_5s_bps": 250.0,
            "markout_30s_bps": -50.0,
            "won": 0.0,
            "pnl_net_usd": -16.1719,
            "rule_verdict": "allowed",
            "outcome": "UP",
        }
    )


def follow(follower: Follower) -> tuple[list[Tree], list[Feedback]]:
    follower.refresh()
    follower.finish()
    return follower.take()


def test_the_same_journal_gives_the_same_trees_whoever_reads_it_and_what_came_twice_counts_once(
    collected: Collected, tmp_path: Path
) -> None:
    first, again = (follow(Follower(traded_session(), lambda seen: bool(seen.shots), coded_words)) for _ in range(2))
    assert first == again
    lines = list(kept_lines(collected[2]))
    assert len(trees_of([*lines, *lines])) == len(collected[1])
    assert [len(tree.feedback) for tree in trees_of([*lines, *lines])] == [len(tree.feedback) for tree in collected[1]]


def test_money_of_all_feedback_is_the_money_of_the_session() -> None:
    """Profit told decision by decision adds up to what the core's own ledger came to, to the cent."""
    _, feedback = follow(Follower(traded_session(), lambda seen: bool(seen.shots), coded_words))
    told_usd = sum(each.score or 0.0 for each in feedback if each.key == "pnl_net_usd")
    money = play_session(traded_session()).core.world["money"]
    assert told_usd == pytest.approx(float(money["day_realized_micros"]) / 1e6, abs=0.02)


def test_spans_arrive_at_a_collector_with_the_same_decisions(collected: Collected, tmp_path: Path) -> None:
    told, _, file = collect(
        tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="SINK", LANGSMITH_TRACING_MODE="otel",
        LANGSMITH_TRACING_SAMPLING_RATE="0.05",
    )  # fmt: skip
    spans = [line["told"] for line in kept_lines(file) if line["kind"] == "span"]
    runs = [span for span in spans if span["name"] != "feedback"]
    assert (told.runs, told.feedback) == (len(runs), len(spans) - len(runs))
    roots = [span for span in runs if not span["parent_span_id"]]
    assert [root["attributes"]["updown.run_id"] for root in roots] == [str(tree.told["id"]) for tree in collected[1]]
    ids = {span["span_id"] for span in runs}
    assert all(span["parent_span_id"] in ids for span in spans if span["parent_span_id"])
    traces = {root["trace_id"] for root in roots}
    assert {span["trace_id"] for span in spans} == traces
