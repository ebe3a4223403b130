"""What a screen reads off the core's memory: figures, words and depth, of plain fields that are never written."""

from math import isfinite
from typing import Any, Final

import numpy as np

from infra.terminal.glance import DepthShown
from state.events import Token
from state.units import BPS, MICROS, MILL_BPS

NEAR_MILLS: Final = 40
"""Four cents: as far from the touch as the desk's own view adds depth up."""


def finite(value: Any) -> float | None:
    """Give a figure, None when it is none."""
    told = float(value)
    return told if isfinite(told) else None


def positive(value: Any) -> float | None:
    """Give a figure above zero, None for anything else: how the core marks a price that it does not know."""
    told = float(value)
    return told if isfinite(told) and told > 0.0 else None


def worded(kinds: Any, code: int) -> str:
    """Give the name of a code in words; a code that has none is said as it is."""
    try:
        return str(kinds(code).name).lower().replace("_", " ")
    except ValueError:
        return f"code {code}"


def best_of(ladder: Any) -> int | None:
    """Give a ladder's best price, None when it is empty."""
    if int(ladder["levels_count"]) <= 0:
        return None
    best = int(ladder["best_bps"])
    return best if 0 <= best <= BPS else None


def depth_of(book: Any) -> DepthShown:
    """Read one token's book: touch, size there, and size within four cents of it."""
    bid, ask = best_of(book["bid"]), best_of(book["ask"])
    state = "no snapshot"
    if book["valid"]:
        state = {2: "whole", 1: "one-sided", 0: "empty"}[(bid is not None) + (ask is not None)]
    bids, asks = book["bid"]["sizes_micros"], book["ask"]["sizes_micros"]
    told: dict[str, float] = {}
    if bid is not None:
        at = bid // MILL_BPS
        told["bid_shares"] = int(bids[at]) / MICROS
        told["bid_near_shares"] = int(bids[max(at - NEAR_MILLS, 0) : at + 1].sum()) / MICROS
    if ask is not None:
        at = ask // MILL_BPS
        told["ask_shares"] = int(asks[at]) / MICROS
        told["ask_near_shares"] = int(asks[at : at + NEAR_MILLS + 1].sum()) / MICROS
    return DepthShown(bid_bps=bid, ask_bps=ask, state=state, **told)


def book_usd(market: Any) -> float:
    """Give the resting notional of the fuller of both books: the two are one book seen twice."""
    mills = [int(book[side]["notional_micro_mills"]) for book in market["books"] for side in ("bid", "ask")]
    return max(sum(mills[:2]), sum(mills[2:])) / 1000 / MICROS


def bid_over_both(depths: tuple[DepthShown, DepthShown], token: int) -> int | None:
    """Give the best bid for a token over both books: an offer of the other at q is a bid for this one at 1 - q."""
    own, other = depths[token].bid_bps, depths[Token.DOWN - token].ask_bps
    mirrored = BPS - other if other is not None else None
    return max((bid for bid in (own, mirrored) if bid is not None), default=None)


def ask_over_both(depths: tuple[DepthShown, DepthShown], token: int) -> int | None:
    """Give the best offer of a token over both books."""
    bid = bid_over_both(depths, Token.DOWN - token)
    return BPS - bid if bid is not None else None


def average_of(observations: Any, ends_s: int, lookback_s: int) -> tuple[float | None, int]:
    """Give the average of the known seconds among the `lookback_s` up to `ends_s`, and how many those are.

    A second without an observation takes the last value before it, as settlement does.
    """
    newest_s, ring = int(observations["newest_s"]), len(observations["second_s"])
    last_s = min(ends_s, newest_s)
    count = last_s - (ends_s - lookback_s)
    if newest_s <= 0 or not 0 < count <= ring or newest_s - last_s >= ring:
        return None, 0
    seconds = np.arange(last_s - count + 1, last_s + 1)
    places = seconds % ring
    there = observations["second_s"][places] == seconds
    if not there.any():
        return None, 0
    filled = np.maximum.accumulate(np.where(there, np.arange(count), -1))
    values = observations["value_usd"][places][np.where(filled >= 0, filled, int(there.argmax()))]
    return finite(values.mean()), count
