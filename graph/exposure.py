"""Exposure: what is at risk here, with what moves along, on the day, and in a jump; and what the limits still leave.

The desk's risk gate and the screen ask the same functions: the gate when it gives a mandate, the screen again at each
order, since other windows' orders may have gone out under mandates of their own meanwhile.
"""

from typing import Final

from graph.pricing import fair_at, has_reference
from state.compiled import compiled
from state.orders import ORDERS, Order, OrderState
from state.units import BPS, NS_PER_S
from state.world import CLOSE, SLOTS, Market, Phase, World
from tools.comovement import coins_ratio_most, overlap_ratio
from tools.fees import share_fee_bps
from tools.logodds import probability

JUMPS: Final = (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)
"""Shares of the supposed jump that are tried, down and up; none at all tells what is lost already."""


@compiled
def is_at_stake(market: Market) -> bool:
    """Say whether a window may still win or lose: it is known, and nobody has said how it ended."""
    return bool(market.phase_code != Phase.NONE and market.phase_code != Phase.SETTLED)


@compiled
def committed_micros(world: World, slot: int) -> int:
    """Give a window's collateral at risk: the most that it can still lose, whoever wins and whatever matches."""
    if_up, if_down = losses_micros(world, slot)
    return max(if_up, if_down, 0)


@compiled
def losses_micros(world: World, slot: int) -> tuple[int, int]:
    """Give the most that a window loses if UP wins, and if DOWN does: held, resting and in flight, with fees.

    The winner's shares pay a dollar each, so complete sets are no risk. What is out matches or not, whichever is worse:
    a purchase that closes a position adds nothing, whether it comes to pass or not. Less than nothing is a gain.

    Doubt: a matched share counts as ours at once, though its trade may still FAIL; a set parted so is at risk again.
    """
    market = world.markets[slot]
    if not is_at_stake(market):
        return 0, 0
    position = market.position
    paid = position.spent_micros + position.fees_micros
    if_up, if_down = paid - position.up_micros, paid - position.down_micros
    if market.orders_count > 0:
        for row in range(ORDERS):
            order = world.orders[row]
            if order.state_code != OrderState.NONE and order.slot_id == slot:
                cost = order.open_micros * int(order.price_bps) // BPS + fee_to_come_micros(market, order)
                if_up += cost if order.token_code != 0 else max(cost - order.open_micros, 0)
                if_down += cost if order.token_code == 0 else max(cost - order.open_micros, 0)
    return int(if_up), int(if_down)


@compiled
def gross_micros(world: World, slot: int) -> int:
    """Give what all shares of a window have cost and would cost if what is out matched, with fees: no set is netted."""
    market = world.markets[slot]
    if not is_at_stake(market):
        return 0
    position = market.position
    total = position.spent_micros + position.fees_micros + market.pending_cost_micros
    if market.orders_count > 0:
        for row in range(ORDERS):
            order = world.orders[row]
            if order.state_code != OrderState.NONE and order.slot_id == slot:
                total += fee_to_come_micros(market, order)
    return max(int(total), 0)


@compiled
def fee_to_come_micros(market: Market, order: Order) -> int:
    """Give what an order will be charged if the rest of it takes; resting post-only orders are charged nothing."""
    if order.post_only:
        return 0
    fee = share_fee_bps(market.rules, int(order.price_bps))
    return int(order.open_micros * (int(fee) + 1) // BPS)


@compiled
def carries_risk(world: World, slot: int) -> bool:
    """Say whether a window has anything to win or lose: shares are held, or may be by an order that is out.

    What has been won or lost already, in a window that is flat again, is no risk; it counts in the day's result.
    """
    market = world.markets[slot]
    held = market.position.up_micros != 0 or market.position.down_micros != 0
    return bool(is_at_stake(market) and (market.orders_count > 0 or held))


@compiled
def risky_windows(world: World) -> int:
    """Count the windows that carry risk."""
    count = 0
    for slot in range(SLOTS):
        if carries_risk(world, slot):
            count += 1
    return count


@compiled
def together_ratio(world: World, slot: int, other: int) -> float:
    """Give how much the outcomes of two windows move together at most, 0..1 (`tools.comovement`)."""
    if slot == other:
        return 1.0
    ours, theirs = world.markets[slot], world.markets[other]
    shared = overlap_ratio(
        (ours.open_ns - world.now_ns) / NS_PER_S,
        (ours.close_ns - world.now_ns) / NS_PER_S,
        float(max(ours.averages[CLOSE].lookback_s, 1)),
        (theirs.open_ns - world.now_ns) / NS_PER_S,
        (theirs.close_ns - world.now_ns) / NS_PER_S,
        float(max(theirs.averages[CLOSE].lookback_s, 1)),
    )
    return shared * coins_ratio_most(world.comovement, int(ours.asset_code), int(theirs.asset_code))


@compiled
def moves_with(world: World, slot: int, other: int) -> bool:
    """Say whether two windows share one cap."""
    return together_ratio(world, slot, other) >= world.params.correlation_ratio


@compiled
def shared_cost_micros(world: World, slot: int) -> int:
    """Give the collateral in other windows that shares a cap with this one.

    Every window with its like is a group with a cap. What is added here counts in each group that this window is in, so
    the fullest of them is what binds.
    """
    most = 0
    for centre in range(SLOTS):
        if centre != slot and (not carries_risk(world, centre) or not moves_with(world, slot, centre)):
            continue
        total = 0
        for each in range(SLOTS):
            if carries_risk(world, each) and each != slot and moves_with(world, centre, each):
                total += committed_micros(world, each)
        most = max(most, total)
    return int(most)


@compiled
def day_pnl_micros(world: World) -> int:
    """Give the wallet's result of the UTC day: realised, and what is held marked at the posterior less what it cost."""
    total = world.money.day_realized_micros + world.money.day_carried_micros
    for slot in range(SLOTS):
        market = world.markets[slot]
        if is_at_stake(market):
            position = market.position
            p_up = probability(market.posterior_logodds)
            worth = int(p_up * position.up_micros + (1.0 - p_up) * position.down_micros)
            total += worth - position.spent_micros - position.fees_micros
    return int(total)


@compiled
def tail_loss_micros(world: World) -> int:
    """Give the most that all windows lose together in a jump of all coins at once, from what they have cost.

    Shares are worth fair value after the jump. Coins move as one, which is the worst they can do. A window that gains
    does not pay for one that loses, and of the orders that are out those fill that lose.
    """
    worst = 0
    for part in JUMPS:
        total = 0
        for slot in range(SLOTS):
            if carries_risk(world, slot):
                total += _loss_after(world, slot, world.params.tail_jump_ratio * part)
        worst = max(worst, total)
    return int(worst)


@compiled
def _loss_after(world: World, slot: int, jump_ratio: float) -> int:
    """Give what one window loses in a jump."""
    market = world.markets[slot]
    position = market.position
    known = market.strike_code != 0 and has_reference(world.assets[market.asset_code])
    p_up = fair_at(world, market, jump_ratio) if known else 0.0
    worth = int(p_up * position.up_micros + (1.0 - p_up) * position.down_micros)
    if not known:
        worth = int(min(position.up_micros, position.down_micros))
    loss = max(position.spent_micros + position.fees_micros - worth, 0)
    if market.orders_count == 0:
        return int(loss)
    for row in range(ORDERS):
        order = world.orders[row]
        if order.state_code == OrderState.NONE or order.slot_id != slot:
            continue
        p_win = p_up if order.token_code == 0 else 1.0 - p_up
        paid = order.open_micros * int(order.price_bps) // BPS + fee_to_come_micros(market, order)
        loss += max(paid - (int(p_win * order.open_micros) if known else 0), 0)
    return int(loss)


@compiled
def risked_micros(world: World) -> int:
    """Give the collateral at risk over all windows: what a desk is armed for."""
    total = 0
    for slot in range(SLOTS):
        total += committed_micros(world, slot)
    return int(total)


@compiled
def free_cash_micros(world: World) -> int:
    """Give the cash that no order of any window may still spend."""
    free = world.money.cash_micros
    for slot in range(SLOTS):
        free -= world.markets[slot].pending_cost_micros
    return int(free)


@compiled
def room_micros(world: World, slot: int, token: int) -> int:
    """Give the collateral that one more order for a token may take at this very moment, by every limit and our cash.

    It would be lost if the other token won; what this window loses if its own wins, it makes no greater. A gain that
    the other token would bring is not lent: the shares behind it may have FAILED by then. The limits that are cheap to
    ask come first, for this is asked at every order.
    """
    params = world.params
    if not carries_risk(world, slot) and risky_windows(world) >= params.concurrent_count:
        return 0
    if_up, if_down = losses_micros(world, slot)
    at_risk = max(if_down if token == 0 else if_up, 0)
    left = params.position_micros - at_risk
    room = min(left, free_cash_micros(world))
    if room <= 0:
        return 0
    room = min(room, params.daily_loss_micros + day_pnl_micros(world))
    if room <= 0:
        return 0
    if world.armed_micros > 0:
        elsewhere = risked_micros(world) - max(if_up, if_down, 0)
        room = min(room, world.armed_micros - elsewhere - at_risk)
        if room <= 0:
            return 0
    room = min(room, left - shared_cost_micros(world, slot))
    if room <= 0:
        return 0
    return max(int(min(room, params.tail_loss_micros - tail_loss_micros(world))), 0)
