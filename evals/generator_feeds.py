"""What the synthetic world's exchanges and oracle would have sent us: PRICE_SEEN, AVERAGE_SEEN and their disorder."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.generator_path import STEP_NS, Path, wandering
from evals.generator_spec import FeedSpec, MarketSpec
from state.compiled import compiled
from state.events import EVENT, FeedState, Kind, Source
from state.records import Floats, Ints
from state.units import NS_PER_MS, NS_PER_S

Events = NDArray[Any]


def blank(count: int, kind: Kind, source: Source) -> Events:
    """Give zeroed events of one kind and source."""
    events = np.zeros(count, EVENT)
    events["kind_code"] = kind
    events["source_code"] = source
    return events


def feed_events(spec: MarketSpec, feed: FeedSpec, path: Path, rng: np.random.Generator) -> Events:
    """Draw one exchange's top-of-book messages over the whole path, sorted by `seen_ns`."""
    at_ns = _message_times(feed, path, spec, rng)
    at_ns = at_ns[at_ns >= told_from_s(spec) * NS_PER_S]
    count = len(at_ns)
    true_ns = at_ns - round(feed.behind_ms * NS_PER_MS)
    places = np.clip((true_ns - path.start_ns) / STEP_NS, 0, len(path.usd) - 1)
    usd = np.interp(places, np.arange(len(path.usd)), path.usd)
    hours = max(int((at_ns[-1] - at_ns[0]) // (60 * NS_PER_S)) + 2, 2) if count else 2
    drift = feed.basis_noise_bps * wandering(hours, 60.0, rng)
    minutes = (at_ns - path.start_ns) / (60 * NS_PER_S)
    basis_bps = feed.basis_bps + np.interp(minutes, np.arange(hours), drift)
    mid_usd = _sticking(usd * np.exp(basis_bps * 1e-4), feed.stick_bps * 1e-4)
    half_usd = 0.5 * feed.spread_ticks * feed.tick_usd
    bid_usd = np.round((mid_usd - half_usd) / feed.tick_usd) * feed.tick_usd
    events = blank(count, Kind.PRICE_SEEN, feed.source)
    events["value_usd"] = np.round(bid_usd, 8)
    events["other_usd"] = np.round(bid_usd + feed.spread_ticks * feed.tick_usd, 8)
    events["code_id"] = spec.asset
    stamp_ns = at_ns + round(feed.clock_ahead_ms * NS_PER_MS)
    events["at_ns"] = stamp_ns // NS_PER_MS * NS_PER_MS if feed.stamped else 0
    travel_ns = travel(count, feed.delay_ms, feed.delay_spread, rng)
    # One connection keeps its order: nothing overtakes.
    events["seen_ns"] = np.maximum.accumulate(at_ns + travel_ns)
    return events


def told_from_s(spec: MarketSpec) -> int:
    """Give the Unix second from which on prices are told."""
    return spec.first_open_s - spec.warmup_s


def _message_times(feed: FeedSpec, path: Path, spec: MarketSpec, rng: np.random.Generator) -> Ints:
    """Draw message times whose rate rises with the volatility of the moment (a Cox process, by inversion)."""
    busy = np.clip(path.vol / (spec.vol_bps * 1e-4), 0.2, 8.0)
    expected = np.concatenate(([0.0], np.cumsum(busy))) * (feed.rate_per_s * STEP_NS / NS_PER_S)
    gaps = rng.exponential(1.0, int(expected[-1] + 6.0 * np.sqrt(expected[-1]) + 10))
    arrivals = np.cumsum(gaps)
    arrivals = arrivals[arrivals < expected[-1]]
    places = np.interp(arrivals, expected, np.arange(len(expected)))
    times: Ints = path.start_ns + (places * STEP_NS).astype(np.int64)
    return times


@compiled
def _sticking(values: Floats, slack: float) -> Floats:
    """Keep each value until the next leaves it by more than `slack` (a ratio); then jump to it."""
    out = np.empty_like(values)
    held = values[0] if len(values) else 0.0
    for row in range(len(values)):
        if abs(values[row] - held) > slack * held:
            held = values[row]
        out[row] = held
    return out


def travel(count: int, median_ms: float, spread: float, rng: np.random.Generator) -> Ints:
    """Draw lognormal travel times in ns."""
    times: Ints = (median_ms * NS_PER_MS * np.exp(spread * rng.standard_normal(count))).astype(np.int64)
    return times


def oracle_events(spec: MarketSpec, path: Path, rng: np.random.Generator) -> Events:
    """Draw the settlement stream and, under an averaging rule, its published average: losses, late ones, repeats."""
    first_s = told_from_s(spec)
    last_s = (path.start_ns + (len(path.usd) - 1) * STEP_NS) // NS_PER_S
    seconds = np.arange(first_s, last_s)
    parts = [_published(spec, path, seconds, 0, rng)]
    if spec.lookback_s:
        parts.append(_published(spec, path, seconds, spec.lookback_s, rng))
    return in_order(np.concatenate(parts))


def _published(spec: MarketSpec, path: Path, seconds: Ints, lookback_s: int, rng: np.random.Generator) -> Events:
    kept = rng.random(len(seconds)) >= spec.oracle_lost_share
    gaps = rng.poisson(spec.oracle_gaps_per_hour * len(seconds) / 3600.0)
    for start in rng.integers(0, len(seconds), gaps):
        kept[start : start + int(rng.integers(5, 60))] = False
    stamps = seconds[kept]
    values = np.array([path.average_usd(int(second), lookback_s) for second in stamps])
    events = blank(len(stamps), Kind.AVERAGE_SEEN if lookback_s else Kind.PRICE_SEEN, Source.CHAINLINK)
    events["at_ns"] = stamps * NS_PER_S
    events["value_usd"] = values
    events["other_usd"] = 0.0 if lookback_s else values
    events["span_s"] = lookback_s
    events["code_id"] = spec.asset
    delay_ns = travel(len(stamps), spec.oracle_delay_ms, spec.oracle_delay_spread, rng)
    late = rng.random(len(stamps)) < spec.oracle_late_share
    delay_ns[late] += rng.integers(1_500, 4_000, int(late.sum())) * NS_PER_MS
    events["seen_ns"] = events["at_ns"] + delay_ns
    again = events[rng.random(len(stamps)) < spec.oracle_twice_share]
    again["seen_ns"] += rng.integers(1, 900, len(again)) * NS_PER_MS
    return np.concatenate((events, again))


def feed_states(spec: MarketSpec, path: Path) -> Events:
    """Say that every source came up, just before the first price."""
    sources = [Source.CHAINLINK, Source.POLYMARKET_BOOK, *(feed.source for feed in spec.feeds)]
    events = blank(len(sources), Kind.FEED_CHANGED, Source.OURSELVES)
    events["source_code"] = sources
    events["code_id"] = FeedState.UP
    events["ref_id"] = 1
    events["at_ns"] = path.start_ns
    events["seen_ns"] = path.start_ns
    return events


def in_order(events: Events) -> Events:
    """Sort by the time we saw each event; what was seen at once keeps its order, so frames stay whole."""
    return events[np.argsort(events["seen_ns"], kind="stable")]
