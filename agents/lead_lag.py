"""Look at which feed leads, by how much, and whether its last move can still be acted on after the taker hold."""

from types import MappingProxyType
from typing import Final

from state.compiled import compiled
from state.desk import Opinion, Sight, View
from state.params import Params
from state.reasons import Reason

QUESTION: Final = "Has a faster feed moved where the book has not followed yet?"

WORDS: Final = MappingProxyType(
    {
        Reason.LEADER_UP: "the leading feed rose and the book has yet to follow: {shift_logodds:+.2f} log-odds",
        Reason.LEADER_DOWN: "the leading feed fell and the book has yet to follow: {shift_logodds:+.2f} log-odds",
        Reason.LEADER_QUIET: "the leading feed has not moved beyond its noise",
        Reason.LAG_UNKNOWN: "no lag is established beyond doubt",
        Reason.LAG_INSIDE_HOLD: "the book follows within the hold and our travel time: nothing to act on",
        Reason.NO_REFERENCE: "no price reference",
    }
)

LAG_Z_LEAST: Final = 2.0
"""A lag whose t-statistic is below this is taken as unknown."""

LOGIT_OF_NORMAL: Final = 1.6
"""Slope of the log-odds of a normal probability in its z-score near the middle (4 times the density at 0)."""


@compiled
def lead_lag(params: Params, view: View, sight: Sight, opinion: Opinion) -> None:
    """Push by the leader's move that the book has had no time to follow, in log-odds, scaled by how well it leads."""
    opinion.cap_micros = 0
    opinion.cost_bps = 0.0
    opinion.shift_logodds = 0.0
    opinion.sd_logodds = 0.0
    if not (sight.has_fair and sight.has_mid) or view.close_sd_usd <= 0.0:
        opinion.reason_code = Reason.NO_REFERENCE
        return
    if view.lag_z < LAG_Z_LEAST:
        opinion.reason_code = Reason.LAG_UNKNOWN
        return
    if view.lag_ns <= view.hold_ns + params.travel_ns:
        opinion.reason_code = Reason.LAG_INSIDE_HOLD
        return
    move_z = view.lead_move_log * view.nowcast_usd / view.close_sd_usd
    push = LOGIT_OF_NORMAL * move_z * view.lag_correlation_ratio
    opinion.shift_logodds = min(max(push, -params.shift_logodds_max), params.shift_logodds_max)
    opinion.sd_logodds = abs(opinion.shift_logodds) / view.lag_z
    if abs(push) < 0.02:
        opinion.reason_code = Reason.LEADER_QUIET
    elif push > 0.0:
        opinion.reason_code = Reason.LEADER_UP
    else:
        opinion.reason_code = Reason.LEADER_DOWN
