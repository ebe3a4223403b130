"""Take in orders and cancels at the venue: refuse, hold, match, rest; what the documents say it does, and no more.

A marketable order on a market with a taker hold is locked, cannot be cancelled, and is matched after the hold against
the book as it then is; post-only orders and cancels are never held (venue reference 3.4). Doubts: the five-share
minimum is asked of orders that may rest, the one-dollar minimum of marketable ones, buys and sells alike; an order
that would meet an own one ends that one first, for self-trade prevention is not documented; a hold that ends in an
engine restart ends unmatched.
"""

from state.compiled import compiled
from state.events import Side
from state.exchange import NEVER_NS, VENUE_ORDERS, Exchange, MarketState, VenueOrder, VenueOrderState
from state.orders import Act, Command, Liquidity, OrderState, Reject, TimeInForce
from state.units import BPS, LOT_MICROS
from state.world import SLOTS
from tools.account import book_fill, covers, match_fee_micros, merge_sets, own_price, own_side
from tools.consumption import consume, free_micros, next_free_bps
from tools.parcels import ANSWER, REPORT, note_order
from tools.queue import end_order, join_queue, remember_touch

NORMAL = 0
RESTARTING = 1
POST_ONLY_MODE = 2

_BUY = int(Side.BUY)
_FREE, _HELD, _RESTING = int(VenueOrderState.FREE), int(VenueOrderState.HELD), int(VenueOrderState.RESTING)
_OPEN, _SETTLED = int(MarketState.OPEN), int(MarketState.SETTLED)
_PLACE, _CANCEL_MARKET, _MERGE = int(Act.PLACE), int(Act.CANCEL_MARKET), int(Act.MERGE)
_GTD, _FOK, _FAK = int(TimeInForce.GTD), int(TimeInForce.FOK), int(TimeInForce.FAK)
_TAKER = int(Liquidity.TAKER)
_OK = int(Reject.NONE)
_WOULD_CROSS, _MIN_SHARES = int(Reject.POST_ONLY_WOULD_CROSS), int(Reject.BELOW_MIN_SHARES)
_MIN_NOTIONAL, _OFF_TICK = int(Reject.BELOW_MIN_NOTIONAL), int(Reject.OFF_TICK)
_OUT_OF_RANGE, _FOK_NOT_FILLED = int(Reject.PRICE_OUT_OF_RANGE), int(Reject.FOK_NOT_FILLED)
_FAK_NO_MATCH, _RESTARTING = int(Reject.FAK_NO_MATCH), int(Reject.RESTARTING)
_POST_ONLY_MODE, _NOT_READY = int(Reject.POST_ONLY_MODE), int(Reject.MARKET_NOT_READY)
_CLOSED, _NO_BALANCE = int(Reject.MARKET_CLOSED), int(Reject.NOT_ENOUGH_BALANCE)
_NOT_CANCELLABLE, _UNKNOWN = int(Reject.NOT_CANCELLABLE), int(Reject.UNKNOWN_ORDER)
_TOO_MANY, _EXPIRED = int(Reject.TOO_MANY_ORDERS), int(Reject.EXPIRED)
_CANCELLED, _FAILED = int(Reject.CANCELLED), int(Reject.FAILED)
_STATE_NONE, _STATE_HELD = int(OrderState.NONE), int(OrderState.HELD)
_STATE_RESTING, _STATE_REJECTED = int(OrderState.RESTING), int(OrderState.REJECTED)
_STATE_DONE = int(OrderState.DONE)


@compiled
def engine_mode(exchange: Exchange) -> int:
    """Say whether the engine runs, restarts (HTTP 425), or takes only post-only orders after a restart."""
    terms = exchange.terms
    if terms.restart_first_ns <= 0 or exchange.clock_ns < terms.restart_first_ns:
        return NORMAL
    since = int(exchange.clock_ns) - int(terms.restart_first_ns)
    if terms.restart_every_ns > 0:
        since %= int(terms.restart_every_ns)
    if since < terms.restart_ns:
        return RESTARTING
    return POST_ONLY_MODE if since < int(terms.restart_ns) + int(terms.post_only_ns) else NORMAL


@compiled
def find_order(exchange: Exchange, order_id: int) -> int:
    """Give the row of an open order, or -1."""
    if exchange.orders_count > 0:
        for index in range(VENUE_ORDERS):
            order = exchange.orders[index]
            if order.state_code != _FREE and order.order_id == order_id:
                return index
    return -1


@compiled
def _crosses_own(exchange: Exchange, slot: int, side: int, price_bps: int, ends_them: bool) -> bool:
    """Say whether an own resting order of the other side is in the way; end such orders if told to."""
    found = False
    for index in range(VENUE_ORDERS):
        order = exchange.orders[index]
        if order.state_code != _RESTING or order.slot_id != slot or order.side_code == side:
            continue
        if order.price_bps <= price_bps if side == _BUY else order.price_bps >= price_bps:
            found = True
            if ends_them:
                end_order(exchange, index, REPORT, _STATE_DONE, _CANCELLED)
    return found


@compiled
def _malformed(exchange: Exchange, command: Command) -> int:
    """Check what needs no look at the other side of the book; answers a `Reject`."""
    slot = int(command.slot_id)
    if slot >= SLOTS:
        return _NOT_READY
    market = exchange.markets[slot]
    if market.state_code == _SETTLED:
        return _CLOSED
    tick = int(market.book.tick_bps)
    if market.state_code != _OPEN or not market.book.valid or tick <= 0:
        return _NOT_READY
    price = int(command.price_bps)
    if price < tick or price > BPS - tick:
        return _OUT_OF_RANGE
    if price % tick != 0:
        return _OFF_TICK
    amount = int(command.amount_micros) // LOT_MICROS * LOT_MICROS
    takes_only = command.tif_code == _FOK or command.tif_code == _FAK
    if amount <= 0 or (not takes_only and amount < market.rules.min_shares_micros):
        return _MIN_SHARES
    if takes_only and command.post_only:
        return _FAILED
    if command.tif_code == _GTD and command.expires_ns - exchange.terms.gtd_early_ns <= exchange.clock_ns:
        return _EXPIRED
    if match_fee_micros(exchange, slot, price, amount) < 0:
        return _NOT_READY
    return _OK


@compiled
def _refusal(exchange: Exchange, command: Command, amount: int, crosses: bool) -> int:
    """Check a well-formed order against book, mode and purse; answers a `Reject`."""
    slot, price = int(command.slot_id), int(command.price_bps)
    if crosses and command.post_only:
        return _WOULD_CROSS
    if not command.post_only and engine_mode(exchange) == POST_ONLY_MODE:
        return _POST_ONLY_MODE
    if crosses and price * amount < int(exchange.markets[slot].rules.min_notional_micros) * BPS:
        return _MIN_NOTIONAL
    if not crosses and command.tif_code == _FOK:
        return _FOK_NOT_FILLED
    if not crosses and command.tif_code == _FAK:
        return _FAK_NO_MATCH
    if exchange.orders_count >= VENUE_ORDERS:
        return _TOO_MANY
    token, side = int(command.token_code), int(command.side_code)
    if exchange.terms.balance_checked and not covers(exchange, slot, token, side, price, amount, crosses):
        return _NO_BALANCE
    return _OK


@compiled
def _enter(exchange: Exchange, command: Command, amount: int) -> int:
    """Write an accepted order into a free row; answers the row."""
    index = 0
    while exchange.orders[index].state_code != _FREE:
        index += 1
    exchange.message_seq += 1
    order = exchange.orders[index]
    token = int(command.token_code)
    order.order_id = command.order_id
    order.slot_id = command.slot_id
    order.token_code = token
    order.side_code = own_side(token, int(command.side_code))
    order.price_bps = own_price(token, int(command.price_bps))
    order.amount_micros = amount
    order.open_micros = amount
    order.filled_micros = 0
    order.tif_code = command.tif_code
    order.arrival_seq = exchange.message_seq
    order.arrived_ns = exchange.clock_ns
    order.expires_ns = command.expires_ns - exchange.terms.gtd_early_ns
    order.due_ns = NEVER_NS
    order.visit_seq = 0
    market = exchange.markets[order.slot_id]
    if market.orders_count == 0:
        remember_touch(exchange, int(order.slot_id))
    exchange.orders_count += 1
    market.orders_count += 1
    exchange.tally.accepted_count += 1
    return index


@compiled
def _place(exchange: Exchange, command: Command) -> int:
    """Take in an order: answers the `Reject` it meets at once, or NONE and the order is held, matched or rests."""
    code = _malformed(exchange, command)
    if code != _OK:
        return code
    slot, token = int(command.slot_id), int(command.token_code)
    side, price = own_side(token, int(command.side_code)), own_price(token, int(command.price_bps))
    amount = int(command.amount_micros) // LOT_MICROS * LOT_MICROS
    meets = next_free_bps(exchange, slot, 1 - side, price, -1) >= 0
    crosses = meets or _crosses_own(exchange, slot, side, price, False)
    code = _refusal(exchange, command, amount, crosses)
    if code != _OK:
        return code
    index = _enter(exchange, command, amount)
    hold = int(exchange.markets[slot].rules.hold_ns)
    order = exchange.orders[index]
    if not crosses:
        join_queue(exchange, index, ANSWER)
        return _OK
    order.state_code = _HELD
    order.due_ns = exchange.clock_ns + hold
    if hold > 0:
        note_order(exchange, ANSWER, slot, int(order.order_id), amount, _STATE_HELD, _OK)
    else:
        execute(exchange, index, ANSWER)
    return _OK


@compiled
def _take(exchange: Exchange, order: VenueOrder, doing: bool) -> int:
    """Walk what is displayed within an order's limit, best price first; answers how much of it could be taken.

    `doing`: match it, too, one fill a level.
    """
    slot, other = int(order.slot_id), 1 - int(order.side_code)
    limit, left, total = int(order.price_bps), int(order.open_micros), 0
    price = next_free_bps(exchange, slot, other, limit, -1)
    while price >= 0 and left > 0:
        part = min(left, free_micros(exchange, slot, other, price))
        left -= part
        total += part
        if doing:
            consume(exchange, slot, other, price, part)
            book_fill(exchange, order, price, part, _TAKER)
        price = next_free_bps(exchange, slot, other, limit, price)
    return total


@compiled
def execute(exchange: Exchange, index: int, channel: int) -> None:
    """Match an order against the book as it is now; what is left rests or ends by its type."""
    order = exchange.orders[index]
    market = exchange.markets[order.slot_id]
    code = _OK
    if market.state_code != _OPEN:
        code = _CLOSED
    elif not market.book.valid:
        code = _NOT_READY
    elif engine_mode(exchange) == RESTARTING:
        code = _RESTARTING
    elif order.tif_code == _FOK and _take(exchange, order, False) < order.open_micros:
        code = _FOK_NOT_FILLED
    if code != _OK:
        end_order(exchange, index, channel, _STATE_DONE, code)
        return
    _crosses_own(exchange, int(order.slot_id), int(order.side_code), int(order.price_bps), True)
    _take(exchange, order, True)
    if order.open_micros == 0:
        end_order(exchange, index, channel, _STATE_DONE, _OK)
    elif order.tif_code == _FAK or order.tif_code == _FOK:
        end_order(exchange, index, channel, _STATE_DONE, _OK if order.filled_micros > 0 else _FAK_NO_MATCH)
    else:
        join_queue(exchange, index, channel)


@compiled
def end_orders(exchange: Exchange, slot: int, channel: int, reject_code: int, held_too: bool) -> None:
    """End all that rests in a market, or everywhere with slot -1; what is held only when the market itself ends."""
    for index in range(VENUE_ORDERS):
        order = exchange.orders[index]
        if order.state_code == _FREE or (slot >= 0 and order.slot_id != slot):
            continue
        if held_too or order.state_code == _RESTING:
            end_order(exchange, index, channel, _STATE_DONE, reject_code)


@compiled
def arrive(exchange: Exchange, command: Command) -> None:
    """Let a command reach the engine at the venue's clock, and note the answer."""
    slot, order_id, act = int(command.slot_id), int(command.order_id), int(command.act_code)
    if act == _MERGE:
        merge_sets(exchange, command)  # on chain: an engine that restarts does not matter
        return
    index = find_order(exchange, order_id)
    restarting = engine_mode(exchange) == RESTARTING
    if act == _PLACE:
        if index >= 0:
            exchange.tally.odd_count += 1  # the venue says "Duplicated" and the first one stands
            return
        code = _RESTARTING if restarting else _place(exchange, command)
        if code != _OK:
            exchange.tally.refused_count += 1
            note_order(exchange, ANSWER, slot, order_id, 0, _STATE_REJECTED, code)
    elif act == _CANCEL_MARKET and not restarting:
        end_orders(exchange, slot, ANSWER, _CANCELLED, False)
    elif index < 0:
        note_order(exchange, ANSWER, slot, order_id, 0, _STATE_NONE, _RESTARTING if restarting else _UNKNOWN)
    elif restarting or exchange.orders[index].state_code == _HELD:
        order = exchange.orders[index]
        state = _STATE_HELD if order.state_code == _HELD else _STATE_RESTING
        code = _RESTARTING if restarting else _NOT_CANCELLABLE
        note_order(exchange, ANSWER, slot, order_id, int(order.open_micros), state, code)
    else:
        end_order(exchange, index, ANSWER, _STATE_DONE, _CANCELLED)
