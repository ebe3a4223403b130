"""Signal and validation: what the forecast is worth against the book, and whether our own record still allows it."""

from typing import Final

from graph.queues import ends_per_s
from graph.sight import best_ask_bps, best_bid_bps
from state.compiled import compiled
from state.desk import Forecast, Opinion, Signal, Validation, View
from state.params import Params
from state.reasons import Reason
from state.rules import Rules
from state.units import BPS
from state.world import FLOW_FAST_S
from tools.fees import share_fee_bps
from tools.making import filled_ratio, making_bps, sales_per_s, through_ratio

NO_TOKEN: Final = 255


@compiled
def signal(params: Params, view: View, forecast: Forecast, flow: Opinion, signal: Signal) -> None:
    """Fill the signal: for each token what taking, resting a bid and leaving are worth, and which of them is allowed.

    Edges are reckoned at the worse end of the forecast's interval: doubt costs edge. Taking pays the fee at the touch
    and the drift of fair value while the order is held; quoting pays what toxic flow is thought to cost. Taking is
    allowed already where the offer is within `arm_bps` of what we would pay: the screen fires only at a tick that
    leaves the whole edge, and that tick does not wait for another run of the desk.
    """
    signal.hold_cost_bps = params.hold_sd_ratio * view.p_hold_sd * BPS
    signal.adverse_bps = params.adverse_sd_ratio * view.p_hold_sd * BPS + flow.cost_bps
    signal.take_mask = 0
    signal.quote_mask = 0
    signal.exit_mask = 0
    for token in range(2):
        worse = forecast.p_low if token == 0 else 1.0 - forecast.p_high
        ask = best_ask_bps(view, token)
        bid = best_bid_bps(view, token)
        signal.fee_bps[token] = share_fee_bps(view, ask) if ask > 0 else 0.0
        signal.edge_bps[token] = (
            worse * BPS - ask - signal.fee_bps[token] - signal.hold_cost_bps if ask > 0 else -float(BPS)
        )
        wanted = worse * BPS - signal.hold_cost_bps - params.take_edge_bps
        signal.take_bps[token] = highest_price_bps(view, wanted, int(view.tick_bps))
        near = signal.take_bps[token] > 0 and ask - signal.take_bps[token] <= params.arm_bps
        if ask > 0 and params.may_take_count == 1 and near:
            signal.take_mask |= 1 << token
        highest = highest_quote_bps(worse * BPS, params.quote_edge_bps, signal.adverse_bps)
        signal.quote_bps[token] = quote_price_bps(highest, bid, ask, int(view.tick_bps))
        if signal.quote_bps[token] > 0 and params.may_quote_count == 1:
            signal.quote_mask |= 1 << token
        _choose_way(params, view, signal, token, worse * BPS, bid)
        _weigh_exit(params, view, forecast, signal, token, ask)
    _name_side(params, forecast, signal)


@compiled
def _choose_way(params: Params, view: View, signal: Signal, token: int, worse_bps: float, bid_bps: int) -> None:
    """Leave out taking or quoting where the other is expected to gain more per share wanted.

    A take that is only armed competes with nothing yet: the screen weighs the two again at the tick that fires it.
    """
    bit = 1 << token
    signal.way_code[token] = Reason.NONE
    now = (signal.take_mask & bit) != 0 and signal.edge_bps[token] >= params.take_edge_bps
    signal.take_value_bps[token] = signal.edge_bps[token] if now else 0.0
    signal.make_value_bps[token] = 0.0
    signal.fill_ratio[token] = 0.0
    if signal.quote_mask & bit == 0:
        barred = signal.adverse_bps > params.quote_edge_bps and 0 < bid_bps <= worse_bps - params.quote_edge_bps
        if barred and params.may_quote_count == 1:
            signal.way_code[token] = Reason.QUOTE_ADVERSE
        return
    price = int(signal.quote_bps[token])
    trades = sales_per_s(view.flow_signed_micros, view.flow_total_micros, view.flow_slow_micros, FLOW_FAST_S, token)
    ends = ends_per_s(view.touch_changes_per_s, view.close_ns - params.close_quiet_ns - view.now_ns)
    queue = max(view.bid_touch_micros[token], view.ask_touch_micros[1 - token])
    offers = max(view.ask_touch_micros[token], view.bid_touch_micros[1 - token])
    ahead = int(queue) if price == bid_bps else 0
    # What may be wanted at most: the stake is not known yet.
    own = min(params.order_micros * BPS // price, int(params.depth_share_ratio * max(queue, offers)))
    signal.fill_ratio[token] = filled_ratio(ahead, max(own, view.min_shares_micros), trades, ends)
    edge = worse_bps - price
    signal.make_value_bps[token] = making_bps(
        edge, signal.adverse_bps, float(view.tick_bps), signal.fill_ratio[token], through_ratio(trades, ends)
    )
    if view.cancels_left_count <= 0:
        signal.way_code[token] = Reason.CHURN_SPENT
        signal.quote_mask &= ~bit
    elif signal.make_value_bps[token] < 0.0:
        signal.way_code[token] = Reason.QUOTE_ADVERSE
        signal.quote_mask &= ~bit
    elif now and signal.take_value_bps[token] >= signal.make_value_bps[token]:
        signal.way_code[token] = Reason.TAKE_WORTH_MORE
        signal.quote_mask &= ~bit
    elif now:
        signal.way_code[token] = Reason.QUOTE_WORTH_MORE
        signal.take_mask &= ~bit


@compiled
def _weigh_exit(params: Params, view: View, forecast: Forecast, signal: Signal, token: int, ask_bps: int) -> None:
    """Say whether buying this token closes a position in the other one for more than waiting would bring.

    Judged at the middle of the interval, for doubt speaks as much for leaving as for staying; and armed like a take.
    """
    signal.exit_value_bps[token] = -float(BPS)
    held = exit_micros(view, token)
    if held < view.min_shares_micros or held <= 0 or ask_bps <= 0:
        return
    middle = forecast.p_up if token == 0 else 1.0 - forecast.p_up
    value = middle * BPS - ask_bps - signal.fee_bps[token] - signal.hold_cost_bps
    signal.exit_value_bps[token] = value
    if params.may_exit_count == 1 and value >= params.exit_edge_bps - params.arm_bps:
        signal.exit_mask |= 1 << token


@compiled
def exit_micros(view: View, token: int) -> int:
    """Give the shares of a token that would close a position in the other one, with what is under way already."""
    open_micros = view.held_micros[1 - token] - view.held_micros[token] - view.pending_micros[token]
    return int(min(max(open_micros, 0), view.held_micros[1 - token]))


@compiled
def highest_price_bps(rules: Rules | View, wanted_bps: float, tick_bps: int) -> int:
    """Give the highest price on a grid that costs no more than `wanted_bps` with its fee; -1 when none does."""
    if tick_bps <= 0 or wanted_bps <= 0.0:
        return -1
    # The fee changes by at most 0.07 of the price's own change: one step below the first guess is always enough.
    fee = share_fee_bps(rules, min(int(wanted_bps), BPS))
    price = int(min(wanted_bps - fee, BPS - tick_bps)) // tick_bps * tick_bps
    if price + share_fee_bps(rules, price) > wanted_bps:
        price -= tick_bps
    return price if price > 0 else -1


@compiled
def highest_quote_bps(worse_bps: float, quote_edge_bps: float, adverse_bps: float) -> float:
    """Give the most that a quote may pay: the wanted edge is left, and what toxic flow and news cost is within it."""
    return worse_bps - max(quote_edge_bps, adverse_bps)


@compiled
def quote_price_bps(highest_bps: float, bid_bps: int, ask_bps: int, tick_bps: int) -> int:
    """Give the price to rest a bid at: join the best bid, or improve it by a tick where the spread has room.

    -1 when the highest price we would pay lies below the best bid (nobody would reach us) or there is no tick.
    """
    if tick_bps <= 0 or ask_bps < 0:
        return -1
    best = max(bid_bps, tick_bps)
    if highest_bps < best:
        return -1
    price = best
    if best + tick_bps < ask_bps and best + tick_bps <= highest_bps:
        price = best + tick_bps
    return price if price < ask_bps and price <= BPS - tick_bps else -1


@compiled
def _name_side(params: Params, forecast: Forecast, signal: Signal) -> None:
    better = 0 if signal.edge_bps[0] >= signal.edge_bps[1] else 1
    if forecast.p_up < params.p_floor or forecast.p_up > 1.0 - params.p_floor:
        signal.reason_code = Reason.PRICE_EXTREME
        signal.side_code = NO_TOKEN
        signal.take_mask = 0
        signal.quote_mask = 0
        signal.exit_mask = 0
    elif signal.take_mask != 0 or signal.quote_mask != 0 or signal.exit_mask != 0:
        signal.reason_code = Reason.NONE
        signal.side_code = better
    elif signal.edge_bps[better] <= -float(BPS):
        signal.reason_code = Reason.NO_SIDE
        signal.side_code = NO_TOKEN
    else:
        signal.reason_code = Reason.EDGE_THIN
        signal.side_code = NO_TOKEN


@compiled
def validate(params: Params, view: View, validation: Validation) -> None:
    """Pause on our own record: an anytime-valid test against the edge, or a forecast worse than the book."""
    validation.evidence_for_log = view.evidence_for_log
    validation.evidence_against_log = view.evidence_against_log
    validation.skill_logodds = view.skill_logodds
    validation.margin_log = params.pause_e_log - view.evidence_against_log
    if view.evidence_against_log >= params.pause_e_log:
        validation.reason_code = Reason.EVIDENCE_AGAINST
    elif view.skill_windows_count >= params.skill_windows_count and view.skill_logodds < params.skill_floor_logodds:
        validation.reason_code = Reason.SKILL_BELOW_BOOK
    else:
        validation.reason_code = Reason.NONE
