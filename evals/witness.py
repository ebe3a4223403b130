"""Watch a run from outside: a second pass over the rows that rebuilds the books and says what was there to be had.

It shares no state with the venue's model, for it is what that model is checked by. Two bystanders walk the rows: one by
the desk's clock (`seen_ns`), for what a decision could know, and one by the venue's (`at_ns`), for what was there when
we were matched. Rows of one channel cannot overtake each other, so a row counts for the venue's bystander from when it
and every book row before it had happened.

What we took ourselves is remembered, and forgotten as generously as can be: when a level shrinks, it is our shares that
are said to have left first. So a model may be stricter than the witness, but never kinder.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray

from state.book import Book
from state.compiled import compiled
from state.events import ASSETS, LAST_IN_FRAME, FeedState, Kind, Side, Source
from state.records import F64, I64, Flag, Floats, Ints, Record, one, rows
from state.records import Rows as Run
from state.units import BPS, MILL_BPS
from state.world import SLOTS
from tools.book import apply_to_book, clear_book, effective_best_bps, effective_size_at, open_book

Rows = NDArray[Any]

TAKEN: Final = 256
"""Levels that we took from and that are remembered; the oldest goes first, in our favour."""

NO_LIMIT_BPS: Final = BPS - MILL_BPS


class Look(Record):
    """One question to the books of a market at one moment, and what they answered."""

    when_ns: I64
    slot_id: I64
    token_code: I64
    side_code: I64
    """What a taker would do: BUY looks at the asks."""
    amount_micros: I64
    """Size to walk."""
    limit_bps: I64
    """Price to walk to and no farther."""
    take_micros: I64
    """What we did take then, at exactly the limit; 0 for a look that takes nothing."""
    # answers
    bid_bps: I64
    """The token's best bid over both books, -1 where there is none."""
    ask_bps: I64
    filled_micros: I64
    """How much of the size was displayed within the limit, our own takes apart."""
    cost_micros: I64
    """What that would have paid or brought, without fee; rounded against the taker."""
    displayed_micros: I64
    """All that was displayed within the limit, less what we had taken of it before."""
    price_usd: F64
    """The coin's last price: by the settlement stream, else by an exchange; 0 without one."""
    answered: Flag


class TakenLevel(Record):
    """A level of a market that we took from, in UP's terms."""

    slot_id: I64
    side_code: I64
    price_bps: I64
    taken_micros: I64
    level_micros: I64
    """Displayed there when last looked at."""


class Bystander(Record):
    """The books of every slot as rebuilt up to a moment, with what we took from them."""

    books: Annotated[Run[Book], 2 * SLOTS]
    """UP's and DOWN's of slot 0, of slot 1, and so on."""
    taken: Annotated[Run[TakenLevel], TAKEN]
    oracle_usd: Annotated[Floats, np.float64, (ASSETS,)]
    exchange_usd: Annotated[Floats, np.float64, (ASSETS,)]
    asset_code: Annotated[Ints, np.int64, (SLOTS,)]
    horizon_ns: I64
    """Everything before this moment has been told."""
    cursor_id: I64
    """First look that is not answered yet."""
    taken_count: I64
    """Levels ever taken from."""


_BUY = int(Side.BUY)
_LEVEL_SET, _BOOK_CLEARED, _TICK_CHANGED = int(Kind.LEVEL_SET), int(Kind.BOOK_CLEARED), int(Kind.TICK_CHANGED)
_LISTED, _FEED, _PRICE = int(Kind.MARKET_LISTED), int(Kind.FEED_CHANGED), int(Kind.PRICE_SEEN)
_FEED_UP, _BOOK_SOURCE, _ORACLE = int(FeedState.UP), int(Source.POLYMARKET_BOOK), int(Source.CHAINLINK)
_LAST = int(LAST_IN_FRAME)
_LIMIT = int(NO_LIMIT_BPS)


@compiled
def follow(bystander: Bystander, events: Rows, by_venue: bool, looks: Rows, final: bool) -> None:
    """Walk on over more rows and answer every look whose moment has passed.

    Args:
        bystander: changed in place.
        events: rows in the order they were seen.
        by_venue: let `at_ns` be the clock, else `seen_ns`.
        looks: rows of `Look` in the order of their moments; answers are written into them.
        final: no rows follow these: answer what is left.
    """
    count = len(looks)
    for index in range(len(events)):
        event = events[index]
        kind = int(event.kind_code)
        is_book = kind in (_LEVEL_SET, _BOOK_CLEARED, _TICK_CHANGED)
        if by_venue and (is_book or (kind == _FEED and event.source_code == _BOOK_SOURCE)):
            bystander.horizon_ns = max(int(bystander.horizon_ns), int(event.at_ns))
        elif not by_venue:
            bystander.horizon_ns = max(int(bystander.horizon_ns), int(event.seen_ns))
        while bystander.cursor_id < count and looks[bystander.cursor_id].when_ns < bystander.horizon_ns:
            _answer(bystander, looks[bystander.cursor_id])
            bystander.cursor_id += 1
        if kind == _LISTED:
            _answer_slot(bystander, looks, int(event.slot_id), int(event.at_ns))
        if is_book:
            _see_book(bystander, event)
        elif kind in (_PRICE, _LISTED, _FEED):
            _see_other(bystander, event, kind)
    while final and bystander.cursor_id < count:
        _answer(bystander, looks[bystander.cursor_id])
        bystander.cursor_id += 1


@compiled
def _answer_slot(bystander: Bystander, looks: Rows, slot: int, before_ns: int) -> None:
    """Answer what is still asked of a slot's window before the next one takes its place."""
    index = int(bystander.cursor_id)
    while index < len(looks) and looks[index].when_ns < before_ns:
        if looks[index].slot_id == slot:
            _answer(bystander, looks[index])
        index += 1


@compiled
def _see_book(bystander: Bystander, event: Any) -> None:
    slot = int(event.slot_id)
    if slot >= SLOTS or event.token_code > 1:
        return
    apply_to_book(bystander.books[2 * slot + int(event.token_code)], event)
    if bystander.taken_count > 0 and event.flags_mask & _LAST != 0:
        _recount_taken(bystander, slot)


@compiled
def _see_other(bystander: Bystander, event: Any, kind: int) -> None:
    if kind == _PRICE:
        if event.code_id >= ASSETS:
            return
        middle = 0.5 * (event.value_usd + event.other_usd) if event.other_usd > 0.0 else event.value_usd
        if event.source_code == _ORACLE:
            bystander.oracle_usd[event.code_id] = middle
        else:
            bystander.exchange_usd[event.code_id] = middle
    elif kind == _LISTED:
        slot = int(event.slot_id)
        if slot < SLOTS:
            bystander.asset_code[slot] = min(int(event.code_id), ASSETS - 1)
            _empty(bystander, slot)
    elif event.source_code == _BOOK_SOURCE and event.code_id != _FEED_UP:
        for each in range(2 * SLOTS):
            clear_book(bystander.books[each])


@compiled
def _empty(bystander: Bystander, slot: int) -> None:
    """Begin a new window in its slot, with empty books and nothing taken."""
    open_book(bystander.books[2 * slot], 100)
    open_book(bystander.books[2 * slot + 1], 100)
    for index in range(TAKEN):
        if bystander.taken[index].slot_id == slot:
            bystander.taken[index].taken_micros = 0


@compiled
def _size_up(bystander: Bystander, slot: int, side: int, price_bps: int) -> int:
    """Give the size at a level in UP's terms, from both books."""
    up, down = bystander.books[2 * slot], bystander.books[2 * slot + 1]
    return effective_size_at(up, down, side, price_bps)


@compiled
def _recount_taken(bystander: Bystander, slot: int) -> None:
    """After a whole frame, let our shares be the first that left a level which has shrunk."""
    for index in range(TAKEN):
        taken = bystander.taken[index]
        if taken.taken_micros == 0 or taken.slot_id != slot:
            continue
        now = _size_up(bystander, slot, int(taken.side_code), int(taken.price_bps))
        gone = int(taken.level_micros) - now
        if gone > 0:
            taken.taken_micros = max(int(taken.taken_micros) - gone, 0)
        taken.level_micros = now


@compiled
def _taken_at(bystander: Bystander, slot: int, side: int, price_bps: int) -> int:
    total = 0
    if bystander.taken_count > 0:
        for index in range(TAKEN):
            taken = bystander.taken[index]
            if taken.slot_id == slot and taken.side_code == side and taken.price_bps == price_bps:
                total += int(taken.taken_micros)
    return total


@compiled
def _answer(bystander: Bystander, look: Any) -> None:
    if look.answered:
        return
    slot, token, side = int(look.slot_id), int(look.token_code), int(look.side_code)
    own, other = bystander.books[2 * slot + token], bystander.books[2 * slot + 1 - token]
    look.bid_bps = effective_best_bps(own, other, 0)
    look.ask_bps = effective_best_bps(own, other, 1)
    oracle = bystander.oracle_usd[bystander.asset_code[slot]]
    look.price_usd = oracle if oracle > 0.0 else bystander.exchange_usd[bystander.asset_code[slot]]
    look.answered = True
    _walk(bystander, look)
    if look.take_micros > 0:
        limit = int(look.limit_bps)
        at = limit if token == 0 else BPS - limit
        taken = bystander.taken[bystander.taken_count % TAKEN]
        bystander.taken_count += 1
        taken.slot_id = slot
        taken.side_code = (1 - side) ^ token
        taken.price_bps = at
        taken.taken_micros = look.take_micros
        taken.level_micros = _size_up(bystander, slot, int(taken.side_code), at)


@compiled
def _walk(bystander: Bystander, look: Any) -> None:
    """Walk the side that a taker meets, from its best price to the limit."""
    slot, token, side = int(look.slot_id), int(look.token_code), int(look.side_code)
    own, other = bystander.books[2 * slot + token], bystander.books[2 * slot + 1 - token]
    is_buy = side == _BUY
    price = int(look.ask_bps) if is_buy else int(look.bid_bps)
    limit, left = int(look.limit_bps), int(look.amount_micros)
    filled, cost_micro_mills, displayed = 0, 0, 0
    while 0 < price < BPS and (price <= limit if is_buy else price >= limit):
        size = effective_size_at(own, other, 1 - side, price)
        if size > 0:
            up_price = price if token == 0 else BPS - price
            displayed += max(size - _taken_at(bystander, slot, (1 - side) ^ token, up_price), 0)
            part = min(size, left)
            filled += part
            left -= part
            cost_micro_mills += price // MILL_BPS * part
        price += MILL_BPS if is_buy else -MILL_BPS
    look.filled_micros = filled
    look.cost_micros = -(-cost_micro_mills // 1_000) if is_buy else cost_micro_mills // 1_000
    look.displayed_micros = displayed


class Witness:
    """Both bystanders over one tape, with their looks."""

    def __init__(self, desk: Rows, venue: Rows) -> None:
        """Begin before the first row; looks may come in any order and keep it."""
        self._orders = [np.argsort(looks["when_ns"], kind="stable") for looks in (desk, venue)]
        self._looks = [looks[order] for looks, order in zip((desk, venue), self._orders, strict=True)]
        self._bystanders: list[Any] = [one(Bystander), one(Bystander)]
        for bystander in self._bystanders:
            for slot in range(SLOTS):
                _empty(bystander, slot)

    def feed(self, chunk: Rows, final: bool = False) -> None:
        """Walk on over more rows; `final` answers what is left on the books as they stand at the end."""
        for by_venue, (bystander, looks) in enumerate(zip(self._bystanders, self._looks, strict=True)):
            follow(bystander, chunk, bool(by_venue), looks, final)

    def answers(self) -> tuple[Rows, Rows]:
        """Give the desk's and the venue's looks, answered, in the order they were handed in."""
        found = []
        for looks, order in zip(self._looks, self._orders, strict=True):
            back = np.empty_like(looks)
            back[order] = looks
            found.append(back)
        return found[0], found[1]


def looks_of(
    when_ns: Ints, slot: Any, token: Any, side: Any = _BUY, amount_micros: Any = 0, limit_bps: Any = _LIMIT,
    take_micros: Any = 0,
) -> Rows:  # fmt: skip
    """Write looks, one for each moment; the other columns may be single values."""
    looks = rows(Look, len(when_ns))
    looks["when_ns"], looks["slot_id"], looks["token_code"], looks["side_code"] = when_ns, slot, token, side
    looks["amount_micros"], looks["limit_bps"], looks["take_micros"] = amount_micros, limit_bps, take_micros
    return looks


def witness(chunks: Iterable[Rows], desk: Rows, venue: Rows) -> tuple[Rows, Rows]:
    """Walk a tape once and answer looks by the desk's clock and by the venue's."""
    watching = Witness(desk, venue)
    empty: Rows | None = None
    for chunk in chunks:
        watching.feed(chunk)
        empty = chunk[:0]
    if empty is not None:
        watching.feed(empty, final=True)
    return watching.answers()


def mid_bps(looks: Rows) -> Floats:
    """Give the middle each look found; NaN where a side was empty."""
    both = (looks["bid_bps"] >= 0) & (looks["ask_bps"] >= 0) & looks["answered"]
    return np.where(both, 0.5 * (looks["bid_bps"] + looks["ask_bps"]), np.nan)


def touch_bps(looks: Rows) -> Floats:
    """Give what one share would have paid or brought at once; NaN where nobody was there."""
    touch = np.where(looks["side_code"] == _BUY, looks["ask_bps"], looks["bid_bps"])
    return np.where((touch >= 0) & looks["answered"], touch, np.nan).astype(np.float64)


def walk_bps(looks: Rows) -> Floats:
    """Give the average price of what was displayed of the size within the limit; NaN where nothing was."""
    filled = looks["filled_micros"].astype(np.float64)
    return np.where(filled > 0, looks["cost_micros"] / np.where(filled > 0, filled, 1.0) * BPS, np.nan)
