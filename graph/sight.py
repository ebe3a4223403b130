"""Look: put a view in the desk's terms, and say what the data will not bear."""

from typing import Final

from state.compiled import compiled
from state.desk import Sight, View
from state.params import Params
from state.reasons import Reason
from state.units import BPS
from tools.logodds import logodds

FAIR_SD_FLOOR_LOGODDS: Final = 0.05
"""No fair value is surer than this: the stream's sampling and weights are unpublished (venue reference 2.5)."""


@compiled
def look(params: Params, view: View, sight: Sight) -> None:
    """Fill the sight from the view; its reason is 0 only when every datum is fit to trade on."""
    _see_book(view, sight)
    _see_fair(params, view, sight)
    sight.left_ns = view.close_ns - view.now_ns
    reason = int(Reason.NONE)
    if view.rules_refused_code != 0:
        reason = int(Reason.RULES_UNKNOWN)
    elif view.now_ns < view.open_ns or view.now_ns >= view.close_ns:
        reason = int(Reason.NOT_OPEN)
    else:
        reason = _book_fault(params, view, sight)
        if reason == 0:
            reason = _price_fault(params, view)
        if reason == 0 and view.now_ns < view.open_ns + params.open_quiet_ns:
            reason = int(Reason.TOO_EARLY)
        if reason == 0 and sight.left_ns <= params.close_quiet_ns:
            reason = int(Reason.TOO_LATE)
    sight.reason_code = reason


@compiled
def _see_book(view: View, sight: Sight) -> None:
    """Join both tokens' books into one of UP: a bid for UP at p is an offer of DOWN at 1 - p."""
    bid = best_bid_bps(view, 0)
    ask = best_ask_bps(view, 0)
    sight.bid_bps = bid
    sight.ask_bps = ask
    sight.down_bid_bps = BPS - ask if ask >= 0 else -1
    sight.down_ask_bps = BPS - bid if bid >= 0 else -1
    sight.has_mid = bid >= 0 and ask >= 0
    if sight.has_mid:
        sight.p_mid = 0.5 * (bid + ask) / BPS
        sight.mid_logodds = logodds(sight.p_mid)
        sight.half_spread_bps = 0.5 * (ask - bid)
    else:
        # Without a middle the forecast rests on fair value alone; nothing is traded on it (NO_BOOK).
        sight.p_mid = view.p_fair if view.nowcast_usd > 0.0 and view.strike_code != 0 else 0.5
        sight.mid_logodds = logodds(sight.p_mid)
        sight.half_spread_bps = 0.0


@compiled
def best_bid_bps(view: View, token: int) -> int:
    """Give the best bid for a token over both books, -1 when nobody bids."""
    own = int(view.bid_bps[token])
    other = int(view.ask_bps[1 - token])
    return max(own, BPS - other) if other >= 0 else own


@compiled
def best_ask_bps(view: View, token: int) -> int:
    """Give the best offer of a token over both books, -1 when nobody offers."""
    own = int(view.ask_bps[token])
    other = int(view.bid_bps[1 - token])
    if other < 0:
        return own
    return min(own, BPS - other) if own >= 0 else BPS - other


@compiled
def _see_fair(params: Params, view: View, sight: Sight) -> None:
    sight.has_fair = view.nowcast_usd > 0.0 and view.strike_code != 0
    if sight.has_fair:
        sight.fair_logodds = logodds(view.p_fair)
        sight.fair_sd_logodds = FAIR_SD_FLOOR_LOGODDS + params.fair_doubt_ratio * abs(sight.fair_logodds)
    else:
        sight.fair_logodds = 0.0
        sight.fair_sd_logodds = 0.0


@compiled
def _book_fault(params: Params, view: View, sight: Sight) -> int:
    if view.book_whole_mask == 0 or (sight.bid_bps < 0 and sight.ask_bps < 0):
        return int(Reason.NO_BOOK)
    if view.now_ns - view.book_seen_ns > params.book_age_ns:
        return int(Reason.BOOK_STALE)
    if sight.has_mid and sight.bid_bps >= sight.ask_bps:
        return int(Reason.BOOK_CROSSED)
    if abs(view.complement_gap_bps) > params.complement_gap_bps:
        return int(Reason.COMPLEMENT_BROKEN)
    if not sight.has_mid:
        return int(Reason.NO_BOOK)
    return 0


@compiled
def _price_fault(params: Params, view: View) -> int:
    if view.nowcast_usd <= 0.0:
        return int(Reason.NO_REFERENCE)
    if view.now_ns - view.nowcast_seen_ns > params.reference_age_ns:
        return int(Reason.REFERENCE_STALE)
    if view.disagreement_bps > params.disagreement_bps:
        return int(Reason.FEEDS_DISAGREE)
    if view.strike_code == 0:
        return int(Reason.STRIKE_UNKNOWN)
    if abs(view.strike_gap_bps) > params.strike_gap_bps:
        return int(Reason.STRIKE_DISPUTED)
    if view.strike_coverage_ratio < params.coverage_ratio or view.close_coverage_ratio < params.coverage_ratio:
        return int(Reason.COVERAGE_THIN)
    return 0
