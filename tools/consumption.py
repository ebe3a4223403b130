"""Remember what we took: displayed depth is there for us once, until the recorded feed shows a change of the level.

The feed of a recording, and the live feed of a paper run, do not know that we traded: they go on showing what we have
taken. When a level shrinks, what we took shrinks in proportion; when it grows, the growth is new and free to take.
"""

from state.compiled import compiled
from state.events import Side
from state.exchange import TAKEN_LEVELS, Exchange
from state.units import LOT_MICROS, MILL_BPS
from tools.book import size_at

_BUY = int(Side.BUY)


@compiled
def free_micros(exchange: Exchange, slot: int, side: int, price_bps: int) -> int:
    """Give the size at a level of Up's book that is still free to take, in whole lots."""
    market = exchange.markets[slot]
    size = size_at(market.book, side, price_bps)
    if market.taken_count > 0:
        for index in range(TAKEN_LEVELS):
            taken = exchange.taken[index]
            is_here = taken.slot_id == slot and taken.price_bps == price_bps and taken.side_code == side
            if taken.taken_micros > 0 and is_here:
                size -= int(taken.taken_micros)
                break
    return max(size, 0) // LOT_MICROS * LOT_MICROS


@compiled
def consume(exchange: Exchange, slot: int, side: int, price_bps: int, amount_micros: int) -> None:
    """Note that we took an amount from a level."""
    spare = -1
    for index in range(TAKEN_LEVELS):
        taken = exchange.taken[index]
        if taken.taken_micros == 0:
            spare = index if spare < 0 else spare
        elif taken.slot_id == slot and taken.side_code == side and taken.price_bps == price_bps:
            taken.taken_micros += amount_micros
            return
    if spare < 0:
        exchange.tally.overflow_count += 1
        return
    market = exchange.markets[slot]
    taken = exchange.taken[spare]
    taken.taken_micros = amount_micros
    taken.slot_id = slot
    taken.side_code = side
    taken.price_bps = price_bps
    taken.level_micros = size_at(market.book, side, price_bps)
    market.taken_count += 1


@compiled
def refresh_consumption(exchange: Exchange, slot: int) -> None:
    """Let what we took follow the levels of a new whole frame."""
    market = exchange.markets[slot]
    for index in range(TAKEN_LEVELS):
        taken = exchange.taken[index]
        if taken.taken_micros == 0 or taken.slot_id != slot:
            continue
        now = size_at(market.book, taken.side_code, taken.price_bps)
        before = int(taken.level_micros)
        if now < before:
            left = int(taken.taken_micros * (now / before))
            taken.taken_micros = left
            if left == 0:
                market.taken_count -= 1
        taken.level_micros = now


@compiled
def forget_consumption(exchange: Exchange, slot: int) -> None:
    """Forget all that we took in a market."""
    for index in range(TAKEN_LEVELS):
        if exchange.taken[index].slot_id == slot:
            exchange.taken[index].taken_micros = 0
    exchange.markets[slot].taken_count = 0


@compiled
def next_free_bps(exchange: Exchange, slot: int, side: int, limit_bps: int, after_bps: int) -> int:
    """Give the next best level that a taker can still take from.

    Args:
        exchange: The venue.
        slot: The market.
        side: Side of Up's book that is taken from: the asks for a taker who buys.
        limit_bps: The taker's limit.
        after_bps: Only levels worse than this; -1 to begin.

    Returns:
        A price of Up's book, or -1 when nothing is free within the limit.
    """
    book = exchange.markets[slot].book
    is_bid = side == _BUY
    ladder = book.bid if is_bid else book.ask
    best = int(ladder.best_bps)
    if best < 0:
        return -1
    step = -MILL_BPS if is_bid else MILL_BPS
    price = best if after_bps < 0 else int(after_bps) + step
    while price > 0 and (price >= limit_bps if is_bid else price <= limit_bps):
        if ladder.sizes_micros[price // MILL_BPS] > 0 and free_micros(exchange, slot, side, price) > 0:
            return price
        price += step
    return -1
