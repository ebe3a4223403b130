"""Carry the venue's messages back to the desk: later, twice, or not at all, as the terms say.

A deed at the venue leaves notes; `dispatch` puts them on their way; `poll` hands over what has arrived. That a match
will turn out to have FAILED on chain is settled when its note is dispatched.
"""

from typing import Any

from state.compiled import compiled
from state.events import Kind, Source
from state.exchange import FAILURES, NEVER_NS, NOTES, PARCELS, Draw, Exchange, Note
from tools.delays import draw_ppm, drawn_delay

ANSWER = 0
"""The answer to a request of ours."""
REPORT = 1
"""Something that our user channel tells unasked."""

_ORDER_CHANGED, _FILLED = int(Kind.ORDER_CHANGED), int(Kind.FILLED)
_USER = int(Source.POLYMARKET_USER)
_MESSAGE, _COPY, _LATENESS = int(Draw.MESSAGE), int(Draw.COPY), int(Draw.LATENESS)
_LOST, _DUPLICATED, _LATE = int(Draw.LOST), int(Draw.DUPLICATED), int(Draw.LATE)
_FAILED, _FAILURE = int(Draw.FAILED), int(Draw.FAILURE)


@compiled
def new_note(exchange: Exchange, channel: int, kind: int, slot: int, order_id: int) -> int:
    """Begin a note at the venue's clock and answer its row, for the caller to fill in what its kind needs.

    A full book of notes spoils the last one, and counts it.
    """
    if exchange.notes_count >= NOTES:
        exchange.tally.overflow_count += 1
        exchange.notes_count -= 1
    index = int(exchange.notes_count)
    exchange.notes_count += 1
    note = exchange.notes[index]
    note.channel_code = channel
    note.fee_micros = 0
    note.equivalent_micros = 0
    event = note.event
    event.at_ns = exchange.clock_ns
    event.amount_micros = 0
    event.ref_id = order_id
    event.price_bps = 0
    event.slot_id = slot
    event.code_id = 0
    event.flags_mask = 0
    event.kind_code = kind
    event.source_code = _USER
    event.token_code = 0
    event.side_code = 0
    return index


@compiled
def note_order(
    exchange: Exchange, channel: int, slot: int, order_id: int, open_micros: int, state_code: int, reject_code: int
) -> None:
    """Note what an order has become, with what is still open of it."""
    event = exchange.notes[new_note(exchange, channel, _ORDER_CHANGED, slot, order_id)].event
    event.amount_micros = open_micros
    event.code_id = state_code
    event.flags_mask = reject_code


@compiled
def _doom(exchange: Exchange, note: Note, seq: int) -> None:
    """Let the fill of a note fail later, by chance."""
    terms = exchange.terms
    if draw_ppm(terms.seed_id, seq, _FAILED) >= terms.failure_ppm:
        return
    if exchange.failures_count >= FAILURES:
        exchange.tally.overflow_count += 1
        return
    index = 0
    while exchange.failures[index].due_ns != 0:
        index += 1
    failure = exchange.failures[index]
    failure.due_ns = max(note.event.at_ns + drawn_delay(terms.failure, terms.seed_id, seq, _FAILURE), 1)
    failure.order_id = note.event.ref_id
    failure.slot_id = note.event.slot_id
    failure.token_code = note.event.token_code
    failure.side_code = note.event.side_code
    failure.price_bps = note.event.price_bps
    failure.amount_micros = note.event.amount_micros
    failure.fee_micros = note.fee_micros
    failure.equivalent_micros = note.equivalent_micros
    exchange.failures_count += 1


@compiled
def _send(exchange: Exchange, note: Note, due_ns: int, seq: int) -> None:
    if exchange.parcels_count >= PARCELS:
        exchange.tally.overflow_count += 1
        return
    index = 0
    while exchange.parcels[index].due_ns != 0:
        index += 1
    due = max(due_ns, 1)
    parcel = exchange.parcels[index]
    parcel.due_ns = due
    parcel.parcel_seq = seq
    parcel.event = note.event
    parcel.event.seen_ns = due
    exchange.parcels_count += 1
    exchange.next_parcel_ns = min(exchange.next_parcel_ns, due)


@compiled
def dispatch(exchange: Exchange) -> None:
    """Put all notes on their way, in the order they were made.

    Messages of one channel do not overtake each other when the terms say so; a late one does not hold up the others.
    """
    terms = exchange.terms
    seed = int(terms.seed_id)
    for index in range(exchange.notes_count):
        note = exchange.notes[index]
        exchange.message_seq += 1
        seq = int(exchange.message_seq)
        if note.event.kind_code == _FILLED and terms.failure_ppm > 0:
            _doom(exchange, note, seq)
        is_answer = note.channel_code == ANSWER
        delay = terms.answer if is_answer else terms.report
        due = note.event.at_ns + drawn_delay(delay, seed, seq, _MESSAGE)
        if draw_ppm(seed, seq, _LATE) < terms.late_ppm:
            due += drawn_delay(terms.lateness, seed, seq, _LATENESS)
            exchange.tally.late_count += 1
        elif terms.fifo and is_answer:
            due = max(due, exchange.last_answer_ns)
            exchange.last_answer_ns = due
        elif terms.fifo:
            due = max(due, exchange.last_report_ns)
            exchange.last_report_ns = due
        if draw_ppm(seed, seq, _LOST) < terms.lost_ppm:
            exchange.tally.lost_count += 1
        else:
            _send(exchange, note, due, seq)
        if draw_ppm(seed, seq, _DUPLICATED) < terms.duplicated_ppm:
            exchange.tally.duplicated_count += 1
            _send(exchange, note, due + drawn_delay(delay, seed, seq, _COPY), seq)
    exchange.notes_count = 0


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
