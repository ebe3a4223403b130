"""Amounts beside those of both clients, tick by tick: the same where they are right, and where not, why.

- Resting orders: `polymarket-client` always gives ours. `py-clob-client-v2` reckons with floats; where it differs from
  its sister, it is wrong by a hundredth of a share, or by a tick.
- Purchases that only take: the clients cut shares to the tick's own decimals. That is three at a tick of a dime, where
  the venue takes four, and five or six below a cent, which the venue refuses (venue reference 5.5): we keep to four.
- Sales that only take: below a cent the clients ask for collateral of five or six decimals, which the venue refuses;
  we cut the shares until four are enough.
"""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from polymarket._internal.actions.orders.limit import _compute_limit_order_amounts
from polymarket._internal.actions.orders.market import _compute_market_order_amounts
from py_clob_client_v2.order_builder.builder import ROUNDING_CONFIG, OrderBuilder  # type: ignore[import-untyped]

from infra.venues.amounts import Amounts, amounts_of
from state.events import Side
from state.orders import Reject, TimeInForce
from state.units import BPS, MICROS

TICKS = (1_000, 100, 50, 25, 10, 1)
"""A dime, a cent, and all that are finer, in bps."""
FINE = (50, 25, 10, 1)

sides = st.sampled_from(Side)
shares = st.integers(1, 10_000_000).map(lambda hundredths: hundredths * MICROS // 100)


@st.composite
def prices(draw: st.DrawFn, ticks: tuple[int, ...] = TICKS) -> tuple[int, int]:
    tick_bps = draw(st.sampled_from(ticks))
    return draw(st.integers(1, BPS // tick_bps - 1)) * tick_bps, tick_bps


def ours(side: Side, price_bps: int, amount_micros: int, tick_bps: int, tif: TimeInForce) -> tuple[int, int]:
    made = amounts_of(side, price_bps, amount_micros, tick_bps, tif)
    assert isinstance(made, Amounts)
    return made.maker_micros, made.taker_micros


def official(side: Side, price_bps: int, amount_micros: int, tick_bps: int, *, takes: bool) -> tuple[int, int]:
    """What `polymarket-client` makes of it; a purchase that takes is of so much collateral."""
    price, amount, tick = Decimal(price_bps) / BPS, Decimal(amount_micros) / MICROS, Decimal(tick_bps) / BPS
    way: Any = side.name
    if takes:
        return _compute_market_order_amounts(amount=amount, price=price, side=way, tick_size=tick)
    return _compute_limit_order_amounts(price=price, size=amount, side=way, tick_size=tick)


def older(side: Side, price_bps: int, amount_micros: int, tick_bps: int, *, takes: bool) -> tuple[int, int]:
    """What `py-clob-client-v2` makes of it."""
    rounding = ROUNDING_CONFIG[f"{Decimal(tick_bps) / BPS:f}".rstrip("0")]
    builder = OrderBuilder(None)
    make = builder.get_market_order_amounts if takes else builder.get_order_amounts
    _, maker, taker = make(side.name, amount_micros / MICROS, price_bps / BPS, rounding)
    return int(maker), int(taker)


@given(prices(), shares, sides)
def test_resting_orders_are_the_official_clients_at_every_tick(price: tuple[int, int], wanted: int, side: Side) -> None:
    price_bps, tick_bps = price
    assert ours(side, price_bps, wanted, tick_bps, TimeInForce.GTC) == official(
        side, price_bps, wanted, tick_bps, takes=False
    )


@given(prices(), shares, sides)
def test_where_the_older_client_differs_it_has_lost_a_hundredth_of_a_share_to_a_float(
    price: tuple[int, int], wanted: int, side: Side
) -> None:
    price_bps, tick_bps = price
    mine = ours(side, price_bps, wanted, tick_bps, TimeInForce.GTC)
    theirs = older(side, price_bps, wanted, tick_bps, takes=False)
    if mine != theirs:
        at = 1 if side is Side.BUY else 0
        assert mine[at] - theirs[at] == MICROS // 100, "a hundredth"
        assert wanted == mine[at], "which was wanted, and is a whole hundredth"


@given(prices((100,)), st.integers(100, 10_000_000))
def test_a_taking_purchase_at_a_tick_of_a_cent_is_the_official_clients(price: tuple[int, int], cents: int) -> None:
    price_bps, tick_bps = price
    cash = cents * MICROS // 100
    theirs = official(Side.BUY, price_bps, cash, tick_bps, takes=True)
    wanted = -(-cash * BPS // price_bps)  # the shares that so much buys, the last of them whole
    assert ours(Side.BUY, price_bps, wanted, tick_bps, TimeInForce.FAK) == theirs


@given(prices((1_000,)), st.integers(100, 10_000_000))
def test_at_a_tick_of_a_dime_the_clients_cut_one_decimal_more_than_the_venue_asks(
    price: tuple[int, int], cents: int
) -> None:
    price_bps, tick_bps = price
    cash = cents * MICROS // 100
    mine = ours(Side.BUY, price_bps, -(-cash * BPS // price_bps), tick_bps, TimeInForce.FAK)
    theirs = official(Side.BUY, price_bps, cash, tick_bps, takes=True)
    assert mine[0] == theirs[0] and mine[1] // 1_000 * 1_000 == theirs[1]


@given(prices(FINE), st.integers(100, 10_000_000))
def test_below_a_cent_the_clients_ask_for_shares_that_the_venue_refuses(price: tuple[int, int], cents: int) -> None:
    price_bps, tick_bps = price
    cash = cents * MICROS // 100
    mine = ours(Side.BUY, price_bps, -(-cash * BPS // price_bps), tick_bps, TimeInForce.FOK)
    theirs = official(Side.BUY, price_bps, cash, tick_bps, takes=True)
    assert mine[0] == theirs[0] and mine[1] == theirs[1] // 100 * 100, "theirs, cut to the four decimals that may be"


@given(prices((1_000, 100)), shares)
def test_a_taking_sale_is_the_official_clients_down_to_a_tick_of_a_cent(price: tuple[int, int], wanted: int) -> None:
    price_bps, tick_bps = price
    assert ours(Side.SELL, price_bps, wanted, tick_bps, TimeInForce.FAK) == official(
        Side.SELL, price_bps, wanted, tick_bps, takes=True
    )


@given(prices(FINE), shares)
def test_below_a_cent_a_taking_sale_of_theirs_passes_only_where_it_is_ours(price: tuple[int, int], wanted: int) -> None:
    price_bps, tick_bps = price
    theirs = official(Side.SELL, price_bps, wanted, tick_bps, takes=True)
    made = amounts_of(Side.SELL, price_bps, wanted, tick_bps, TimeInForce.FAK)
    if theirs[1] % 100 == 0:  # four decimals, by luck
        assert made == Amounts(*theirs, theirs[0])
    else:
        assert made is Reject.BELOW_MIN_SHARES or (isinstance(made, Amounts) and made.shares_micros < theirs[0])


def test_examples_where_they_differ() -> None:
    def shown(told: tuple[int, int]) -> str:
        return f"{Decimal(told[0]) / MICROS} for {Decimal(told[1]) / MICROS}"

    gtc, fak = TimeInForce.GTC, TimeInForce.FAK
    assert {
        "a bid of 1.15 at 0.52, ours": shown(ours(Side.BUY, 5_200, 1_150_000, 100, gtc)),
        "a bid of 1.15 at 0.52, py-clob-client-v2": shown(older(Side.BUY, 5_200, 1_150_000, 100, takes=False)),
        "taking for 10 at 0.29, ours": shown(ours(Side.BUY, 2_900, 34_482_759, 100, fak)),
        "taking for 10 at 0.29, py-clob-client-v2": shown(older(Side.BUY, 2_900, 10_000_000, 100, takes=True)),
        "taking for 6.74 at 0.963, ours": shown(ours(Side.BUY, 9_630, 7_000_000, 10, fak)),
        "taking for 6.74 at 0.963, polymarket-client": shown(official(Side.BUY, 9_630, 6_740_000, 10, takes=True)),
        "selling 7.35 at 0.963, ours": shown(ours(Side.SELL, 9_630, 7_350_000, 10, fak)),
        "selling 7.35 at 0.963, polymarket-client": shown(official(Side.SELL, 9_630, 7_350_000, 10, takes=True)),
    } == snapshot(
        {
            "a bid of 1.15 at 0.52, ours": "0.598 for 1.15",
            "a bid of 1.15 at 0.52, py-clob-client-v2": "0.5928 for 1.14",
            "taking for 10 at 0.29, ours": "10 for 34.4827",
            "taking for 10 at 0.29, py-clob-client-v2": "10 for 35.7142",
            "taking for 6.74 at 0.963, ours": "6.74 for 6.9989",
            "taking for 6.74 at 0.963, polymarket-client": "6.74 for 6.99896",
            "selling 7.35 at 0.963, ours": "7.3 for 7.0299",
            "selling 7.35 at 0.963, polymarket-client": "7.35 for 7.07805",
        }
    )
