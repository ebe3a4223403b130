"""The nowcast: what the settlement stream will show once it has caught up with now, from all feeds at once.

Each CEX mid, less its own slowly learned basis to the settlement stream, is one estimate of that value; the stream's
own last observation is another. They are combined by precision, where variance grows with age. A bad feed is held
off by weights that shrink beyond a few of its own deviations from the median of all (Huber 1964), and when the feeds
disagree more than they should, the variance of the answer grows with it (the Birge ratio of metrology).
"""

import math
from typing import Final

from state.compiled import compiled
from state.events import FeedState, Source
from state.feeds import VOTERS, Feed, Nowcast, Prices
from state.units import NS_PER_S
from tools.feed import note_price, trail_at

BASIS_MEMORY: Final = 1.0 / 300.0
"""Weight of one comparison a second: five minutes of memory, for a basis that moves over hours."""

BASIS_PRIOR_VAR: Final = (8e-4) ** 2
"""Before any comparison: venue reference 2.7 saw -8.5 .. -3.3 bp for USDT quotes, near 0 for Coinbase."""

BASIS_NOISE_VAR: Final = (1.0e-4) ** 2
BASIS_CLIP_Z: Final = 4.0

NOISE_MEMORY: Final = 1.0 / 256.0
NOISE_LEAST_VAR: Final = (0.1e-4) ** 2
"""A tenth of a basis point: less is not worth believing of any feed."""

ORACLE: Final = int(Source.CHAINLINK)
FIRST_CEX: Final = int(Source.BINANCE)

RENEW_NS: Final = 10_000_000
"""Most top-of-book messages change a size, not the mid: those renew the nowcast only this often."""

UNSTAMPED_NS: Final = 100_000_000
"""Travel assumed of a feed that stamps nothing (Binance spot bookTicker): 118 ms at Frankfurt (landscape reference)."""

S_PER_NS: Final = 1e-9

HUBER_Z: Final = 3.0
ODD_Z: Final = 5.0

ORACLE_LAG_NS: Final = 1 * NS_PER_S
"""The settlement stream is smoothed (lag-1 autocorrelation 0.32 of its one-second returns, recorded 2026-06-08):
its value stands for a time about this much before its stamp."""


@compiled
def note_price_seen(
    prices: Prices, source_id: int, at_ns: int, seen_ns: int, bid_usd: float, ask_usd: float, var_per_s: float
) -> bool:
    """Take one PRICE_SEEN: the feed's last price, at the settlement stream's stamps every basis, then the nowcast.

    Args:
        prices: the asset's prices, changed in place.
        source_id: `Source` of the price, 1..8.
        at_ns: the source's stamp, 0 where it gives none.
        seen_ns: our clock, which is the time of the nowcast.
        bid_usd: best bid, or the value itself.
        ask_usd: best ask, or the value itself.
        var_per_s: variance of the log price per second, for the price of age.

    Returns whether the price was taken; a refused or late one changes nothing but counts.
    """
    feed = prices.feeds[source_id]
    past_log = feed.mid_log
    if not note_price(feed, at_ns, seen_ns, bid_usd, ask_usd):
        return False
    if source_id == ORACLE:
        for other in range(FIRST_CEX, VOTERS + 1):
            _learn_basis(prices.feeds[other], feed.mid_log, feed.told_ns)
    elif source_id <= VOTERS:
        if feed.count == 1:
            feed.basis_var = BASIS_PRIOR_VAR
        if feed.mid_log == past_log and seen_ns - prices.nowcast.at_ns < RENEW_NS:
            return True
        _learn_noise(feed, prices.nowcast)
    else:
        return True
    renew_nowcast(prices, seen_ns, var_per_s)
    return True


@compiled
def _learn_basis(feed: Feed, oracle_log: float, oracle_at_ns: int) -> None:
    if feed.count == 0 or feed.state_code == FeedState.DOWN:
        return
    past_log = trail_at(feed, (oracle_at_ns - ORACLE_LAG_NS) // NS_PER_S)
    if math.isnan(past_log):
        return
    surprise_log = past_log - oracle_log - feed.basis_log
    if feed.basis_count == 0:
        feed.basis_noise_var = BASIS_NOISE_VAR
    elif feed.basis_count > 30:
        edge_log = BASIS_CLIP_Z * math.sqrt(feed.basis_noise_var)
        surprise_log = min(max(surprise_log, -edge_log), edge_log)
    feed.basis_count += 1
    gain = max(1.0 / feed.basis_count, BASIS_MEMORY)
    feed.basis_log += gain * surprise_log
    if feed.basis_count > 1:
        feed.basis_noise_var += max(gain, BASIS_MEMORY) * (surprise_log * surprise_log - feed.basis_noise_var)
    # Comparisons a second apart share the stream's smoothing and lag, so they count for about a quarter of their
    # number; the factor is a judgement, not a fit.
    feed.basis_var = 4.0 * feed.basis_noise_var * gain
    feed.fair_log = feed.mid_log - feed.basis_log


@compiled
def _learn_noise(feed: Feed, nowcast: Nowcast) -> None:
    if nowcast.feeds_count < 2 or feed.basis_count < 2:
        return
    apart_log = feed.fair_log - nowcast.value_log
    feed.noise_var += NOISE_MEMORY * (apart_log * apart_log - feed.noise_var)


@compiled
def renew_nowcast(prices: Prices, now_ns: int, var_per_s: float) -> None:
    """Combine the fresh feeds at `now_ns`; with none fresh the last value stays and only its variance grows."""
    nowcast = prices.nowcast
    _keep_order(prices)
    fresh = 0
    youngest_ns = now_ns - ORACLE_LAG_NS
    for source in range(1, VOTERS + 1):
        feed = prices.feeds[source]
        if _votes(feed, now_ns):
            fresh += 1
            youngest_ns = max(youngest_ns, true_ns(feed, source == ORACLE))
    youngest_ns = min(youngest_ns, now_ns)
    if fresh == 0:
        nowcast.value_var += var_per_s * max(now_ns - nowcast.at_ns, 0) / NS_PER_S
        nowcast.at_ns = now_ns
        nowcast.feeds_count = 0
        return
    center_log = _median(prices, now_ns, fresh)
    _weigh(prices, now_ns, youngest_ns, var_per_s, center_log, fresh)


@compiled
def _votes(feed: Feed, now_ns: int) -> bool:
    return feed.count > 0 and now_ns <= feed.fresh_until_ns and feed.state_code == FeedState.UP


@compiled
def _keep_order(prices: Prices) -> None:
    order = prices.nowcast.order_code
    if order[0] == 0:
        for row in range(VOTERS):
            order[row] = row + 1
    for row in range(1, VOTERS):
        mover = order[row]
        fair_log = prices.feeds[mover].fair_log
        place = row
        while place > 0 and prices.feeds[order[place - 1]].fair_log > fair_log:
            order[place] = order[place - 1]
            place -= 1
        order[place] = mover


@compiled
def _median(prices: Prices, now_ns: int, fresh: int) -> float:
    lower, upper = (fresh - 1) // 2, fresh // 2
    met = 0
    low_log = 0.0
    for row in range(VOTERS):
        feed = prices.feeds[prices.nowcast.order_code[row]]
        if _votes(feed, now_ns):
            if met == lower:
                low_log = feed.fair_log
            if met == upper:
                return 0.5 * (low_log + float(feed.fair_log))
            met += 1
    return low_log


@compiled
def true_ns(feed: Feed, is_oracle: bool) -> int:
    """Give the moment that a feed's last price speaks of, on our clock."""
    if is_oracle:
        return int(feed.told_ns) - ORACLE_LAG_NS
    return int(feed.told_ns) if feed.clock.stamps_count > 0 else int(feed.told_ns) - UNSTAMPED_NS


@compiled
def vote_var(feed: Feed, is_oracle: bool, youngest_ns: int, var_per_s: float) -> float:
    """Give the variance of one feed's word about `youngest_ns`: age, its own noise, and how well its basis is known."""
    old_ns = max(youngest_ns - true_ns(feed, is_oracle), 0)
    return float(var_per_s * (old_ns * S_PER_NS) + max(feed.noise_var, NOISE_LEAST_VAR) + feed.basis_var)


@compiled
def _weigh(prices: Prices, now_ns: int, youngest_ns: int, var_per_s: float, center_log: float, fresh: int) -> None:
    nowcast = prices.nowcast
    weights = 0.0
    moved = 0.0
    squares = 0.0
    oracle_weight = 0.0
    odd = 0
    for source in range(1, VOTERS + 1):
        feed = prices.feeds[source]
        if not _votes(feed, now_ns):
            continue
        weight = 1.0 / vote_var(feed, source == ORACLE, youngest_ns, var_per_s)
        apart_log = feed.fair_log - center_log
        distance_ratio = apart_log * apart_log * weight
        feed.odd = False
        if distance_ratio > HUBER_Z * HUBER_Z and fresh > 2:
            feed.odd = distance_ratio > ODD_Z * ODD_Z
            odd += int(feed.odd)
            weight *= HUBER_Z / math.sqrt(distance_ratio)
        weights += weight
        moved += weight * apart_log
        squares += weight * apart_log * apart_log
        if source == ORACLE:
            oracle_weight = weight
    least_var = 1.0 / weights
    mean_log = moved * least_var
    spread_var = max(squares * least_var - mean_log * mean_log, 0.0)
    birge_ratio = spread_var * weights / (fresh - 1) if fresh > 1 else 1.0
    nowcast.value_log = center_log + mean_log
    # What happened since the youngest price is unknown to all of them alike: no combining makes it smaller.
    nowcast.value_var = max(birge_ratio, 1.0) * least_var + var_per_s * ((now_ns - youngest_ns) * S_PER_NS)
    nowcast.usd = math.exp(nowcast.value_log)
    nowcast.at_ns = now_ns
    nowcast.spread_var = spread_var
    nowcast.oracle_ratio = oracle_weight * least_var
    nowcast.feeds_count = fresh
    nowcast.odd_count = odd
    nowcast.ahead_log = nowcast.value_log - prices.feeds[ORACLE].mid_log
