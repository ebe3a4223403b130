import math

import numpy as np
import pytest

from state.events import FeedState
from state.feeds import Feed, FeedQuality
from state.records import one
from tools.feed import LEAP_REPEATS, age_ns, is_stale, note_feed_state, note_price, quality, trail_at

MS = 1_000_000
S = 1_000 * MS
NOW = 1_792_573_200 * S


@pytest.mark.parametrize(
    ("bid_usd", "ask_usd"),
    [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (1.0, math.nan), (1.0, math.inf), (math.inf, math.inf)],
)
def test_a_price_that_cannot_be_true_is_counted_and_refused(bid_usd: float, ask_usd: float) -> None:
    feed = one(Feed)
    assert not note_price(feed, NOW, NOW, bid_usd, ask_usd)
    assert (feed.count, feed.refused_count) == (0, 1)
    assert quality(feed, NOW) == FeedQuality.SILENT


def test_a_lone_leap_is_refused_and_an_insistent_one_believed() -> None:
    feed = one(Feed)
    assert note_price(feed, NOW, NOW, 100.0, 100.0)
    for again in range(1, LEAP_REPEATS + 1):
        assert not note_price(feed, NOW + again, NOW + again, 110.0, 110.0)
    assert note_price(feed, NOW + 9, NOW + 9, 110.0, 110.0)
    assert feed.mid_usd == 110.0
    assert feed.refused_count == LEAP_REPEATS


def test_late_and_repeated_stamps_never_become_the_last_price() -> None:
    feed = one(Feed)
    assert note_price(feed, NOW + S, NOW + 2 * S, 100.0, 100.0)
    assert not note_price(feed, NOW, NOW + 3 * S, 101.0, 101.0)
    assert not note_price(feed, NOW + S, NOW + 3 * S, 100.0, 100.0)
    assert note_price(feed, NOW + S, NOW + 3 * S, 100.0, 100.2)
    assert (feed.mid_usd, feed.late_count, feed.repeats_count) == (100.1, 1, 1)


def test_a_feed_is_stale_against_its_own_rhythm() -> None:
    quick, slow = one(Feed), one(Feed)
    for tick in range(200):
        note_price(quick, NOW + tick * 10 * MS, NOW + tick * 10 * MS, 100.0 + tick % 2, 101.0)
        note_price(slow, NOW + tick * S, NOW + tick * S, 100.0 + tick % 2, 101.0)
    assert quick.silence_ns == pytest.approx(10 * MS, rel=0.01)
    assert slow.silence_ns == pytest.approx(S, rel=0.01)
    assert not is_stale(quick, quick.seen_ns + 400 * MS)
    assert is_stale(quick, quick.seen_ns + 600 * MS)
    assert not is_stale(slow, slow.seen_ns + 7 * S)
    assert is_stale(slow, slow.seen_ns + 9 * S)
    assert quality(slow, slow.seen_ns + 9 * S) == FeedQuality.STALE
    assert age_ns(slow, slow.seen_ns + 9 * S) == 9 * S


def test_bursts_do_not_make_the_ordinary_pause_between_them_stale() -> None:
    feed = one(Feed)
    seen_ns = NOW
    rng = np.random.default_rng(4)
    for _ in range(60):
        for _ in range(50):
            seen_ns += int(rng.exponential(MS))
            note_price(feed, seen_ns, seen_ns, 100.0 + rng.random(), 101.0)
        seen_ns += 2 * S
    assert not is_stale(feed, seen_ns)


def test_a_feed_that_went_down_is_stale_until_it_is_up_and_speaks() -> None:
    feed = one(Feed)
    note_price(feed, NOW, NOW, 100.0, 100.0)
    note_feed_state(feed, FeedState.DOWN, 1)
    assert is_stale(feed, NOW) and quality(feed, NOW) == FeedQuality.DOWN
    note_feed_state(feed, FeedState.UP, 2)
    assert is_stale(feed, NOW + 1)
    # A new connection may stamp anew, even earlier than the old one did.
    assert note_price(feed, NOW - S, NOW + 2, 100.5, 100.5)
    assert not is_stale(feed, NOW + 2)


def test_a_feed_without_stamps_has_no_clock_and_is_as_old_as_it_was_seen() -> None:
    feed = one(Feed)
    assert note_price(feed, 0, NOW, 100.0, 100.0)
    assert note_price(feed, 0, NOW + S, 100.1, 100.1)
    assert feed.clock.stamps_count == 0
    assert age_ns(feed, NOW + 3 * S) == 2 * S


def test_the_trail_gives_each_recent_second_its_last_price_and_nothing_older() -> None:
    feed = one(Feed)
    for tick in range(100):
        note_price(feed, NOW + tick * 300 * MS, NOW + tick * 300 * MS, 100.0 + tick, 100.0 + tick)
        feed.refused_run_count = LEAP_REPEATS
    second_s = NOW // S
    for back in range(25, 29):
        last_tick = ((back + 1) * 1_000 - 1) // 300
        assert trail_at(feed, second_s + back) == pytest.approx(math.log(100.0 + last_tick))
    assert math.isnan(trail_at(feed, second_s))
