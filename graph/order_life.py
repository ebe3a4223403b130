"""The life of an order: from where to where it may go, and a record of every step, also of those that were not taken.

One table says what is legal. Everything that moves an order stands in this file: the core's own wish, the gateway's and
the venue's word, a match, the end of the window. What comes late, twice, or cannot be, changes nothing but is written
down like all else, so that a replay has it and the story of an order can be told.

An order that is over is remembered for a while, for matches may be heard of after the end (venue reference, section 8).
Nothing here is ever sent again: an order whose fate is unknown keeps its exposure until somebody has said what it was.
"""

from typing import Final

from state.compiled import compiled
from state.events import Event
from state.orders import ORDERS, PAST_ORDERS, STEPS, Order, OrderState, StepCause, StepFate, TimeInForce
from state.units import BPS, NS_PER_S
from state.world import Market, World

CANCEL_AGAIN_NS: Final = 5 * NS_PER_S
"""A cancel that nobody has answered for so long is asked for again: after a crash it may never have left."""

_ENDS: Final = (OrderState.NONE, OrderState.DONE, OrderState.REJECTED)
_ALIVE: Final = (OrderState.HELD, OrderState.RESTING, OrderState.PARTLY, *_ENDS)

MOVES: Final[dict[OrderState, tuple[OrderState, ...]]] = {
    OrderState.NONE: (OrderState.WANTED,),
    OrderState.WANTED: (OrderState.SIGNED, OrderState.SENT, OrderState.UNKNOWN, *_ALIVE),
    OrderState.SIGNED: (OrderState.SENT, OrderState.UNKNOWN, *_ALIVE),
    OrderState.SENT: (OrderState.UNKNOWN, *_ALIVE),
    OrderState.UNKNOWN: _ALIVE,
    OrderState.HELD: (OrderState.RESTING, OrderState.PARTLY, *_ENDS),
    OrderState.RESTING: (OrderState.PARTLY, OrderState.CANCEL_SENT, *_ENDS),
    OrderState.PARTLY: (OrderState.CANCEL_SENT, *_ENDS),
    OrderState.CANCEL_SENT: (OrderState.HELD, OrderState.RESTING, OrderState.PARTLY, *_ENDS),
    OrderState.DONE: (),
    OrderState.REJECTED: (),
}
"""From where to where. Matching models, and news that overtakes other news, jump over steps: that is legal. A cancel
that was refused leads back from CANCEL_SENT. Every end may come from everywhere: it is the venue's to say."""

_TO_MASK: Final = tuple(sum(1 << int(after) for after in MOVES[before]) for before in OrderState)


@compiled
def may_move(before: int, after: int) -> bool:
    """Say whether an order may go from one state to another."""
    return (_TO_MASK[before] >> after) & 1 == 1


# Finding orders.


@compiled
def find_order(world: World, order_id: int) -> int:
    """Give the row of an order that is still open to us, or -1."""
    for row in range(ORDERS):
        order = world.orders[row]
        if order.order_id == order_id and order.state_code != OrderState.NONE:
            return row
    return -1


@compiled
def find_past(world: World, order_id: int) -> int:
    """Give the row of an order that is over and still remembered, or -1."""
    if order_id == 0:
        return -1
    for row in range(PAST_ORDERS):
        if world.past_orders[row].order_id == order_id:
            return row
    return -1


@compiled
def free_order(world: World) -> int:
    """Give a free row of the table, or -1."""
    for row in range(ORDERS):
        if world.orders[row].state_code == OrderState.NONE:
            return row
    return -1


# Steps.


@compiled
def note_step(
    world: World, order: Order, before: int, after: int, cause: int, why: int, fate: int, amount_micros: int
) -> None:
    """Write down one step of an order, taken or not."""
    number, slot = int(order.order_id), int(order.slot_id)
    _write(world, number, slot, before, after, cause, why, fate, amount_micros)


@compiled
def note_stranger(world: World, event: Event, cause: int, amount_micros: int) -> None:
    """Write down news that names no order that is remembered, or one of another window."""
    told = cause == StepCause.TOLD
    why = int(event.flags_mask) if told else 0
    after = int(event.code_id) & 0xFF if told else 0
    number, slot = int(event.ref_id), int(event.slot_id)
    _write(world, number, slot, 0, after, cause, why, int(StepFate.STRANGER), amount_micros)


@compiled
def _write(
    world: World, number: int, slot: int, before: int, after: int, cause: int, why: int, fate: int, amount_micros: int
) -> None:
    """Write one step in the row of its turn."""
    step = world.steps[world.steps_count % STEPS]
    world.steps_count += 1
    step.at_ns = world.now_ns
    step.order_id = number
    step.cause_seq = world.event_seq
    step.amount_micros = amount_micros
    step.slot_id = slot
    step.why_code = why
    step.from_code = before
    step.to_code = after
    step.cause_code = cause
    step.fate_code = fate


# What the core decides.


@compiled
def want(world: World, market: Market, order: Order, why: int) -> None:
    """Begin an order whose columns are written: it counts as exposure from this moment."""
    order.placed_ns = world.now_ns
    order.changed_ns = world.now_ns
    order.open_micros = order.amount_micros
    order.filled_micros = 0
    order.reversed_micros = 0
    order.fees_micros = 0
    order.liquidity_code = 0
    order.state_code = OrderState.WANTED
    market.pending_micros[order.token_code] += order.amount_micros
    market.pending_cost_micros += order.amount_micros * int(order.price_bps) // BPS
    market.orders_count += 1
    none, wanted, decided = int(OrderState.NONE), int(OrderState.WANTED), int(StepCause.DECIDED)
    note_step(world, order, none, wanted, decided, why, int(StepFate.TAKEN), int(order.amount_micros))


@compiled
def is_pullable(world: World, order: Order) -> bool:
    """Say whether a cancel may do something: it rests, or a first cancel has stayed without an answer for long."""
    state = order.state_code
    if state == OrderState.CANCEL_SENT:
        return world.now_ns - order.changed_ns >= CANCEL_AGAIN_NS
    return state == OrderState.RESTING or state == OrderState.PARTLY


@compiled
def pull(world: World, order: Order, why: int) -> None:
    """Note that a cancel leaves; what is open counts until somebody has said that it is not."""
    before = int(order.state_code)
    order.state_code = OrderState.CANCEL_SENT
    order.changed_ns = world.now_ns
    sent, decided = int(OrderState.CANCEL_SENT), int(StepCause.DECIDED)
    note_step(world, order, before, sent, decided, why, int(StepFate.TAKEN), int(order.open_micros))


# What is told.


@compiled
def apply_order_change(world: World, market: Market, event: Event) -> None:
    """Take somebody's word on an order; what is over frees its row and its reserved exposure."""
    row = find_order(world, event.ref_id)
    told = int(StepCause.TOLD)
    if row < 0:
        _hear_of_past(world, event)
        return
    order = world.orders[row]
    if order.slot_id != event.slot_id:
        world.refused_count += 1
        note_stranger(world, event, told, event.amount_micros)
        return
    before, why = int(order.state_code), int(event.flags_mask)
    after = int(event.code_id)
    if after == OrderState.RESTING and order.filled_micros > 0:
        after = int(OrderState.PARTLY)
    fate = _fate(before, after, why)
    note_step(world, order, before, min(after, 255), told, why, fate, int(order.open_micros))
    if fate == StepFate.TAKEN:
        order.changed_ns = world.now_ns
        if after == OrderState.REJECTED and order.post_only:
            market.refused_ns = world.now_ns
        _go(world, market, order, after)
    elif fate == StepFate.IMPOSSIBLE:
        world.refused_count += 1


@compiled
def _fate(before: int, after: int, why: int) -> int:
    """Say what becomes of a told step."""
    ours = after == OrderState.WANTED or after == OrderState.CANCEL_SENT
    if ours or after > OrderState.UNKNOWN:
        return int(StepFate.IMPOSSIBLE)  # nobody but the core wants and pulls
    if after == before:
        return int(StepFate.SAME)
    back = after == OrderState.HELD or after == OrderState.RESTING or after == OrderState.PARTLY
    if before == OrderState.CANCEL_SENT and back and why == 0:
        return int(StepFate.LATE)  # only a refused cancel, and that has a reason, gives the order back
    if may_move(before, after):
        return int(StepFate.TAKEN)
    behind = after < before or after == OrderState.UNKNOWN
    return int(StepFate.LATE) if behind else int(StepFate.IMPOSSIBLE)


@compiled
def _hear_of_past(world: World, event: Event) -> None:
    """Note what is said of an order that is not in the table: it is over, or it never was ours."""
    past = find_past(world, event.ref_id)
    told = int(StepCause.TOLD)
    if past < 0 or world.past_orders[past].slot_id != event.slot_id:
        world.refused_count += 1
        note_stranger(world, event, told, event.amount_micros)
        return
    order = world.past_orders[past]
    ended, after = int(order.state_code), int(event.code_id)
    fate = int(StepFate.SAME) if after == ended else int(StepFate.LATE)
    note_step(world, order, ended, min(after, 255), told, int(event.flags_mask), fate, 0)


@compiled
def match_order(world: World, market: Market, order: Order, amount_micros: int) -> None:
    """Move an open order along by a match: its last share ends it, whoever says so first."""
    before = int(order.state_code)
    after = before
    rests = order.tif_code == TimeInForce.GTC or order.tif_code == TimeInForce.GTD
    alive = int(OrderState.PARTLY) if rests else int(OrderState.HELD)
    if order.open_micros <= amount_micros:
        after = int(OrderState.DONE)
    elif before != OrderState.CANCEL_SENT and may_move(before, alive):
        after = alive  # a match proves that the venue has it
    note_step(world, order, before, after, int(StepCause.MATCHED), 0, int(StepFate.TAKEN), amount_micros)
    order.filled_micros += amount_micros
    release(market, order, amount_micros)
    if after != before:
        order.changed_ns = world.now_ns
        _go(world, market, order, after)


@compiled
def _go(world: World, market: Market, order: Order, after: int) -> None:
    """Let an order stand where it goes; an end frees what it had reserved, and its row."""
    if after != OrderState.NONE and after != OrderState.DONE and after != OrderState.REJECTED:
        order.state_code = after
        return
    release(market, order, int(order.open_micros))
    # That the venue knows no such order is an end like any other, only another word for it.
    order.state_code = OrderState.REJECTED if after == OrderState.REJECTED else OrderState.DONE
    world.past_orders[next_past(world)] = order
    order.state_code = OrderState.NONE
    order.order_id = 0
    market.orders_count -= 1


@compiled
def release(market: Market, order: Order, amount_micros: int) -> None:
    """Give back exposure that was reserved for shares that will not come from this order any more."""
    price = int(order.price_bps)
    left = order.open_micros - amount_micros
    market.pending_micros[order.token_code] -= amount_micros
    # The difference of two floors, so that the parts of an order add up to what was reserved for the whole.
    market.pending_cost_micros -= order.open_micros * price // BPS - left * price // BPS
    order.open_micros = left


@compiled
def next_past(world: World) -> int:
    """Give the row in which the next order that is over is remembered: the oldest one's."""
    row = int(world.past_count % PAST_ORDERS)
    world.past_count += 1
    return row


@compiled
def end_orders(world: World, slot: int) -> None:
    """End the orders that a settled market has left behind; the venue cancels them too."""
    market = world.markets[slot]
    if market.orders_count == 0:
        return
    for row in range(ORDERS):
        order = world.orders[row]
        if order.state_code != OrderState.NONE and order.slot_id == slot:
            before, done, settled = int(order.state_code), int(OrderState.DONE), int(StepCause.SETTLED)
            note_step(world, order, before, done, settled, 0, int(StepFate.TAKEN), int(order.open_micros))
            _go(world, market, order, done)
