"""Our places in the venue's queues: who stands before us, what the place is worth, and how often one may be given up.

The feed does not say who stands where. We join behind all that is displayed at our price in either book; trades at the
price come off the front; and no more can stand before us than is displayed. A cancel is taken to come from behind us
until the level has become too thin for that, so the estimate errs towards a longer wait.

Doubt: live, the displayed size holds our own order as well, which makes the wait look longer by our own size at most.
"""

from typing import Final

from state.compiled import compiled
from state.events import Event, Side
from state.orders import ORDERS, Order, OrderState
from state.params import Params
from state.units import BPS, NS_PER_S
from state.world import FLOW_FAST_S, Market, World
from tools.book import effective_size_at
from tools.making import filled_ratio, making_bps, sales_per_s, through_ratio

MINUTE_NS: Final = 60 * NS_PER_S


@compiled
def displayed_micros(market: Market, token: int, side_code: int, price_bps: int) -> int:
    """Give what is displayed for a token at a price, both books being one."""
    return effective_size_at(market.books[token], market.books[1 - token], side_code, price_bps)


@compiled
def follow_queue(market: Market, order: Order) -> None:
    """Bring the place of a resting bid up to the book as it is now."""
    if order.ahead_micros > 0 and (market.books[0].valid or market.books[1].valid):
        shown = displayed_micros(market, int(order.token_code), int(Side.BUY), int(order.price_bps))
        order.ahead_micros = min(int(order.ahead_micros), shown)


@compiled
def meet_trade(world: World, event: Event) -> None:
    """Let a taker's trade move our bids up: one at their price by its size, one below it wholly."""
    for row in range(ORDERS):
        order = world.orders[row]
        rests = order.state_code == OrderState.RESTING or order.state_code == OrderState.PARTLY
        if not rests or order.slot_id != event.slot_id or order.ahead_micros == 0:
            continue
        same = order.token_code == event.token_code
        if (event.side_code == Side.SELL) != same:
            continue  # the taker bought our token: that came out of the offers
        price = int(event.price_bps) if same else BPS - int(event.price_bps)
        if price < order.price_bps:
            order.ahead_micros = 0
        elif price == order.price_bps:
            order.ahead_micros = max(order.ahead_micros - event.amount_micros, 0)


@compiled
def ends_per_s(touch_changes_per_s: float, left_ns: int) -> float:
    """Give how often a second the wait in a queue ends unfilled: the touch moves, or the time is over."""
    return touch_changes_per_s + NS_PER_S / max(left_ns, NS_PER_S)


@compiled
def place_value_bps(
    world: World, market: Market, token: int, price_bps: int, ahead_micros: int, own_micros: int, worse_bps: float
) -> float:
    """Give what a bid at a price and a place is expected to gain per share, with the takers of this very moment."""
    flow = market.flow
    trades = sales_per_s(flow.signed_micros, flow.total_micros, flow.slow_micros, FLOW_FAST_S, token)
    left_ns = market.close_ns - world.params.close_quiet_ns - world.now_ns
    ends = ends_per_s(flow.touch_changes_per_s, left_ns)
    filled = filled_ratio(ahead_micros, own_micros, trades, ends)
    tick = float(market.books[token].tick_bps)
    return making_bps(worse_bps - price_bps, market.mandate.adverse_bps, tick, filled, through_ratio(trades, ends))


@compiled
def cancels_left(params: Params, market: Market, now_ns: int) -> int:
    """Give how many cancels the churn limit still leaves: a bucket of a minute's worth that refills steadily."""
    most = int(params.cancels_per_min_count)
    every_ns = MINUTE_NS // most
    owed_ns = max(market.churn_due_ns - now_ns, 0)
    return max(most - (owed_ns + every_ns - 1) // every_ns, 0)


@compiled
def note_cancel(params: Params, market: Market, now_ns: int) -> None:
    """Count a cancel. Only wishes are held back by the count; what must be pulled for safety always is."""
    market.churn_due_ns = max(market.churn_due_ns, now_ns) + MINUTE_NS // int(params.cancels_per_min_count)
