"""Amounts: what an order offers and asks in whole micros, cut so that the venue's decimals hold, never enlarged.

Rules: venue reference 3.3 and 5.5 (state of 2026-11-22). A price is whole bps and shares are whole micros, so every
product here is an integer; no float and no decimal comes near the money.
"""

from math import gcd
from typing import Final

import msgspec

from state.events import Side
from state.orders import Reject, TimeInForce
from state.units import BPS, MICROS

SHARE_GRAIN_MICROS: Final = MICROS // 100
"""Shares of a resting order, and of any sale, have two decimals."""
MARKET_GRAIN_MICROS: Final = MICROS // 10_000
"""Shares that a FAK or FOK purchase asks for have four."""
CENT_MICROS: Final = MICROS // 100
"""What a FAK or FOK purchase offers has two decimals, whatever the tick ..."""
SALE_GRAIN_MICROS: Final = MICROS // 10_000
"""... and what such a sale asks for has four."""
_SALE_PARTS: Final = SALE_GRAIN_MICROS * BPS // SHARE_GRAIN_MICROS
"""A hundredth of a share at one bps is so small a part of what proceeds are counted in."""
MARKETABLE_MIN_MICROS: Final = MICROS
"""A marketable purchase is of a dollar or more; so a rounded price also stays below the next one."""


class Amounts(msgspec.Struct, frozen=True, gc=False):
    """An order's two sums."""

    maker_micros: int
    """What we give: collateral for a purchase, shares for a sale."""
    taker_micros: int
    """What we want for it."""
    shares_micros: int


def amounts_of(side: Side, price_bps: int, amount_micros: int, tick_bps: int, tif: TimeInForce) -> Amounts | Reject:
    """Give the sums of an order, or why no order can be made of it.

    A FAK or FOK purchase offers whole cents: its shares are what those cents buy at the limit, so the price that the
    sums imply is the limit or a hair above it, below the next price on any grid of the venue. (Rounding the other way
    would put it a hair below, and an offer at the limit itself could never be met.) A FAK or FOK sale is cut to shares
    whose proceeds at the limit have four decimals.

    Args:
        side: What we do.
        price_bps: Limit, for one share.
        amount_micros: Shares wanted; never exceeded.
        tick_bps: The market's tick.
        tif: FAK and FOK are held to coarser decimals than what may rest.
    """
    if tick_bps <= 0 or price_bps % tick_bps != 0:
        return Reject.OFF_TICK
    if not tick_bps <= price_bps <= BPS - tick_bps:
        return Reject.PRICE_OUT_OF_RANGE
    market = tif in (TimeInForce.FAK, TimeInForce.FOK)
    if side is Side.BUY and market:
        cash = amount_micros * price_bps // BPS // CENT_MICROS * CENT_MICROS
        if cash < MARKETABLE_MIN_MICROS:
            return Reject.BELOW_MIN_NOTIONAL
        shares = cash * BPS // price_bps // MARKET_GRAIN_MICROS * MARKET_GRAIN_MICROS
        return Amounts(cash, shares, shares)
    shares = amount_micros // SHARE_GRAIN_MICROS * SHARE_GRAIN_MICROS
    if market:
        shares -= shares % _sale_step_micros(price_bps)
    if shares <= 0:
        return Reject.BELOW_MIN_SHARES
    cash = shares * price_bps // BPS
    assert cash * BPS == shares * price_bps, "hundredths of a share times whole bps are whole micros"
    return Amounts(cash, shares, shares) if side is Side.BUY else Amounts(shares, cash, shares)


def _sale_step_micros(price_bps: int) -> int:
    """Give the least number of shares, in whole hundredths, whose proceeds have four decimals."""
    return SHARE_GRAIN_MICROS * (_SALE_PARTS // gcd(price_bps, _SALE_PARTS))
