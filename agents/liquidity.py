"""Look at what rests in the book: how much an order may take, what that costs, and which way the depth leans."""

import math
from types import MappingProxyType
from typing import Final

from state.compiled import compiled
from state.desk import Opinion, Sight, View
from state.params import Params
from state.reasons import Reason
from state.units import MICROS

QUESTION: Final = "How much can be traded here, at what cost, and which way does the depth lean?"

WORDS: Final = MappingProxyType(
    {
        Reason.DEPTH_EVEN: "depth within four cents is even",
        Reason.DEPTH_LEANS_UP: "depth within four cents leans to UP by {shift_logodds:+.2f} log-odds",
        Reason.DEPTH_LEANS_DOWN: "depth within four cents leans to DOWN by {shift_logodds:+.2f} log-odds",
        Reason.DEPTH_THIN: "there is little depth near the touch",
        Reason.NO_BOOK: "there is no two-sided book",
    }
)

THIN_MICROS: Final = 100 * MICROS
"""Fewer shares than this within four cents on either side count as thin (median on one side is about 2,000)."""

EVEN_LOG: Final = 0.7
"""A log ratio of the two sides below this (about 2 to 1) is called even."""


@compiled
def liquidity(params: Params, view: View, sight: Sight, opinion: Opinion) -> None:
    """Push by the log ratio of depth, and cap an order at a share of what the touch displays."""
    opinion.shift_logodds = 0.0
    opinion.sd_logodds = 0.0
    opinion.cost_bps = 0.0
    opinion.cap_micros = 0
    if not sight.has_mid:
        opinion.reason_code = Reason.NO_BOOK
        return
    bids = max(view.bid_near_micros[0], view.ask_near_micros[1])
    asks = max(view.ask_near_micros[0], view.bid_near_micros[1])
    bid_touch = max(view.bid_touch_micros[0], view.ask_touch_micros[1])
    ask_touch = max(view.ask_touch_micros[0], view.bid_touch_micros[1])
    opinion.cap_micros = int(params.depth_share_ratio * max(bid_touch, ask_touch))
    opinion.cost_bps = sight.half_spread_bps
    lean = math.log((bids + MICROS) / (asks + MICROS))
    opinion.sd_logodds = 1.0
    if min(bids, asks) < THIN_MICROS:
        opinion.reason_code = Reason.DEPTH_THIN
    elif abs(lean) < EVEN_LOG:
        opinion.reason_code = Reason.DEPTH_EVEN
    elif lean > 0.0:
        opinion.reason_code = Reason.DEPTH_LEANS_UP
    else:
        opinion.reason_code = Reason.DEPTH_LEANS_DOWN
    opinion.shift_logodds = min(max(lean, -params.shift_logodds_max), params.shift_logodds_max)
