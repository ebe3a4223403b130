"""Weigh a resting bid against taking now: how likely it fills, what fills it, and what that is worth.

A bid waits behind `ahead` shares. Takers who sell come at a steady rate with sizes of an exponential spread, and the
touch leaves the price at another steady rate, which ends the wait. Each taker comes before that end with probability
`a = trades / (trades + ends)`, and it takes `1 + Poisson(ahead / mean size)` of them to reach us, so the chance is

    a * exp(-(ahead / mean) * (1 - a))

and its mean over the shares of our own order is closed as well. No series, no table, and every rate may be zero.

Adverse selection comes in twice. Whoever fills us may know more, and news travels while our cancel does: each filled
share loses `adverse_bps`. And half of the touch's moves go through our price: then we are filled for certain, a tick
further from fair value. A gain from being run over is not believed: that part counts only where it loses.

Doubts, all on the side of quoting less. Cancels ahead of us shorten no wait here. Takers are bursty, which a steady
rate flatters, so the slower of two rates is asked for. A rebate is worth at most a fifth of the taker fee (venue
reference 3.2) and counts as nothing, so it never makes a trade. What a fill costs in adverse selection is guessed from
volatility and one-sided flow; it has not been measured on our own fills.
"""

import math
from typing import Final

from state.compiled import compiled
from state.units import MICROS

TRADE_MICROS: Final = 15.0 * MICROS
"""Mean size of a taker's trade: the median is 8 shares (venue reference 2.7), and large ones are rare."""

QUIET_MICROS: Final = 20.0 * MICROS
"""Less than this in the fast average is quiet: too little to believe a rate from (a median trade is 8 shares)."""

THROUGH_RATIO: Final = 0.5
"""Share of the touch's moves that go through a bid rather than away from it: there is no reason for another one."""


@compiled
def sales_per_s(signed_micros: float, total_micros: float, slow_micros: float, fast_s: float, token: int) -> float:
    """Give how many takers a second sell a token at its bid: the slower of its own fast rate and half the slow one.

    Args:
        signed_micros: Takers' shares of UP bought less sold, in an average that forgets within `fast_s`.
        total_micros: The same, bought and sold.
        slow_micros: What a steady flow at the slow rate would show there.
        fast_s: Time constant of that average in seconds.
        token: Whose bid; buying DOWN hits the bid for UP as well.
    """
    if not total_micros >= QUIET_MICROS or not fast_s > 0.0:
        return 0.0
    signed = signed_micros if token == 0 else -signed_micros
    sold = max(0.5 * (total_micros - signed), 0.0)
    return min(sold, 0.5 * max(slow_micros, 0.0)) / (fast_s * TRADE_MICROS)


@compiled
def first_ratio(trades_per_s: float, ends_per_s: float) -> float:
    """Give the chance that the next taker comes before the end of the wait; 0 without takers."""
    if not trades_per_s > 0.0:
        return 0.0
    return trades_per_s / (trades_per_s + max(ends_per_s, 0.0))


@compiled
def filled_ratio(ahead_micros: int, own_micros: int, trades_per_s: float, ends_per_s: float) -> float:
    """Give the share of a resting bid that ordinary takers are expected to fill before its wait ends, 0..1.

    Args:
        ahead_micros: Shares before ours in the queue.
        own_micros: Shares of ours; at 0 the answer is the chance of the first share.
        trades_per_s: Takers that sell into this queue, see `sales_per_s`.
        ends_per_s: How often the touch leaves the price, and the end of the time left.
    """
    first = first_ratio(trades_per_s, ends_per_s)
    if first <= 0.0:
        return 0.0
    slope = (1.0 - first) / TRADE_MICROS
    reached = first * math.exp(-slope * max(ahead_micros, 0))
    whole = slope * max(own_micros, 0)
    if whole < 1e-9:
        return reached
    return reached * -math.expm1(-whole) / whole


@compiled
def through_ratio(trades_per_s: float, ends_per_s: float) -> float:
    """Give the chance that the price goes through the bid before the next taker comes."""
    if not trades_per_s + ends_per_s > 0.0:
        return 0.0
    return THROUGH_RATIO * (1.0 - first_ratio(trades_per_s, ends_per_s))


@compiled
def making_bps(edge_bps: float, adverse_bps: float, tick_bps: float, filled: float, through: float) -> float:
    """Give what a resting bid is expected to gain per share wanted, in bps.

    Args:
        edge_bps: Fair value less the price, at the interval's worse end; makers pay no fee (venue reference 3.1).
        adverse_bps: What fair value moves against us by the time of a fill.
        tick_bps: How much further it has moved when the price goes through ours.
        filled: See `filled_ratio`.
        through: See `through_ratio`.
    """
    gain = edge_bps - adverse_bps
    return filled * gain + through * min(gain - tick_bps, 0.0)
