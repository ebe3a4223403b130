"""What the synthetic world's exchanges, oracle and chain would have sent us: prices, trades, averages, heads."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.generator_path import STEP_NS, Path, wandering
from evals.generator_spec import FeedSpec, MarketSpec
from state.compiled import compiled
from state.events import EVENT, FeedState, Kind, Side, Source
from state.records import Floats, Ints
from state.units import MICROS, NS_PER_MS, NS_PER_S

Events = NDArray[Any]

BLOCK_S: Final = 300
"""Exchange messages are drawn so much time at once."""

AHEAD_NS: Final = 200 * NS_PER_MS
"""How far ahead exchange takers know a little."""


def blank(count: int, kind: Kind, source: Source) -> Events:
    """Give zeroed events of one kind and source."""
    events = np.zeros(count, EVENT)
    events["kind_code"] = kind
    events["source_code"] = source
    return events


def feed_blocks(spec: MarketSpec, feed: FeedSpec, path: Path, rng: np.random.Generator) -> Iterator[Events]:
    """Draw one exchange's messages a block of time after the other, each sorted by `seen_ns`, none before the last.

    A block's rows are seen no earlier than the block begins (`block_starts_ns`).
    """
    starts_ns = block_starts_ns(spec, path)
    end_ns = path.start_ns + (len(path.usd) - 1) * STEP_NS
    minutes = int((end_ns - path.start_ns) // (60 * NS_PER_S)) + 2
    wander_bps = feed.basis_bps + feed.basis_noise_bps * wandering(minutes, 60.0, rng)
    line = _Line(spec, feed, path, wander_bps)
    for low_ns, high_ns in zip(starts_ns, [*starts_ns[1:], end_ns], strict=True):
        yield line.draw(low_ns, high_ns, rng)


def block_starts_ns(spec: MarketSpec, path: Path) -> list[int]:
    """Give the times at which the blocks of `feed_blocks` begin."""
    first_ns = told_from_s(spec) * NS_PER_S
    return list(range(first_ns, path.start_ns + (len(path.usd) - 1) * STEP_NS, BLOCK_S * NS_PER_S))


class _Line:
    """One connection to an exchange: what it remembers from block to block."""

    def __init__(self, spec: MarketSpec, feed: FeedSpec, path: Path, basis_bps: Floats) -> None:
        self.spec, self.feed, self.path, self.basis_bps = spec, feed, path, basis_bps
        self.held_usd = -1.0
        self.seen_ns = 0

    def draw(self, low_ns: int, high_ns: int, rng: np.random.Generator) -> Events:
        """Draw one block: best prices and trades as one connection brings them, nothing overtaking."""
        tops, tops_ns = self._tops(_message_times(self, self.feed.rate_per_s, self.feed.bunch, low_ns, high_ns, rng))
        trades, trades_ns = self._trades(_message_times(self, self.feed.trades_per_s, 1.0, low_ns, high_ns, rng), rng)
        at_ns = np.concatenate((tops_ns, trades_ns))
        order = np.argsort(at_ns, kind="stable")
        events, at_ns = np.concatenate((tops, trades))[order], at_ns[order]
        # Messages of one bunch leave together and travel together.
        bunch = np.cumsum(np.diff(at_ns, prepend=0) > NS_PER_MS) - 1
        count = int(bunch[-1]) + 1 if len(bunch) else 0
        seen_ns = at_ns + travel(count, self.feed.delay_ms, self.feed.delay_spread, rng)[bunch]
        events["seen_ns"] = np.maximum(np.maximum.accumulate(seen_ns), self.seen_ns)
        if count:
            self.seen_ns = int(events["seen_ns"][-1])
        events["code_id"] = self.spec.asset
        return events

    def fair_usd(self, at_ns: Ints) -> Floats:
        """Give the price this exchange would show at times, basis and all, before its own grid."""
        places = (at_ns - round(self.feed.behind_ms * NS_PER_MS) - self.path.start_ns) / STEP_NS
        places = np.clip(places, 0, len(self.path.usd) - 1)
        low = places.astype(np.int64)
        high = np.minimum(low + 1, len(self.path.usd) - 1)
        usd = self.path.usd[low] + (places - low) * (self.path.usd[high] - self.path.usd[low])
        minutes = (at_ns - self.path.start_ns) / (60 * NS_PER_S)
        fair: Floats = usd * np.exp(np.interp(minutes, np.arange(len(self.basis_bps)), self.basis_bps) * 1e-4)
        return fair

    def _stamps(self, at_ns: Ints) -> Ints:
        stamps: Ints = (at_ns + round(self.feed.clock_ahead_ms * NS_PER_MS)) // NS_PER_MS * NS_PER_MS
        return stamps

    def _tops(self, at_ns: Ints) -> tuple[Events, Ints]:
        feed = self.feed
        mid_usd = _sticking(self.fair_usd(at_ns), feed.stick_bps * 1e-4, self.held_usd)
        if len(mid_usd):
            self.held_usd = float(mid_usd[-1])
        half_usd = 0.5 * feed.spread_ticks * feed.tick_usd
        bid_usd = np.round((mid_usd - half_usd) / feed.tick_usd) * feed.tick_usd
        events = blank(len(at_ns), Kind.PRICE_SEEN, feed.source)
        events["value_usd"] = np.round(bid_usd, 8)
        events["other_usd"] = np.round(bid_usd + feed.spread_ticks * feed.tick_usd, 8)
        events["at_ns"] = self._stamps(at_ns) if feed.stamped else 0
        return events, at_ns

    def _trades(self, at_ns: Ints, rng: np.random.Generator) -> tuple[Events, Ints]:
        """Draw trades: takers lean to the side that the price is about to go, at what they found there."""
        feed = self.feed
        fair_usd = self.fair_usd(at_ns)
        leans = np.sign(self.fair_usd(at_ns + AHEAD_NS) - fair_usd)
        buys = rng.random(len(at_ns)) < 0.5 + 0.15 * leans
        away_usd = np.where(buys, 0.5, -0.5) * feed.spread_ticks * feed.tick_usd
        events = blank(len(at_ns), Kind.CEX_TRADED, feed.source)
        events["value_usd"] = np.round(np.round((fair_usd + away_usd) / feed.tick_usd) * feed.tick_usd, 8)
        events["side_code"] = np.where(buys, Side.BUY, Side.SELL)
        coins = feed.trade_coins * np.exp(feed.trade_spread * rng.standard_normal(len(at_ns)))
        lot = feed.lot_coins
        events["amount_micros"] = np.round(np.maximum(np.round(coins / lot), 1.0) * lot * MICROS)
        events["at_ns"] = self._stamps(at_ns)
        return events, at_ns


def told_from_s(spec: MarketSpec) -> int:
    """Give the Unix second from which on prices are told."""
    return spec.first_open_s - spec.warmup_s


def _message_times(
    line: _Line, rate_per_s: float, bunch: float, low_ns: int, high_ns: int, rng: np.random.Generator
) -> Ints:  # fmt: skip
    """Draw times whose rate rises with the volatility of the moment (a Cox process, by inversion), in bunches.

    The rate is that of an hour of mean volatility: less by night, more in a rush.
    """
    first = (low_ns - line.path.start_ns) // NS_PER_S
    seconds = -(-(high_ns - low_ns) // NS_PER_S)
    # Recorded ten-second rates have a third of a standard deviation in their logarithm, far less than volatility has.
    busy = np.clip(line.path.vol[first : first + seconds] / (line.spec.vol_mean_bps * 1e-4), 0.1, 10.0) ** 0.4
    expected = np.concatenate(([0.0], np.cumsum(busy))) * (rate_per_s / bunch)
    gaps = rng.exponential(1.0, int(expected[-1] + 6.0 * np.sqrt(expected[-1]) + 10))
    arrivals = np.cumsum(gaps)
    arrivals = arrivals[arrivals < expected[-1]]
    times: Ints = low_ns + (np.interp(arrivals, expected, np.arange(len(expected))) * NS_PER_S).astype(np.int64)
    if bunch > 1.0:
        sizes = rng.geometric(1.0 / bunch, len(times))
        inside = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        times = np.repeat(times, sizes) + inside * rng.integers(5_000, 100_000, len(inside))
    return np.sort(times[times < high_ns])


@compiled
def _sticking(values: Floats, slack: float, held: float) -> Floats:
    """Keep the value `held` until one leaves it by more than `slack` (a ratio); then jump to that; -1 holds nothing."""
    out = np.empty_like(values)
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
    seconds = np.arange(first_s, last_s(path))
    parts = [_published(spec, path, seconds, 0, rng)]
    if spec.lookback_s:
        parts.append(_published(spec, path, seconds, spec.lookback_s, rng))
    return in_order(np.concatenate(parts))


def last_s(path: Path) -> int:
    """Give the Unix second at which the path ends."""
    return (path.start_ns + (len(path.usd) - 1) * STEP_NS) // NS_PER_S


def chain_events(spec: MarketSpec, path: Path, rng: np.random.Generator) -> Events:
    """Draw Polygon's heads: a block every two seconds, its base fee wandering, now and then one that comes late."""
    block_s = np.arange(told_from_s(spec), last_s(path), spec.block_s)
    fees = spec.base_fee_gwei * np.exp(0.2 * wandering(len(block_s), 300.0, rng))
    events = blank(len(block_s), Kind.CHAIN_SEEN, Source.POLYGON)
    events["ref_id"] = events["at_ns"] = block_s * NS_PER_S
    events["value_usd"] = np.round(fees, 9)
    events["seen_ns"] = events["at_ns"] + travel(len(block_s), 900.0, 0.35, rng)
    return events


def _published(spec: MarketSpec, path: Path, seconds: Ints, lookback_s: int, rng: np.random.Generator) -> Events:
    kept = rng.random(len(seconds)) >= spec.oracle_lost_share
    gaps = rng.poisson(spec.oracle_gaps_per_hour * len(seconds) / 3600.0)
    for start in rng.integers(0, len(seconds), gaps):
        kept[start : start + int(rng.integers(5, 60))] = False
    stamps = seconds[kept]
    values = path.averages_usd(stamps, lookback_s)
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
    sources = [Source.CHAINLINK, Source.POLYMARKET_BOOK, Source.POLYGON, *(feed.source for feed in spec.feeds)]
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
