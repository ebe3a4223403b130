"""Size a purchase of shares: Kelly after fees, shrunk for doubt, less what is already at risk, inside every cap.

A share costs `c` (price and fee) and pays a dollar with probability `p`. From flat, the growth-best stake is the
fraction `f = (p - c) / (1 - c)` of the bankroll (Kelly 1956, with odds (1 - c) / c). Three things come off it.

*Doubt.* An estimate `p` with variance `v` is bet at `k * f`, `k = (p - c)**2 / ((p - c)**2 + v)`: Baker and McHale,
"Optimal betting under parameter uncertainty" (Decision Analysis 10(3), 2013), their closed approximation
`((b + 1) p - 1)**2 / (((b + 1) p - 1)**2 + (b + 1)**2 v)` with `b + 1 = 1 / c`.

*Caution.* A share of that, `kelly_ratio`: the same as full Kelly on a smaller bankroll with the rest set aside.

*What we hold.* Inside that smaller bankroll `W`, of which `s` is spent on `n` such shares and `m` of the opposite,
the growth-best further amount solves the first-order condition of `p log(A + (1-c) x) + (1-p) log(B - c x)` with
`A = W - s + n`, `B = W - s + m`: `x = p B / c - (1 - p) A / (1 - c)`; flat, this is `f W / c` again. What rests or is
in flight counts as filled. Nothing is bought without an edge of its own, not even as a hedge.
"""

import math
from enum import IntEnum
from typing import Any, NamedTuple

from state.compiled import compiled
from state.units import BPS, LOT_MICROS, MILL_BPS
from tools.fees import fee_bps, fee_micros


class StakeCode(IntEnum):
    """What set the size; from `NO_EDGE` on, why it is zero."""

    KELLY = 0
    ROOM = 1
    """The money the limits still allow."""
    DEPTH = 2
    """The shares the book can bear."""
    NO_EDGE = 10
    """Cost eats the edge, or what we hold is as much as the edge deserves."""
    BELOW_MIN_SHARES = 11
    BELOW_MIN_NOTIONAL = 12
    UNRECKONABLE = 13
    """A number out of range: no price, no fee, no bankroll."""


_KELLY, _ROOM, _DEPTH = int(StakeCode.KELLY), int(StakeCode.ROOM), int(StakeCode.DEPTH)
_NO_EDGE, _UNRECKONABLE = int(StakeCode.NO_EDGE), int(StakeCode.UNRECKONABLE)
_BELOW_MIN_SHARES, _BELOW_MIN_NOTIONAL = int(StakeCode.BELOW_MIN_SHARES), int(StakeCode.BELOW_MIN_NOTIONAL)


class StakeTerms(NamedTuple):
    """All that a size depends on; shares and money in micros."""

    p_win: float
    p_sd: float
    """Standard deviation of `p_win` as an estimate; 0 trusts it wholly."""
    price_bps: int
    fee_rate_ppm: int
    """0 for a resting order: makers pay nothing."""
    fee_exponent_count: int
    held_micros: int
    """Shares of this token that we hold, or would if all that rests and is in flight were filled."""
    against_micros: int
    """The same of the opposite token."""
    spent_micros: int
    """What all those shares cost."""
    bankroll_micros: int
    kelly_ratio: float
    room_micros: int
    """Money that every limit still allows, the least of them."""
    depth_micros: int
    """Shares that the book may be asked for."""
    min_shares_micros: int
    min_notional_micros: int
    """Least notional of a marketable order; 0 for a resting one."""


@compiled
def kelly_ratio(p_win: float, cost: float) -> float:
    """Give the growth-best part of a bankroll for shares of `cost` dollars, fee included; 0 without edge."""
    if not (0.0 < cost < 1.0) or not (p_win > cost):
        return 0.0
    return (p_win - cost) / (1.0 - cost)


@compiled
def doubt_ratio(p_win: float, p_sd: float, cost: float) -> float:
    """Give the share of a Kelly stake that an uncertain estimate deserves, 0..1 (Baker and McHale 2013)."""
    edge = p_win - cost
    if not edge > 0.0:
        return 0.0
    return edge * edge / (edge * edge + p_sd * p_sd)


@compiled
def interval_sd(p_low: float, p_high: float, z: float) -> float:
    """Give the standard deviation behind a symmetric interval of `z` standard deviations a side."""
    return max(p_high - p_low, 0.0) / (2.0 * z)


@compiled
def purchase_micros(price_bps: int, amount_micros: int, rate_ppm: int, exponent_count: int) -> int:
    """Give what a purchase takes out of the purse, notional and fee, exactly; notional rounds up off the lot grid."""
    return -(-int(price_bps) * int(amount_micros) // BPS) + fee_micros(
        price_bps, amount_micros, rate_ppm, exponent_count
    )


@compiled
def _growth_best_shares(terms: Any, cost: float) -> float:
    """Give the shares still to buy, in dollars' worth of payout; zero or less means none."""
    share = terms.kelly_ratio * doubt_ratio(terms.p_win, terms.p_sd, cost)
    purse = share * terms.bankroll_micros - terms.spent_micros
    if_won = purse + terms.held_micros
    if_lost = purse + terms.against_micros
    if terms.p_win <= cost or if_won <= 0.0 or if_lost <= 0.0:
        return 0.0
    return float(terms.p_win * if_lost / cost - (1.0 - terms.p_win) * if_won / (1.0 - cost))


@compiled
def stake_micros(terms: Any) -> tuple[int, int]:
    """Size one purchase from `StakeTerms`, rounded down to hundredths of a share.

    Never rounds up to a minimum: what the venue would not accept is not bought.

    Returns:
        Micro-shares, and the `StakeCode` of what bound them or why they are zero.
    """
    price = int(terms.price_bps)
    fee = fee_bps(float(price), terms.fee_rate_ppm, terms.fee_exponent_count)
    cost = (price + fee) / BPS
    if price <= 0 or price % MILL_BPS != 0 or not (0.0 < cost < 1.0) or not (0.0 <= terms.p_win <= 1.0):
        return 0, _UNRECKONABLE
    if terms.bankroll_micros <= 0 or not terms.p_sd >= 0.0 or not (0.0 <= terms.kelly_ratio <= 1.0):
        return 0, _UNRECKONABLE
    wanted = _growth_best_shares(terms, cost)
    if not wanted >= LOT_MICROS:
        return 0, _NO_EDGE
    amount = math.floor(wanted / LOT_MICROS) * LOT_MICROS
    code = _KELLY
    if terms.depth_micros < amount:
        amount = max(int(terms.depth_micros), 0) // LOT_MICROS * LOT_MICROS
        code = _DEPTH
    room = max(int(terms.room_micros), 0)
    if purchase_micros(price, amount, terms.fee_rate_ppm, terms.fee_exponent_count) > room:
        amount = math.floor(room / cost / LOT_MICROS) * LOT_MICROS
        code = _ROOM
        while amount > 0 and purchase_micros(price, amount, terms.fee_rate_ppm, terms.fee_exponent_count) > room:
            amount -= LOT_MICROS
    if amount < terms.min_shares_micros or amount <= 0:
        return 0, _BELOW_MIN_SHARES
    if price * amount < terms.min_notional_micros * BPS:
        return 0, _BELOW_MIN_NOTIONAL
    return amount, code


@compiled
def worst_loss_micros(spent_micros: int, up_micros: int, down_micros: int) -> int:
    """Give the most one window can still cost: what was paid less the smaller of its two payoffs, never below 0."""
    return max(int(spent_micros) - min(int(up_micros), int(down_micros)), 0)


@compiled
def tail_loss_micros(
    up_gains_micros: Any, down_gains_micros: Any, p_up: Any, count: int, together_ratio: float, p_tail: float
) -> float:
    """Give the expected shortfall of up to a dozen windows that may move together.

    Outcomes are a mixture: with probability `together_ratio` one common draw decides all windows (comonotone in Up),
    else each is drawn for itself; so that number is also the correlation of two like windows. The shortfall is the
    mean loss in the worst `p_tail` of outcomes, by Rockafellar and Uryasev (2000): the least over `t` of
    `t + E[max(loss - t, 0)] / p_tail`, which is reached at one of the losses; all states are walked, none drawn.

    Args:
        up_gains_micros: Profit of each window if it ends Up, shape (n,); may be negative.
        down_gains_micros: The same if it ends Down.
        p_up: Probability of Up of each.
        count: How many of the n to count; the work grows with 4**count, 5 are a millisecond's hundredth.
        together_ratio: 0..1.
        p_tail: Size of the tail, in (0, 1].

    Returns:
        Micro-dollars; negative when even the tail gains.
    """
    windows = int(count)
    if windows <= 0:
        return 0.0
    best = math.inf
    for candidate in range(1 << windows):
        threshold = 0.0
        for i in range(windows):
            threshold -= up_gains_micros[i] if candidate >> i & 1 else down_gains_micros[i]
        excess = (1.0 - together_ratio) * _excess_apart(up_gains_micros, down_gains_micros, p_up, windows, threshold)
        excess += together_ratio * _excess_together(up_gains_micros, down_gains_micros, p_up, windows, threshold)
        best = min(best, threshold + excess / p_tail)
    return best


@compiled
def _excess_apart(up_gains: Any, down_gains: Any, p_up: Any, windows: int, threshold: float) -> float:
    total = 0.0
    for state in range(1 << windows):
        weight = 1.0
        loss = 0.0
        for i in range(windows):
            if state >> i & 1:
                weight *= p_up[i]
                loss -= up_gains[i]
            else:
                weight *= 1.0 - p_up[i]
                loss -= down_gains[i]
        total += weight * max(loss - threshold, 0.0)
    return total


@compiled
def _excess_together(up_gains: Any, down_gains: Any, p_up: Any, windows: int, threshold: float) -> float:
    """Walk the steps of one common uniform draw `u`: window i ends Up when u < p_up[i]."""
    total = 0.0
    for step in range(windows + 1):
        high = 1.0 if step == windows else p_up[step]
        low = 0.0
        for i in range(windows):
            earlier = p_up[i] < high or (p_up[i] == high and i < step)
            if earlier and p_up[i] > low:
                low = p_up[i]
        loss = 0.0
        for i in range(windows):
            goes_up = p_up[i] >= high and step < windows
            loss -= up_gains[i] if goes_up else down_gains[i]
        total += (high - low) * max(loss - threshold, 0.0)
    return total
