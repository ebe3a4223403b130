"""The core's memory as readers at the edge see it: plain fields of one world, read where they lie and never written.

NumPy's own record class answers every field in Python, some two microseconds each. The same bytes looked at as plain
structures answer in a tenth of that, which is what keeps a whole screen below a millisecond.
"""

from functools import lru_cache
from math import isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.terminal.glance import DepthShown
from state.events import Asset, Token
from state.units import BPS, MICROS, MILL_BPS, NS_PER_S

NEAR_MILLS: Final = 40
"""Four cents: as far from the touch as the desk's own view adds depth up."""

SPANS: Final = {300: "5m", 900: "15m", 3_600: "1h", 14_400: "4h"}


@lru_cache(maxsize=16)
def plain_type(layout: np.dtype[Any]) -> np.dtype[Any]:
    """Give the same layout without NumPy's record class, all the way down."""
    if layout.subdtype is not None:
        kind, shape = layout.subdtype
        whole: np.dtype[Any] = np.dtype((plain_type(kind), shape))
        return whole
    if layout.names is None:
        return layout
    fields: Any = layout.fields
    spec: Any = {
        "names": list(layout.names),
        "formats": [plain_type(fields[name][0]) for name in layout.names],
        "offsets": [fields[name][1] for name in layout.names],
        "itemsize": layout.itemsize,
    }
    bare: np.dtype[Any] = np.dtype(spec)
    return bare


def plain(rows: NDArray[Any]) -> NDArray[Any]:
    """Look at rows of a record as plain structures: the same bytes, not a copy."""
    return rows.view(plain_type(rows.dtype))


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


def slug_of(market: Any) -> str:
    """Name a window as the venue would, from what the core knows of it."""
    open_ns, close_ns = int(market["open_ns"]), int(market["close_ns"])
    open_s, span_s = open_ns // NS_PER_S, (close_ns - open_ns) // NS_PER_S
    return f"{worded(Asset, int(market['asset_code']))}-updown-{SPANS.get(span_s, f'{span_s}s')}-{open_s}"


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
