"""Walk one window's book rows and note how the book looked at given times, for real and generated rows alike."""

from typing import Any, Final

from numpy.typing import NDArray

from state.compiled import compiled
from state.events import LAST_IN_FRAME, Kind, Side
from state.records import Floats, Ints

MILLS: Final = 1_001
TOP: Final = 1_000
BEST: Final = 3

KNOWN, BID, ASK, BID_SHARES, ASK_SHARES, BID_BEST, ASK_BEST, BID_BEST_USD, ASK_BEST_USD, WHOLE_USD, LEVELS = range(11)
"""Columns of a look: whether the book was known, best prices in mills (0 and 1000 when a side is empty), shares at the
touch, shares and dollars in the best three levels, dollars in all levels of both sides, levels of both sides."""

LOOK_COLUMNS: Final = 11

TOUCHES, FRAMES, AT_TOUCH, TRADES = range(4)
"""Columns of a tally: changes of the touch, frames with a level, those at the touch, trades."""

TALLY_COLUMNS: Final = 4

_LEVEL, _CLEARED, _TRADE = int(Kind.LEVEL_SET), int(Kind.BOOK_CLEARED), int(Kind.TRADE_SEEN)
_BUY, _SELL = int(Side.BUY), int(Side.SELL)


@compiled
def _best(levels: Ints, side: int, start: int) -> int:
    """Give the best price of a side at `start` or behind it; 0 or 1000 when there is none."""
    mills = start
    if side == _BUY:
        while mills > 0 and levels[side, mills] == 0:
            mills -= 1
    else:
        while mills < TOP and levels[side, mills] == 0:
            mills += 1
    return mills


@compiled
def _sum_side(levels: Ints, side: int, mills: int, look: Floats) -> None:
    """Add one side of the book up from its best price on."""
    step = -1 if side == _BUY else 1
    count = 0
    while 0 < mills < TOP:
        amount = levels[side, mills] * 1e-6
        if amount > 0.0:
            if count == 0:
                look[BID_SHARES + side] = amount
            if count < BEST:
                look[BID_BEST + side] += amount
                look[BID_BEST_USD + side] += amount * mills / TOP
            look[WHOLE_USD] += amount * mills / TOP
            count += 1
        mills += step
    look[LEVELS] += count


@compiled
def _look(levels: Ints, bid: int, ask: int, look: Floats) -> None:
    """Note how the book stands."""
    look[KNOWN], look[BID], look[ASK] = 1.0, bid, ask
    _sum_side(levels, _BUY, bid, look)
    _sum_side(levels, _SELL, ask, look)


@compiled
def walk(
    rows: NDArray[Any], token: int, levels: Ints, grid_ns: Ints, looks: Floats, tally: Ints, from_ns: int, to_ns: int
) -> None:  # fmt: skip
    """Fill `looks` with the book as it was seen at each time of `grid_ns`, and `tally` with what happened between.

    Args:
        rows: One window's book rows in the order they were seen.
        token: The token whose book is meant.
        levels: Room for a book, zeroed, shape (2, MILLS), micros.
        grid_ns: Times to look at, rising.
        looks: Zeroed, shape (len(grid_ns), LOOK_COLUMNS).
        tally: Zeroed, TALLY_COLUMNS long; only what is seen from `from_ns` to `to_ns` counts.
        from_ns: First time that counts.
        to_ns: Last.
    """
    at = 0
    bid, ask = 0, TOP
    told_bid, told_ask = 0, TOP
    known, changed, touched = False, False, False
    for number in range(len(rows)):
        row = rows[number]
        while at < len(grid_ns) and grid_ns[at] < row.seen_ns:
            if known:
                _look(levels, bid, ask, looks[at])
            at += 1
        if row.token_code == token and row.kind_code == _CLEARED:
            levels[:] = 0
            bid, ask, known = 0, TOP, True
        elif row.token_code == token and row.kind_code == _LEVEL:
            side, mills = int(row.side_code), int(row.price_bps) // 10
            touched |= (side == _BUY and mills >= bid) or (side == _SELL and mills <= ask)
            levels[side, mills] = row.amount_micros
            changed = True
            if side == _BUY:
                bid = _best(levels, side, max(bid, mills))
            else:
                ask = _best(levels, side, min(ask, mills))
        inside = from_ns <= row.seen_ns <= to_ns
        if row.kind_code == _TRADE and inside:
            tally[TRADES] += 1
        if row.flags_mask & LAST_IN_FRAME:
            if changed and inside:
                tally[FRAMES] += 1
                tally[AT_TOUCH] += int(touched)
                tally[TOUCHES] += int(bid != told_bid or ask != told_ask)
            told_bid, told_ask = bid, ask
            changed = touched = False
    # What was told last stands until something else is.
    for left in range(at, len(grid_ns)):
        if known:
            _look(levels, bid, ask, looks[left])
