"""Placing: what an order may still cost, what it must not meet, and how it enters the table with its command."""

from graph.exposure import room_micros
from graph.order_life import want
from state.compiled import compiled
from state.orders import ORDERS, Act, Command, OrderState, TimeInForce
from state.units import BPS, LOT_MICROS
from state.world import Market, World
from tools.logodds import probability


@compiled
def middle_p(market: Market, token: int) -> float:
    """Give the token's probability at the posterior of this tick."""
    return probability(market.posterior_logodds if token == 0 else -market.posterior_logodds)


@compiled
def worse_p(market: Market, token: int) -> float:
    """Give the token's probability at the worse end of the mandate's interval around the posterior of this tick."""
    half = market.mandate.half_width_logodds
    if token == 0:
        return probability(market.posterior_logodds - half)
    return probability(-market.posterior_logodds - half)


@compiled
def token_ask_bps(market: Market, token: int) -> int:
    """Give the best offer of a token over both books, -1 when nobody offers."""
    if token == 0:
        return int(market.touch_bps[1])
    bid = int(market.touch_bps[0])
    return BPS - bid if bid >= 0 else -1


@compiled
def token_bid_bps(market: Market, token: int) -> int:
    """Give the best bid for a token over both books, -1 when nobody bids."""
    if token == 0:
        return int(market.touch_bps[0])
    ask = int(market.touch_bps[1])
    return BPS - ask if ask >= 0 else -1


@compiled
def held_micros(market: Market, token: int) -> int:
    """Give the shares of a token that we hold."""
    return int(market.position.up_micros if token == 0 else market.position.down_micros)


@compiled
def shares_left(world: World, slot: int, token: int, cost_bps: int) -> int:
    """Give the mandate's shares, cut to the collateral that it and every limit have left, in hundredths of a share.

    The limits are asked again: what was committed while the mandate was on its way, here or in another window that
    shares a cap with this one, is not in the mandate's cap.
    """
    market = world.markets[slot]
    left = market.mandate.cap_micros - market.used_micros
    if left > 0:
        left = min(left, room_micros(world, slot, token))
    most = max(left, 0) * BPS // max(cost_bps, 1)
    return min(int(market.mandate.shares_micros[token]), most) // LOT_MICROS * LOT_MICROS


@compiled
def meets_own(world: World, slot: int, token: int, price_bps: int) -> bool:
    """Say whether a bid would trade with a bid of our own for the other token: together they pay a dollar or more."""
    if world.markets[slot].pending_micros[1 - token] == 0:
        return False
    for row in range(ORDERS):
        order = world.orders[row]
        other = order.state_code != OrderState.NONE and order.slot_id == slot and order.token_code != token
        if other and order.price_bps + price_bps >= BPS:
            return True
    return False


@compiled
def place(
    world: World,
    slot: int,
    token: int,
    price_bps: int,
    amount_micros: int,
    tif_code: int,
    edge_bps: float,
    reason_code: int,
    row: int,
    command: Command,
) -> None:
    """Write the order into the table and the command that sends it; it counts as exposure from this moment."""
    market = world.markets[slot]
    write_command(world, slot, Act.PLACE, command)
    world.next_order_id += 1
    command.order_id = world.next_order_id
    command.mandate_id = market.mandate.mandate_id
    command.amount_micros = amount_micros
    command.price_bps = price_bps
    command.token_code = token
    command.side_code = 0
    command.tif_code = tif_code
    command.post_only = tif_code == TimeInForce.GTC
    command.reason_code = reason_code
    command.edge_bps = edge_bps
    order = world.orders[row]
    order.order_id = command.order_id
    order.mandate_id = command.mandate_id
    order.amount_micros = amount_micros
    order.ahead_micros = 0
    order.price_bps = price_bps
    order.slot_id = slot
    order.token_code = token
    order.side_code = 0
    order.tif_code = tif_code
    order.post_only = command.post_only
    want(world, market, order, reason_code)
    market.used_micros += amount_micros * price_bps // BPS


@compiled
def write_command(world: World, slot: int, act_code: int, command: Command) -> None:
    """Write a command's head, and zero the rest: rows are used again."""
    market = world.markets[slot]
    command.at_ns = world.now_ns
    command.order_id = 0
    command.mandate_id = market.mandate.mandate_id
    command.cause_seq = world.event_seq
    command.amount_micros = 0
    command.expires_ns = 0
    command.p_up = probability(market.posterior_logodds)
    command.edge_bps = 0.0
    command.price_bps = 0
    command.slot_id = slot
    command.reason_code = 0
    command.act_code = act_code
    command.token_code = 0
    command.side_code = 0
    command.tif_code = 0
    command.post_only = False
