"""Settings that the venue cannot honour are named, each with what mends it; settings that it can are left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from state.params import default_params
from tools.minimums import Minima, unhonourable

SHARE = DOLLAR = 1_000_000
STANDARD = Minima(5 * SHARE, DOLLAR, 100)


def test_the_defaults_can_be_honoured() -> None:
    assert unhonourable(default_params(), STANDARD) == ()


def test_an_order_of_a_dollar_buys_no_five_shares() -> None:
    (found,) = unhonourable(default_params({"order_micros": DOLLAR}), STANDARD)
    assert (found.name, found.words, found.mend) == snapshot(
        (
            "order_micros",
            "order_micros = 1000000 ($1.00) is below the venue's smallest order (5 shares, up to $4.95)",
            "set it to at least 4950000 micros",
        )
    )


@pytest.mark.parametrize(("name", "changes"), [
    ("position_micros", {"position_micros": 4 * DOLLAR}),
    ("daily_loss_micros", {"daily_loss_micros": 0}),
    ("tail_loss_micros", {"tail_loss_micros": DOLLAR}),
    ("bankroll_micros", {"bankroll_micros": 3 * DOLLAR}),
    ("close_quiet_ns", {"open_quiet_ns": 120e9, "close_quiet_ns": 120e9}),
    ("may_quote_count", {"may_take_count": 0, "may_quote_count": 0}),
    ("concurrent_count", {"concurrent_count": 0}),
    ("keep_edge_bps", {"keep_edge_bps": 200.0}),
])  # fmt: skip
def test_each_knob_that_cannot_be_honoured_is_named_with_what_mends_it(name: str, changes: dict[str, float]) -> None:
    minima = Minima(5 * SHARE, DOLLAR, 100, 240 if name == "close_quiet_ns" else 300)
    (found,) = unhonourable(default_params(changes), minima)
    assert found.name == name and name in found.words and found.mend


def least_order(minima: Minima, price_bps: int) -> int:
    """What the smallest order costs that a market takes at a price: whole hundredths of a share, counted up."""
    lots = minima.shares_micros // 10_000
    lots += max((minima.notional_micros * 10_000 // price_bps - lots * 10_000) // 10_000, 0)
    while lots * 10_000 < minima.shares_micros or lots * price_bps < minima.notional_micros:
        lots += 1
    return lots * price_bps


@given(st.integers(1, 100), st.integers(1, 50), st.sampled_from([10, 100]))
def test_what_is_accepted_pays_for_the_smallest_order_at_every_price_of_the_grid_and_no_cent_more_is_asked(
    shares: int, dollars: int, tick: int
) -> None:
    minima = Minima(shares * SHARE, dollars * DOLLAR, tick)
    costs = [least_order(minima, price) for price in range(tick, 10_000, tick)]
    assert max(costs) <= minima.order_micros < max(costs) + 10_000
    for micros in (minima.order_micros - 1, minima.order_micros):
        named = {each.name for each in unhonourable(default_params({"order_micros": micros}), minima)}
        assert ("order_micros" in named) == (micros < minima.order_micros)
