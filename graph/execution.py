"""Execute: write the mandate, the only thing that lets the hot loop act; or stand aside, with gate and reason."""

from graph.sight import best_ask_bps
from state.compiled import compiled
from state.desk import FEATURES, Forecast, Mandate, Sight, Signal, Stake, Verdict, View
from state.params import Params
from state.reasons import Gate


@compiled
def execute(
    params: Params,
    view: View,
    sight: Sight,
    forecast: Forecast,
    signal: Signal,
    verdict: Verdict,
    stake: Stake,
    mandate: Mandate,
) -> None:
    """Allow what the stages left allowed, for the mandate's life and not beyond the window's quiet end."""
    _head(params, view, mandate)
    mandate.reason_code = 0
    mandate.gate_code = Gate.NONE
    take = int(signal.take_mask)
    quote = int(signal.quote_mask)
    leave = int(signal.exit_mask)
    for token in range(2):
        if stake.shares_micros[token] == 0:
            take &= ~(1 << token)
            quote &= ~(1 << token)
        if stake.exit_micros[token] == 0:
            leave &= ~(1 << token)
        mandate.shares_micros[token] = stake.shares_micros[token]
        mandate.exit_micros[token] = stake.exit_micros[token]
    mandate.take_mask = take
    mandate.quote_mask = quote
    mandate.exit_mask = leave
    mandate.reduce_code = verdict.reduce_code
    mandate.hold_cost_bps = signal.hold_cost_bps
    mandate.cap_micros = verdict.cap_micros
    _record(params, view, sight, forecast, signal, mandate)


@compiled
def stand_aside(
    params: Params,
    view: View,
    sight: Sight,
    forecast: Forecast,
    signal: Signal,
    gate: int,
    reason: int,
    mandate: Mandate,
) -> None:
    """Allow nothing, and say which gate closed and why. What the forecast was stays on record."""
    _head(params, view, mandate)
    mandate.reason_code = reason
    mandate.gate_code = gate
    mandate.take_mask = 0
    mandate.quote_mask = 0
    mandate.exit_mask = 0
    mandate.reduce_code = 0
    mandate.exit_micros[0] = 0
    mandate.exit_micros[1] = 0
    mandate.hold_cost_bps = 0.0
    mandate.shares_micros[0] = 0
    mandate.shares_micros[1] = 0
    mandate.cap_micros = 0
    _record(params, view, sight, forecast, signal, mandate)


@compiled
def _head(params: Params, view: View, mandate: Mandate) -> None:
    mandate.slot_id = view.slot_id
    mandate.given_ns = view.now_ns
    mandate.until_ns = min(view.now_ns + params.mandate_ns, view.close_ns - params.close_quiet_ns)
    mandate.view_seq = view.event_seq


@compiled
def _record(params: Params, view: View, sight: Sight, forecast: Forecast, signal: Signal, mandate: Mandate) -> None:
    mandate.mid_weight_ratio = forecast.mid_weight_ratio
    mandate.fair_weight_ratio = forecast.fair_weight_ratio
    mandate.shift_logodds = forecast.shift_logodds
    mandate.half_width_logodds = forecast.half_width_logodds
    mandate.take_edge_bps = params.take_edge_bps
    mandate.quote_edge_bps = params.quote_edge_bps
    mandate.keep_edge_bps = params.keep_edge_bps
    mandate.exit_edge_bps = params.exit_edge_bps
    mandate.adverse_bps = signal.adverse_bps
    mandate.p_up = forecast.p_up
    mandate.p_low = forecast.p_low
    mandate.p_high = forecast.p_high
    mandate.p_mid = sight.p_mid
    mandate.p_fair = view.p_fair
    mandate.p_point = view.p_point
    mandate.has_mid = sight.has_mid
    mandate.has_fair = sight.has_fair
    for i in range(FEATURES):
        mandate.features_logodds[i] = forecast.features_logodds[i]
    for token in range(2):
        mandate.edge_bps[token] = signal.edge_bps[token]
        mandate.ask_bps[token] = best_ask_bps(view, token)
