"""Settings that the venue cannot honour are named, each with what mends it; settings that it can are left alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from state.params import default_params
from state.records import one
from state.rules import Rules
from tools.minimums import unhonourable

SHARE = DOLLAR = 1_000_000


def rules(**changes: int) -> Any:
    made: Any = one(Rules)
    for name, value in {
        "tick_bps": 100,
        "min_shares_micros": 5 * SHARE,
        "min_notional_micros": DOLLAR,
        **changes,
    }.items():
        made[name] = value
    return made


def test_the_defaults_can_be_honoured() -> None:
    assert unhonourable(default_params(), rules()) == ()


def test_an_order_of_a_dollar_buys_no_five_shares() -> None:
    assert unhonourable(default_params({"order_micros": DOLLAR}), rules()) == snapshot(
        (
            (
                "order_micros",
                "$1.00 buys no order: the venue's least order costs up to $4.85; set it to 4850000 micros or more",
            ),
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
    window_s = 240 if name == "close_quiet_ns" else 300
    ((found, words),) = unhonourable(default_params(changes), rules(), window_s)
    assert found == name and (";" in words)


@given(st.integers(1, 100), st.integers(1, 50), st.integers(1_000_000, 100_000_000))
def test_what_is_accepted_pays_for_the_venues_least_order_at_every_price_we_would_pay(
    shares: int, dollars: int, order: int
) -> None:
    terms = rules(min_shares_micros=shares * SHARE, min_notional_micros=dollars * DOLLAR)
    params = default_params({"order_micros": order})
    named = {name for name, _ in unhonourable(params, terms)}
    dearest = max(shares * (1.0 - params.p_floor), dollars) * DOLLAR
    assert ("order_micros" in named) == (order < int(dearest + 0.5))
