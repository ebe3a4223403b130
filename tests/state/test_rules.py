import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from recordings import recordings

from state.events import Asset
from state.records import as_dict, one
from state.rulebook import (
    FIELDS,
    HISTORY,
    REGISTRY,
    RuleDifference,
    RulesUnknown,
    differences,
    refusal,
    rules_at,
    sources_of,
    utc_ns,
)
from state.rules import FOREIGN, NOT_WHOLE, UNSTATED, Rule, Rules, Settlement, apply_rule, fine_tick_due, rules_in_force
from state.units import NS_PER_S

NOW = utc_ns("2026-11-22")


def standing(stamp: str, window_s: int = 300, asset: int = Asset.BTC) -> Rules:
    rules = rules_at(utc_ns(stamp), asset, window_s)
    assert not isinstance(rules, RulesUnknown), rules.reason
    return rules


def refused(stamp: str, window_s: int = 300, asset: int = Asset.BTC) -> str:
    rules = rules_at(utc_ns(stamp), asset, window_s)
    assert isinstance(rules, RulesUnknown)
    return rules.reason


def changes(rule: Rule, window_s: int = 300) -> list[tuple[str, int]]:
    """Tell the story of one rule through the look-up itself: each moment at which its answer changes."""
    story: list[tuple[str, int]] = []
    for at_ns in sorted({row.effective_ns for row in HISTORY}):
        rules = one(Rules)
        rules_in_force(REGISTRY, at_ns, int(Asset.BTC), window_s, rules)
        value = as_dict(rules)[FIELDS[rule]]
        if rules.known_mask >> rule & 1 and (not story or story[-1][1] != value):
            story.append((str(np.datetime64(at_ns // NS_PER_S, "s")), value))
    return story


def test_a_five_minute_window_settles_as_its_day_did() -> None:
    assert changes(Rule.LOOKBACK_S) == snapshot(
        [("1970-01-01T00:00:00", 0), ("2026-08-07T00:00:00", 30), ("2026-08-14T00:00:00", 60)]
    )
    assert changes(Rule.SETTLEMENT) == [
        ("1970-01-01T00:00:00", Settlement.POINT),
        ("2026-08-07T00:00:00", Settlement.TWAP),
    ]


@pytest.mark.parametrize("window_s", [900, 14_400])
def test_longer_windows_went_straight_to_sixty_seconds(window_s: int) -> None:
    assert changes(Rule.LOOKBACK_S, window_s) == [("1970-01-01T00:00:00", 0), ("2026-08-07T00:00:00", 60)]


def test_the_taker_hold_has_changed_four_times() -> None:
    assert [(day, value // 1_000_000) for day, value in changes(Rule.TAKER_HOLD_NS)] == snapshot(
        [
            ("1970-01-01T00:00:00", 500),
            ("2026-02-20T00:00:00", 0),
            ("2026-06-01T00:00:00", 250),
            ("2026-08-17T11:00:00", 50),
            ("2026-09-04T14:00:00", 150),
        ]
    )


def test_the_fee_curve_of_each_length_by_date() -> None:
    assert changes(Rule.FEE_RATE_PPM) == snapshot(
        [("2026-02-12T00:00:00", 250000), ("2026-03-30T00:00:00", 72000), ("2026-06-07T00:00:00", 70000)]
    )
    assert changes(Rule.FEE_EXPONENT) == snapshot([("2026-02-12T00:00:00", 2), ("2026-03-30T00:00:00", 1)])
    assert changes(Rule.FEE_BY_NOTIONAL) == snapshot([("2026-02-12T00:00:00", 1), ("2026-03-30T00:00:00", 0)])
    assert [day for day, _ in changes(Rule.FEE_RATE_PPM, 900)] == snapshot(
        ["1970-01-01T00:00:00", "2026-01-05T00:00:00", "2026-03-30T00:00:00", "2026-06-07T00:00:00"]
    )
    assert changes(Rule.FEE_RATE_PPM, 14_400)[1][0] == "2026-03-06T00:00:00"


def test_the_rules_of_today_are_those_that_the_venue_reference_calls_defaults() -> None:
    assert as_dict(standing("2026-11-22")) == snapshot(
        {
            "at_ns": 1795305600000000000,
            "refused_code": 0,
            "known_mask": 65534,
            "given_mask": 0,
            "foreign_count": 0,
            "settlement_code": 2,
            "lookback_s": 60,
            "fee_rate_ppm": 70000,
            "fee_exponent_count": 1,
            "fee_by_notional_code": 0,
            "taker_only_code": 1,
            "hold_ns": 150000000,
            "rebate_ppm": 200000,
            "rebate_least_micros": 1000000,
            "tick_bps": 100,
            "tick_fine_bps": 10,
            "tick_edge_bps": 400,
            "min_shares_micros": 5000000,
            "min_notional_micros": 1000000,
            "order_version_code": 2,
        }
    )


def test_a_change_holds_from_its_very_nanosecond() -> None:
    last = standing("2026-09-04T14:00")
    before = rules_at(utc_ns("2026-09-04T14:00") - 1, Asset.BTC, 300)
    assert not isinstance(before, RulesUnknown)
    assert (before.hold_ns, last.hold_ns) == (50_000_000, 150_000_000)


def test_windows_that_settle_on_a_candle_are_known_and_refused() -> None:
    assert refused("2026-11-01", 3_600) == snapshot("SETTLEMENT = 3 is not supported")
    assert refused("2026-11-01", 86_400) == snapshot("SETTLEMENT = 3 is not supported")


def test_a_length_a_coin_or_a_day_that_nobody_has_told_us_about_is_refused() -> None:
    assert refused("2026-11-01", 600) == snapshot("nobody has stated SETTLEMENT for this market at its time")
    assert refused("2026-11-01", 300, asset=4) == snapshot("nobody has stated SETTLEMENT for this market at its time")
    assert refused("2026-11-01", 300, asset=-1) == snapshot("nobody has stated SETTLEMENT for this market at its time")
    assert refused("2026-01-01", 300) == snapshot("nobody has stated FEE_RATE_PPM for this market at its time")


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (Rule.SETTLEMENT, Settlement.UNKNOWN),
        (Rule.SETTLEMENT, Settlement.CANDLE),
        (Rule.SETTLEMENT, 9),
        (Rule.LOOKBACK_S, 45),
        (Rule.LOOKBACK_S, 0),
        (Rule.FEE_RATE_PPM, -1),
        (Rule.FEE_RATE_PPM, 1_000_001),
        (Rule.FEE_EXPONENT, 3),
        (Rule.FEE_EXPONENT, 0),
        (Rule.FEE_EXPONENT, NOT_WHOLE),
        (Rule.FEE_BY_NOTIONAL, 2),
        (Rule.TAKER_ONLY, 0),
        (Rule.TAKER_HOLD_NS, -1),
        (Rule.TAKER_HOLD_NS, 6_000_000_000),
        (Rule.REBATE_PPM, 1_000_001),
        (Rule.REBATE_LEAST_MICROS, NOT_WHOLE),
        (Rule.TICK_BPS, 25),
        (Rule.TICK_BPS, 1),
        (Rule.TICK_FINE_BPS, 0),
        (Rule.TICK_EDGE_BPS, 5_001),
        (Rule.SHARES_MIN_MICROS, NOT_WHOLE),
        (Rule.NOTIONAL_MIN_MICROS, NOT_WHOLE),
        (Rule.ORDER_VERSION, 1),
        (Rule.ORDER_VERSION, 4),
    ],
)
def test_a_value_that_the_tools_do_not_reckon_with_refuses_the_market(rule: Rule, value: int) -> None:
    rules = standing("2026-11-22")
    assert apply_rule(rules, int(rule), int(value)) == rule
    reason = refusal(rules)
    assert reason == RulesUnknown(f"{rule.name} = {int(value)} is not supported", int(rule))


@pytest.mark.parametrize("rule", list(Rule))
def test_no_rule_accepts_a_value_that_made_no_sense(rule: Rule) -> None:
    assert apply_rule(standing("2026-11-22"), int(rule), NOT_WHOLE) == rule


def test_a_rule_from_tomorrow_refuses_until_the_end() -> None:
    rules = standing("2026-11-22")
    assert apply_rule(rules, 77, 1) == FOREIGN
    assert apply_rule(rules, int(Rule.TICK_BPS), 100) == FOREIGN
    assert refusal(rules) == RulesUnknown("the market has a rule that this version does not know", FOREIGN)


def test_settlement_and_look_back_may_come_one_after_the_other() -> None:
    rules = standing("2026-11-22")
    assert apply_rule(rules, int(Rule.SETTLEMENT), int(Settlement.POINT)) == Rule.LOOKBACK_S
    assert apply_rule(rules, int(Rule.LOOKBACK_S), 0) == 0


def test_a_market_may_state_what_the_registry_does_not_know() -> None:
    rules = one(Rules)
    rules_in_force(REGISTRY, NOW, int(Asset.BTC), 3_600, rules)
    assert rules.refused_code == Rule.SETTLEMENT
    assert apply_rule(rules, int(Rule.SETTLEMENT), int(Settlement.TWAP)) == Rule.LOOKBACK_S
    assert apply_rule(rules, int(Rule.LOOKBACK_S), 60) == 0


def test_a_market_of_an_unknown_length_needs_both_parts_of_its_settlement() -> None:
    rules = one(Rules)
    rules_in_force(REGISTRY, NOW, int(Asset.BTC), 600, rules)
    assert rules.refused_code == UNSTATED + Rule.SETTLEMENT
    assert apply_rule(rules, int(Rule.SETTLEMENT), int(Settlement.TWAP)) == UNSTATED + Rule.LOOKBACK_S
    assert apply_rule(rules, int(Rule.LOOKBACK_S), 60) == 0


def test_a_lookup_leaves_nothing_of_the_market_that_had_the_row_before() -> None:
    fresh, used = one(Rules), one(Rules)
    rules_in_force(REGISTRY, NOW, 0, 3_600, used)
    apply_rule(used, 99, 1)
    rules_in_force(REGISTRY, NOW, 0, 300, used)
    rules_in_force(REGISTRY, NOW, 0, 300, fresh)
    assert as_dict(used) == as_dict(fresh)


def test_where_the_market_and_the_registry_disagree_is_told() -> None:
    registry, venue = standing("2026-11-22"), standing("2026-11-22")
    apply_rule(venue, int(Rule.FEE_RATE_PPM), 65_000)
    apply_rule(venue, int(Rule.TICK_BPS), 100)
    assert differences(registry, venue) == (RuleDifference(Rule.FEE_RATE_PPM, 70_000, 65_000),)


def test_orders_of_the_first_version_are_right_on_their_own_days_only() -> None:
    assert standing("2026-04-14").order_version_code == 1
    assert standing("2026-04-28T11:00").order_version_code == 2


def test_the_tick_is_fine_near_the_ends() -> None:
    rules = standing("2026-11-22")
    assert [price for price in (390, 400, 5_000, 9_600, 9_610) if fine_tick_due(rules, price)] == [390, 9_610]


def test_each_row_says_whence_it_is_and_stands_in_order_of_time() -> None:
    assert all(row.source and row.effective_ns >= 0 for row in HISTORY)
    times = [row.effective_ns for row in HISTORY]
    assert times == sorted(times)
    assert np.all(np.diff(REGISTRY["effective_ns"]) >= 0)
    assert set(sources_of(NOW, Asset.ETH, 300)) == set(Rule)


@given(
    at_ns=st.integers(0, utc_ns("2027-06-01")),
    asset=st.sampled_from(list(Asset)),
    window_s=st.sampled_from([300, 900, 14_400, 3_600, 86_400, 60]),
)
def test_compiled_lookup_agrees_with_the_rows_read_by_hand(at_ns: int, asset: Asset, window_s: int) -> None:
    rules = one(Rules)
    rules_in_force(REGISTRY, at_ns, int(asset), window_s, rules)
    values = as_dict(rules)
    by_hand = sources_of(at_ns, asset, window_s)
    assert {rule for rule in Rule if values["known_mask"] >> rule & 1} == set(by_hand)
    assert {rule: values[FIELDS[rule]] for rule in by_hand} == {rule: row.value for rule, row in by_hand.items()}


@given(codes=st.lists(st.tuples(st.integers(-3, 20), st.integers(-(2**40), 2**40)), max_size=6))
def test_compiled_and_plain_python_judge_alike(codes: list[tuple[int, int]]) -> None:
    compiled_row, plain_row = standing("2026-11-22"), standing("2026-11-22")
    plain = getattr(apply_rule, "py_func", apply_rule)
    for code, value in codes:
        assert apply_rule(compiled_row, code, value) == plain(plain_row, code, value)
    assert as_dict(compiled_row) == as_dict(plain_row)


def test_the_rules_of_a_recorded_day_are_those_its_markets_carry() -> None:
    duckdb = pytest.importorskip("duckdb")
    folder: Path = recordings("chainlink_btcusd_1hz")
    found = duckdb.sql(
        "SELECT DISTINCT window_start, fee_rate, fee_exponent, fee_taker_only, rebate_rate, min_size, tick_size "
        f"FROM '{folder}/markets_*.parquet'"
    ).fetchall()
    assert found
    for start_s, rate, exponent, taker_only, rebate, min_size, tick in found:
        registry = rules_at(int(start_s) * NS_PER_S, Asset.BTC, 300)
        assert not isinstance(registry, RulesUnknown)
        assert registry.fee_rate_ppm == round(rate * 1e6)
        assert (registry.fee_exponent_count, registry.taker_only_code) == (exponent, taker_only)
        assert math.isclose(registry.rebate_ppm, rebate * 1e6)
        assert registry.min_shares_micros == min_size * 1_000_000
        assert round(tick * 10_000) in (registry.tick_bps, registry.tick_fine_bps)
