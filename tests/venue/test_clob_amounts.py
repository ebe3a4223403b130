"""What the venue makes of an order's two amounts, checked against what real clients send."""

from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polymarket._internal.actions.orders.limit import _compute_limit_order_amounts
from polymarket._internal.actions.orders.market import _compute_market_order_amounts
from py_clob_client_v2.order_builder.builder import (  # type: ignore[import-untyped]
    ROUNDING_CONFIG,
    OrderBuilder,
)

from infra.venue_next_door.amounts import priced
from infra.venue_next_door.refusals import Refusal
from state.events import Side

TICKS = {1000: "0.1", 100: "0.01", 50: "0.005", 10: "0.001"}


def place(
    side: Side, maker: int, taker: int, *, tick_bps: int = 100, takes_only: bool = False
) -> tuple[int, int] | str:
    try:
        return priced("0xid", side, maker, taker, tick_bps=tick_bps, min_shares=5, takes_only=takes_only)
    except Refusal as refusal:
        return refusal.text


def test_ten_shares_at_52_cents_are_what_the_reference_s_order_says() -> None:
    assert place(Side.BUY, 5_200_000, 10_000_000) == (5200, 10_000_000)
    assert place(Side.SELL, 10_000_000, 5_200_000) == (5200, 10_000_000)


@pytest.mark.parametrize(
    ("side", "maker", "taker", "words"),
    [
        (Side.BUY, 5_250_000, 10_000_000, "order 0xid is invalid. Price (0.525) breaks minimum tick size rule: 0.01"),
        (Side.BUY, 10_000_000, 10_000_000, "order 0xid is invalid. Price (1) breaks minimum tick size rule: 0.01"),
        (Side.BUY, 2_000_000, 4_000_000, "order 0xid is invalid. Size (4) lower than the minimum: 5"),
        (
            Side.BUY, 5_000_500, 10_001_000,
            "invalid amounts, the order supports a max accuracy of 2 decimals for shares and 4 for collateral",
        ),
        (Side.BUY, 0, 10_000_000, "invalid amounts, maker and taker amount must be higher than 0"),
    ],
)  # fmt: skip
def test_an_order_that_may_rest_is_refused_in_the_venue_s_words(side: Side, maker: int, taker: int, words: str) -> None:
    assert place(side, maker, taker) == words


def test_an_order_that_only_takes_has_rules_of_its_own() -> None:
    market_buy = "invalid amounts, the market buy orders maker amount supports a max accuracy of 2 decimals"
    assert place(Side.BUY, 10_000_000, 27_027_000, takes_only=True) == (3700, 27_027_000)
    assert str(place(Side.BUY, 5_005_000, 9_100_000, tick_bps=10, takes_only=True)).startswith(market_buy)
    assert place(Side.BUY, 980_000, 2_000_000, takes_only=True) == (
        "invalid amount for a marketable BUY order ($0.98), min size: $1"
    )
    assert "breaks minimum tick size rule: 0.01" in str(place(Side.BUY, 5_050_000, 10_000_000, takes_only=True))


def test_a_market_buy_that_rounds_its_shares_up_pays_a_tick_less() -> None:
    """The exchange compares collateral / shares with the ask: a hair below it is below it."""
    assert place(Side.BUY, 10_000_000, 27_027_100, takes_only=True) != (3700, 27_027_100)


prices = st.sampled_from(sorted(TICKS)).flatmap(
    lambda tick: st.tuples(st.just(tick), st.integers(1, 10_000 // tick - 1).map(lambda n: n * tick))
)
cents = st.integers(500, 10_000_000)


@given(prices, cents, st.sampled_from(["BUY", "SELL"]))
def test_whatever_the_official_client_makes_of_a_limit_order_is_taken_at_its_price(
    price: tuple[int, int], hundredths: int, side: str
) -> None:
    tick_bps, bps = price
    maker, taker = _compute_limit_order_amounts(
        price=Decimal(bps) / 10_000,
        size=Decimal(hundredths) / 100,
        side=cast(Any, side),
        tick_size=Decimal(TICKS[tick_bps]),
    )
    assert place(Side[side], maker, taker, tick_bps=tick_bps) == (bps, hundredths * 10_000)


@given(prices, cents, st.sampled_from(["BUY", "SELL"]))
def test_floats_of_the_older_client_are_taken_too(price: tuple[int, int], hundredths: int, side: str) -> None:
    tick_bps, bps = price
    builder = OrderBuilder(signer=cast(Any, None), funder="")
    _, maker, taker = builder.get_order_amounts(side, hundredths / 100, bps / 10_000, ROUNDING_CONFIG[TICKS[tick_bps]])
    told = place(Side[side], maker, taker, tick_bps=tick_bps)
    if isinstance(told, str):  # its floats lose a unit now and then: the venue says so, as it does to real bots
        assert "breaks minimum tick size rule" in told or "invalid amounts" in told or "lower than the minimum" in told
    else:
        assert told[0] == bps


@given(st.integers(1, 99).map(lambda n: n * 100), st.integers(100, 1_000_000))
def test_a_market_buy_by_amount_of_the_official_client_has_its_limit(bps: int, hundredths: int) -> None:
    maker, taker = _compute_market_order_amounts(
        amount=Decimal(hundredths) / 100, price=Decimal(bps) / 10_000, side="BUY", tick_size=Decimal("0.01")
    )
    told = place(Side.BUY, maker, taker, takes_only=True)
    assert isinstance(told, tuple)
    assert told == (bps, taker)


@given(st.integers(1, 99).map(lambda n: n * 100), st.integers(100, 1_000_000))
def test_a_market_sell_of_the_official_client_has_its_limit(bps: int, hundredths: int) -> None:
    maker, taker = _compute_market_order_amounts(
        amount=Decimal(hundredths) / 100, price=Decimal(bps) / 10_000, side="SELL", tick_size=Decimal("0.01")
    )
    assert place(Side.SELL, maker, taker, takes_only=True) == (bps, hundredths * 10_000)


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.sampled_from([Side.BUY, Side.SELL]), st.booleans())
def test_no_amounts_are_taken_at_a_price_worse_than_they_say(
    maker: int, taker: int, side: Side, takes_only: bool
) -> None:
    told = place(side, maker, taker, takes_only=takes_only)
    if isinstance(told, tuple):
        bps, shares = told
        collateral = maker if side is Side.BUY else taker
        assert bps * shares <= collateral * 10_000 if side is Side.BUY else bps * shares >= collateral * 10_000
