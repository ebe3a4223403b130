"""The fused runner: the desk's stages as straight compiled calls, for backtests, sweeps and audits of mandates."""

from agents.flow import flow
from agents.lead_lag import lead_lag
from agents.liquidity import liquidity
from agents.spread import spread
from graph.execution import execute, stand_aside
from graph.fusion import fuse
from graph.risk import risk, size
from graph.sight import look
from graph.signals import signal, validate
from state.compiled import compiled
from state.desk import Decision
from state.params import Params
from state.reasons import Gate


@compiled
def decide(params: Params, decision: Decision) -> None:
    """Run the whole desk on `decision.market`, filling every other record; ends in a mandate in every case.

    The order and the gates are those of `graph.stages.STAGES`; tests hold this function to that table bit for bit.
    """
    view = decision.market
    look(params, view, decision.sight)
    spread(params, view, decision.sight, decision.spread_opinion)
    lead_lag(params, view, decision.sight, decision.lead_lag_opinion)
    flow(params, view, decision.sight, decision.flow_opinion)
    liquidity(params, view, decision.sight, decision.liquidity_opinion)
    fuse(
        params,
        view,
        decision.sight,
        decision.spread_opinion,
        decision.lead_lag_opinion,
        decision.flow_opinion,
        decision.liquidity_opinion,
        decision.forecast,
    )
    gate, reason = _judge(params, decision)
    if reason != 0:
        stand_aside(params, view, decision.sight, decision.forecast, decision.alpha, gate, reason, decision.mandate)
    else:
        execute(
            params,
            view,
            decision.sight,
            decision.forecast,
            decision.alpha,
            decision.verdict,
            decision.stake,
            decision.mandate,
        )


@compiled
def _judge(params: Params, decision: Decision) -> tuple[int, int]:
    """Walk the gates in order; answer the one that closed with its reason, or (NONE, 0)."""
    view = decision.market
    if decision.sight.reason_code != 0:
        return int(Gate.LOOK), int(decision.sight.reason_code)
    signal(params, view, decision.forecast, decision.flow_opinion, decision.alpha)
    if decision.alpha.reason_code != 0:
        return int(Gate.SIGNAL), int(decision.alpha.reason_code)
    validate(params, view, decision.validation)
    if decision.validation.reason_code != 0:
        return int(Gate.VALIDATE), int(decision.validation.reason_code)
    risk(params, view, decision.alpha, decision.verdict)
    if decision.verdict.reason_code != 0:
        return int(Gate.RISK), int(decision.verdict.reason_code)
    size(
        params,
        view,
        decision.forecast,
        decision.liquidity_opinion,
        decision.alpha,
        decision.verdict,
        decision.stake,
    )
    if decision.stake.reason_code != 0:
        return int(Gate.SIZE), int(decision.stake.reason_code)
    return int(Gate.NONE), 0
