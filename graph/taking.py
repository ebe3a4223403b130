"""Taking: fill-and-kill orders through every level that is still worth its price, to enter and to leave.

An order names the worst price at which its whole size is still worth having, not the touch: what it meets after the
hold may be further away. Nothing is paid beyond that price, and better offers are met at their own.
"""

from graph.exposure import free_cash_micros
from graph.order_life import free_order
from graph.placing import (
    held_micros,
    meets_own,
    middle_p,
    place,
    shares_left,
    token_ask_bps,
    worse_p,
)
from graph.queues import displayed_micros
from graph.signals import highest_price_bps
from state.compiled import compiled
from state.events import Side
from state.orders import COMMANDS, Command, TimeInForce
from state.reasons import Reason
from state.records import Rows
from state.units import BPS, LOT_MICROS
from state.world import Market, World
from tools.fees import share_fee_bps


@compiled
def take(world: World, slot: int, token: int, commands: Rows[Command], count: int) -> int:
    """Enter when the edge at the worse end beats every cost at the touch, as deep as it still does."""
    market = world.markets[slot]
    mandate = market.mandate
    worth = worse_p(market, token) * BPS - mandate.hold_cost_bps
    limit = _reach_bps(world, market, token, worth, mandate.take_edge_bps)
    if limit < 0:
        return count
    most = shares_left(world, slot, token, _cost_bps(market, limit))
    return _fire(world, slot, token, worth, limit, most, True, int(Reason.TAKE_EDGE), commands, count)


@compiled
def leave(world: World, slot: int, token: int, commands: Rows[Command], count: int) -> int:
    """Close what is held of the other token by buying this one, where that is worth more than to wait.

    Waiting pays what the held share turns out to be worth; a complete set pays a dollar for certain. The difference is
    fair value of this token less its price and costs, taken at the middle of the interval: doubt is a reason to leave
    as much as to stay. Never more is bought than is held and free cash pays; no limit on new risk speaks against it.
    """
    market = world.markets[slot]
    mandate = market.mandate
    worth = middle_p(market, token) * BPS - mandate.hold_cost_bps
    limit = _reach_bps(world, market, token, worth, mandate.exit_edge_bps)
    if limit < 0:
        return count
    open_micros = held_micros(market, 1 - token) - held_micros(market, token)
    affordable = max(free_cash_micros(world), 0) * BPS // _cost_bps(market, limit)
    most = min(open_micros, int(mandate.exit_micros[token]), affordable) // LOT_MICROS * LOT_MICROS
    return _fire(world, slot, token, worth, limit, most, False, int(Reason.EXIT_WORTH_MORE), commands, count)


@compiled
def take_edge_bps(market: Market, token: int) -> float:
    """Give the edge of taking at this tick's touch, at the worse end, after fee and hold; -10,000 without an offer."""
    ask = token_ask_bps(market, token)
    if ask <= 0:
        return -float(BPS)
    return worse_p(market, token) * BPS - market.mandate.hold_cost_bps - ask - share_fee_bps(market.rules, ask)


@compiled
def _reach_bps(world: World, market: Market, token: int, worth_bps: float, least_bps: float) -> int:
    """Give the dearest price that leaves the least edge; -1 where the offer does not, or no order may go out now."""
    ask = token_ask_bps(market, token)
    cooled = world.now_ns >= market.took_ns + world.params.cooldown_ns
    if ask <= 0 or not cooled or market.pending_micros[token] != 0:
        return -1
    if worth_bps - ask - share_fee_bps(market.rules, ask) < least_bps:
        return -1
    limit = highest_price_bps(market.rules, worth_bps - least_bps, int(market.books[token].tick_bps))
    return limit if limit >= ask else -1


@compiled
def _cost_bps(market: Market, price_bps: int) -> int:
    """Give what one share costs at a price with its fee, rounded up."""
    return price_bps + int(share_fee_bps(market.rules, price_bps)) + 1


@compiled
def _fire(
    world: World,
    slot: int,
    token: int,
    worth_bps: float,
    limit_bps: int,
    most_micros: int,
    fading: bool,
    reason_code: int,
    commands: Rows[Command],
    count: int,
) -> int:
    """Send an order for what the levels up to a limit bear, if the venue and our own bids allow it."""
    market = world.markets[slot]
    rules = market.rules
    if most_micros < rules.min_shares_micros or count >= COMMANDS:
        return count
    price, shares, edge = sweep(world, market, token, worth_bps, limit_bps, most_micros, fading)
    if shares < rules.min_shares_micros or shares * price < rules.min_notional_micros * BPS:
        return count
    row = free_order(world)
    if row < 0 or meets_own(world, slot, token, price):
        return count
    place(world, slot, token, price, shares, TimeInForce.FAK, edge, reason_code, row, commands[count])
    market.took_ns = world.now_ns
    return count + 1


@compiled
def sweep(
    world: World, market: Market, token: int, worth_bps: float, limit_bps: int, most_micros: int, fading: bool
) -> tuple[int, int, float]:
    """Walk the offers up to a limit; give the worst price for the size, the size, and the mean edge of its shares.

    Of each level the stated share of what it displays is counted on. `fading`: the size that a price deserves shrinks
    in proportion to the edge that it leaves, as a Kelly stake does, so that deeper levels never add to a size that
    they would not bear by themselves. The worst price is then the dearest at which the whole size is still deserved.
    """
    tick = max(int(market.books[token].tick_bps), 1)
    ask = token_ask_bps(market, token)
    first = worth_bps - ask - share_fee_bps(market.rules, ask)
    part = world.params.depth_share_ratio
    shares, depth, gained, worst = 0, 0, 0.0, ask
    for price in range(ask, limit_bps + 1, tick):
        edge = worth_bps - price - share_fee_bps(market.rules, price)
        deserved = most_micros
        if fading and price > ask:
            deserved = int(most_micros * max(edge, 0.0) / first)
        if deserved < shares or deserved <= 0:
            break
        worst = price
        depth += int(part * displayed_micros(market, token, int(Side.SELL), price))
        more = min(depth, deserved) - shares
        if more > 0:
            gained += more * edge
            shares += more
    lots = shares // LOT_MICROS * LOT_MICROS
    return worst, lots, gained / shares if shares > 0 else 0.0
