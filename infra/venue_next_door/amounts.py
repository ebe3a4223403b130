"""The venue's rules of amounts: what price two integers mean, on which grid, with how many decimals, how small.

An order carries no price, only what the maker gives and takes in millionths. Here they become a price in basis points
of a dollar and an amount of shares, or the refusal that the venue words (venue reference 3.3, 5.5, 5.8).
"""

from decimal import Decimal
from typing import Final

from infra.venue_next_door.refusals import Refusal
from state.events import Side
from state.units import BPS, MICROS

AMOUNT_DECIMALS: Final = {1000: 3, 100: 4, 50: 5, 25: 6, 10: 5, 1: 6}
"""Tick in bps -> decimals of collateral that an order may have (venue reference 5.5)."""
_CENT: Final = MICROS // 100
_SHARES_UNIT: Final = MICROS // 10_000
"""Four decimals: the finest shares of an order that only takes."""
_MARKET_ACCURACY: Final = (
    "invalid amounts, the market {} orders maker amount supports a max accuracy of 2 decimals, "
    "taker amount a max of 4 decimals"
)


def _text(value: Decimal) -> str:
    return f"{value:.8f}".rstrip("0").rstrip(".")


def _tick_broken(order_hash: str, price: Decimal, tick_bps: int) -> Refusal:
    tick = _text(Decimal(tick_bps) / BPS)
    return Refusal(f"order {order_hash} is invalid. Price ({_text(price)}) breaks minimum tick size rule: {tick}")


def _exact_price(collateral: int, shares: int) -> int:
    """Give the price in bps that two amounts mean exactly, or 0."""
    bps, rest = divmod(collateral * BPS, shares)
    return 0 if rest else bps


def _rounded_price(side: Side, collateral: int, shares: int, tick_bps: int) -> int:
    """Give the limit of an order that only takes, whose second amount was cut to its decimals, or 0 if off the grid.

    The exchange lets a buyer pay at most collateral / shares and a seller take no less, so the limit is the tick at or
    below, or at or above. What is further from that tick than one cut unit explains was never on the grid. Doubt: how
    wide a margin the venue allows is not documented; it must be at least this, or no market buy would pass.
    """
    unit = max(MICROS // 10 ** AMOUNT_DECIMALS[tick_bps], _SHARES_UNIT)
    whole = shares * tick_bps
    if side is Side.BUY:
        bps = collateral * BPS // whole * tick_bps
        return bps if collateral * BPS - bps * shares < bps * unit else 0
    bps = -(-collateral * BPS // whole) * tick_bps
    return bps if bps * shares - collateral * BPS < unit * BPS else 0


def _check_taking(side: Side, collateral: int, shares: int) -> None:
    """Check what orders that only take must keep to, whatever the tick (venue reference 5.5)."""
    maker, taker = (collateral, shares) if side is Side.BUY else (shares, collateral)
    if maker % _CENT or taker % _SHARES_UNIT:
        raise Refusal(_MARKET_ACCURACY.format(side.name.lower()))
    if side is Side.BUY and collateral < MICROS:
        spent = _text(Decimal(collateral) / MICROS)
        raise Refusal(f"invalid amount for a marketable BUY order (${spent}), min size: $1")


def _check_resting(order_hash: str, collateral: int, shares: int, tick_bps: int, min_shares: int) -> None:
    """Check what orders that may rest must keep to."""
    decimals = AMOUNT_DECIMALS[tick_bps]
    if shares % _CENT or collateral % (MICROS // 10**decimals):
        raise Refusal(
            f"invalid amounts, the order supports a max accuracy of 2 decimals for shares and {decimals} for collateral"
        )
    if shares < min_shares * MICROS:
        size = _text(Decimal(shares) / MICROS)
        raise Refusal(f"order {order_hash} is invalid. Size ({size}) lower than the minimum: {min_shares}")


def priced(
    order_hash: str,
    side: Side,
    maker_amount: int,
    taker_amount: int,
    *,
    tick_bps: int,
    min_shares: int,
    takes_only: bool,
) -> tuple[int, int]:
    """Give price in bps and shares in micros of an order's two amounts.

    Args:
        order_hash: Stands in the words of a refusal.
        side: BUY gives collateral and takes shares, SELL the reverse.
        maker_amount: What the order gives, in millionths.
        taker_amount: What it takes.
        tick_bps: The market's tick now.
        min_shares: The least that may rest.
        takes_only: FOK or FAK.

    Raises:
        Refusal: in the venue's words.
    """
    if maker_amount <= 0 or taker_amount <= 0:
        raise Refusal("invalid amounts, maker and taker amount must be higher than 0")
    collateral, shares = (maker_amount, taker_amount) if side is Side.BUY else (taker_amount, maker_amount)
    bps = _rounded_price(side, collateral, shares, tick_bps) if takes_only else _exact_price(collateral, shares)
    if bps % tick_bps or not tick_bps <= bps <= BPS - tick_bps:
        raise _tick_broken(order_hash, Decimal(collateral) / shares, tick_bps)
    if takes_only:
        _check_taking(side, collateral, shares)
    else:
        _check_resting(order_hash, collateral, shares, tick_bps, min_shares)
    return bps, shares
