"""What comes back from the venue: orders change, fill, are charged, and sometimes turn out to have failed."""

from state.compiled import compiled
from state.events import Event, Side, Token
from state.orders import ORDERS, Liquidity, Order, OrderState
from state.units import BPS
from state.world import Market, Phase, World
from tools.fees import fee_bps


@compiled
def find_order(world: World, order_id: int) -> int:
    """Give the row of an order that is still open to us, or -1."""
    for row in range(ORDERS):
        order = world.orders[row]
        if order.order_id == order_id and order.state_code != OrderState.NONE:
            return row
    return -1


@compiled
def apply_order_change(world: World, market: Market, event: Event) -> None:
    """Take the venue's word on an order; what is over frees its row and its reserved exposure."""
    row = find_order(world, event.ref_id)
    if row < 0:
        world.refused_count += 1
        return
    order = world.orders[row]
    order.changed_ns = world.now_ns
    state = int(event.code_id)
    if state > OrderState.UNKNOWN:
        world.refused_count += 1
    elif state == OrderState.DONE or state == OrderState.REJECTED or state == OrderState.NONE:
        # NONE: the venue knows no such order, so nothing of it is open.
        _release(market, order, order.open_micros)
        order.state_code = OrderState.NONE
        order.order_id = 0
        market.orders_count -= 1
    elif order.state_code != OrderState.CANCEL_SENT or state == OrderState.RESTING:
        # A cancel that the venue refused answers RESTING: the order is ours to pull again.
        order.state_code = state


@compiled
def _release(market: Market, order: Order, amount_micros: int) -> None:
    """Give back exposure that was reserved for shares that will not come from this order any more."""
    price = int(order.price_bps)
    left = order.open_micros - amount_micros
    market.pending_micros[order.token_code] -= amount_micros
    # The difference of two floors, so that the parts of an order add up to what was reserved for the whole.
    market.pending_cost_micros -= order.open_micros * price // BPS - left * price // BPS
    order.open_micros = left


@compiled
def apply_fill(world: World, market: Market, event: Event) -> None:
    """Book a match: shares in, collateral out (or the reverse for a sale); reserved exposure becomes real."""
    row = find_order(world, event.ref_id)
    if row >= 0:
        order = world.orders[row]
        amount = min(event.amount_micros, order.open_micros)
        _release(market, order, amount)
        order.filled_micros += event.amount_micros
        order.liquidity_code = event.code_id
    _move(world, market, event, 1)
    if market.position.fills_count == 0:
        _note_first(market, event)
    market.position.fills_count += 1
    market.position.traded_micros += event.amount_micros


@compiled
def _note_first(market: Market, event: Event) -> None:
    """Keep the window's first fill: what one share of it cost, fee included."""
    position = market.position
    rules = market.rules
    price = int(event.price_bps)
    fee = 0.0
    if event.code_id == Liquidity.TAKER:
        fee = fee_bps(float(price), rules.fee_rate_ppm, rules.fee_exponent_count, rules.fee_by_notional_code == 1)
    position.first_order_id = event.ref_id
    position.first_cost_bps = price + fee
    position.first_token_code = event.token_code
    position.first_reversed = False


@compiled
def apply_reversal(world: World, market: Market, event: Event) -> None:
    """Undo a match that FAILED at settlement: neither shares nor money have moved after all."""
    _move(world, market, event, -1)
    market.position.reversed_count += 1
    if event.ref_id == market.position.first_order_id:
        market.position.first_reversed = True


@compiled
def _move(world: World, market: Market, event: Event, sign: int) -> None:
    position = market.position
    buying = 1 if event.side_code == Side.BUY else -1
    shares = sign * buying * event.amount_micros
    # Rounded against us: a purchase up, a sale down, to the micro.
    notional = int(event.price_bps) * event.amount_micros
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
    """Charge a fee; a negative amount gives one back with its failed trade."""
    market.position.fees_micros += event.amount_micros
    world.money.fees_micros += event.amount_micros
    world.money.cash_micros -= event.amount_micros
    if market.phase_code == Phase.SETTLED:
        _realize(world, market, -event.amount_micros)
