"""What comes back from the venue of our trades: matches, fees, and matches that turn out to have failed.

An order never matches beyond its amount, and what has not been booked is never taken back: so a match or a failure that
is told twice moves nothing twice, as far as an order's amount can tell.

One match of a part of an order, told twice while the order is open, cannot be told from two. A row has 24 bits to
spare, and a mark of a trade so short would some day drop a match that did happen: worse than one too many, which the
order's amount bounds and the books held against the venue show. A longer mark would stand in a column for dollars, and
it, like an ordinal, would be given by the same hand that drops the doubles; the cumulative size that the venue tells
comes in another message, in any order with the trades. So whoever hears the venue knows its trades by name and tells
each once (`infra/venues/order_news.py`).
"""

from graph.merging import put_off_merge
from graph.order_life import find_order, find_past, match_order, next_past, note_step, note_stranger
from state.compiled import compiled
from state.events import Event, Kind, Side, Token
from state.orders import Liquidity, Order, OrderState, StepCause, StepFate
from state.units import BPS
from state.world import Market, Phase, World
from tools.fees import share_fee_bps


@compiled
def apply_fill(world: World, market: Market, event: Event) -> int:
    """Book a match: shares in, collateral out (or the reverse for a sale); give the shares that were booked."""
    told = int(event.amount_micros)
    row = find_order(world, event.ref_id)
    past = find_past(world, event.ref_id) if row < 0 else -1
    if told <= 0 or _is_of_another_window(world, market, event, row, past):
        world.refused_count += 1
        note_stranger(world, event, int(StepCause.MATCHED), told)
        return 0
    booked = told
    if row >= 0:
        order = world.orders[row]
        booked = min(told, int(order.open_micros))
        order.liquidity_code = event.code_id
        cut = told - booked
        if cut > 0:
            _note_cut(world, order, cut)
        match_order(world, market, order, booked)
    elif past >= 0:
        booked = _match_past(world, world.past_orders[past], told)
    else:
        _remember_stranger(world, event)
    if booked > 0:
        _book(world, market, event, booked)
    return booked


@compiled
def _is_of_another_window(world: World, market: Market, event: Event, row: int, past: int) -> bool:
    """Say whether an order belongs to another window than the one that its slot holds now."""
    if row >= 0:
        return world.orders[row].slot_id != event.slot_id
    if past >= 0:
        order = world.past_orders[past]
        return bool(order.slot_id != event.slot_id or order.placed_ns < market.open_ns)
    return False


@compiled
def _note_cut(world: World, order: Order, cut_micros: int) -> None:
    """Write down shares that cannot have matched: the order was not for so many."""
    state, matched = int(order.state_code), int(StepCause.MATCHED)
    note_step(world, order, state, state, matched, 0, int(StepFate.CUT), cut_micros)


@compiled
def _match_past(world: World, order: Order, told_micros: int) -> int:
    """Count a match of an order that is over; gives how much of it can be true."""
    if order.mandate_id == 0:
        order.amount_micros += told_micros  # not wanted here: nobody knows what it was for
    booked = min(told_micros, int(order.amount_micros - order.filled_micros))
    order.filled_micros += booked
    if told_micros > booked:
        _note_cut(world, order, told_micros - booked)
    if booked > 0:
        state, matched = int(order.state_code), int(StepCause.MATCHED)
        note_step(world, order, state, state, matched, 0, int(StepFate.TAKEN), booked)
    return booked


@compiled
def _remember_stranger(world: World, event: Event) -> None:
    """Know an order by its match, though nobody here wanted it: ours by the venue's word, so its money is ours too."""
    note_stranger(world, event, int(StepCause.MATCHED), event.amount_micros)
    if event.ref_id == 0:
        return
    order = world.past_orders[next_past(world)]
    order.order_id = event.ref_id
    order.mandate_id = 0
    order.placed_ns = world.now_ns
    order.changed_ns = world.now_ns
    order.amount_micros = event.amount_micros
    order.open_micros = 0
    order.filled_micros = event.amount_micros
    order.reversed_micros = 0
    order.fees_micros = 0
    order.price_bps = event.price_bps
    order.slot_id = event.slot_id
    order.state_code = OrderState.DONE
    order.token_code = event.token_code
    order.side_code = event.side_code
    order.tif_code = 0
    order.post_only = False
    order.liquidity_code = event.code_id


@compiled
def _book(world: World, market: Market, event: Event, amount_micros: int) -> None:
    """Move shares and money of a match, and count it."""
    _move(world, market, event, 1, amount_micros)
    if market.position.fills_count == 0:
        _note_first(market, event)
    market.position.fills_count += 1
    market.position.traded_micros += amount_micros
    put_off_merge(world, market)


@compiled
def _note_first(market: Market, event: Event) -> None:
    """Keep the window's first fill: what one share of it cost, fee included."""
    position = market.position
    price = int(event.price_bps)
    fee = share_fee_bps(market.rules, price) if event.code_id == Liquidity.TAKER else 0.0
    position.first_order_id = event.ref_id
    position.first_cost_bps = price + fee
    position.first_token_code = event.token_code
    position.first_reversed = False


@compiled
def apply_reversal(world: World, market: Market, event: Event) -> int:
    """Undo a match that FAILED at settlement: neither shares nor money have moved after all; give the shares undone.

    What was never booked cannot be undone: a failure told twice, or before its match, changes nothing and is counted.
    One that names no order cannot be told from another: it is written down and undone as it is told, here as in the
    books, for what is held may have been sold since.
    """
    told = int(event.amount_micros)
    row = find_order(world, event.ref_id)
    past = find_past(world, event.ref_id) if row < 0 else -1
    unnamed = event.ref_id == 0
    if told <= 0 or _is_of_another_window(world, market, event, row, past) or (row < 0 and past < 0 and not unnamed):
        world.refused_count += 1
        note_stranger(world, event, int(StepCause.REVERSED), told)
        return 0
    undone = told
    if unnamed:
        note_stranger(world, event, int(StepCause.REVERSED), told)
    else:
        order = world.orders[row] if row >= 0 else world.past_orders[past]
        undone = min(told, int(order.filled_micros - order.reversed_micros))
        order.reversed_micros += undone
        state, cause = int(order.state_code), int(StepCause.REVERSED)
        fate = int(StepFate.TAKEN) if undone == told else int(StepFate.UNFOUNDED)
        note_step(world, order, state, state, cause, 0, fate, told)
    if undone <= 0:
        return 0
    _move(world, market, event, -1, undone)
    market.position.reversed_count += 1
    if event.ref_id == market.position.first_order_id:
        market.position.first_reversed = True
    return undone


@compiled
def _move(world: World, market: Market, event: Event, sign: int, amount_micros: int) -> None:
    position = market.position
    buying = 1 if event.side_code == Side.BUY else -1
    shares = sign * buying * amount_micros
    # Rounded against us: a purchase up, a sale down, to the micro.
    notional = int(event.price_bps) * amount_micros
    cost = -(-notional // BPS) if buying == 1 else notional // BPS
    if event.token_code == Token.UP:
        position.up_micros += shares
    else:
        position.down_micros += shares
    spent = sign * buying * cost
    position.spent_micros += spent
    world.money.cash_micros -= spent
    if market.phase_code == Phase.SETTLED:
        # Heard of after the payout: the shares are worth what they won, and the trade is realized at once.
        payout = shares if event.token_code == market.outcome_code else 0
        position.settled_micros += payout
        world.money.cash_micros += payout
        _realize(world, market, payout - spent)


@compiled
def _realize(world: World, market: Market, gain_micros: int) -> None:
    market.position.realized_micros += gain_micros
    world.money.day_realized_micros += gain_micros


@compiled
def apply_fee(world: World, market: Market, event: Event) -> None:
    """Charge a fee; a negative amount gives one back with its failed trade, and never more than its order was charged.

    A fee that names no order, or one that nobody remembers, is charged all the same: the money is gone.
    """
    fee = int(event.amount_micros)
    row = find_order(world, event.ref_id)
    past = find_past(world, event.ref_id) if row < 0 else -1
    strange = row < 0 and past < 0
    if _is_of_another_window(world, market, event, row, past) or (strange and fee < 0 and event.ref_id != 0):
        world.refused_count += 1
        return
    charged = max(int(market.position.fees_micros), 0)
    if not strange:
        order = world.orders[row] if row >= 0 else world.past_orders[past]
        charged = int(order.fees_micros)
        order.fees_micros += max(fee, -charged)
    fee = max(fee, -charged)
    if fee == 0:
        world.refused_count += 1
        return
    market.position.fees_micros += fee
    world.money.fees_micros += fee
    world.money.cash_micros -= fee
    if market.phase_code == Phase.SETTLED:
        _realize(world, market, -fee)


@compiled
def hear_of_money(world: World, event: Event) -> bool:
    """Take in what is said of money and of no window; says whether it was that."""
    if event.kind_code == Kind.REBATE_PAID:
        world.money.rebates_micros += event.amount_micros
        world.money.cash_micros += event.amount_micros
        return True
    if event.kind_code == Kind.DAY_CARRIED:
        if event.ref_id == world.money.day_id:
            world.money.day_carried_micros = event.amount_micros
        return True
    return False
