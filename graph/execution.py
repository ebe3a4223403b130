"""Execute: write the mandate, the only thing that lets the hot loop act; or stand aside, with gate and reason."""

from state.compiled import compiled
from state.desk import Forecast, Mandate, Signal, Stake, Verdict, View
from state.params import Params
from state.reasons import Gate


@compiled
def execute(
    params: Params, view: View, forecast: Forecast, signal: Signal, verdict: Verdict, stake: Stake, mandate: Mandate
) -> None:
    """Allow what the stages left allowed, for the mandate's life and not beyond the window's quiet end."""
    _head(params, view, mandate)
    mandate.reason_code = 0
    mandate.gate_code = Gate.NONE
    take = int(signal.take_mask)
    quote = int(signal.quote_mask)
    for token in range(2):
        if stake.shares_micros[token] == 0:
            take &= ~(1 << token)
            quote &= ~(1 << token)
        mandate.shares_micros[token] = stake.shares_micros[token]
    mandate.take_mask = take
    mandate.quote_mask = quote
    mandate.mid_weight_ratio = forecast.mid_weight_ratio
    mandate.fair_weight_ratio = forecast.fair_weight_ratio
    mandate.shift_logodds = forecast.shift_logodds
    mandate.half_width_logodds = forecast.half_width_logodds
    mandate.take_edge_bps = params.take_edge_bps
    mandate.quote_edge_bps = params.quote_edge_bps
    mandate.keep_edge_bps = params.keep_edge_bps
    mandate.hold_cost_bps = signal.hold_cost_bps
    mandate.cap_micros = verdict.cap_micros
    _odds(forecast, mandate)


@compiled
def stand_aside(params: Params, view: View, forecast: Forecast, gate: int, reason: int, mandate: Mandate) -> None:
    """Allow nothing, and say which gate closed and why. What the forecast was stays on record."""
    _head(params, view, mandate)
    mandate.reason_code = reason
    mandate.gate_code = gate
    mandate.take_mask = 0
    mandate.quote_mask = 0
    mandate.mid_weight_ratio = forecast.mid_weight_ratio
    mandate.fair_weight_ratio = forecast.fair_weight_ratio
    mandate.shift_logodds = forecast.shift_logodds
    mandate.half_width_logodds = forecast.half_width_logodds
    mandate.take_edge_bps = params.take_edge_bps
    mandate.quote_edge_bps = params.quote_edge_bps
    mandate.keep_edge_bps = params.keep_edge_bps
    mandate.hold_cost_bps = 0.0
    mandate.shares_micros[0] = 0
    mandate.shares_micros[1] = 0
    mandate.cap_micros = 0
    _odds(forecast, mandate)


@compiled
def _head(params: Params, view: View, mandate: Mandate) -> None:
    mandate.slot_id = view.slot_id
    mandate.given_ns = view.now_ns
    mandate.until_ns = min(view.now_ns + params.mandate_ns, view.close_ns - params.close_quiet_ns)
    mandate.view_seq = view.event_seq


@compiled
def _odds(forecast: Forecast, mandate: Mandate) -> None:
    mandate.p_up = forecast.p_up
    mandate.p_low = forecast.p_low
    mandate.p_high = forecast.p_high
