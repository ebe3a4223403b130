"""Reckon taker fees and maker rebates as the venue does: whole micros for the ledger, fractions for the edge.

The curve (venue reference 3.1, read 2026-11-22): a taker pays `C * rate * (p * (1 - p)) ** exponent` dollars for `C`
shares at price `p`; before 2026-03-30 the same times another `p` ("by notional"). Makers pay nothing. The numbers come
from the market's own data, never from here: rate in ppm, exponent as a small whole number.

Doubts. The venue rounds to 5 decimals of a dollar and drops what is smaller than 0.00001; the direction is
unconfirmed, here it is to nearest with halves up (as NautilusTrader does). Whether it rounds once a taker order or
once a match is unknown; here once a match. Both are at most 0.00001 dollar a fill: reconcile with the fill. Taker
rebate tiers (3 % from $2,000 of weighted volume to 50 % from $10 M) are not modelled: only their two ends are known.
"""

from state.compiled import compiled
from state.desk import View
from state.rules import Rules
from state.units import BPS, MICROS, MILL_BPS

FEE_UNKNOWN = -1
"""The fee of a curve or a price that cannot be reckoned exactly: such a market must not be traded."""

FEE_EXPONENT_MOST = 3
REBATE_MINIMUM_MICROS = 1_000_000
"""Least daily payout of maker rebates: one dollar (venue reference 3.2)."""

_GRAIN_MICROS = 10
"""Fees come in hundred-thousandths of a dollar."""
_LIMB = 1_000_000_000
_MILLS = BPS // MILL_BPS


@compiled
def _times(limbs: tuple[int, int, int, int], factor: int) -> tuple[int, int, int, int]:
    """Multiply a number in four limbs of nine decimal digits, lowest first, by a factor up to 10**9."""
    a = limbs[0] * factor
    b = limbs[1] * factor + a // _LIMB
    c = limbs[2] * factor + b // _LIMB
    d = limbs[3] * factor + c // _LIMB
    return a % _LIMB, b % _LIMB, c % _LIMB, d


@compiled
def _over_power_of_ten(limbs: tuple[int, int, int, int], power: int) -> tuple[int, bool]:
    """Divide by 10**power, 1 <= power <= 27: the floor, and whether the rest is a half or more."""
    a, b, c, d = limbs
    left = power - 1
    while left >= 9:
        a, b, c, d = b, c, d, 0
        left -= 9
    low = 1
    for _ in range(left):
        low *= 10
    tens = a // low + (_LIMB // low) * (b + _LIMB * (c + _LIMB * d))
    return tens // 10, tens % 10 >= 5


@compiled
def fee_micros(
    price_bps: int, amount_micros: int, rate_ppm: int, exponent_count: int, by_notional: bool = False
) -> int:
    """Give the taker fee of one match in micro-dollars, exact to the venue's 5 decimals.

    All arithmetic is whole. Exact while the fee stays under a million dollars and the size under a billion shares.

    Returns:
        The fee, a multiple of 10; or `FEE_UNKNOWN` for a curve with another exponent than 0..3, a negative rate or
        one over 100 %, a price outside [0, 1] or off the mills.
    """
    price = int(price_bps)
    rate = int(rate_ppm)
    exponent = int(exponent_count)
    if price < 0 or price > BPS or price % MILL_BPS != 0 or exponent < 0 or exponent > FEE_EXPONENT_MOST:
        return FEE_UNKNOWN
    if rate < 0 or rate > MICROS or amount_micros < 0:
        return FEE_UNKNOWN
    mills = price // MILL_BPS
    amount = int(amount_micros)
    limbs = (amount % _LIMB, amount // _LIMB, 0, 0)
    limbs = _times(limbs, rate)
    power = 7  # micro-shares times ppm are 1e-12; in grains of 1e-5 that leaves seven decimals
    for _ in range(exponent):
        limbs = _times(limbs, mills * (_MILLS - mills))
        power += 6
    if by_notional:
        limbs = _times(limbs, mills)
        power += 3
    grains, half = _over_power_of_ten(limbs, power)
    if half and grains > 0:
        grains += 1
    return grains * _GRAIN_MICROS


@compiled
def fee_bps(price_bps: float, rate_ppm: int, exponent_count: int, by_notional: bool = False) -> float:
    """Give the unrounded taker fee of one share in fractional bps, for weighing an edge; never for money.

    NaN where `fee_micros` would not know the exponent.
    """
    if exponent_count < 0 or exponent_count > FEE_EXPONENT_MOST:
        return float("nan")
    p = price_bps / BPS
    fee = rate_ppm / MICROS
    for _ in range(exponent_count):
        fee *= p * (1.0 - p)
    return fee * p * BPS if by_notional else fee * BPS


@compiled
def share_fee_bps(rules: Rules | View, price_bps: int) -> float:
    """Give the taker fee of one share under a market's own rules, in fractional bps: to weigh an edge, never money."""
    by_notional = rules.fee_by_notional_code != 0
    return fee_bps(float(price_bps), rules.fee_rate_ppm, rules.fee_exponent_count, by_notional)


@compiled
def rebate_micros(own_micros: int, all_micros: int, collected_micros: int, rebate_ppm: int) -> int:
    """Give a maker's part of one market's rebate pool for a day, before the least payout.

    The pool is `rebate_ppm` of the taker fees collected in the market, shared by fee-equivalent: the fee formula put
    on each maker's own fills (venue reference 3.2).

    Args:
        own_micros: Our fee-equivalent of the day in this market.
        all_micros: That of all its makers; less than ours counts as ours.
        collected_micros: Taker fees collected in the market.
        rebate_ppm: The share of fees that goes to makers, 200,000 today.

    Returns:
        Micro-dollars, rounded down. Exact while the pool times our part stays under 2**63, that is, while both are
        under some three thousand dollars; above that the part is taken in millionths.
    """
    own = int(own_micros)
    whole = max(int(all_micros), own)
    if own <= 0 or whole <= 0 or collected_micros <= 0 or rebate_ppm <= 0:
        return 0
    collected = int(collected_micros)
    rebate = int(rebate_ppm)
    pool = collected // MICROS * rebate + collected % MICROS * rebate // MICROS
    if pool < 3_000_000_000 and own < 3_000_000_000:
        return pool * own // whole
    return pool // MICROS * (own * MICROS // whole)


@compiled
def rebate_payout_micros(day_micros: int) -> int:
    """Give what is paid out of a day's rebates: nothing under one dollar.

    Doubt: whether the dollar is asked of a market or of the day's sum, and whether less is carried over, is not
    documented; here of the sum, and less is lost.
    """
    return int(day_micros) if day_micros >= REBATE_MINIMUM_MICROS else 0
