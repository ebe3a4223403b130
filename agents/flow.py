"""Look at who has been trading: the signed flow of takers and how informed it seems."""

import math
from types import MappingProxyType
from typing import Final

from state.compiled import compiled
from state.desk import Opinion, Sight, View
from state.params import Params
from state.reasons import Reason
from tools.making import QUIET_MICROS

QUESTION: Final = "Which way have takers been trading, and are they likely to know something?"

WORDS: Final = MappingProxyType(
    {
        Reason.FLOW_UP: "takers have been buying UP: {shift_logodds:+.2f} log-odds",
        Reason.FLOW_DOWN: "takers have been buying DOWN: {shift_logodds:+.2f} log-odds",
        Reason.FLOW_QUIET: "there has been little trading lately",
        Reason.FLOW_TOXIC: "trading is one-sided and faster than usual: makers are likely to lose, {cost_bps:.0f} bps",
    }
)

TOXIC_RATIO: Final = 0.8
"""One-sidedness of the fast flow above which it is called toxic, when it also runs at twice its slow rate."""


@compiled
def flow(params: Params, view: View, sight: Sight, opinion: Opinion) -> None:
    """Push with the takers' signed flow, by its one-sidedness and its speed against its own slow rate."""
    opinion.cap_micros = 0
    opinion.cost_bps = 0.0
    opinion.shift_logodds = 0.0
    opinion.sd_logodds = 0.0
    total = view.flow_total_micros
    if total < QUIET_MICROS:
        opinion.reason_code = Reason.FLOW_QUIET
        return
    sided = view.flow_signed_micros / total
    haste = total / max(view.flow_slow_micros, 1.0)
    push = sided * math.log1p(haste)
    opinion.shift_logodds = min(max(push, -params.shift_logodds_max), params.shift_logodds_max)
    opinion.sd_logodds = 1.0
    if abs(sided) > TOXIC_RATIO and haste > 2.0:
        opinion.reason_code = Reason.FLOW_TOXIC
        opinion.cost_bps = 100.0 * abs(sided)
    elif sided > 0.0:
        opinion.reason_code = Reason.FLOW_UP
    else:
        opinion.reason_code = Reason.FLOW_DOWN
