"""The proof of latency: a desk at real time under real rates, from the tick to the order that the venue has taken."""

import tempfile
import time
from pathlib import Path
from typing import Any, Final

from evals.proof import Figure, Proof
from infra.proofs.rehearsals import Desk, Progress, venue

MINUTES: Final = 9.0
"""Warm-up, one window and a part of the next, in real time."""
BOOK_FRAMES_PER_S: Final = 500.0
EXCHANGE_FRAMES_PER_S: Final = 200.0
EXCHANGES: Final = ("binance_spot", "binance_usdm", "bybit", "okx", "coinbase_exchange", "coinbase")
EAGER: Final = (
    "take_edge_bps=10", "arm_bps=2000", "cooldown_ns=300000000", "may_quote_count=0", "interval_z=0.25",
    "hold_sd_ratio=0", "fair_weight_ratio=1.5", "fair_doubt_ratio=0", "weight_sd_ratio=0.01", "pause_e_log=10",
    "order_micros=20000000",
)  # fmt: skip
"""A desk that believes its own fair value alone and takes at the least edge: many orders to time, fired by ticks. What
they earn is not looked at; between two takes it waits, so that a tick fires the next and not the last one's end."""
NAME: Final = "demo-latency"
CLAIM: Final = "at real time and real rates the desk stays cool, and a tick becomes a taken order within milliseconds"


def prove_demo_latency(_: Path | None, progress: Progress, *, minutes: float = MINUTES) -> Proof:
    """Run a venue and a desk side by side at 1x, and hold rates, the desk's share of a core, and its latencies."""
    with tempfile.TemporaryDirectory(prefix="updown-latency-") as home:
        scratch = Path(home)
        with venue(scratch, market="rushed", speed=1.0, windows=4) as (file, _told):
            words = ["--minutes", f"{minutes:g}", "--windows", "0"]
            words += [word for change in EAGER for word in ("--set", change)]
            desk = Desk(file, scratch / "journal", more=words)
            began = time.monotonic()
            try:
                told = desk.wait(
                    lambda: progress(int(time.monotonic() - began), int(minutes * 60.0)), minutes * 60.0 + 180.0
                )
            finally:
                desk.close()
    return judged(told)


def judged(told: dict[str, Any]) -> Proof:
    """Hold a session's summary against the bars."""
    span_s = (told["session"]["ended_ns"] - told["session"]["began_ns"]) / 1e9
    frames = {feed["wire"]: feed["frames"] / span_s for feed in told["feeds"]}
    book, exchanges = frames.get("polymarket_market", 0.0), sum(frames.get(wire, 0.0) for wire in EXCHANGES)
    spans = {row["name"]: row for row in told["latency"]}
    cpu = told["counts"]["cpu_ratio"]
    timed = _count(spans, "tick to accepted")
    lost = told["counts"]["lost"]
    figures = [
        rate("market channel, frames", book, BOOK_FRAMES_PER_S),
        rate("exchanges, frames", exchanges, EXCHANGE_FRAMES_PER_S),
        Figure(name="the desk's share of one core", measured=f"{cpu:.1%}", bar="< 60 %", holds=cpu < 0.60),
        *_span(spans, "tick to accepted", 4.0, 25.0),
        *_span(spans, "desk", 12.0, 60.0),
        Figure(name="orders timed", measured=timed, bar=">= 100", holds=timed >= 100),
        Figure(name="lost frames", measured=lost, bar="0", holds=lost == 0),
        Figure(name="conflated frames (counted)", measured=told["counts"]["conflated"], bar="-"),
    ]  # fmt: skip
    return Proof(
        name=NAME, claim=CLAIM, figures=tuple(figures),
        tables={"stages beside the budget": told["latency"], "feeds": told["feeds"]},
        notes=("the budget is the design's: 100 / 200 / 500 / 1000 ms; both processes share this machine's cores",),
    )  # fmt: skip


def rate(name: str, per_s: float, bar: float) -> Figure:
    """Hold a rate of frames against its bar."""
    return Figure(name=name, measured=f"{per_s:,.0f} /s", bar=f">= {bar:.0f} /s", holds=per_s >= bar)


def _count(spans: dict[str, Any], name: str) -> int:
    return int(spans[name]["count"]) if name in spans else 0


def _span(spans: dict[str, Any], name: str, half_ms: float, tail_ms: float) -> list[Figure]:
    row = spans.get(name)
    if row is None:
        return [Figure(name=f"{name}, p50", measured="not measured", bar=f"<= {half_ms:g} ms", holds=False)]
    return [
        Figure(name=f"{name}, p50", measured=f"{row['p50_ms']:.2f} ms", bar=f"<= {half_ms:g} ms",
               holds=row["p50_ms"] <= half_ms),
        Figure(name=f"{name}, p99", measured=f"{row['p99_ms']:.2f} ms", bar=f"<= {tail_ms:g} ms",
               holds=row["p99_ms"] <= tail_ms),
    ]  # fmt: skip
