"""Screen: at every tick, renew fair value, posterior and edge, and answer nothing, pull, fire, or ask.

The screen acts only inside the standing mandate. It writes commands; every order carries the mandate and the tick that
fired it, and that pair is the answer to "why did this trade fire?".
"""

from graph.merging import begin_merge, sets_to_merge
from graph.order_life import free_order, is_pullable, pull
from graph.placing import (
    meets_own,
    place,
    shares_left,
    token_ask_bps,
    token_bid_bps,
    worse_p,
    write_command,
)
from graph.pricing import renew_fair
from graph.queues import cancels_left, displayed_micros, follow_queue, note_cancel, place_value_bps
from graph.risk import platform_reason
from graph.signals import highest_quote_bps, quote_price_bps
from graph.spot_watch import spot_fault
from graph.taking import leave, take, take_edge_bps
from state.compiled import compiled
from state.events import Side
from state.orders import COMMANDS, ORDERS, Act, Command, Order, OrderState, TimeInForce
from state.params import Params
from state.reasons import Reason
from state.records import Rows
from state.units import BPS, LOT_MICROS
from state.world import Market, Phase, World


@compiled
def screen(world: World, slot: int, commands: Rows[Command], count: int) -> int:
    """Look at one market after an event; append commands to `commands` from `count` on and give the new count."""
    market = world.markets[slot]
    if market.phase_code != Phase.OPEN:
        return count
    params = world.params
    now = world.now_ns
    mandate = market.mandate
    _renew(world, market)
    stands = now < mandate.until_ns and mandate.reason_code == 0
    unsound = _unsound(world, market) if stands or market.orders_count > 0 else 0
    if market.orders_count > 0:
        count = _pull(world, slot, stands, unsound, commands, count)
    if stands and unsound == 0:
        for token in range(2):
            if mandate.exit_mask & (1 << token):
                count = leave(world, slot, token, commands, count)
            if mandate.take_mask & (1 << token):
                count = take(world, slot, token, commands, count)
            if mandate.quote_mask & (1 << token):
                count = _quote(world, slot, token, commands, count)
    count = _merge(world, slot, commands, count)
    if _wants_desk(params, market, now) and count < COMMANDS:
        write_command(world, slot, Act.ASK, commands[count])
        market.asked_ns = now
        market.asked_logodds = market.posterior_logodds
        count += 1
    return count


@compiled
def _unsound(world: World, market: Market) -> int:
    """Say why nothing may be bought in a market whatever its mandate allows, 0 when it may."""
    if world.halted_code != 0:
        return int(Reason.OPERATOR_PULLED)
    if world.platform_code != 0:
        return platform_reason(int(world.platform_code))
    return spot_fault(world, market)


@compiled
def _renew(world: World, market: Market) -> None:
    """Reckon fair value and posterior anew; without a mandate the posterior is the book's own middle."""
    mandate = market.mandate
    renew_fair(world, market)
    if mandate.mandate_id == 0:
        market.posterior_logodds = market.mid_logodds
        return
    gap = 0.0
    if market.has_fair and market.has_mid:
        most = world.params.shift_logodds_max
        gap = min(max(market.fair_logodds - market.mid_logodds, -most), most)
    market.posterior_logodds = (
        mandate.mid_weight_ratio * market.mid_logodds + mandate.fair_weight_ratio * gap + mandate.shift_logodds
    )


@compiled
def _quote(world: World, slot: int, token: int, commands: Rows[Command], count: int) -> int:
    """Rest one post-only bid where the mandate wants it, none rests yet, and none has just been refused."""
    market = world.markets[slot]
    mandate = market.mandate
    if market.pending_micros[token] > 0 or count >= COMMANDS:
        return count
    if world.now_ns < market.refused_ns + world.params.requote_ns:
        return count
    worse = worse_p(market, token) * BPS
    bid, ask = token_bid_bps(market, token), token_ask_bps(market, token)
    highest = highest_quote_bps(worse, mandate.quote_edge_bps, mandate.adverse_bps)
    price = quote_price_bps(highest, bid, ask, int(market.books[token].tick_bps))
    if price <= 0 or meets_own(world, slot, token, price):
        return count
    if cancels_left(world.params, market, world.now_ns) == 0:
        return count
    ahead = displayed_micros(market, token, int(Side.BUY), price)
    bids, asks = (
        displayed_micros(market, token, int(Side.BUY), bid),
        displayed_micros(market, token, int(Side.SELL), ask),
    )
    most = int(world.params.depth_share_ratio * max(bids, asks)) // LOT_MICROS * LOT_MICROS
    shares = min(shares_left(world, slot, token, price), most)
    if shares < market.rules.min_shares_micros:
        return count
    row = free_order(world)
    if row < 0:
        return count
    place(world, slot, token, price, shares, TimeInForce.GTC, worse - price, Reason.QUOTE_EDGE, row, commands[count])
    world.orders[row].ahead_micros = ahead
    return count + 1


@compiled
def _merge(world: World, slot: int, commands: Rows[Command], count: int) -> int:
    """Ask for complete sets to be merged, when there are any and there is time."""
    amount = sets_to_merge(world, slot)
    if amount == 0 or count >= COMMANDS:
        return count
    command = commands[count]
    write_command(world, slot, Act.MERGE, command)
    command.order_id = begin_merge(world, slot, amount)
    command.amount_micros = amount
    command.reason_code = Reason.SETS_MERGED
    return count + 1


@compiled
def _pull(world: World, slot: int, stands: bool, unsound: int, commands: Rows[Command], count: int) -> int:
    """Cancel what no longer has its edge, its mandate, or its time: before anything new is placed."""
    market = world.markets[slot]
    for row in range(ORDERS):
        order = world.orders[row]
        if order.slot_id != slot or count >= COMMANDS or not is_pullable(world, order):
            continue
        follow_queue(market, order)
        again = order.state_code == OrderState.CANCEL_SENT
        reason = int(Reason.CANCEL_REPEATED) if again else unsound
        if reason == 0:
            reason = _pull_reason(world, market, order, stands)
        if reason == 0:
            continue
        command = commands[count]
        write_command(world, slot, Act.CANCEL, command)
        command.order_id = order.order_id
        command.mandate_id = order.mandate_id
        command.reason_code = reason
        command.token_code = order.token_code
        command.price_bps = order.price_bps
        command.amount_micros = order.open_micros
        pull(world, order, reason)
        if not again:
            note_cancel(world.params, market, world.now_ns)
        count += 1
    return count


@compiled
def _pull_reason(world: World, market: Market, order: Order, stands: bool) -> int:
    """Say why an order must go, 0 when it may stay."""
    params = world.params
    mandate = market.mandate
    token = int(order.token_code)
    if world.now_ns >= market.close_ns - params.close_quiet_ns:
        return int(Reason.WINDOW_ENDING)
    if world.now_ns - market.book_seen_ns > params.book_age_ns:
        return int(Reason.BOOK_STALE)
    if not stands:
        return int(Reason.MANDATE_ENDED)
    if mandate.quote_mask & (1 << token) == 0:
        return int(Reason.MANDATE_FORBIDS)
    worse = worse_p(market, token) * BPS
    if worse - order.price_bps < mandate.keep_edge_bps:
        return int(Reason.EDGE_GONE)
    if mandate.take_mask & (1 << token) and _is_worth_taking(world, market, order, worse):
        return int(Reason.TAKE_WORTH_MORE)
    if world.now_ns - order.placed_ns >= params.requote_ns and _is_worth_moving(world, market, order, worse):
        return int(Reason.REQUOTE)
    return 0


@compiled
def _is_worth_taking(world: World, market: Market, order: Order, worse_bps: float) -> bool:
    """Say whether the offer of this tick is worth more than our place in the queue, which bars us from taking it."""
    token = int(order.token_code)
    edge = take_edge_bps(market, token)
    if edge < market.mandate.take_edge_bps or world.now_ns < market.took_ns + world.params.cooldown_ns:
        return False
    price, ahead, own = int(order.price_bps), int(order.ahead_micros), int(order.open_micros)
    return edge > place_value_bps(world, market, token, price, ahead, own, worse_bps)


@compiled
def _is_worth_moving(world: World, market: Market, order: Order, worse_bps: float) -> bool:
    """Say whether the end of a better queue is worth more than our place in this one, and churn is not spent.

    Before ours stand, besides its own queue, all bids at better prices: takers reach those first.
    """
    token, price = int(order.token_code), int(order.price_bps)
    bid = token_bid_bps(market, token)
    mandate = market.mandate
    if bid <= price or highest_quote_bps(worse_bps, mandate.quote_edge_bps, mandate.adverse_bps) < bid:
        return False
    if cancels_left(world.params, market, world.now_ns) == 0:
        return False
    own = int(order.open_micros)
    tick = max(int(market.books[token].tick_bps), 1)
    above = 0
    for better in range(price + tick, bid + 1, tick):
        above += displayed_micros(market, token, int(Side.BUY), better)
    there = displayed_micros(market, token, int(Side.BUY), bid)
    here = place_value_bps(world, market, token, price, above + int(order.ahead_micros), own, worse_bps)
    new = place_value_bps(world, market, token, bid, there, own, worse_bps)
    return new - here >= world.params.place_gain_bps


@compiled
def _wants_desk(params: Params, market: Market, now_ns: int) -> bool:
    """Ask when the mandate is about to end or the posterior has moved, but not more often than allowed."""
    if now_ns - market.asked_ns < params.ask_interval_ns:
        return False
    if now_ns >= market.mandate.until_ns - params.ask_interval_ns:
        return True
    return abs(market.posterior_logodds - market.asked_logodds) >= params.ask_move_logodds
