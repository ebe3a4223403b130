"""A generated run is accounted for, and its account is held to the ledgers, to sums, and to checks that must go red."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from evals.account import Facts, report_input
from evals.account_desk import GRID_S, apart, crowded_out
from evals.account_fills import join
from evals.account_story import bounds_of, why_left_out
from evals.backtest import Backtest, Ledgers
from evals.census import Census, Listing, Rows, window_number
from evals.certificate import certificate_light, certify, fill_pnl_micros
from evals.generator import generate
from evals.generator_spec import DEMO
from evals.limits import LIMITS, UNKNOWN, cannot_show, limit_lines, limits_of
from evals.report import render_report, report_json
from evals.results import UNKNOWN_OUTCOME, Forecasts, Light, ReportInput
from state.events import EVENT, Asset, Kind, Source, Token
from state.orders import Act, Command, Liquidity, OrderState, Reject
from state.params import default_params
from state.records import one, rows
from state.rulebook import REGISTRY
from state.rules import Rules, rules_in_force
from state.units import MICROS, NS_PER_S

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


def listing(**changes: Any) -> Listing:
    rules = one(Rules)
    rules_in_force(REGISTRY, 1_792_573_200 * NS_PER_S, int(Asset.BTC), 300, rules)
    made: dict[str, Any] = {
        "window_s": 1_792_573_200, "slot": 0, "asset": 0, "open_s": 1_792_573_200, "span_s": 300,
        "listed_ns": 1_792_573_100 * NS_PER_S, "until_ns": 1 << 62, "rules": rules, "outcome": int(Token.UP),
        "settled_ns": 1, "strikes": ((5, 1.0), (9, 2.0)), "book_first_s": 1.0, "book_last_s": 299.0,
        "price_share": 0.97,
    }  # fmt: skip
    return Listing(**{**made, **changes})


def test_windows_are_left_out_for_a_reason_in_words_and_never_for_their_result() -> None:
    nan = float("nan")
    unknown = one(Rules)
    rules_in_force(REGISTRY, 1_765_000_000 * NS_PER_S, int(Asset.BTC), 300, unknown)
    assert why_left_out(listing(), False) == ""
    assert why_left_out(listing(outcome=UNKNOWN_OUTCOME), False) == "no outcome in the recording"
    assert why_left_out(listing(book_first_s=nan, book_last_s=nan), False) == "no book during the window"
    assert why_left_out(listing(price_share=0.0), False) == "no price of the coin during the window"
    assert why_left_out(listing(book_first_s=90.0), False) == "its book covers only a part of the window"
    assert why_left_out(listing(price_share=0.3), False).startswith("prices of the coin for less than half")
    assert why_left_out(listing(rules=unknown), False).startswith("not tradable: ")
    assert why_left_out(listing(rules=unknown, price_share=0.1, book_last_s=100.0), True) == ""
    assert "traded" in why_left_out(listing(outcome=UNKNOWN_OUTCOME), True)


def test_a_strike_counts_from_when_it_was_told() -> None:
    assert [listing().strike_at(when) for when in (5, 8, 9)] == [1.0, 1.0, 2.0]
    assert np.isnan(listing().strike_at(4))


def test_windows_of_coins_and_lengths_at_one_time_have_their_own_numbers() -> None:
    numbers = {window_number(asset, 1_792_573_200, span_s) for asset in range(4) for span_s in (300, 900, 3_600, 77)}
    assert len(numbers) == 16
    assert window_number(0, 1_792_573_200, 300) == 1_792_573_200
    assert max(numbers) < 1_792_573_500


def test_bounds_of_a_window_follow_from_its_parameters() -> None:
    cap, payout = bounds_of(default_params({"position_micros": 1_000_000_000, "p_floor": 0.1}))
    assert (cap, payout) == (1_100_000_000, 9_000_000_000)
    smaller, _ = bounds_of(default_params({"bankroll_micros": 1_000_000_000, "kelly_ratio": 0.5}))
    assert smaller == 550_000_000


def message(kind: Kind, order: int, at: int, **columns: Any) -> Rows:
    made = np.zeros(1, EVENT)
    made["kind_code"], made["ref_id"], made["at_ns"], made["seen_ns"] = kind, order, at, at + 10
    for name, value in columns.items():
        made[name] = value
    return made


def commands(*order_ids: int, at_ns: int) -> Rows:
    placed = rows(Command, len(order_ids))
    placed["order_id"], placed["at_ns"], placed["act_code"] = order_ids, at_ns, Act.PLACE
    placed["price_bps"], placed["amount_micros"] = 5_000, 100 * MICROS
    return placed


def filled(order: int, at: int, price_bps: int, shares: int, liquidity: int = Liquidity.TAKER) -> Rows:
    return message(Kind.FILLED, order, at, price_bps=price_bps, amount_micros=shares * MICROS, code_id=liquidity)


def joined(messages: Sequence[Rows], *order_ids: int) -> Any:
    home = listing()
    return join(commands(*order_ids, at_ns=home.listed_ns + 1), np.concatenate(messages), [home])


def test_fees_find_their_own_fill_whatever_their_order() -> None:
    # 100 shares at 0.5 pay 1.75, 10 at 0.4 pay 0.168, with the curve of the day (rate 0.07).
    book = joined(
        [
            filled(1, 100, 4_000, 10),
            filled(1, 100, 5_000, 100),
            message(Kind.FEE_CHARGED, 1, 100, amount_micros=1_750_000),
            message(Kind.FEE_CHARGED, 1, 100, amount_micros=168_000),
            message(Kind.FEE_CHARGED, 9, 100, amount_micros=5),
        ],
        1,
    )
    assert book.fee_micros.tolist() == [168_000, 1_750_000]
    assert book.stray_count == 1


def test_a_failed_match_is_undone_once_and_its_twin_stands() -> None:
    undone = message(Kind.FILL_REVERSED, 1, 500, price_bps=5_000, amount_micros=10 * MICROS)
    book = joined([filled(1, 100, 5_000, 10), filled(1, 200, 5_000, 10), filled(1, 300, 5_000, 5), undone], 1)
    assert book.reversed_code.tolist() == [1, 0, 0]
    assert book.filled_micros.tolist() == [25 * MICROS]


def test_an_order_ends_with_its_last_word_and_arrives_with_its_first() -> None:
    changed = Kind.ORDER_CHANGED
    book = joined(
        [
            message(changed, 1, 100, code_id=OrderState.HELD),
            message(changed, 1, 250, code_id=OrderState.DONE, flags_mask=Reject.FAK_NO_MATCH),
            message(changed, 2, 300, code_id=OrderState.REJECTED, flags_mask=Reject.OFF_TICK),
        ],
        1, 2, 3,
    )  # fmt: skip
    assert book.arrived_ns.tolist() == [100, 300, 0]
    assert book.told_ns.tolist() == [260, 310, 0]
    assert book.reject_code.tolist() == [Reject.FAK_NO_MATCH, Reject.OFF_TICK, 0]


def test_a_days_rebate_is_shared_by_its_makers_and_nothing_is_lost() -> None:
    day_ns = 86_400 * NS_PER_S
    paid = message(Kind.REBATE_PAID, 0, 2 * day_ns, amount_micros=1_000_001)
    maker = int(Liquidity.MAKER)
    book = joined(
        [
            filled(1, day_ns + 5, 5_000, 10, maker),
            filled(1, day_ns + 6, 5_000, 20, maker),
            filled(1, day_ns + 7, 5_000, 20),
            filled(1, 5, 5_000, 20, maker),
            paid,
        ],
        1,
    )
    assert book.rebate_micros.tolist() == [333_333, 666_668, 0, 0]


def test_forecasters_that_never_meet_are_not_scored_against_each_other() -> None:
    nan = float("nan")
    mid, fair = np.array([0.5, nan, nan]), np.array([nan, 0.4, 0.6])
    assert crowded_out(mid, fair) == ("mid",)
    assert crowded_out(fair, mid) == ("fair",)
    assert crowded_out(mid, np.array([0.1, 0.2, nan])) == ()
    assert crowded_out(mid, np.full(3, nan)) == ()


def test_forecasts_of_books_and_of_prices_on_other_days_are_scored_apart() -> None:
    nan = float("nan")
    both = Forecasts(
        window_s=np.array([0, 300, 600]),
        left_s=np.array([60, 60, 60]),
        up=np.array([1, 0, 1]),
        p_up={"fused": np.array([0.5, 0.4, 0.6]), "mid": np.array([0.5, nan, nan]), "fair": np.array([nan, 0.4, 0.6])},
        bid_bps=np.full(3, nan),
        ask_bps=np.full(3, nan),
    )
    larger, smaller = apart(both)
    assert larger.window_s.tolist() == [300, 600]
    assert smaller.window_s.tolist() == [0]
    assert (larger.called, smaller.called) == ("windows with a price", "windows with a book")
    together, none = apart(larger)
    assert len(none) == 0
    assert together is larger


def test_a_book_with_one_side_goes_with_the_books() -> None:
    nan = float("nan")
    both = Forecasts(
        window_s=np.array([0, 0, 600, 600, 600]),
        left_s=np.array([60, 5, 60, 30, 5]),
        up=np.array([1, 1, 1, 1, 1]),
        p_up={
            "fused": np.array([0.5, nan, 0.6, 0.6, 0.6]),
            "mid": np.array([0.5, nan, nan, nan, nan]),
            "fair": np.array([nan, nan, 0.6, 0.6, 0.6]),
        },
        bid_bps=np.array([4_900.0, 9_900.0, nan, nan, nan]),
        ask_bps=np.array([5_100.0, nan, nan, nan, nan]),
    )
    larger, smaller = apart(both)
    assert (larger.window_s.tolist(), smaller.left_s.tolist()) == ([600, 600, 600], [60, 5])


def test_every_kind_of_recording_says_what_it_cannot_show() -> None:
    for kind, limits in LIMITS.items():
        assert limits_of([kind]) == limits_of([limits.called]) == (limits,)
        assert limits.cannot_show[0].islower()
        assert not limits.cannot_show.endswith(".")
        assert all(line[0].isupper() and line.endswith(".") for line in limits.lines)
    assert limits_of(["who knows"]) == (UNKNOWN,)
    both = limit_lines(["polymarket_l2", "chainlink_day"])
    assert len(both) == len(set(both)) == 8
    assert cannot_show(["chainlink_day", "polymarket_l2"]) == LIMITS["chainlink_day"].cannot_show
    assert cannot_show([]) == UNKNOWN.cannot_show


def test_an_empty_tape_gives_an_empty_account() -> None:
    backtest = Backtest(default_params())
    backtest.feed(np.zeros(0, EVENT), final=True)
    run = report_input(backtest.ledgers(), Census(), [], Facts(title="Nothing"))
    assert len(run.windows) == len(run.fills) == len(run.orders) == len(run.refusals) == 0
    assert "Nothing was run" in render_report(run)
    json.dumps(report_json(run), allow_nan=False)


def test_the_sources_are_counted_with_their_gaps_and_lateness() -> None:
    seen = np.array([1, 2, 3, 10, 11], np.int64) * NS_PER_S
    tape = np.zeros(5, EVENT)
    tape["kind_code"], tape["source_code"], tape["seen_ns"] = Kind.PRICE_SEEN, Source.BINANCE, seen
    tape["at_ns"] = seen - 80_000_000
    census = Census()
    for cut in (tape[:2], tape[2:4], tape[4:]):
        census.take(cut)
    (found,) = census.sources()
    assert (found.rows_count, found.gaps_count, found.longest_gap_s) == (5, 1, 7.0)
    assert found.late_ms.tolist() == [80.0]
