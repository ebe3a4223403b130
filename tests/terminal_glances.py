"""Glances and worlds for tests of the terminal: an evening at the venue next door, and worlds bent at random."""

import textwrap
from typing import Any

import numpy as np
from desk_story import Story, trading
from numpy.typing import NDArray

from infra.terminal.glance import (
    ComingShown,
    Counts,
    DecisionShown,
    DepthShown,
    FeedHealth,
    FeedPrice,
    Glance,
    LimitShown,
    MandateShown,
    Mode,
    MoneyShown,
    OrderShown,
    PositionShown,
    StageLatency,
    WindowShown,
)
from state.orders import Act
from state.records import rows
from state.units import NS_PER_S
from state.world import World

OPEN_NS = 1_792_638_000 * NS_PER_S
NOW_NS = OPEN_NS + 252 * NS_PER_S
SLUG = "btc-updown-5m-1792638000"


def folded(text: str | None) -> str:
    """A long line as a paragraph, for snapshots."""
    return "\n" + "\n".join(textwrap.wrap(text or "", 110)) + "\n"


def worlds_of(story: Story) -> NDArray[Any]:
    """The story's world as the shell keeps its own: an array of one."""
    worlds = rows(World, 1)
    worlds[0] = story.world
    return worlds


def bought() -> Story:
    """A window in which the desk quoted UP at 50 cents, was filled on 500 shares of it, and paid a fee."""
    story = trading()
    for second in range(30, 60):
        story.price(second, 100_080.0 + 5 * (second % 3))
    story.book(59.5, 5_000, 5_200)
    order = next(command for command in story.sent if command.act_code == Act.PLACE)
    story.fill(60, order, 500)
    story.fee(60, order, 12_345)
    return story


def crowd(seed: int, share: float) -> NDArray[Any]:
    """A world in which a share of all bytes is anything at all."""
    worlds = rows(World, 1)
    memory = worlds.view(np.uint8)
    generator = np.random.default_rng(seed)
    count = int(len(memory) * share)
    memory[generator.integers(0, len(memory), count)] = generator.integers(0, 256, count, dtype=np.uint8)
    return worlds


def evening() -> Glance:  # long: one evening told as data
    """48 seconds before the close: 12 seconds of the average known, a position, an order, a feed in trouble."""
    window = WindowShown(
        slug=SLUG, phase="open", open_ns=OPEN_NS, close_ns=OPEN_NS + 300 * NS_PER_S, now_ns=NOW_NS,
        strike_usd=100_000.0, strike_source="by the venue", strike_known=True, lookback_s=60,
        rolling_usd=100_042.83, known_usd=100_051.2, known_s=12, expected_usd=100_058.4, expected_sd_usd=9.75,
        p_fair=0.981, p_up=0.962, p_low=0.921, p_high=0.982, bid_bps=9_200, ask_bps=9_400,
        depths=(
            DepthShown(bid_bps=9_200, ask_bps=9_400, bid_shares=610.5, ask_shares=1_204.0,
                       bid_near_shares=5_020.0, ask_near_shares=12_040.0, state="whole"),
            DepthShown(bid_bps=600, ask_bps=800, bid_shares=1_204.0, ask_shares=610.5,
                       bid_near_shares=12_040.0, ask_near_shares=5_020.0, state="whole"),
        ),
        book_usd=18_360.0, book_age_ms=41.0, tick_bps=100,
        mandate=MandateShown(mandate_id=812, left_ms=740.0, words="may take UP, quote UP"),
    )  # fmt: skip
    names = ("chainlink", "binance", "bybit", "okx", "coinbase")
    feeds = tuple(
        FeedPrice(name=name, quality="stale" if name == "bybit" else "good", mid_usd=100_060.0 + at, age_ms=12.0 * at,
                  basis_bps=0.3 * at, offset_ms=-1.5)
        for at, name in enumerate(names)
    )  # fmt: skip
    stages = (
        ("ingestion", 1.2, 9.0, 100.0), ("queue", 0.04, 1.2, None), ("signal", 0.2, 3.0, 200.0),
        ("desk", 8.0, 50.0, None), ("execution", 2.2, 710.0, 500.0), ("tick to accepted", 3.0, 20.0, 1000.0),
    )  # fmt: skip
    return Glance(
        now_ns=NOW_NS,
        mode=Mode(name="demo", speed_ratio=20.0, venue="the venue next door", journal="var/demo/journal",
                  began_ns=OPEN_NS - 60 * NS_PER_S, began_cash_micros=100_000_000_000),
        window=window,
        nowcast_usd=100_061.5, nowcast_sd_usd=2.25, disagreement_bps=0.4, volatility_bps=0.81, feeds=feeds,
        money=MoneyShown(cash_usd=99_517.2, day_realized_usd=-31.4, open_marked_usd=48.6, session_usd=17.2,
                         fees_usd=3.21, settled_count=3),
        positions=(PositionShown(slug=SLUG, up_shares=500.0, spent_usd=450.0, fees_usd=1.4, pending_usd=92.0,
                                 worth_usd=500.0, fills=2),),
        orders=(OrderShown(order_id=17, mandate_id=809, slug=SLUG, token="UP", side="buy", price_bps=9_200,
                           shares=100.0, filled_shares=0.0, state="resting", tif="GTC", post_only=True, age_s=1.2),),
        limits=(
            LimitShown(name="position", used=543.4, most=50_000.0, unit="$"),
            LimitShown(name="windows at risk", used=1, most=5, unit="windows"),
            LimitShown(name="day's loss", used=0.0, most=2_000.0, unit="$"),
            LimitShown(name="book rests on", used=8_360.0, most=10_000.0, unit="$", is_floor=True),
        ),
        coming=(ComingShown(slug="btc-updown-5m-1792638300", opens_in_s=48.0, books="whole"),),
        decisions=(
            DecisionShown(at_ns=NOW_NS - NS_PER_S, mandate_id=811, what="stand aside", gate="signal",
                          reason="the edge after costs is too thin", p_up=0.93),
            DecisionShown(at_ns=NOW_NS, mandate_id=812, what="may take UP, quote UP", p_up=0.962, edge_bps=140.0),
        ),
        latency=tuple(StageLatency(name=n, p50_ms=a, p99_ms=b, budget_ms=c, count=912) for n, a, b, c in stages),
        health=(
            FeedHealth(wire="polymarket market", state="up", generation=1, age_ms=41.0, frames=9_912, per_s=412.0),
            FeedHealth(wire="bybit", state="stale", generation=2, age_ms=4_100.0, frames=120, reconnects=1,
                       reason="no frame for 3 s"),
        ),
        counts=Counts(frames=123_456, journal_rows=2_345_678, journal_bytes=34_000_000, conflated=12, cpu_ratio=0.31),
        faults=("silent bybit",),
        told=("03:04:12.000 btc-updown-5m-1792638000 order 17 resting",),
    )  # fmt: skip
