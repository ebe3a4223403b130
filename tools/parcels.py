"""Send the venue's messages back to the desk: late, twice, or not at all, as the terms say."""

from typing import Any

from state.compiled import compiled
from state.events import Kind, Source
from state.exchange import NEVER_NS, PARCELS, Draw, Exchange, VenueOrder
from state.orders import OrderState
from tools.delays import draw_ppm, drawn_delay

ANSWER = 0
"""The answer to a request of ours."""
REPORT = 1
"""Something that our user channel tells unasked."""

_ORDER_CHANGED = int(Kind.ORDER_CHANGED)
_USER = int(Source.POLYMARKET_USER)
_MESSAGE, _COPY, _LATENESS = int(Draw.MESSAGE), int(Draw.COPY), int(Draw.LATENESS)
_LOST, _DUPLICATED, _LATE = int(Draw.LOST), int(Draw.DUPLICATED), int(Draw.LATE)


@compiled
def _put(
    exchange: Exchange,
    due_ns: int,
    kind: int,
    slot: int,
    order_id: int,
    token: int,
    side: int,
    price_bps: int,
    amount_micros: int,
    code: int,
    flags: int,
) -> None:
    if exchange.parcels_count >= PARCELS:
        exchange.tally.overflow_count += 1
        return
    index = 0
    while exchange.parcels[index].due_ns != 0:
        index += 1
    due = max(due_ns, 1)
    parcel = exchange.parcels[index]
    parcel.due_ns = due
    parcel.parcel_seq = exchange.message_seq
    event = parcel.event
    event.at_ns = exchange.clock_ns
    event.seen_ns = due
    event.value_usd = 0.0
    event.other_usd = 0.0
    event.amount_micros = amount_micros
    event.ref_id = order_id
    event.price_bps = price_bps
    event.span_s = 0
    event.slot_id = slot
    event.code_id = code
    event.flags_mask = flags
    event.kind_code = kind
    event.source_code = _USER
    event.token_code = token
    event.side_code = side
    event.spare_code = 0
    exchange.parcels_count += 1
    exchange.next_parcel_ns = min(exchange.next_parcel_ns, due)


@compiled
def post(
    exchange: Exchange,
    channel: int,
    kind: int,
    slot: int,
    order_id: int,
    token: int,
    side: int,
    price_bps: int,
    amount_micros: int,
    code: int,
    flags: int,
) -> None:
    """Send one message at the venue's clock by `ANSWER` or `REPORT`; its columns are those of `state.events`.

    Messages of one channel keep their order when the terms say so; a late one does not hold up the others.
    """
    exchange.message_seq += 1
    seq = int(exchange.message_seq)
    terms = exchange.terms
    seed = int(terms.seed_id)
    delay = terms.answer if channel == ANSWER else terms.report
    due = int(exchange.clock_ns) + drawn_delay(delay, seed, seq, _MESSAGE)
    if terms.late_ppm > 0 and draw_ppm(seed, seq, _LATE) < terms.late_ppm:
        due += drawn_delay(terms.lateness, seed, seq, _LATENESS)
        exchange.tally.late_count += 1
    elif terms.fifo and channel == ANSWER:
        due = max(due, int(exchange.last_answer_ns))
        exchange.last_answer_ns = due
    elif terms.fifo:
        due = max(due, int(exchange.last_report_ns))
        exchange.last_report_ns = due
    if terms.duplicated_ppm > 0 and draw_ppm(seed, seq, _DUPLICATED) < terms.duplicated_ppm:
        again = due + drawn_delay(delay, seed, seq, _COPY)
        exchange.tally.duplicated_count += 1
        _put(exchange, again, kind, slot, order_id, token, side, price_bps, amount_micros, code, flags)
    if terms.lost_ppm > 0 and draw_ppm(seed, seq, _LOST) < terms.lost_ppm:
        exchange.tally.lost_count += 1
        return
    _put(exchange, due, kind, slot, order_id, token, side, price_bps, amount_micros, code, flags)


@compiled
def post_order(exchange: Exchange, channel: int, order: VenueOrder, state_code: int, reject_code: int) -> None:
    """Tell what an order has become; `amount_micros` is what is still open, nothing once it is done."""
    is_over = state_code == OrderState.DONE or state_code == OrderState.REJECTED
    amount = 0 if is_over else int(order.open_micros)
    slot, order_id = int(order.slot_id), int(order.order_id)
    post(exchange, channel, _ORDER_CHANGED, slot, order_id, 0, 0, 0, amount, state_code, reject_code)


@compiled
def poll(exchange: Exchange, now_ns: int, out: Any, capacity: int) -> int:
    """Hand over the messages that have reached us by `now_ns`, earliest first.

    Args:
        exchange: The venue.
        now_ns: The desk's clock.
        out: Rows of `state.events.Event` to write to.
        capacity: How many rows may be written; the rest waits for the next call.

    Returns:
        How many were written. `at_ns` is the venue's time, `seen_ns` ours.
    """
    count = 0
    while count < capacity and exchange.next_parcel_ns <= now_ns:
        best = -1
        best_due, best_seq, next_due = NEVER_NS, NEVER_NS, NEVER_NS
        left = int(exchange.parcels_count)
        index = 0
        while left > 0:
            due = int(exchange.parcels[index].due_ns)
            if due != 0:
                left -= 1
                seq = int(exchange.parcels[index].parcel_seq)
                if due < best_due or (due == best_due and seq < best_seq):
                    next_due = best_due
                    best, best_due, best_seq = index, due, seq
                elif due < next_due:
                    next_due = due
            index += 1
        out[count] = exchange.parcels[best].event
        exchange.parcels[best].due_ns = 0
        exchange.parcels_count -= 1
        exchange.next_parcel_ns = next_due
        count += 1
    return count
