"""Run the venue model: hand it what the market did and what we ask, fetch the messages that reach us.

One model serves paper, backtest and the venue next door. It lives on the venue's clock: rows are applied at `at_ns`,
before the desk sees them at `seen_ns`. A driver does, for every row that the desk will see at `seen_ns`:

    while True:
        cursor = run_until(exchange, events, cursor, seen_ns)   # stops early when a message is due
        count = poll(exchange, min(seen_ns, exchange.clock_ns), out, capacity)
        if count == 0: break
        ... the desk advances over out[:count], and may `submit` at each row's seen_ns ...
    ... the desk advances over the row itself, and may `submit` at seen_ns ...

so that nothing which the desk does depends on rows it has not seen, while the venue matches on the book of its own
present. Live, rows are applied as they come, and `advance_to` moves the clock between them.

At equal times the market moves first and our orders come after it.

From Python, call `attend` with one-row arrays: a record handed over by itself costs some 50 microseconds a call.
"""

from typing import Any

from state.compiled import compiled
from state.events import LAST_IN_FRAME, Event, FeedState, Kind, Source
from state.exchange import (
    ERRANDS,
    FAILURES,
    NEVER_NS,
    RULEBOOK_ROWS,
    VENUE_ORDERS,
    Draw,
    Exchange,
    MarketState,
    VenueOrderState,
)
from state.orders import Act, Command, OrderState, Reject
from state.rulebook import REGISTRY
from state.rules import Rule, apply_rule, rules_in_force
from state.units import MICROS, NS_PER_MS, NS_PER_S
from state.world import SLOTS
from tools.account import own_price, own_side, pay_rebate, reverse_fill
from tools.book import change_tick, clear_book, open_book, set_level
from tools.consumption import forget_consumption
from tools.delays import drawn_delay, set_lognormal
from tools.matching import arrive, end_orders, execute
from tools.parcels import REPORT, dispatch, poll
from tools.queue import end_order, follow_frame, meet_print

__all__ = ["advance_to", "apply_event", "attend", "next_due_ns", "open_exchange", "poll", "run_until", "submit"]

_MARKET_LISTED, _RULE_GIVEN = int(Kind.MARKET_LISTED), int(Kind.RULE_GIVEN)
_BOOK_CLEARED, _LEVEL_SET, _TRADE_SEEN = int(Kind.BOOK_CLEARED), int(Kind.LEVEL_SET), int(Kind.TRADE_SEEN)
_TICK_CHANGED, _FEED_CHANGED, _SETTLED = int(Kind.TICK_CHANGED), int(Kind.FEED_CHANGED), int(Kind.SETTLED)
_OF_MARKET = (
    1 << _MARKET_LISTED | 1 << _RULE_GIVEN | 1 << _BOOK_CLEARED | 1 << _LEVEL_SET | 1 << _TRADE_SEEN
    | 1 << _TICK_CHANGED | 1 << _FEED_CHANGED | 1 << _SETTLED
)  # fmt: skip
_BOOK_SOURCE, _FEED_UP = int(Source.POLYMARKET_BOOK), int(FeedState.UP)
_TICK_RULE, _SHARES_RULE = int(Rule.TICK_BPS), int(Rule.SHARES_MIN_MICROS)
_FREE, _HELD = int(VenueOrderState.FREE), int(VenueOrderState.HELD)
_MARKET_OPEN, _MARKET_SETTLED = int(MarketState.OPEN), int(MarketState.SETTLED)
_CLOSED, _TOO_MANY, _SENT = int(Reject.MARKET_CLOSED), int(Reject.TOO_MANY_ORDERS), int(Reject.NONE)
_PLACE, _MERGE = int(Act.PLACE), int(Act.MERGE)
_DONE, _EXPIRED = int(OrderState.DONE), int(Reject.EXPIRED)
_SUBMIT, _CANCEL, _MERGING = int(Draw.SUBMIT), int(Draw.CANCEL), int(Draw.MERGE)


def open_exchange(exchange: Exchange, seed_id: int, cash_micros: int, rulebook: Any = REGISTRY) -> None:
    """Make a zeroed row a venue without markets, with cash in our account and documented default terms.

    The delays are illustrations of a desk in Dublin (landscape reference 7.2: round trip about 22 ms, send to answer
    144 ms at the 95th percentile, market socket 9 ms and 37 ms at the median and 95th); set them from own orders when
    there are any (`tools.delays.set_measured`). Failures, losses, copies, late messages and restarts are off.

    Raises:
        ValueError: the rulebook has more rows than the record holds.
    """
    if len(rulebook) > RULEBOOK_ROWS:
        raise ValueError(f"a rulebook of {len(rulebook)} rows does not fit into {RULEBOOK_ROWS}")
    table: Any = exchange.rulebook
    table[: len(rulebook)] = rulebook
    exchange.rulebook_count = len(rulebook)
    exchange.next_deed_ns = NEVER_NS
    exchange.next_parcel_ns = NEVER_NS
    exchange.account.cash_micros = cash_micros
    exchange.account.deposited_micros = cash_micros
    terms = exchange.terms
    terms.seed_id = seed_id
    set_lognormal(terms.submit, 11 * NS_PER_MS, 25 * NS_PER_MS, 75 * NS_PER_MS)
    set_lognormal(terms.cancel, 11 * NS_PER_MS, 25 * NS_PER_MS, 75 * NS_PER_MS)
    set_lognormal(terms.answer, 11 * NS_PER_MS, 20 * NS_PER_MS, 60 * NS_PER_MS)
    set_lognormal(terms.report, 5 * NS_PER_MS, 15 * NS_PER_MS, 50 * NS_PER_MS)
    set_lognormal(terms.lateness, 0, 400 * NS_PER_MS, 3 * NS_PER_S)
    set_lognormal(terms.merge, 2_000 * NS_PER_MS, 4_000 * NS_PER_MS, 12_000 * NS_PER_MS)
    set_lognormal(terms.failure, 1_500 * NS_PER_MS, 2_200 * NS_PER_MS, 3_300 * NS_PER_MS)
    terms.restart_ns = 90 * NS_PER_S
    terms.post_only_ns = 120 * NS_PER_S
    terms.gtd_early_ns = 60 * NS_PER_S
    terms.pair_ns = 250 * NS_PER_MS
    terms.behind_power_count = 1
    terms.touch_trade_ppm = MICROS // 2
    terms.fifo = True
    terms.trades_known = True
    terms.balance_checked = True
    for slot in range(SLOTS):
        clear_book(exchange.markets[slot].book)


@compiled
def next_due_ns(exchange: Exchange) -> int:
    """Give when the venue acts or a message reaches us, whichever is first; `NEVER_NS` when nothing is under way."""
    return min(int(exchange.next_deed_ns), int(exchange.next_parcel_ns))


@compiled
def submit(exchange: Exchange, command: Command, now_ns: int) -> int:
    """Send a command to the venue at the desk's clock.

    Returns:
        A `Reject`: NONE when it is on its way, TOO_MANY_ORDERS when no more can be.
    """
    if exchange.errands_count >= ERRANDS:
        return _TOO_MANY
    terms = exchange.terms
    seed, order_id = int(terms.seed_id), int(command.order_id)
    merges = command.act_code == _MERGE
    if merges:
        due = now_ns + drawn_delay(terms.merge, seed, order_id, _MERGING)
    elif command.act_code == _PLACE:
        due = now_ns + drawn_delay(terms.submit, seed, order_id, _SUBMIT)
    else:
        due = now_ns + drawn_delay(terms.cancel, seed, order_id, _CANCEL)
    if terms.fifo and not merges:
        due = max(due, int(exchange.last_errand_ns))
        exchange.last_errand_ns = due
    due = max(due, 1)
    index = 0
    while exchange.errands[index].due_ns != 0:
        index += 1
    exchange.message_seq += 1
    exchange.errands[index].due_ns = due
    exchange.errands[index].errand_seq = exchange.message_seq
    exchange.errands[index].command = command
    exchange.errands_count += 1
    exchange.next_deed_ns = min(exchange.next_deed_ns, due)
    return _SENT


@compiled
def _plan(exchange: Exchange) -> None:
    """Put the notes of what was done on their way, and find when the next deed is due."""
    if exchange.notes_count > 0:
        dispatch(exchange)
    due = NEVER_NS
    for index in range(ERRANDS if exchange.errands_count > 0 else 0):
        if exchange.errands[index].due_ns != 0:
            due = min(due, exchange.errands[index].due_ns)
    for index in range(VENUE_ORDERS if exchange.orders_count > 0 else 0):
        if exchange.orders[index].state_code != _FREE:
            due = min(due, exchange.orders[index].due_ns)
    for index in range(FAILURES if exchange.failures_count > 0 else 0):
        if exchange.failures[index].due_ns != 0:
            due = min(due, exchange.failures[index].due_ns)
    if exchange.account.equivalent_micros > 0:
        due = min(due, exchange.account.rebate_day_ns)
    exchange.next_deed_ns = due


@compiled
def _do_due(exchange: Exchange, due: int) -> None:
    """Do one thing that is due at a time: a hold or a life that ends, a failure, the rebate, then an arrival."""
    best, best_seq = -1, NEVER_NS
    for index in range(VENUE_ORDERS if exchange.orders_count > 0 else 0):
        order = exchange.orders[index]
        if order.state_code != _FREE and order.due_ns == due and order.arrival_seq < best_seq:
            best, best_seq = index, int(order.arrival_seq)
    if best >= 0:
        if exchange.orders[best].state_code == _HELD:
            execute(exchange, best, REPORT)
        else:
            end_order(exchange, best, REPORT, _DONE, _EXPIRED)
        return
    for index in range(FAILURES if exchange.failures_count > 0 else 0):
        if exchange.failures[index].due_ns == due:
            reverse_fill(exchange, index)
            return
    if exchange.account.equivalent_micros > 0 and exchange.account.rebate_day_ns == due:
        pay_rebate(exchange)
        return
    for index in range(ERRANDS):
        errand = exchange.errands[index]
        if errand.due_ns == due and errand.errand_seq < best_seq:
            best, best_seq = index, int(errand.errand_seq)
    if best < 0:
        return  # what was due has ended meanwhile
    exchange.errands[best].due_ns = 0
    exchange.errands_count -= 1
    arrive(exchange, exchange.errands[best].command)


@compiled
def _do_next(exchange: Exchange) -> None:
    """Do the next thing that is due, tell, and plan."""
    due = int(exchange.next_deed_ns)
    exchange.clock_ns = max(int(exchange.clock_ns), due)
    _do_due(exchange, due)
    _plan(exchange)


@compiled
def advance_to(exchange: Exchange, now_ns: int) -> None:
    """Do all that is due up to a time of the venue's clock, in order; the clock never goes back."""
    while exchange.next_deed_ns <= now_ns:
        _do_next(exchange)
    exchange.clock_ns = max(int(exchange.clock_ns), int(now_ns))


@compiled
def _close_market(exchange: Exchange, slot: int, outcome: int) -> None:
    """End a market: its orders end, what we hold is paid a dollar a share of the token that won, doomed matches stand.

    A market that is listed over without having settled (outcome 2) pays nothing.
    """
    market = exchange.markets[slot]
    if market.state_code != _MARKET_OPEN:
        return
    end_orders(exchange, slot, REPORT, _CLOSED, True)
    forget_consumption(exchange, slot)
    for index in range(FAILURES):
        if exchange.failures[index].due_ns != 0 and exchange.failures[index].slot_id == slot:
            exchange.failures[index].due_ns = 0
            exchange.failures_count -= 1
    payout = int(market.up_micros) if outcome == 0 else int(market.down_micros) if outcome == 1 else 0
    exchange.account.cash_micros += payout
    exchange.account.payouts_micros += payout
    market.up_micros = 0
    market.down_micros = 0
    market.state_code = _MARKET_SETTLED
    market.book.valid = False


@compiled
def _list_market(exchange: Exchange, event: Event) -> None:
    slot = int(event.slot_id)
    market = exchange.markets[slot]
    if market.state_code == _MARKET_OPEN and market.open_ns == event.ref_id:
        return  # told twice
    _close_market(exchange, slot, 2)
    book: Any = exchange.rulebook
    table = book[: exchange.rulebook_count]
    rules_in_force(table, int(event.ref_id), int(event.code_id), int(event.span_s), market.rules)
    if event.price_bps > 0:
        apply_rule(market.rules, _TICK_RULE, int(event.price_bps))
    if event.amount_micros > 0:
        apply_rule(market.rules, _SHARES_RULE, int(event.amount_micros))
    open_book(market.book, int(market.rules.tick_bps))
    market.open_ns = event.ref_id
    market.state_code = _MARKET_OPEN


@compiled
def _apply_rare(exchange: Exchange, event: Event, kind: int) -> None:
    slot = int(event.slot_id)
    market = exchange.markets[slot]
    if kind == _MARKET_LISTED:
        _list_market(exchange, event)
    elif kind == _RULE_GIVEN:
        apply_rule(market.rules, int(event.code_id), int(event.ref_id))
        if event.code_id == _TICK_RULE:
            change_tick(market.book, int(event.ref_id))
    elif kind == _SETTLED:
        _close_market(exchange, slot, int(event.code_id))
    elif kind == _TICK_CHANGED:
        if change_tick(market.book, int(event.price_bps)) != 0:
            exchange.tally.odd_count += 1
    elif kind == _BOOK_CLEARED:
        clear_book(market.book)
        market.book.valid = True
    elif kind == _TRADE_SEEN:
        if market.orders_count > 0 and market.book.valid:
            token = int(event.token_code)
            side, price = own_side(token, int(event.side_code)), own_price(token, int(event.price_bps))
            meet_print(exchange, slot, side, price, int(event.amount_micros), int(event.at_ns))
    elif kind == _FEED_CHANGED and event.source_code == _BOOK_SOURCE and event.code_id != _FEED_UP:
        for each in range(SLOTS):
            exchange.markets[each].book.valid = False


@compiled
def _apply_level(exchange: Exchange, event: Event) -> bool:
    """Set a level, and say whether the row ends a frame that moves our orders: small, for it is nearly every row."""
    if event.at_ns > exchange.clock_ns:
        exchange.clock_ns = event.at_ns
    slot = int(event.slot_id)
    if slot >= SLOTS:
        exchange.tally.odd_count += 1
        return False
    market = exchange.markets[slot]
    token = int(event.token_code)
    side, price = own_side(token, int(event.side_code)), own_price(token, int(event.price_bps))
    if set_level(market.book, side, price, int(event.amount_micros)) != 0:
        exchange.tally.odd_count += 1
    return event.flags_mask & LAST_IN_FRAME != 0 and (market.orders_count > 0 or market.taken_count > 0)


@compiled
def _apply_row(exchange: Exchange, event: Event, kind: int) -> None:
    """Apply a row of the market that is not a level, or end the frame of one that is."""
    if event.at_ns > exchange.clock_ns:
        exchange.clock_ns = event.at_ns
    slot = int(event.slot_id)
    if slot >= SLOTS:
        exchange.tally.odd_count += 1
        return
    if kind != _LEVEL_SET:
        _apply_rare(exchange, event, kind)
    market = exchange.markets[slot]
    if event.flags_mask & LAST_IN_FRAME != 0 and (market.orders_count > 0 or market.taken_count > 0):
        follow_frame(exchange, slot)
    if exchange.notes_count > 0:
        _plan(exchange)


@compiled
def apply_event(exchange: Exchange, event: Event) -> None:
    """Apply one row of the market at its venue time; what is due before that time is done first.

    Rows of other kinds cost a look. For a whole recording, `run_until` does the same without a call a row.
    """
    kind = int(event.kind_code)
    if _OF_MARKET >> kind & 1 == 0:
        return
    if exchange.next_deed_ns < event.at_ns:
        advance_to(exchange, int(event.at_ns) - 1)
    if kind != _LEVEL_SET or _apply_level(exchange, event):
        _apply_row(exchange, event, kind)


@compiled
def run_until(exchange: Exchange, events: Any, cursor: int, until_ns: int) -> int:
    """Apply rows from `cursor` on and do what is due, up to a time or to the next message for us, whichever is first.

    Args:
        exchange: The venue.
        events: Rows of `state.events.Event` in the order of their arrival, shape (n,).
        cursor: First row not yet applied.
        until_ns: Usually the `seen_ns` of the desk's next row.

    Returns:
        The new cursor. The clock stands at `until_ns`, or at the time of the message.
    """
    count = len(events)
    while True:
        limit = min(int(until_ns), int(exchange.next_parcel_ns))
        if cursor < count:
            event = events[cursor]
            kind = int(event.kind_code)
            if _OF_MARKET >> kind & 1 == 0:
                cursor += 1
                continue
            at = int(event.at_ns)
            if at <= limit:
                if exchange.next_deed_ns < at:
                    _do_next(exchange)
                else:
                    cursor += 1
                    if kind != _LEVEL_SET or _apply_level(exchange, event):
                        _apply_row(exchange, event, kind)
                continue
        if exchange.next_deed_ns <= limit:
            _do_next(exchange)
            continue
        exchange.clock_ns = max(int(exchange.clock_ns), limit)
        return cursor


@compiled
def attend(exchanges: Any, commands: Any, sent_count: int, now_ns: int, events: Any, until_ns: int, out: Any) -> int:
    """Send commands, apply rows, do what is due and fetch messages in one call: the door for a live shell.

    Args:
        exchanges: The venue, shape (1,).
        commands: Rows of `state.orders.Command`; the first `sent_count` are sent at `now_ns`.
        sent_count: How many.
        now_ns: The desk's clock.
        events: Rows that have come since the last call, any number.
        until_ns: How far the venue's clock may go; the rows' own times carry it on as well.
        out: Rows to write messages to; what does not fit waits.

    Returns:
        How many messages have reached the desk by `now_ns`.
    """
    exchange = exchanges[0]
    for index in range(sent_count):
        submit(exchange, commands[index], now_ns)
    for index in range(len(events)):
        apply_event(exchange, events[index])
    advance_to(exchange, until_ns)
    return poll(exchange, now_ns, out, len(out))
