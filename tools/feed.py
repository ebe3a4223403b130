"""A feed's last price, rhythm and staleness: what every PRICE_SEEN does before anyone reads the price."""

import math
from typing import Final

from state.compiled import compiled
from state.events import FeedState
from state.feeds import TRAIL, Feed, FeedQuality
from state.units import NS_PER_MS, NS_PER_S
from tools.clock_offset import note_delay, on_our_clock

LEAP_LOG: Final = 0.02
"""A price this far (2 %) from the last one is not believed until it has been said `LEAP_REPEATS` times in a row."""

LEAP_REPEATS: Final = 3

RHYTHM_MEMORY: Final = 1.0 / 512.0

STALE_SILENCES_RATIO: Final = 8.0
"""Stale after so many of the feed's own ordinary silences ..."""

STALE_LEAST_NS: Final = 500 * NS_PER_MS
STALE_MOST_NS: Final = 10 * NS_PER_S
"""... but never sooner than the first of these, nor later than the second."""


@compiled
def note_price(feed: Feed, at_ns: int, seen_ns: int, bid_usd: float, ask_usd: float) -> bool:
    """Take a price into its feed; answer whether it is now the feed's last price.

    Args:
        feed: the row of that asset and source, changed in place.
        at_ns: the source's stamp, or 0 when it gives none.
        seen_ns: our clock.
        bid_usd: best bid, or the value itself for prints and oracles.
        ask_usd: best ask; equal to the bid for prints and oracles.

    Prices that cannot be true are counted and refused; a late stamp teaches the clock but is not the last price.
    """
    if not (0.0 < bid_usd <= ask_usd < math.inf):
        feed.refused_count += 1
        return False
    mid_usd = 0.5 * (bid_usd + ask_usd)
    mid_log = math.log(mid_usd) if mid_usd != feed.mid_usd else feed.mid_log
    if feed.count > 0 and abs(mid_log - feed.mid_log) > LEAP_LOG and feed.refused_run_count < LEAP_REPEATS:
        feed.refused_count += 1
        feed.refused_run_count += 1
        return False
    feed.refused_run_count = 0
    if at_ns > 0:
        note_delay(feed.clock, at_ns, seen_ns)
        if feed.at_ns >= at_ns and not _is_news(feed, at_ns, bid_usd, ask_usd):
            return False
    _note_rhythm(feed, seen_ns)
    feed.bid_usd = bid_usd
    feed.ask_usd = ask_usd
    feed.mid_usd = mid_usd
    feed.mid_log = mid_log
    feed.fair_log = mid_log - feed.basis_log
    feed.at_ns = at_ns
    feed.seen_ns = seen_ns
    feed.told_ns = on_our_clock(feed.clock, at_ns) if at_ns > 0 else seen_ns
    feed.count += 1
    if feed.state_code == 0 or feed.state_code == FeedState.GAP:
        feed.state_code = FeedState.UP
    _keep_trail(feed)
    return True


@compiled
def _is_news(feed: Feed, at_ns: int, bid_usd: float, ask_usd: float) -> bool:
    if at_ns < feed.at_ns:
        feed.late_count += 1
        return False
    if bid_usd == feed.bid_usd and ask_usd == feed.ask_usd:
        feed.repeats_count += 1
        return False
    return True


@compiled
def _note_rhythm(feed: Feed, seen_ns: int) -> None:
    interval_ns = float(min(seen_ns - feed.seen_ns, STALE_MOST_NS)) if feed.count > 0 else 0.0
    interval_s = interval_ns / NS_PER_S
    feed.silence_sum_ns += interval_ns - RHYTHM_MEMORY * feed.silence_sum_ns
    feed.silence_squares_var += interval_s * interval_s - RHYTHM_MEMORY * feed.silence_squares_var
    if feed.silence_sum_ns > 0.0:
        feed.silence_ns = feed.silence_squares_var / feed.silence_sum_ns * NS_PER_S * NS_PER_S
    ordinary_ns = STALE_SILENCES_RATIO * feed.silence_ns if feed.count > 1 else float(STALE_MOST_NS)
    feed.fresh_until_ns = seen_ns + int(min(max(ordinary_ns, float(STALE_LEAST_NS)), float(STALE_MOST_NS)))


@compiled
def _keep_trail(feed: Feed) -> None:
    if feed.told_ns >= feed.trail_ends_ns:
        second_s = feed.told_ns // NS_PER_S
        feed.trail_ends_ns = (second_s + 1) * NS_PER_S
        feed.trail_s[second_s % TRAIL] = second_s
    second_s = feed.trail_ends_ns // NS_PER_S - 1
    feed.trail_log[second_s % TRAIL] = feed.mid_log


@compiled
def trail_at(feed: Feed, second_s: int) -> float:
    """Find the feed's last log mid at the end of a whole second on our clock, or NaN when it is not kept."""
    for back in range(4):
        # A feed that was quiet in that second still stood at its last price.
        row = (second_s - back) % TRAIL
        if feed.trail_s[row] == second_s - back and feed.count > 0:
            return float(feed.trail_log[row])
    return math.nan


@compiled
def note_feed_state(feed: Feed, state_code: int, generation_id: int) -> None:
    """Take a FEED_CHANGED: a new generation may stamp anew; a feed that went or lost something waits for a price."""
    feed.state_code = state_code
    if generation_id != feed.generation_count:
        feed.generation_count = generation_id
        feed.at_ns = 0
    if state_code == FeedState.GAP:
        feed.gaps_count += 1
    if state_code != FeedState.UP:
        feed.fresh_until_ns = feed.seen_ns


@compiled
def age_ns(feed: Feed, now_ns: int) -> int:
    """Give the time since the last price was true, on our clock; a feed never heard has the age of the epoch."""
    return now_ns - feed.told_ns


@compiled
def is_stale(feed: Feed, now_ns: int) -> bool:
    """Say whether the feed has been silent for longer than its own rhythm explains, or is down."""
    return feed.count == 0 or feed.state_code == FeedState.DOWN or now_ns > feed.fresh_until_ns


@compiled
def quality(feed: Feed, now_ns: int) -> int:
    """Give the feed's `FeedQuality` by its state and age, and by what the last nowcast thought of it."""
    if feed.count == 0:
        return FeedQuality.SILENT
    if feed.state_code == FeedState.DOWN:
        return FeedQuality.DOWN
    if now_ns > feed.fresh_until_ns:
        return FeedQuality.STALE
    return FeedQuality.ODD if feed.odd else FeedQuality.GOOD
