"""Trades at one exchange: is it swept to one side while the others stay calm?

A window settles on an average over a minute, so whoever would move it must move the price for the whole minute and at
enough exchanges. Two signs can be seen while it happens: takers at one exchange go one way with many times its usual
volume and the others do not, or one exchange's price stands away from all the others.
"""

import math
from typing import Final

from state.compiled import compiled
from state.events import Side
from state.spot import SpotFlow
from state.units import NS_PER_S

FAST_S: Final = 5.0
SLOW_S: Final = 300.0
KNOWN_NS: Final = 120 * NS_PER_S
"""So long must an exchange have been heard before its volume is known to be usual or not."""

ECHO_RATIO: Final = 0.5
"""Half of the surge and half of the one-sidedness at another exchange, the same way, make it the market's own move."""


@compiled
def fade_flow(flow: SpotFlow, now_ns: int) -> None:
    """Let time pass for one exchange's trades."""
    past_s = max(now_ns - flow.seen_ns, 0) / NS_PER_S
    flow.seen_ns = now_ns
    fast = math.exp(-past_s / FAST_S)
    flow.signed_micros *= fast
    flow.total_micros *= fast
    flow.usual_micros *= math.exp(-past_s / SLOW_S)


@compiled
def note_trade(flow: SpotFlow, now_ns: int, side_code: int, amount_micros: int) -> None:
    """Take in one trade by its taker's side."""
    if flow.begun_ns == 0:
        flow.begun_ns = now_ns
    fade_flow(flow, now_ns)
    amount = float(amount_micros)
    flow.signed_micros += amount if side_code == Side.BUY else -amount
    flow.total_micros += amount
    flow.usual_micros += amount * FAST_S / SLOW_S


@compiled
def sweep_sign(flow: SpotFlow, now_ns: int, surge_ratio: float, side_ratio: float) -> int:
    """Say whether an exchange is swept now: 1 bought, -1 sold, 0 neither.

    Args:
        flow: its trades.
        now_ns: our clock.
        surge_ratio: times the usual volume from which it is a surge.
        side_ratio: share of one side, 0 none .. 1 all, from which it is one-sided.
    """
    if flow.begun_ns == 0 or now_ns - flow.begun_ns < KNOWN_NS:
        return 0
    past_s = max(now_ns - flow.seen_ns, 0) / NS_PER_S
    fast = math.exp(-past_s / FAST_S)
    total = flow.total_micros * fast
    # The sums below begin at nothing: what they lack of their whole weight is put right.
    weight = 1.0 - math.exp(-(now_ns - flow.begun_ns) / NS_PER_S / SLOW_S)
    usual = flow.usual_micros * math.exp(-past_s / SLOW_S) / weight
    if not total > surge_ratio * usual or math.fabs(flow.signed_micros) * fast < side_ratio * total:
        return 0
    return 1 if flow.signed_micros > 0.0 else -1
