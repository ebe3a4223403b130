"""Keep our resting orders in the venue's queues, and fill them when the market comes to them.

A feed by price level does not say who stands where. We join behind all that is displayed. Trades at our price come off
the front; a decrease that no trade explains is a cancel somewhere in the queue, and its part from ahead of us is
`f(ahead) / (f(ahead) + f(behind))` with `f(x) = x**n` (R. Rigtorp, "Estimating order queue position", 2013;
hftbacktest's power model): `n = 1` spreads cancels evenly, higher `n` puts them into the longer part. Increases join
behind us. A trade beyond our price, or a quote of the other side through it, must have come to us first.
"""

from state.compiled import compiled
from state.events import Side
from state.exchange import NEVER_NS, VENUE_ORDERS, Exchange, VenueOrderState
from state.orders import Liquidity, OrderState, Reject, TimeInForce
from state.units import BPS, LOT_MICROS, MICROS
from tools.account import book_fill
from tools.book import size_at
from tools.consumption import consume, free_micros, next_free_bps, refresh_consumption
from tools.parcels import REPORT, note_order

_BUY = int(Side.BUY)
_FREE, _RESTING = int(VenueOrderState.FREE), int(VenueOrderState.RESTING)
_DONE, _IS_RESTING = int(OrderState.DONE), int(OrderState.RESTING)
_NONE = int(Reject.NONE)
_MAKER = int(Liquidity.MAKER)
_GTD = int(TimeInForce.GTD)


@compiled
def end_order(exchange: Exchange, index: int, channel: int, state_code: int, reject_code: int) -> None:
    """Take an order off the venue and tell what it became."""
    order = exchange.orders[index]
    note_order(exchange, channel, int(order.slot_id), int(order.order_id), 0, state_code, reject_code)
    order.state_code = _FREE
    order.open_micros = 0
    exchange.orders_count -= 1
    exchange.markets[order.slot_id].orders_count -= 1


@compiled
def join_queue(exchange: Exchange, index: int, channel: int) -> None:
    """Let an order rest, behind all that is displayed at its price and has not been taken by us."""
    order = exchange.orders[index]
    slot, side, price = int(order.slot_id), int(order.side_code), int(order.price_bps)
    order.state_code = _RESTING
    order.due_ns = max(int(order.expires_ns), 1) if order.tif_code == _GTD else NEVER_NS
    order.ahead_micros = free_micros(exchange, slot, side, price)
    order.level_micros = size_at(exchange.markets[slot].book, side, price)
    order.traded_micros = 0
    order.gone_micros = 0
    order.gone_ahead_micros = 0
    note_order(exchange, channel, slot, int(order.order_id), int(order.open_micros), _IS_RESTING, _NONE)


@compiled
def remember_touch(exchange: Exchange, slot: int) -> None:
    """Keep the touch of a whole frame, for the next one to be compared with."""
    market = exchange.markets[slot]
    bid, ask = int(market.book.bid.best_bps), int(market.book.ask.best_bps)
    market.seen_bid_bps = bid
    market.seen_ask_bps = ask
    market.seen_bid_micros = size_at(market.book, 0, bid)
    market.seen_ask_micros = size_at(market.book, 1, ask)


@compiled
def next_in_line(exchange: Exchange, slot: int, side: int, price_bps: int) -> int:
    """Give our resting order that the market meets next on a side, at a price or better, in price-time priority.

    Those already visited in this walk (`visit_seq`) are left out; -1 when there is none.
    """
    best = -1
    for index in range(VENUE_ORDERS):
        order = exchange.orders[index]
        if order.state_code != _RESTING or order.slot_id != slot or order.side_code != side:
            continue
        if order.visit_seq == exchange.visit_seq:
            continue
        if order.price_bps < price_bps if side == _BUY else order.price_bps > price_bps:
            continue
        if best >= 0:
            other = exchange.orders[best]
            gain = int(order.price_bps) - int(other.price_bps) if side == _BUY else other.price_bps - order.price_bps
            if gain < 0 or (gain == 0 and order.arrival_seq > other.arrival_seq):
                continue
        best = index
    return best


@compiled
def fill_maker(exchange: Exchange, index: int, amount_micros: int) -> int:
    """Fill a resting order at its price by up to an amount, in whole lots; answers what was filled."""
    order = exchange.orders[index]
    amount = min(int(amount_micros), int(order.open_micros)) // LOT_MICROS * LOT_MICROS
    if amount <= 0:
        return 0
    book_fill(exchange, order, int(order.price_bps), amount, _MAKER)
    if order.open_micros == 0:
        end_order(exchange, index, REPORT, _DONE, _NONE)
    else:
        open_micros = int(order.open_micros)
        note_order(exchange, REPORT, int(order.slot_id), int(order.order_id), open_micros, _IS_RESTING, _NONE)
    return amount


@compiled
def meet_print(exchange: Exchange, slot: int, taker_side: int, price_bps: int, amount_micros: int, at_ns: int) -> None:
    """Let a trade reach our orders: those at a better price were in its way, those at its price stand in the queue.

    A print may come after the decrease that it caused, which was then taken for cancels. What these had taken off
    ahead of us is given back first, for the print takes it off itself.

    Args:
        exchange: The venue.
        slot: The market.
        taker_side: What the taker did in Up's book.
        price_bps: In Up's book.
        amount_micros: Shares traded.
        at_ns: When; a trade from before an order's arrival does not meet it.
    """
    side = 1 - int(taker_side)
    left = int(amount_micros)
    level_filled = 0
    exchange.visit_seq += 1
    while left > 0:
        index = next_in_line(exchange, slot, side, price_bps)
        if index < 0:
            return
        order = exchange.orders[index]
        order.visit_seq = exchange.visit_seq
        if at_ns < order.arrived_ns:
            continue
        if order.price_bps != price_bps:
            left -= fill_maker(exchange, index, left)
            continue
        volume = left - level_filled
        gone = int(order.gone_micros)
        if gone > 0 and exchange.clock_ns - order.gone_ns <= exchange.terms.pair_ns:
            paired = min(volume, gone)
            already = int(order.gone_ahead_micros * (paired / gone))
            order.gone_micros -= paired
            order.gone_ahead_micros -= already
            order.ahead_micros += already
            order.traded_micros -= paired
        order.traded_micros += volume
        order.traded_ns = exchange.clock_ns
        ahead = int(order.ahead_micros)
        order.ahead_micros = max(ahead - volume, 0)
        if volume > ahead:
            level_filled += fill_maker(exchange, index, volume - ahead)


@compiled
def ahead_after_cancels(ahead_micros: int, behind_micros: int, gone_micros: int, power_count: int) -> int:
    """Give what is left ahead of us when an amount is cancelled somewhere in our queue; never more than before."""
    ahead, behind, gone = int(ahead_micros), max(int(behind_micros), 0), int(gone_micros)
    if ahead == 0:
        return 0
    whole = ahead + behind
    front, back = 1.0, 1.0
    for _ in range(power_count):
        front *= ahead / whole
        back *= behind / whole
    cut = int(gone * (front / (front + back)))
    return max(min(ahead - cut, whole - gone), 0)


@compiled
def _follow_level(exchange: Exchange, index: int, swept: bool, level_filled: int) -> int:
    """Bring one order's place up to a new whole frame; answers its fill by an inferred trade.

    `swept`: the feed has no prints and all that stood at better prices is gone too, so part of a decrease was traded.
    """
    order = exchange.orders[index]
    terms = exchange.terms
    now = size_at(exchange.markets[order.slot_id].book, order.side_code, order.price_bps)
    before = int(order.level_micros)
    order.level_micros = now
    if exchange.clock_ns - order.traded_ns > terms.pair_ns:
        order.traded_micros = 0
    gone = before - now
    if gone <= 0:
        return 0
    explained = min(gone, int(order.traded_micros))
    order.traded_micros -= explained
    gone -= explained
    inferred = gone * int(terms.touch_trade_ppm) // MICROS if swept else 0
    gone -= inferred
    ahead = int(order.ahead_micros)
    behind = before - explained - inferred - max(ahead - inferred, 0)
    after = ahead_after_cancels(max(ahead - inferred, 0), behind, gone, int(terms.behind_power_count))
    order.ahead_micros = min(ahead, after + inferred)
    if exchange.clock_ns - order.gone_ns > terms.pair_ns:
        order.gone_micros = 0
        order.gone_ahead_micros = 0
    order.gone_micros += gone
    order.gone_ahead_micros += max(ahead - inferred, 0) - after
    order.gone_ns = exchange.clock_ns
    volume = inferred - level_filled
    if volume <= 0:
        return 0
    ahead = int(order.ahead_micros)
    order.ahead_micros = max(ahead - volume, 0)
    return fill_maker(exchange, index, volume - ahead) if volume > ahead else 0


@compiled
def _follow_side(exchange: Exchange, slot: int, side: int) -> None:
    """Bring the queues of one side up to a new whole frame.

    Without prints, the stated share of a decrease at the last touch is taken for a trade there first.
    """
    market = exchange.markets[slot]
    best = int(market.book.bid.best_bps) if side == _BUY else int(market.book.ask.best_bps)
    touch = int(market.seen_bid_bps) if side == _BUY else int(market.seen_ask_bps)
    before = int(market.seen_bid_micros) if side == _BUY else int(market.seen_ask_micros)
    inferring = not exchange.terms.trades_known
    if inferring and touch > 0:
        gone = before - size_at(market.book, side, touch)
        traded = gone * int(exchange.terms.touch_trade_ppm) // MICROS
        meet_print(exchange, slot, 1 - side, touch, traded, int(exchange.clock_ns))
    level, level_filled = -1, 0
    exchange.visit_seq += 1
    while True:
        index = next_in_line(exchange, slot, side, 0 if side == _BUY else BPS)
        if index < 0:
            return
        order = exchange.orders[index]
        order.visit_seq = exchange.visit_seq
        price = int(order.price_bps)
        if price != level:
            level, level_filled = price, 0
        beyond = best < 0 or (price > best if side == _BUY else price < best)
        level_filled += _follow_level(exchange, index, inferring and beyond and price != touch, level_filled)


@compiled
def _meet_quotes(exchange: Exchange, slot: int, side: int) -> None:
    """Fill our orders on a side that displayed quotes of the other side have reached.

    A quote at our price fills us by its size; one beyond our price fills us wholly, for it traded through us.
    """
    other = 1 - side
    exchange.visit_seq += 1
    while True:
        index = next_in_line(exchange, slot, side, 0 if side == _BUY else BPS)
        if index < 0:
            return
        order = exchange.orders[index]
        order.visit_seq = exchange.visit_seq
        price = int(order.price_bps)
        quote = next_free_bps(exchange, slot, other, price, -1)
        if quote < 0:
            return
        left = int(order.open_micros)
        through = quote != price
        while quote >= 0 and left > 0:
            part = min(left, free_micros(exchange, slot, other, quote))
            consume(exchange, slot, other, quote, part)
            left -= part
            quote = next_free_bps(exchange, slot, other, price, quote)
        fill_maker(exchange, index, int(order.open_micros) - (0 if through else left))


@compiled
def follow_frame(exchange: Exchange, slot: int) -> None:
    """Bring our orders and consumption in a market up to a new whole frame of its book."""
    market = exchange.markets[slot]
    if market.taken_count > 0:
        refresh_consumption(exchange, slot)
    if market.book.valid and market.orders_count > 0:
        for side in range(2):
            _follow_side(exchange, slot, side)
        for side in range(2):
            _meet_quotes(exchange, slot, side)
    remember_touch(exchange, slot)
