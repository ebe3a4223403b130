"""Take a view: everything the desk may see of one market at one instant, as a record that can be kept and replayed."""

import math
from typing import Final

from graph.exposure import (
    carries_risk,
    committed_micros,
    day_pnl_micros,
    free_cash_micros,
    gross_micros,
    risked_micros,
    risky_windows,
    shared_cost_micros,
    tail_loss_micros,
)
from graph.pricing import explain, has_reference, hold_sd, leads_by_feeds, reference_usd, reference_var_usd2
from graph.queues import cancels_left
from graph.spot_watch import spot_fault
from state.compiled import compiled
from state.desk import FEATURES, View
from state.events import Side, Source
from state.feeds import RING, Lag
from state.units import BPS, NS_PER_S
from state.world import CLOSE, STRIKE, Market, World
from tools.average import coverage_ratio, known_ratio
from tools.book import complement_gap_bps, depth_within, is_two_sided, notional_micros, touch_micros
from tools.fair import point_up

NEAR_CENTS: Final = 4


@compiled
def take_view(world: World, slot: int, view: View) -> None:
    """Fill a view of one market."""
    market = world.markets[slot]
    view.now_ns = world.now_ns
    view.event_seq = world.event_seq
    view.slot_id = slot
    view.asset_code = market.asset_code
    view.open_ns = market.open_ns
    view.close_ns = market.close_ns
    view.phase_code = market.phase_code
    _see_rules(market, view)
    _see_books(market, view)
    _see_price(world, market, view)
    _see_lead(world, slot, view)
    flow = market.flow
    view.flow_signed_micros = flow.signed_micros
    view.flow_total_micros = flow.total_micros
    view.flow_slow_micros = flow.slow_micros
    view.touch_changes_per_s = flow.touch_changes_per_s
    for i in range(FEATURES):
        view.weights_ratio[i] = world.learner.weights_ratio[i]
        for j in range(FEATURES):
            view.weights_var[i, j] = world.learner.weights_var[i, j]
    view.evidence_for_log = world.track.evidence.for_log
    view.evidence_against_log = world.track.evidence.against_log
    view.skill_logodds = world.track.skill_logodds
    view.skill_windows_count = world.track.skill_windows_count
    _see_exposure(world, slot, view)


@compiled
def _see_rules(market: Market, view: View) -> None:
    rules = market.rules
    view.rules_refused_code = rules.refused_code
    view.settlement_code = rules.settlement_code
    view.fee_rate_ppm = rules.fee_rate_ppm
    view.fee_exponent_count = rules.fee_exponent_count
    view.fee_by_notional_code = rules.fee_by_notional_code
    view.hold_ns = rules.hold_ns
    view.tick_bps = rules.tick_bps
    view.min_shares_micros = rules.min_shares_micros
    view.min_notional_micros = rules.min_notional_micros


@compiled
def _see_books(market: Market, view: View) -> None:
    view.book_whole_mask = 0
    notional = 0
    for token in range(2):
        book = market.books[token]
        view.bid_bps[token] = book.bid.best_bps
        view.ask_bps[token] = book.ask.best_bps
        view.bid_touch_micros[token] = touch_micros(book, int(Side.BUY))
        view.ask_touch_micros[token] = touch_micros(book, int(Side.SELL))
        view.bid_near_micros[token] = depth_within(book, int(Side.BUY), NEAR_CENTS)
        view.ask_near_micros[token] = depth_within(book, int(Side.SELL), NEAR_CENTS)
        if book.valid:
            view.book_whole_mask |= 1 << token
        # The two books are one book seen twice: the fuller view of it counts, not the sum.
        notional = max(notional, notional_micros(book))
    view.book_notional_micros = notional
    view.book_seen_ns = market.book_seen_ns
    view.complement_gap_bps = 0
    if view.book_whole_mask == 3 and is_two_sided(market.books[0]) and is_two_sided(market.books[1]):
        view.complement_gap_bps = complement_gap_bps(market.books[0], market.books[1])


@compiled
def _see_price(world: World, market: Market, view: View) -> None:
    state = world.assets[market.asset_code]
    strike = market.averages[STRIKE]
    close = market.averages[CLOSE]
    view.nowcast_usd = reference_usd(state) if has_reference(state) else 0.0
    view.nowcast_var = reference_var_usd2(state)
    by_feeds = leads_by_feeds(state)
    oracle_seen_ns = state.prices.feeds[Source.CHAINLINK].seen_ns
    view.nowcast_seen_ns = state.prices.nowcast.at_ns if by_feeds else oracle_seen_ns
    view.feeds_count = state.prices.nowcast.feeds_count
    view.disagreement_bps = math.sqrt(max(state.prices.nowcast.spread_var, 0.0)) * BPS
    view.variance_per_s = state.variance_per_s
    view.strike_usd = market.strike_usd
    view.strike_code = market.strike_code
    view.strike_gap_bps = market.strike_gap_bps
    view.strike_coverage_ratio = coverage_ratio(strike)
    view.close_coverage_ratio = coverage_ratio(close)
    view.close_known_ratio = known_ratio(close)
    view.close_mean_usd = 0.0
    view.close_sd_usd = 0.0
    view.p_fair = 0.5
    view.p_point = 0.5
    view.p_hold_sd = 0.0
    view.strike_sd_usd = 0.0
    if view.nowcast_usd <= 0.0 or market.strike_code == 0:
        return
    explain(world, market)
    fair = market.fair
    view.close_mean_usd = fair.mean_usd
    view.close_sd_usd = fair.sd_usd
    view.p_fair = fair.p_up
    view.strike_sd_usd = (strike.doubt_var + strike.gap_var * view.variance_per_s * view.nowcast_usd**2) ** 0.5
    view.p_hold_sd = hold_sd(world, market, market.rules.hold_ns + world.params.travel_ns)
    last_usd = state.observations.newest_usd if state.observations.count > 0 else view.nowcast_usd
    left_s = (market.close_ns - world.now_ns) / NS_PER_S
    view.p_point = point_up(last_usd, market.strike_usd, left_s, state.variance_per_s)


@compiled
def _see_lead(world: World, slot: int, view: View) -> None:
    state = world.assets[world.markets[slot].asset_code]
    estimate = state.lag_estimate
    view.lag_ns = estimate.lag_ns if estimate.known else 0
    view.lag_correlation_ratio = estimate.p_correlation if estimate.known else 0.0
    view.lag_z = estimate.correlation_z if estimate.known and state.front_slot_id == slot else 0.0
    view.lead_move_log = 0.0
    if view.lag_z > 0.0 and view.lag_ns > 0:
        view.lead_move_log = recent_lead_move(state.lag, view.lag_ns)


@compiled
def recent_lead_move(lag: Lag, span_ns: int) -> float:
    """Give the leader's log move over the last `span_ns`: what the follower has had no time to follow."""
    steps = min(span_ns // lag.step_ns, RING - 1, lag.steps_count) if lag.step_ns > 0 else 0
    move = lag.lead_now_log - lag.lead_past_log if lag.lead_known and lag.lead_past_known else 0.0
    for back in range(1, steps + 1):
        move += lag.lead_ring_log[(lag.steps_count - back) % RING]
    return float(move)


@compiled
def _see_exposure(world: World, slot: int, view: View) -> None:
    """Add up what is at risk here, elsewhere in windows that move with this one, and on the day."""
    market = world.markets[slot]
    view.cost_micros = committed_micros(world, slot)
    view.spent_micros = gross_micros(world, slot)
    view.other_cost_micros = shared_cost_micros(world, slot)
    view.carries_risk = carries_risk(world, slot)
    view.risky_windows_count = risky_windows(world)
    view.day_pnl_micros = day_pnl_micros(world)
    view.tail_loss_micros = tail_loss_micros(world)
    for token in range(2):
        view.pending_micros[token] = market.pending_micros[token]
    view.held_micros[0] = market.position.up_micros
    view.held_micros[1] = market.position.down_micros
    view.cancels_left_count = cancels_left(world.params, market, world.now_ns)
    view.risked_micros = risked_micros(world)
    view.armed_micros = world.armed_micros
    view.cash_micros = free_cash_micros(world)
    view.halted_code = world.halted_code
    view.platform_code = world.platform_code
    view.spot_code = spot_fault(world, market)
