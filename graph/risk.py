"""Risk and size: what the limits still allow, and how many shares one order may have."""

from graph.sight import best_ask_bps
from graph.signals import exit_micros
from state.compiled import compiled
from state.desk import Forecast, Opinion, Signal, Stake, Verdict, View
from state.params import Params
from state.platform import PLATFORM_CODES, PLATFORM_REASONS
from state.reasons import Reason
from state.units import BPS
from tools.stake import StakeCode, StakeTerms, doubt_ratio, interval_sd, kelly_ratio, stake_micros


@compiled
def risk(params: Params, view: View, signal: Signal, verdict: Verdict) -> None:
    """Refuse with the first limit that is reached, or give the collateral that may still be put at risk.

    The limits are the mission's (design, section 4); exposure counts what is filled, resting and in flight.
    """
    verdict.cap_micros = 0
    position_left = params.position_micros - view.cost_micros
    shared_left = params.position_micros - view.cost_micros - view.other_cost_micros
    loss_left = params.daily_loss_micros + view.day_pnl_micros
    liquidity_over = view.book_notional_micros - params.liquidity_micros
    tail_left = params.tail_loss_micros - view.tail_loss_micros
    armed_left = _armed_left(view)
    verdict.margin_micros = position_left
    verdict.margin_code = Reason.POSITION_FULL
    _nearer(verdict, shared_left, int(Reason.CORRELATED))
    _nearer(verdict, loss_left, int(Reason.DAILY_LOSS))
    _nearer(verdict, liquidity_over, int(Reason.LIQUIDITY_LOW))
    _nearer(verdict, tail_left, int(Reason.TAIL_LOSS))
    _nearer(verdict, armed_left, int(Reason.ARMED_LIMIT))
    verdict.reduce_code = Reason.NONE
    verdict.reason_code = _fault(view)
    if verdict.reason_code != Reason.NONE:
        return
    if loss_left <= 0:
        verdict.reason_code = Reason.DAILY_LOSS
    elif liquidity_over < 0:
        verdict.reason_code = Reason.LIQUIDITY_LOW
    elif not view.carries_risk and view.risky_windows_count >= params.concurrent_count:
        verdict.reason_code = Reason.CONCURRENT_FULL
    elif position_left <= 0:
        verdict.reason_code = Reason.POSITION_FULL
    elif shared_left <= 0:
        verdict.reason_code = Reason.CORRELATED
    elif tail_left <= 0:
        verdict.reason_code = Reason.TAIL_LOSS
    elif armed_left <= 0:
        verdict.reason_code = Reason.ARMED_LIMIT
    else:
        left = min(position_left, shared_left, loss_left, tail_left, armed_left)
        verdict.cap_micros = min(left, max(view.cash_micros, 0))
    if verdict.reason_code != Reason.NONE and signal.exit_mask != 0:
        # What closes a position is no new risk: a limit leaves the way open for that alone.
        verdict.reduce_code = verdict.reason_code
        verdict.reason_code = Reason.NONE


@compiled
def _fault(view: View) -> int:
    """Say what forbids every order, exits too: an operator, the ground, or a price that is not to be trusted; else 0.

    An exit is judged by that very price, and is a match like any other: where those fail it closes nothing.
    """
    if view.halted_code != 0:
        return int(Reason.HALTED)
    if view.platform_code != 0:
        return platform_reason(int(view.platform_code))
    if view.spot_code != 0:
        return int(Reason.SPOT_ONE_SIDED if view.spot_code == Reason.SPOT_ONE_SIDED else Reason.SPOT_RUNS_AWAY)
    return int(Reason.NONE)


@compiled
def platform_reason(platform_code: int) -> int:
    """Give the reason of a `PlatformCode`; a code that is none is no less unsound for that."""
    if 0 < platform_code < PLATFORM_CODES:
        return PLATFORM_REASONS[platform_code]
    return int(Reason.PLATFORM)


@compiled
def _armed_left(view: View) -> int:
    """Give what the limit that the desk was armed with leaves; without one, more than any other limit."""
    return int(view.armed_micros - view.risked_micros) if view.armed_micros > 0 else 1 << 60


@compiled
def _nearer(verdict: Verdict, margin_micros: int, code: int) -> None:
    if margin_micros < verdict.margin_micros:
        verdict.margin_micros = margin_micros
        verdict.margin_code = code


@compiled
def size(
    params: Params, view: View, forecast: Forecast, liquidity: Opinion, signal: Signal, verdict: Verdict, stake: Stake
) -> None:
    """Give each allowed token its shares: Kelly after fees, shrunk by the forecast's doubt, under every cap."""
    stake.reason_code = Reason.STAKE_BELOW_MINIMUM
    p_sd = interval_sd(forecast.p_low, forecast.p_high, params.interval_z)
    for token in range(2):
        stake.shares_micros[token] = 0
        stake.kelly_ratio[token] = 0.0
        stake.bound_code[token] = StakeCode.NO_EDGE
        stake.exit_micros[token] = exit_micros(view, token) if signal.exit_mask & (1 << token) else 0
        if stake.exit_micros[token] > 0:
            stake.reason_code = Reason.NONE
        if verdict.reduce_code != Reason.NONE:
            continue
        taking = (signal.take_mask & (1 << token)) != 0
        if not taking and (signal.quote_mask & (1 << token)) == 0:
            continue
        # An offer that is still too dear would be taken at the dearest price we would pay, with the least edge.
        taken = min(best_ask_bps(view, token), int(signal.take_bps[token]))
        price = taken if taking else int(signal.quote_bps[token])
        p_win = forecast.p_up if token == 0 else 1.0 - forecast.p_up
        cost = (price + (signal.fee_bps[token] if taking else 0.0)) / BPS
        stake.kelly_ratio[token] = kelly_ratio(p_win, cost) * doubt_ratio(p_win, p_sd, cost) * params.kelly_ratio
        # The screen sweeps levels, and asks each of them for no more than this share.
        depth = int(params.depth_share_ratio * max(view.ask_near_micros[token], view.bid_near_micros[1 - token]))
        terms = StakeTerms(
            p_win,
            p_sd,
            price,
            view.fee_rate_ppm if taking else 0,
            view.fee_exponent_count,
            view.held_micros[token] + view.pending_micros[token],
            view.held_micros[1 - token] + view.pending_micros[1 - token],
            view.spent_micros,
            params.bankroll_micros,
            params.kelly_ratio,
            min(verdict.cap_micros, params.order_micros),
            depth if taking else liquidity.cap_micros,
            view.min_shares_micros,
            view.min_notional_micros if taking else 0,
        )
        shares, bound = stake_micros(terms)
        stake.shares_micros[token] = shares
        stake.bound_code[token] = bound
        if shares > 0:
            stake.reason_code = Reason.NONE
