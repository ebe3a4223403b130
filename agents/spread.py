"""Look at the spread between fair value and the venue's book, and at the two tokens together."""

from types import MappingProxyType
from typing import Final

from state.compiled import compiled
from state.desk import Opinion, Sight, View
from state.params import Params
from state.reasons import Reason
from state.units import BPS
from tools.fees import share_fee_bps

QUESTION: Final = "What does the price of the coin say the odds are, and does the book disagree?"

WORDS: Final = MappingProxyType(
    {
        Reason.FAIR_ABOVE_BOOK: "fair value is {shift_logodds:+.2f} log-odds above the book's middle",
        Reason.FAIR_BELOW_BOOK: "fair value is {shift_logodds:+.2f} log-odds below the book's middle",
        Reason.FAIR_AT_BOOK: "fair value and the book agree within a tick",
        Reason.COMPLETE_SET_CHEAP: "both tokens together cost {cost_bps:.0f} bps of a dollar less than they pay",
        Reason.COMPLETE_SET_DEAR: "both tokens together sell for {cost_bps:.0f} bps of a dollar more than they cost",
        Reason.NO_REFERENCE: "there is no fair value or no book to compare",
    }
)


@compiled
def spread(params: Params, view: View, sight: Sight, opinion: Opinion) -> None:
    """Push by the distance from the book's middle to fair value, in log-odds, as sure as fair value is."""
    opinion.cap_micros = 0
    opinion.cost_bps = 0.0
    opinion.shift_logodds = 0.0
    opinion.sd_logodds = 0.0
    if not (sight.has_fair and sight.has_mid):
        opinion.reason_code = Reason.NO_REFERENCE
        return
    gap = sight.fair_logodds - sight.mid_logodds
    opinion.shift_logodds = min(max(gap, -params.shift_logodds_max), params.shift_logodds_max)
    opinion.sd_logodds = sight.fair_sd_logodds
    cheap = complete_set_gain_bps(view, True)
    dear = complete_set_gain_bps(view, False)
    if cheap > 0.0:
        opinion.reason_code = Reason.COMPLETE_SET_CHEAP
        opinion.cost_bps = cheap
    elif dear > 0.0:
        opinion.reason_code = Reason.COMPLETE_SET_DEAR
        opinion.cost_bps = dear
    elif abs(view.p_fair - sight.p_mid) * BPS < view.tick_bps:
        opinion.reason_code = Reason.FAIR_AT_BOOK
    elif gap > 0.0:
        opinion.reason_code = Reason.FAIR_ABOVE_BOOK
    else:
        opinion.reason_code = Reason.FAIR_BELOW_BOOK


@compiled
def complete_set_gain_bps(view: View, buying: bool) -> float:
    """Give what a complete set bought (or sold) at both touches gains after taker fees, bps of a dollar a set.

    Only meaningful where both tokens have books of their own; one recorded token alone never shows a gain, since its
    mirror adds up to a dollar. Zero when a side is empty.
    """
    if view.book_whole_mask != 3:
        return 0.0
    first = int(view.ask_bps[0]) if buying else int(view.bid_bps[0])
    second = int(view.ask_bps[1]) if buying else int(view.bid_bps[1])
    if first < 0 or second < 0:
        return 0.0
    fees = share_fee_bps(view, first) + share_fee_bps(view, second)
    gain = float(BPS - first - second) if buying else float(first + second - BPS)
    return max(gain - fees, 0.0)
