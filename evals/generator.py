"""A synthetic stretch of markets as one array of events, the same for the same spec and seed on every machine.

Everything the desk would see of consecutive windows: exchange feeds, the settlement stream and its average, strikes,
both books with their trades, listings and settlements, each with the time it happened and the time we saw it. The
inefficiencies are planted and named in the spec, so that a test knows what there is to find.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evals.generator_feeds import (
    Events,
    blank,
    chain_events,
    feed_blocks,
    feed_states,
    in_order,
    oracle_events,
    travel,
)  # fmt: skip
from evals.generator_path import LEAD_S, STEP_NS, STEPS_PER_S, Path, draw_path
from evals.generator_play import play
from evals.generator_records import MILLS, Crowd, Maker, Scene
from evals.generator_spec import (
    BUSY,
    DEMO,
    EFFICIENT,
    LATE_MAKERS,
    POINT_MAKERS,
    SPECS,
    STALE_QUOTES,
    FeedSpec,
    MarketSpec,
)  # fmt: skip
from state.events import EVENT, LAST_IN_FRAME, Kind, Source, StrikeSource, Token
from state.records import layout, one
from state.units import MICROS, NS_PER_MS, NS_PER_S

__all__ = [
    "BUSY", "DEMO", "EFFICIENT", "LATE_MAKERS", "POINT_MAKERS", "SPECS", "STALE_QUOTES", "FeedSpec", "MarketSpec",
    "World", "begin_world", "generate",
]  # fmt: skip

SLOTS = 8
SHARES_MIN = 5
TICK_BPS = 100
ROOM = 1 << 17
POOL = 1 << 18


def generate(spec: MarketSpec, seed: int) -> Events:
    """Play the whole stretch of `spec` and give its events, sorted by `seen_ns`: dtype `EVENT`, shape (count,).

    Equal spec and seed give equal bytes. Raises ValueError for a spec that cannot be played.
    """
    world = begin_world(spec, seed)
    parts = [feed_states(spec, world.path), world.published, world.chain, world.life]
    for feed in range(len(spec.feeds)):
        parts += world.feed(feed)
    for index in range(spec.windows):
        parts += [cleared_events(spec, index), world.book(index)]
    return in_order(np.concatenate(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A stretch of markets with all that is common to its windows drawn, and the chances of all that is not."""

    spec: MarketSpec
    path: Path
    published: Events
    """The settlement stream and its average."""
    chain: Events
    life: Events
    """Listings, strikes, settlements."""
    feed_seeds: tuple[np.random.SeedSequence, ...]
    book_seeds: tuple[np.random.SeedSequence, ...]

    def feed(self, number: int) -> Iterator[Events]:
        """Draw one exchange's messages, block after block."""
        rng = np.random.default_rng(self.feed_seeds[number])
        return feed_blocks(self.spec, self.spec.feeds[number], self.path, rng)

    def book(self, index: int) -> Events:
        """Play one window's book."""
        return book_events(self.spec, self.path, index, np.random.default_rng(self.book_seeds[index]))


def begin_world(spec: MarketSpec, seed: int) -> World:
    """Draw what is common to all windows of a stretch. Raises ValueError for a spec that cannot be played."""
    check(spec)
    path_seed, oracle_seed, chain_seed, life_seed, feeds_seed, books_seed = np.random.SeedSequence(seed).spawn(6)
    path = draw_path(spec, np.random.default_rng(path_seed))
    published = oracle_events(spec, path, np.random.default_rng(oracle_seed))
    return World(
        spec=spec,
        path=path,
        published=published,
        chain=chain_events(spec, path, np.random.default_rng(chain_seed)),
        life=life_events(spec, path, published, np.random.default_rng(life_seed)),
        feed_seeds=tuple(feeds_seed.spawn(len(spec.feeds))),
        book_seeds=tuple(books_seed.spawn(spec.windows)),
    )


def check(spec: MarketSpec) -> None:
    """Refuse a spec that cannot be played: ValueError with the reason."""
    if spec.first_open_s % spec.window_s:
        raise ValueError(f"first_open_s must be a multiple of the window's {spec.window_s} s")
    if not 1 <= spec.windows <= 2_016:
        raise ValueError("windows must be between 1 and 2016 (a week of five minutes)")
    if not 0 <= spec.lookback_s < spec.window_s or spec.warmup_s + spec.lookback_s + 5 > LEAD_S:
        raise ValueError(f"lookback_s must be shorter than the window, and warmup_s leave room for it in {LEAD_S} s")
    if not 0 < spec.quoted_before_s <= spec.listed_before_s:
        raise ValueError("quoted_before_s must lie between the listing and the open")
    if spec.listed_before_s + spec.window_s + 165 > SLOTS * spec.window_s or spec.listed_before_s >= LEAD_S:
        raise ValueError("listed_before_s keeps more windows alive than there are slots")


def open_s(spec: MarketSpec, index: int) -> int:
    """Give the Unix second at which a window of the stretch starts."""
    return spec.first_open_s + index * spec.window_s


def life_events(spec: MarketSpec, path: Path, published: Events, rng: np.random.Generator) -> Events:
    """Give listings, strikes and settlements of every window."""
    kind = Kind.AVERAGE_SEEN if spec.lookback_s else Kind.PRICE_SEEN
    stream = published[published["kind_code"] == kind]
    parts = []
    settled_ns = 0
    for index in range(spec.windows):
        start_s = open_s(spec, index)
        close_s = start_s + spec.window_s
        strike = path.average_usd(start_s, spec.lookback_s)
        final = path.average_usd(close_s, spec.lookback_s)
        listed = _told(Kind.MARKET_LISTED, Source.GAMMA, index, (start_s - spec.listed_before_s) * NS_PER_S, 80)
        listed["code_id"], listed["ref_id"], listed["span_s"] = spec.asset, start_s * NS_PER_S, spec.window_s
        listed["price_bps"], listed["amount_micros"] = TICK_BPS, SHARES_MIN * MICROS
        parts.append(listed)
        due = stream[stream["at_ns"] >= start_s * NS_PER_S]
        first = due[np.argmin(due["at_ns"])]
        ours = _told(Kind.STRIKE_SEEN, Source.CHAINLINK, index, int(first["at_ns"]), 0)
        ours["seen_ns"], ours["value_usd"], ours["code_id"] = first["seen_ns"], first["value_usd"], StrikeSource.STREAM
        parts.append(ours)
        theirs = _told(Kind.STRIKE_SEEN, Source.GAMMA, index, max(start_s * NS_PER_S, settled_ns), 0)
        late_ns = int(travel(1, 6_000.0, 0.4, rng)[0])
        theirs["seen_ns"] = max(start_s * NS_PER_S + 54 * NS_PER_S, settled_ns) + late_ns
        theirs["value_usd"], theirs["code_id"] = strike, StrikeSource.VENUE
        parts.append(theirs)
        after_ns = min(int(travel(1, spec.settled_after_s * 1e3, 0.37, rng)[0]), 162 * NS_PER_S)
        settled_ns = close_s * NS_PER_S + after_ns
        done = _told(Kind.SETTLED, Source.GAMMA, index, settled_ns, 700)
        done["code_id"], done["value_usd"] = Token.UP if final >= strike else Token.DOWN, final
        parts.append(done)
    return np.concatenate(parts)


def _told(kind: Kind, source: Source, index: int, at_ns: int, delay_ms: int) -> Events:
    event = blank(1, kind, source)
    event["slot_id"] = index % SLOTS
    event["at_ns"] = at_ns
    event["seen_ns"] = at_ns + delay_ms * NS_PER_MS
    return event


def book_events(spec: MarketSpec, path: Path, index: int, rng: np.random.Generator) -> Events:
    """Play one window's book from its makers' coming on and give its events in the order we saw them."""
    uniforms = rng.random(POOL)
    normals = rng.standard_normal(POOL)
    makers_seed = int(rng.integers(1 << 62))
    # Two rows for each change of size, and the books after trades: most of the rows where rates are high.
    books_per_s = spec.taker_per_s / max(spec.snapshot_every, 1)
    room = ROOM + int(spec.window_s * (2.0 * spec.flicker_per_s + 300.0 * books_per_s))
    while True:
        rows = np.zeros(room, EVENT)
        scene = begin_scene(spec, path, index)
        makers = _makers(spec, np.random.default_rng(makers_seed))
        levels, resting = np.zeros((2, MILLS), np.int64), np.zeros((2, MILLS), np.int64)
        play(
            scene, rows, levels, resting, makers, _crowd(spec), path.usd, path.oracle_sum, path.vol_seen, uniforms,
            normals,
        )  # fmt: skip
        if not scene.full:
            break
        room *= 2
    return rows[: scene.rows_count].copy()


def cleared_events(spec: MarketSpec, index: int) -> Events:
    """Say that a listed market's books are known, and empty, until its makers come."""
    at_ns = (open_s(spec, index) - spec.listed_before_s) * NS_PER_S
    events = np.concatenate([_told(Kind.BOOK_CLEARED, Source.POLYMARKET_BOOK, index, at_ns, 120) for _ in Token])
    events["token_code"] = list(Token)
    events["flags_mask"] = LAST_IN_FRAME
    return events


def begin_scene(spec: MarketSpec, path: Path, index: int) -> Scene:
    """Set the scene of one window: its times on the grid, its strike, and an empty book."""
    scene = one(Scene)
    scene.slot_id = index % SLOTS
    scene.tick_mills = TICK_BPS // 10
    scene.ask_mills = MILLS - 1
    scene.open_count = path.step(open_s(spec, index) * NS_PER_S)
    scene.close_count = scene.open_count + spec.window_s * STEPS_PER_S
    scene.first_count = scene.open_count - spec.quoted_before_s * STEPS_PER_S
    scene.strike_usd = path.average_usd(open_s(spec, index), spec.lookback_s)
    scene.lookback_s = spec.lookback_s
    scene.start_ns = path.start_ns
    return scene


def _makers(spec: MarketSpec, rng: np.random.Generator) -> "np.ndarray[tuple[int], np.dtype[np.void]]":
    count = spec.makers
    makers = np.zeros(count, layout(Maker))
    delays_ms = spec.makers_fast_ms + spec.makers_late_ms + spec.makers_spread_ms * np.linspace(0.0, 1.0, count)
    makers["delay_count"] = np.maximum(np.round(delays_ms * NS_PER_MS / STEP_NS), 1)
    looks = np.maximum(round(spec.maker_look_ms * NS_PER_MS / STEP_NS), 1)
    makers["poll_count"] = looks * (1 + np.arange(count) % 3)
    stale = rng.permutation(count) < round(spec.stale_quotes_share * count)
    makers["poll_count"][stale] = rng.integers(2, 6, int(stale.sum())) * STEPS_PER_S
    makers["phase_count"] = rng.integers(0, 1 << 20, count)
    makers["p_edge"] = spec.maker_edge_cents * 0.01 * np.linspace(1.0, 4.0, count)
    makers["gap_mills"] = np.where(np.arange(count) % 3 == 2, 20, 10)
    makers["shares_micros"] = spec.maker_shares * np.exp(0.3 * rng.standard_normal(count)) * MICROS
    makers["vol_ratio"] = np.exp(spec.maker_vol_sd * rng.standard_normal(count))
    makers["exit_ns"] = rng.exponential(spec.exit_s, count) * NS_PER_S
    makers["prices_point"] = rng.permutation(count) < round(spec.point_rule_share * count)
    makers["uses_fine"] = rng.permutation(count) < round(spec.fine_makers_share * count)
    makers["p_quoted"] = -1.0
    return makers


def _crowd(spec: MarketSpec) -> Crowd:
    crowd = one(Crowd)
    step_s = STEP_NS / NS_PER_S
    # Makers look every two steps on average; their error remembers about a minute.
    crowd.noise_keep_ratio = float(np.exp(-2.0 * step_s / 60.0))
    crowd.noise_log = spec.maker_noise_bps * 1e-4 * float(np.sqrt(1.0 - crowd.noise_keep_ratio**2))
    crowd.slack_ratio = spec.maker_slack
    crowd.deeper_ratio = spec.maker_deeper
    crowd.touch_ratio = spec.maker_at_touch
    crowd.size_log = spec.maker_size_sd
    crowd.taker_log = spec.taker_size_sd
    crowd.give_ratio = spec.maker_give
    crowd.taker_per_step_ratio = spec.taker_per_s * step_s
    crowd.taker_micros = spec.taker_shares * MICROS
    crowd.follow_ratio = spec.taker_follow
    crowd.follow_keep_ratio = float(np.exp(-STEP_NS / (spec.taker_follow_ms * NS_PER_MS)))
    crowd.favourite_per_step_ratio = spec.favourite_per_s * step_s
    crowd.flicker_per_step_ratio = spec.flicker_per_s * step_s
    crowd.flicker_touch_ratio = spec.flicker_touch_share
    crowd.patient_micros = spec.patient_shares * MICROS
    crowd.patient_away_mills = round(spec.patient_away_cents * 10)
    crowd.patient_exit_ns = spec.patient_exit_s * NS_PER_S
    crowd.spoof_per_step_ratio = spec.spoofs_per_min * step_s / 60.0
    crowd.sniper_delay_count = round(spec.sniper_ms * NS_PER_MS / STEP_NS)
    crowd.sniper_micros = round(spec.sniper_shares * MICROS)
    crowd.p_sniper_edge = spec.sniper_edge_cents * 0.01
    crowd.sniper_vol_ratio = 1.0
    crowd.hold_ns = round(spec.hold_ms * NS_PER_MS)
    crowd.travel_ns = spec.book_delay_ms * NS_PER_MS
    crowd.travel_log = spec.book_delay_spread
    crowd.snapshot_count = max(spec.snapshot_every, 1)
    return crowd
