"""Keep and read order books on the mill grid: levels, touches, depth, the cost of a size, the two tokens together.

A venue's two books are one book seen twice: a bid for Up at p is an ask for Down at 1 - p (a match mints or merges a
complete set). Sides are `Side` codes: BUY names the bids, SELL the asks; for takers, what the taker does.
"""

import math

from state.book import Book, BookCode, Ladder
from state.compiled import compiled
from state.events import LAST_IN_FRAME, Event, Kind, Side
from state.units import BPS, MILL_BPS

EMPTY_BPS = -1
"""The best price of an empty side."""

_BUY = int(Side.BUY)
_DONE = int(BookCode.DONE)
_OFF_GRID = int(BookCode.OFF_GRID)
_OUT_OF_RANGE = int(BookCode.OUT_OF_RANGE)
_BOOK_CLEARED = int(Kind.BOOK_CLEARED)
_LEVEL_SET = int(Kind.LEVEL_SET)
_TICK_CHANGED = int(Kind.TICK_CHANGED)
_MILLI = 1_000
"""Micro-mills in a micro-dollar."""


@compiled
def _clear_ladder(ladder: Ladder, step: int) -> None:
    """Zero the occupied levels only, walking from the best one; a first clear of a zeroed row is cheap too."""
    left = int(ladder.levels_count)
    index = int(ladder.best_bps) // MILL_BPS
    while left > 0:
        if ladder.sizes_micros[index] != 0:
            ladder.sizes_micros[index] = 0
            left -= 1
        index += step
    ladder.best_bps = EMPTY_BPS
    ladder.levels_count = 0
    ladder.notional_micro_mills = 0


@compiled
def clear_book(book: Book) -> None:
    """Empty both sides and call the book invalid; tick and epoch stay. Needed once on a zeroed row, too."""
    _clear_ladder(book.bid, -1)
    _clear_ladder(book.ask, 1)
    book.updates_count = 0
    book.valid = False
    book.whole = False


@compiled
def open_book(book: Book, tick_bps: int) -> int:
    """Make a zeroed or used row an empty book of the given tick, at epoch 0; answers a `BookCode`."""
    clear_book(book)
    book.epoch_count = 0
    book.at_ns = 0
    book.seen_ns = 0
    book.tick_bps = 0
    code = change_tick(book, tick_bps)
    book.epoch_count = 0
    return code


@compiled
def set_level(book: Book, side: int, price_bps: int, amount_micros: int) -> int:
    """Set the total displayed at a price; 0 removes the level.

    Constant time, save when the best level goes: then the next best is looked for, mill by mill.

    Returns:
        A `BookCode`; on a refusal nothing has changed.
    """
    price = int(price_bps)
    amount = int(amount_micros)
    if price <= 0 or price >= BPS or amount < 0:
        return _OUT_OF_RANGE
    index = price // MILL_BPS
    if index * MILL_BPS != price:
        return _OFF_GRID
    is_bid = side == _BUY
    ladder = book.bid if is_bid else book.ask
    before = int(ladder.sizes_micros[index])
    ladder.sizes_micros[index] = amount
    ladder.notional_micro_mills += index * (amount - before)
    book.updates_count += 1
    best = int(ladder.best_bps)
    if amount > 0:
        if before == 0:
            ladder.levels_count += 1
        if best < 0 or (price > best if is_bid else price < best):
            ladder.best_bps = price
    elif before > 0:
        ladder.levels_count -= 1
        if price == best:
            ladder.best_bps = _next_best(ladder, index, -1 if is_bid else 1)
    return _DONE


@compiled
def _next_best(ladder: Ladder, index: int, step: int) -> int:
    if ladder.levels_count == 0:
        return EMPTY_BPS
    index += step
    while ladder.sizes_micros[index] == 0:
        index += step
    return index * MILL_BPS


@compiled
def change_tick(book: Book, tick_bps: int) -> int:
    """Begin a new tick epoch; resting levels stay, as the venue says (venue reference 4.1), for all lie on the mills.

    Returns:
        A `BookCode`: ticks that are not whole mills (0.0025, 0.0001) are refused; the grid cannot hold their prices.
    """
    tick = int(tick_bps)
    if tick <= 0 or tick >= BPS:
        return _OUT_OF_RANGE
    if tick % MILL_BPS != 0:
        return _OFF_GRID
    if tick != book.tick_bps:
        book.tick_bps = tick
        book.epoch_count += 1
    return _DONE


@compiled
def apply_to_book(book: Book, event: Event) -> int:
    """Apply a BOOK_CLEARED, LEVEL_SET or TICK_CHANGED row to the book it is about; other kinds only stamp it.

    The book is `whole` after the row that ends its frame. A snapshot makes it valid at once: look at `whole` as well.

    Returns:
        A `BookCode`.
    """
    kind = event.kind_code
    code = _DONE
    if kind == _LEVEL_SET:
        code = set_level(book, event.side_code, event.price_bps, event.amount_micros)
    elif kind == _BOOK_CLEARED:
        clear_book(book)
        book.valid = True
    elif kind == _TICK_CHANGED:
        code = change_tick(book, event.price_bps)
    book.at_ns = event.at_ns
    book.seen_ns = event.seen_ns
    book.whole = (event.flags_mask & LAST_IN_FRAME) != 0
    return code


@compiled
def size_at(book: Book, side: int, price_bps: int) -> int:
    """Give the micro-shares displayed at a price; 0 off the grid, too."""
    price = int(price_bps)
    if price <= 0 or price >= BPS or price % MILL_BPS != 0:
        return 0
    if side == _BUY:
        return int(book.bid.sizes_micros[price // MILL_BPS])
    return int(book.ask.sizes_micros[price // MILL_BPS])


@compiled
def best_bid_bps(book: Book) -> int:
    """Give the best bid, -1 when nobody bids."""
    return int(book.bid.best_bps)


@compiled
def best_ask_bps(book: Book) -> int:
    """Give the best ask, -1 when nobody offers."""
    return int(book.ask.best_bps)


@compiled
def touch_micros(book: Book, side: int) -> int:
    """Give the micro-shares at the best level of a side, 0 when it is empty."""
    ladder = book.bid if side == _BUY else book.ask
    best = int(ladder.best_bps)
    return int(ladder.sizes_micros[best // MILL_BPS]) if best > 0 else 0


@compiled
def is_two_sided(book: Book) -> bool:
    """Say whether both sides have a level; late in a window half of the books do not."""
    return book.bid.levels_count > 0 and book.ask.levels_count > 0


@compiled
def is_crossed(book: Book) -> bool:
    """Say whether the best bid is at or over the best ask: never true of a whole book of the venue."""
    return is_two_sided(book) and book.bid.best_bps >= book.ask.best_bps


@compiled
def spread_bps(book: Book) -> int:
    """Give best ask less best bid, -1 when a side is empty; negative under -1 only in a crossed book."""
    if not is_two_sided(book):
        return -1
    return int(book.ask.best_bps) - int(book.bid.best_bps)


@compiled
def mid_p(book: Book) -> float:
    """Give the mid of the touch as a probability; NaN when a side is empty."""
    if not is_two_sided(book):
        return math.nan
    return (int(book.bid.best_bps) + int(book.ask.best_bps)) / (2.0 * BPS)


@compiled
def microprice_p(book: Book) -> float:
    """Give the mid weighted by the opposite touch sizes, as a probability; NaN when a side is empty.

    The first-order microprice (Gatheral and Oomen 2010; Stoikov 2018): a thin ask pulls it up.
    """
    if not is_two_sided(book):
        return math.nan
    bid = float(touch_micros(book, 0))
    ask = float(touch_micros(book, 1))
    return (int(book.bid.best_bps) * ask + int(book.ask.best_bps) * bid) / ((bid + ask) * BPS)


@compiled
def depth_within(book: Book, side: int, cents: int) -> int:
    """Give the micro-shares resting within `cents` of the side's own touch, both ends counted."""
    is_bid = side == _BUY
    ladder = book.bid if is_bid else book.ask
    best = int(ladder.best_bps) // MILL_BPS
    if ladder.levels_count == 0:
        return 0
    reach = int(cents) * 10
    first = max(best - reach, 0) if is_bid else best
    last = best if is_bid else min(best + reach, BPS // MILL_BPS)
    total = 0
    for index in range(first, last + 1):
        total += int(ladder.sizes_micros[index])
    return total


@compiled
def imbalance_ratio(book: Book, cents: int) -> float:
    """Give (bids - asks) / (bids + asks) of the sizes within `cents` of each touch: -1..1, 0 for an empty book."""
    bids = depth_within(book, 0, cents)
    asks = depth_within(book, 1, cents)
    total = bids + asks
    return (bids - asks) / total if total > 0 else 0.0


@compiled
def notional_micros(book: Book) -> int:
    """Give the dollars resting on both sides, price times size, in micros, cut to whole micros."""
    return (int(book.bid.notional_micro_mills) + int(book.ask.notional_micro_mills)) // _MILLI


@compiled
def cost_to_take(book: Book, side: int, amount_micros: int) -> tuple[int, int]:
    """Walk the book as a taker: BUY lifts asks, SELL hits bids, with no limit of price. See `cost_within`."""
    return cost_within(book, side, amount_micros, BPS if side == _BUY else 0)


@compiled
def cost_within(book: Book, side: int, amount_micros: int, limit_bps: int) -> tuple[int, int]:
    """Walk the book as a taker no farther than a limit price.

    Returns:
        Micro-shares filled, and micro-dollars paid or received without fees. The sum is exact for sizes of whole
        thousandths of a share (the venue's are hundredths); a rest is rounded against the taker.
    """
    is_buy = side == _BUY
    ladder = book.ask if is_buy else book.bid
    step = 1 if is_buy else -1
    levels = int(ladder.levels_count)
    index = int(ladder.best_bps) // MILL_BPS
    limit = int(limit_bps)
    left = int(amount_micros)
    filled = 0
    cost = 0
    while levels > 0 and left > 0:
        price = index * MILL_BPS
        if price > limit if is_buy else price < limit:
            break
        size = int(ladder.sizes_micros[index])
        if size > 0:
            taken = min(size, left)
            filled += taken
            left -= taken
            cost += index * taken
            levels -= 1
        index += step
    return filled, -(-cost // _MILLI) if is_buy else cost // _MILLI


@compiled
def effective_best_bps(book: Book, other: Book, side: int) -> int:
    """Give a token's best price on a side from both books: Up's bid is the higher of its own and 1 - Down's ask.

    Works when only one of the two books is recorded. -1 when neither has that side.
    """
    if side == _BUY:
        mirrored = BPS - int(other.ask.best_bps) if other.ask.levels_count > 0 else EMPTY_BPS
        return max(int(book.bid.best_bps), mirrored)
    own = int(book.ask.best_bps)
    if other.bid.levels_count == 0:
        return own
    mirrored = BPS - int(other.bid.best_bps)
    return mirrored if own < 0 else min(own, mirrored)


@compiled
def effective_size_at(book: Book, other: Book, side: int, price_bps: int) -> int:
    """Give the micro-shares on a side at a price from both books; not their sum, for it is one book seen twice."""
    mirrored = size_at(other, 1 - int(side), BPS - int(price_bps))
    return max(size_at(book, side, price_bps), mirrored)


@compiled
def complement_gap_bps(up: Book, down: Book) -> int:
    """Give how far the two books are from being one: the larger of |Up bid - (1 - Down ask)| and its opposite.

    A side that only one of the two books has counts as a gap of a whole dollar.
    """
    return max(_mirror_gap(up.bid, down.ask), _mirror_gap(up.ask, down.bid))


@compiled
def _mirror_gap(ladder: Ladder, opposite: Ladder) -> int:
    if ladder.levels_count == 0 and opposite.levels_count == 0:
        return 0
    if ladder.levels_count == 0 or opposite.levels_count == 0:
        return BPS
    return abs(int(ladder.best_bps) + int(opposite.best_bps) - BPS)


@compiled
def complete_set_edges_bps(up: Book, down: Book) -> tuple[int, int]:
    """Give what a complete set leaves before fees: bought at both asks and merged, or split and sold at both bids.

    Returns:
        1 - (Up ask + Down ask), and (Up bid + Down bid) - 1, in bps a set; -10,000 where a side is missing.
    """
    buy = -BPS
    if up.ask.levels_count > 0 and down.ask.levels_count > 0:
        buy = BPS - int(up.ask.best_bps) - int(down.ask.best_bps)
    sell = -BPS
    if up.bid.levels_count > 0 and down.bid.levels_count > 0:
        sell = int(up.bid.best_bps) + int(down.bid.best_bps) - BPS
    return buy, sell
