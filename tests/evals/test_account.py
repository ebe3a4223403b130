"""A generated run is accounted for, and its account is held to the ledgers, to sums, and to checks that must go red."""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from evals.account import Facts, report_input
from evals.account_desk import GRID_S
from evals.backtest import Backtest, Ledgers
from evals.census import Census, Rows
from evals.certificate import certificate_light, certify, fill_pnl_micros
from evals.generator import generate
from evals.generator_spec import DEMO
from evals.report import render_report, report_json
from evals.results import Light, ReportInput
from state.events import EVENT, Kind, Token
from state.orders import Act, Liquidity, Reject
from state.params import default_params
from state.units import NS_PER_S

EAGER = {
    "take_edge_bps": 20, "quote_edge_bps": 20, "keep_edge_bps": 0, "interval_z": 0.5, "weight_sd_ratio": 0.02,
    "fair_doubt_ratio": 0.05, "fair_weight_ratio": 1.0,
}  # fmt: skip
"""A desk that trades much more than it should: what is tested here is the account, not the desk."""


@dataclass(frozen=True)
class Story:
    ledgers: Ledgers
    census: Census
    chunks: list[Rows]
    run: ReportInput


@pytest.fixture(scope="session")
def story() -> Story:
    """Three generated windows with slow makers, an eager desk, and a venue where one match in twenty fails."""
    spec = replace(DEMO, windows=3, maker_shares=300.0, makers_late_ms=900.0)
    tape = generate(spec, 1)
    chunks = [tape[at : at + 50_000] for at in range(0, len(tape), 50_000)]
    backtest = Backtest(default_params(EAGER))
    backtest.exchange.terms.failure_ppm = 50_000
    census = Census()
    for chunk in census.watch(chunks):
        backtest.feed(chunk)
    backtest.feed(np.zeros(0, EVENT), final=True)
    ledgers = backtest.ledgers()
    facts = Facts(title="Generated", kinds=("generated",), notes=("seen = stamp + travel",))
    return Story(ledgers, census, chunks, report_input(ledgers, census, chunks, facts))


def test_the_run_gives_enough_to_account_for(story: Story) -> None:
    fills = story.run.fills
    assert len(fills) > 50
    assert {int(Liquidity.MAKER), int(Liquidity.TAKER)} == set(fills.liquidity_code.tolist())
    assert fills.reversed_code.sum() > 0


def test_every_message_of_money_is_in_the_account(story: Story) -> None:
    messages, fills = story.ledgers.messages, story.run.fills
    kind = messages["kind_code"]
    charged = messages["amount_micros"][(kind == Kind.FEE_CHARGED) & (messages["amount_micros"] > 0)]
    filled = messages[kind == Kind.FILLED]
    assert len(fills) == len(filled)
    assert int(fills.fee_micros.sum()) == int(charged.sum())
    assert int(fills.amount_micros.sum()) == int(filled["amount_micros"].sum())
    assert int(fills.reversed_code.sum()) == int((kind == Kind.FILL_REVERSED).sum())
    assert story.run.extra["messages_without_order"] == 0


def test_fills_add_up_to_each_windows_profit_to_the_micro_dollar(story: Story) -> None:
    fills, windows = story.run.fills, story.run.windows
    made = dict.fromkeys(windows.window_s.tolist(), 0)
    for row in range(len(fills)):
        made[int(fills.window_s[row])] += fill_pnl_micros(fills, row)
    assert list(made.values()) == windows.pnl_micros.tolist()
    assert windows.pnl_micros.tolist() == story.ledgers.windows["realized_micros"].tolist()
    assert sum(made.values()) != 0


def test_cash_at_the_end_is_cash_at_the_start_and_all_profits(story: Story) -> None:
    ledgers = story.ledgers
    rebates = int(story.run.fills.rebate_micros.sum())
    profit = int(story.run.windows.pnl_micros.sum())
    assert int(ledgers.exchange.account.cash_micros) == ledgers.terms.cash_micros + profit + rebates


def test_every_order_was_fired_at_the_time_of_its_cause_and_on_rows_already_seen(story: Story) -> None:
    assert story.run.extra["orders_without_a_cause"] == 0
    assert 0 < story.run.extra["orders_fired_by_a_row"] < len(story.run.orders)
    assert (story.run.fills.evidence_ns <= story.run.fills.decided_ns).all()
    assert (story.run.fills.evidence_ns > story.run.fills.decided_ns - NS_PER_S).all()


def test_orders_say_what_came_of_them(story: Story) -> None:
    orders = story.run.orders
    placed = story.ledgers.orders[story.ledgers.orders["act_code"] == Act.PLACE]
    assert orders.order_id.tolist() == placed["order_id"].tolist()
    assert (orders.filled_micros <= orders.amount_micros).all()
    cancelled = (orders.reject_code == Reject.CANCELLED).sum()
    assert 0 < cancelled <= (story.ledgers.orders["act_code"] == Act.CANCEL).sum()
    assert set(np.unique(orders.window_s)) <= set(story.run.windows.window_s.tolist())


def test_an_honest_run_has_no_red_check_and_each_check_has_looked(story: Story) -> None:
    assert certificate_light(story.run.checks) is Light.GREEN
    greens = {check.name for check in story.run.checks if check.light is Light.GREEN}
    assert {
        "taker prices",
        "depth and own consumption",
        "fees",
        "look-ahead",
        "books balance",
        "failed matches",
    } <= greens


def red(run: ReportInput, **columns: Any) -> set[str]:
    changed = replace(run, fills=replace(run.fills, **columns))
    return {check.name for check in certify(changed) if check.light is Light.RED}


def test_a_venue_that_is_kinder_than_the_market_is_caught_by_the_witness(story: Story) -> None:
    fills = story.run.fills
    taker = int(np.flatnonzero(fills.liquidity_code == Liquidity.TAKER)[3])

    def with_one(column: str, value: int) -> dict[str, Any]:
        changed = getattr(fills, column).copy()
        changed[taker] = value
        return {column: changed}

    assert "taker prices" in red(story.run, **with_one("price_bps", int(fills.match_touch_bps[taker]) - 100))
    too_much = int(fills.displayed_micros[taker]) + 1
    assert "depth and own consumption" in red(story.run, **with_one("amount_micros", too_much))
    assert "look-ahead" in red(story.run, **with_one("evidence_ns", int(fills.decided_ns[taker]) + 1))
    assert "latency and taker hold" in red(story.run, **with_one("matched_ns", int(fills.arrived_ns[taker])))
    assert "fees" in red(story.run, **with_one("fee_micros", int(fills.fee_micros[taker]) - 10))


def test_a_second_take_of_the_same_shares_is_seen(story: Story) -> None:
    messages = story.ledgers.messages
    taken = np.flatnonzero((messages["kind_code"] == Kind.FILLED) & (messages["code_id"] == Liquidity.TAKER))
    whole = [
        row for row, shown in zip(taken, _displayed(story), strict=True) if messages["amount_micros"][row] == shown
    ]
    assert whole, "no taker took all that was displayed"
    twice = np.insert(messages, whole[0] + 1, messages[whole[0]])
    run = report_input(replace(story.ledgers, messages=twice), story.census, story.chunks, Facts(title="kind"))
    assert "depth and own consumption" in {check.name for check in run.checks if check.light is Light.RED}


def _displayed(story: Story) -> list[int]:
    fills = story.run.fills
    found: list[int] = fills.displayed_micros[fills.liquidity_code == Liquidity.TAKER].tolist()
    return found


def test_the_account_is_the_same_however_the_tape_is_cut(story: Story) -> None:
    whole = [np.concatenate(story.chunks)]
    census = Census()
    list(census.watch(whole))
    again = report_input(
        story.ledgers, census, whole, Facts(title="Generated", kinds=("generated",), notes=("seen = stamp + travel",))
    )
    assert render_report(again) == render_report(story.run)
    assert report_json(again) == report_json(story.run)


def test_the_page_and_its_numbers_are_whole(story: Story) -> None:
    page = render_report(story.run)
    assert "Generated" in page
    assert re.search(r"\b(nan|inf|None)\b", page) is None
    found = json.loads(json.dumps(report_json(story.run), allow_nan=False))
    assert found["windows"]["traded"] == len(np.unique(story.run.fills.window_s))
    assert found["extra"]["rows"] == sum(len(chunk) for chunk in story.chunks)
    assert found["rules"]
    assert found["run_hash"] == story.ledgers.run_hash


def test_each_window_is_scored_once_at_each_moment(story: Story) -> None:
    forecasts = story.run.forecasts
    pairs = list(zip(forecasts.window_s.tolist(), forecasts.left_s.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    assert set(forecasts.left_s.tolist()) <= set(GRID_S)
    assert len(pairs) > 2 * len(GRID_S)
    for p in forecasts.p_up.values():
        known = p[np.isfinite(p)]
        assert ((known >= 0.0) & (known <= 1.0)).all()
    outcomes = dict(zip(story.run.windows.window_s.tolist(), story.run.windows.outcome_code.tolist(), strict=True))
    assert [outcomes[w] == Token.UP for w, _ in pairs] == [bool(up) for up in forecasts.up]


def test_refusals_are_a_ledger_and_not_a_flood(story: Story) -> None:
    refusals = story.run.refusals
    aside = int((story.ledgers.lines["reason_code"] != 0).sum())
    assert 0 < len(refusals) < aside
    assert (refusals.reason_code != 0).all()
    spoken = {
        (int(line["gate_code"]), int(line["reason_code"]))
        for line in story.ledgers.lines[story.ledgers.lines["reason_code"] != 0]
    }
    assert set(zip(refusals.gate_code.tolist(), refusals.reason_code.tolist(), strict=True)) == spoken
    priced = refusals.would_usd[np.isfinite(refusals.would_usd)]
    assert len(priced) > 0
    assert (np.abs(priced) <= 100.0).all()


def test_latencies_are_the_models_and_say_so(story: Story) -> None:
    stages = {stage.name: stage for stage in story.run.latency}
    assert all(stage.modelled for stage in stages.values())
    assert set(stages["signal"].samples_ms.tolist()) == {story.ledgers.terms.desk_delay_ns / 1e6}
    assert len(stages["execution"].samples_ms) == len(story.run.orders)
    # A fill-and-kill order that crosses waits for the hold of 150 ms; what rests or is refused does not.
    assert (stages["execution"].samples_ms > 150.0).any()
    assert stages["execution"].samples_ms.min() > 20.0


def test_an_empty_tape_gives_an_empty_account() -> None:
    backtest = Backtest(default_params())
    backtest.feed(np.zeros(0, EVENT), final=True)
    run = report_input(backtest.ledgers(), Census(), [], Facts(title="Nothing"))
    assert len(run.windows) == len(run.fills) == len(run.orders) == len(run.refusals) == 0
    assert "Nothing was run" in render_report(run)
    json.dumps(report_json(run), allow_nan=False)
