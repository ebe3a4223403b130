"""Amounts hold the venue's decimals, spend no more than asked, and can meet an offer at the limit itself."""

from decimal import Decimal
from math import gcd

from hypothesis import assume, given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from polymarket._internal.actions.orders.limit import _compute_limit_order_amounts

from infra.venues.amounts import Amounts, amounts_of
from state.events import Side
from state.orders import Reject, TimeInForce
from state.units import BPS, MICROS

RESTING = (TimeInForce.GTC, TimeInForce.GTD)
TAKING = (TimeInForce.FAK, TimeInForce.FOK)

ticks = st.sampled_from([1_000, 100, 50, 10, 1])
shares = st.integers(0, 100_000 * MICROS)


@st.composite
def prices(draw: st.DrawFn) -> tuple[int, int]:
    tick = draw(ticks)
    return draw(st.integers(1, BPS // tick - 1)) * tick, tick


def decimals(micros: int) -> int:
    return max(0, -int(Decimal(micros).scaleb(-6).normalize().as_tuple().exponent))


def test_what_orders_become() -> None:
    def shown(side: Side, price_bps: int, wanted: str, tif: TimeInForce) -> str:
        made = amounts_of(side, price_bps, int(Decimal(wanted) * MICROS), 10, tif)
        if isinstance(made, Reject):
            return made.name
        return f"gives {Decimal(made.maker_micros) / MICROS} for {Decimal(made.taker_micros) / MICROS}"

    buy, sell, gtc, fak = Side.BUY, Side.SELL, TimeInForce.GTC, TimeInForce.FAK
    assert {
        "a bid of 10 at 0.52": shown(buy, 5_200, "10", gtc),
        "a bid of 10.337 at 0.523": shown(buy, 5_230, "10.337", gtc),
        "taking 10 at 0.52": shown(buy, 5_200, "10", fak),
        "taking 10.33 at 0.51": shown(buy, 5_100, "10.33", fak),
        "taking 7 at 0.963": shown(buy, 9_630, "7", fak),
        "taking for less than a dollar": shown(buy, 5_000, "1.99", fak),
        "selling 7.35 at 0.51": shown(sell, 5_100, "7.35", fak),
        "selling 7.35 at 0.963": shown(sell, 9_630, "7.35", fak),
        "selling dust": shown(sell, 9_630, "0.09", fak),
        "an offer of 7.35 at 0.963": shown(sell, 9_630, "7.35", gtc),
    } == snapshot(
        {
            "a bid of 10 at 0.52": "gives 5.2 for 10",
            "a bid of 10.337 at 0.523": "gives 5.40259 for 10.33",
            "taking 10 at 0.52": "gives 5.2 for 10",
            "taking 10.33 at 0.51": "gives 5.26 for 10.3137",
            "taking 7 at 0.963": "gives 6.74 for 6.9989",
            "taking for less than a dollar": "BELOW_MIN_NOTIONAL",
            "selling 7.35 at 0.51": "gives 7.35 for 3.7485",
            "selling 7.35 at 0.963": "gives 7.3 for 7.0299",
            "selling dust": "BELOW_MIN_SHARES",
            "an offer of 7.35 at 0.963": "gives 7.35 for 7.07805",
        }
    )


@given(prices(), shares, st.sampled_from(Side), st.sampled_from(RESTING))
def test_a_resting_order_is_the_official_clients(
    price: tuple[int, int], wanted: int, side: Side, tif: TimeInForce
) -> None:
    price_bps, tick_bps = price
    assume(tick_bps in (1_000, 100, 50, 10, 1) and wanted >= MICROS // 100)
    made = amounts_of(side, price_bps, wanted, tick_bps, tif)
    theirs = _compute_limit_order_amounts(
        price=Decimal(price_bps) / BPS,
        size=Decimal(wanted) / MICROS,
        side="BUY" if side is Side.BUY else "SELL",
        tick_size=Decimal(tick_bps) / BPS,
    )
    assert isinstance(made, Amounts) and (made.maker_micros, made.taker_micros) == theirs


@given(prices(), shares, st.sampled_from(TAKING))
def test_a_taking_purchase_holds_cents_and_reaches_its_limit(
    price: tuple[int, int], wanted: int, tif: TimeInForce
) -> None:
    price_bps, tick_bps = price
    made = amounts_of(Side.BUY, price_bps, wanted, tick_bps, tif)
    if isinstance(made, Reject):
        assert wanted * price_bps < (MICROS + MICROS // 100) * BPS
        return
    assert decimals(made.maker_micros) <= 2 and decimals(made.taker_micros) <= 4
    assert made.shares_micros == made.taker_micros <= wanted
    assert made.maker_micros * BPS <= wanted * price_bps, "never spends more"
    assert made.maker_micros * BPS >= made.taker_micros * price_bps, "an offer at the limit can be met"
    assert made.maker_micros * BPS < made.taker_micros * (price_bps + 1), "and none that is dearer on any grid"
    lost = wanted - made.taker_micros
    assert lost * price_bps < (MICROS // 100) * BPS + (MICROS // 10_000 + 1) * BPS, "less than a cent is given up"


@given(prices(), shares, st.sampled_from(TAKING))
def test_a_taking_sale_holds_its_decimals_at_the_very_limit(
    price: tuple[int, int], wanted: int, tif: TimeInForce
) -> None:
    price_bps, tick_bps = price
    made = amounts_of(Side.SELL, price_bps, wanted, tick_bps, tif)
    step = 10_000 * (100 // gcd(price_bps, 100))
    if isinstance(made, Reject):
        assert wanted < step
        return
    assert decimals(made.maker_micros) <= 2 and decimals(made.taker_micros) <= 4
    assert wanted - step < made.maker_micros <= wanted and made.taker_micros * BPS == made.maker_micros * price_bps


def test_prices_that_cannot_be_are_refused_here() -> None:
    assert amounts_of(Side.BUY, 5_230, 10 * MICROS, 100, TimeInForce.GTC) is Reject.OFF_TICK
    assert amounts_of(Side.BUY, 0, 10 * MICROS, 100, TimeInForce.GTC) is Reject.PRICE_OUT_OF_RANGE
    assert amounts_of(Side.BUY, BPS, 10 * MICROS, 100, TimeInForce.GTC) is Reject.PRICE_OUT_OF_RANGE
    assert amounts_of(Side.BUY, 5_000, 9_999, 100, TimeInForce.GTC) is Reject.BELOW_MIN_SHARES
