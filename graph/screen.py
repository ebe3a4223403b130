"""Screen: at every tick, renew fair value, posterior and edge, and answer nothing, pull, fire, or ask.

The screen acts only inside the standing mandate. It writes commands; every order carries the mandate and the tick that
fired it, and that pair is the answer to "why did this trade fire?".
"""

from typing import Final

from graph.arming import risked_micros
from graph.merging import begin_merge, sets_to_merge
from graph.order_life import free_order, is_pullable, pull, want
from graph.pricing import renew_fair
from graph.signals import quote_price_bps
from state.compiled import compiled
from state.orders import ORDERS, Act, Command, Order, OrderState, TimeInForce
from state.params import Params
from state.reasons import Reason
from state.records import Rows
from state.units import BPS, MICROS
from state.world import Market, Phase, World
from tools.fees import fee_bps
from tools.logodds import probability

COMMANDS: Final = 64
"""Room for the commands of one event; what does not fit waits for the next tick."""


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
    if market.orders_count > 0:
        count = _pull(world, slot, stands, commands, count)
    if stands and world.halted_code == 0:
        for token in range(2):
            if mandate.take_mask & (1 << token):
                count = _take(world, slot, token, commands, count)
            if mandate.quote_mask & (1 << token):
                count = _quote(world, slot, token, commands, count)
    count = _merge(world, slot, commands, count)
    if _wants_desk(params, market, now) and count < COMMANDS:
        _command(world, slot, Act.ASK, commands[count])
        market.asked_ns = now
        market.asked_logodds = market.posterior_logodds
        count += 1
    return count


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
def _take(world: World, slot: int, token: int, commands: Rows[Command], count: int) -> int:
    """Fire a fill-and-kill order at the touch when the edge at the worse end still beats every cost."""
    market = world.markets[slot]
    mandate = market.mandate
    ask = token_ask_bps(market, token)
    cooled = world.now_ns >= market.took_ns + world.params.cooldown_ns
    if ask <= 0 or not cooled or count >= COMMANDS or market.pending_micros[token] > 0:
        return count
    rules = market.rules
    fee = fee_bps(float(ask), rules.fee_rate_ppm, rules.fee_exponent_count, rules.fee_by_notional_code == 1)
    edge = worse_p(market, token) * BPS - ask - fee - mandate.hold_cost_bps
    if edge < mandate.take_edge_bps:
        return count
    if _meets_own(world, slot, token, ask):
        return count
    shares = _shares_left(world, market, token, ask + int(fee) + 1)
    if shares < market.rules.min_shares_micros or shares * ask < market.rules.min_notional_micros * BPS:
        return count
    row = free_order(world)
    if row < 0:
        return count
    _place(world, slot, token, ask, shares, TimeInForce.FAK, edge, Reason.TAKE_EDGE, row, commands[count])
    market.took_ns = world.now_ns
    return count + 1


@compiled
def _quote(world: World, slot: int, token: int, commands: Rows[Command], count: int) -> int:
    """Rest one post-only bid where the mandate wants it and none rests yet."""
    market = world.markets[slot]
    mandate = market.mandate
    if market.pending_micros[token] > 0 or count >= COMMANDS:
        return count
    worse = worse_p(market, token) * BPS
    price = quote_price_bps(
        worse - mandate.quote_edge_bps,
        token_bid_bps(market, token),
        token_ask_bps(market, token),
        int(market.books[token].tick_bps),
    )
    if price <= 0 or _meets_own(world, slot, token, price):
        return count
    shares = _shares_left(world, market, token, price)
    if shares < market.rules.min_shares_micros:
        return count
    row = free_order(world)
    if row < 0:
        return count
    _place(world, slot, token, price, shares, TimeInForce.GTC, worse - price, Reason.QUOTE_EDGE, row, commands[count])
    return count + 1


@compiled
def _merge(world: World, slot: int, commands: Rows[Command], count: int) -> int:
    """Ask for complete sets to be merged, when there are any and there is time."""
    amount = sets_to_merge(world, slot)
    if amount == 0 or count >= COMMANDS:
        return count
    command = commands[count]
    _command(world, slot, Act.MERGE, command)
    command.order_id = begin_merge(world, slot, amount)
    command.amount_micros = amount
    command.reason_code = Reason.SETS_MERGED
    return count + 1


@compiled
def _shares_left(world: World, market: Market, token: int, cost_bps: int) -> int:
    """Give the mandate's shares, cut to the collateral that it has left, in hundredths of a share.

    The limits of the window and of arming are asked again: what was committed while the mandate was on its way is not
    in its cap.
    """
    params = world.params
    position = market.position
    committed = position.spent_micros + position.fees_micros + market.pending_cost_micros
    left = min(market.mandate.cap_micros - market.used_micros, params.position_micros - committed)
    if world.armed_micros > 0:
        left = min(left, world.armed_micros - risked_micros(world))
    most = max(left, 0) * BPS // max(cost_bps, 1)
    shares = min(int(market.mandate.shares_micros[token]), most)
    return shares // (MICROS // 100) * (MICROS // 100)


@compiled
def _meets_own(world: World, slot: int, token: int, price_bps: int) -> bool:
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
def _pull(world: World, slot: int, stands: bool, commands: Rows[Command], count: int) -> int:
    """Cancel what no longer has its edge, its mandate, or its time: before anything new is placed."""
    market = world.markets[slot]
    for row in range(ORDERS):
        order = world.orders[row]
        if order.slot_id != slot or count >= COMMANDS or not is_pullable(world, order):
            continue
        again = order.state_code == OrderState.CANCEL_SENT
        reason = int(Reason.CANCEL_REPEATED) if again else _pull_reason(world, market, order, stands)
        if reason == 0:
            continue
        command = commands[count]
        _command(world, slot, Act.CANCEL, command)
        command.order_id = order.order_id
        command.mandate_id = order.mandate_id
        command.reason_code = reason
        command.token_code = order.token_code
        command.price_bps = order.price_bps
        command.amount_micros = order.open_micros
        pull(world, order, reason)
        count += 1
    return count


@compiled
def _pull_reason(world: World, market: Market, order: Order, stands: bool) -> int:
    """Say why an order must go, 0 when it may stay."""
    params = world.params
    mandate = market.mandate
    token = int(order.token_code)
    if world.halted_code != 0:
        return int(Reason.OPERATOR_PULLED)
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
    if world.now_ns - order.placed_ns >= params.requote_ns:
        bid = token_bid_bps(market, token)
        if bid > order.price_bps and worse - mandate.quote_edge_bps >= bid:
            return int(Reason.REQUOTE)
    return 0


@compiled
def _wants_desk(params: Params, market: Market, now_ns: int) -> bool:
    """Ask when the mandate is about to end or the posterior has moved, but not more often than allowed."""
    if now_ns - market.asked_ns < params.ask_interval_ns:
        return False
    if now_ns >= market.mandate.until_ns - params.ask_interval_ns:
        return True
    return abs(market.posterior_logodds - market.asked_logodds) >= params.ask_move_logodds


@compiled
def _place(
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
    _command(world, slot, Act.PLACE, command)
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
    order.price_bps = price_bps
    order.slot_id = slot
    order.token_code = token
    order.side_code = 0
    order.tif_code = tif_code
    order.post_only = command.post_only
    want(world, market, order, reason_code)
    market.used_micros += amount_micros * price_bps // BPS


@compiled
def _command(world: World, slot: int, act_code: int, command: Command) -> None:
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
