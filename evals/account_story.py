"""Tell where a run's rows came from, which windows counted, and which dated rules it obeyed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.census import Listing, SourceCount
from evals.results import UNKNOWN_OUTCOME, DataStory, RuleOfDay, SourceStory, Windows
from state.events import Source
from state.params import Params
from state.records import as_dict
from state.rulebook import EVER, FIELDS, RulesUnknown, refusal, sources_of
from state.rules import Rule, Settlement
from state.units import MICROS, NS_PER_MS, NS_PER_S

Rows = NDArray[Any]

BOOK_LATE_S: Final = 60.0
"""A book that first speaks later than this after the open covers only a part of its window."""
BOOK_EARLY_S: Final = 15.0
"""... and so does one that falls silent for good so long before the close."""
PRICE_SHARE: Final = 0.5
FEE_ROOM: Final = 10
"""Fees are given a tenth of the cap on top: no curve that we know charges more of a cost."""

SOURCE_NAMES: Final[Mapping[Source, str]] = {
    Source.OURSELVES: "ourselves",
    Source.CHAINLINK: "settlement stream (Chainlink)",
    Source.BINANCE: "Binance spot",
    Source.BINANCE_PERP: "Binance perpetual",
    Source.BYBIT: "Bybit",
    Source.OKX: "OKX",
    Source.COINBASE: "Coinbase",
    Source.PYTH: "Pyth",
    Source.CHAINLINK_ONCHAIN: "Chainlink on chain",
    Source.POLYMARKET_BOOK: "venue's books and trades",
    Source.POLYMARKET_USER: "venue's word on our orders",
    Source.GAMMA: "venue's catalogue and outcomes",
    Source.POLYGON: "Polygon",
    Source.OPERATOR: "operator",
}


def why_left_out(listing: Listing, traded: bool) -> str:
    """Say why a window does not count; empty when it does.

    A window that was traded and settled always counts, however thin its data: what was traded may not be left out.
    """
    if listing.outcome == UNKNOWN_OUTCOME:
        return "traded, but its outcome is not in the recording" if traded else "no outcome in the recording"
    if traded:
        return ""
    refused = refusal(listing.rules)
    if isinstance(refused, RulesUnknown):
        return f"not tradable: {refused.reason}"
    has_book, has_price = isfinite(listing.book_first_s), listing.price_share > 0.0
    if not has_book:
        return "no book during the window" if has_price else "neither book nor price of the coin during the window"
    if not has_price:
        return "no price of the coin during the window"
    if listing.book_first_s > BOOK_LATE_S or listing.book_last_s < listing.span_s - BOOK_EARLY_S:
        return "its book covers only a part of the window"
    if listing.price_share < PRICE_SHARE:
        return "prices of the coin for less than half of its seconds"
    return ""


def windows_of(
    listings: Sequence[Listing], settled: Rows, fills: Mapping[int, int], params: Params
) -> tuple[Windows, Mapping[str, int]]:
    """Give every window of the tape, traded or not, and why some do not count.

    Args:
        listings: windows of the tape, by number.
        settled: the core's lines of settled windows.
        fills: fills by window number, as the venue's messages have them.
        params: for what a window was allowed to lose.
    """
    lines = {(int(row["slot_id"]), int(row["open_s"])): row for row in settled[::-1]}
    whys = [why_left_out(listing, fills.get(listing.window_s, 0) > 0) for listing in listings]
    cap, payout = bounds_of(params)
    pnl, counts = np.zeros(len(listings), np.int64), np.zeros(len(listings), np.int64)
    for row, listing in enumerate(listings):
        line = lines.get((listing.slot, listing.open_s))
        pnl[row] = int(line["realized_micros"]) if line is not None else 0
        counts[row] = int(line["fills_count"]) if line is not None else fills.get(listing.window_s, 0)
    windows = Windows(
        window_s=np.array([listing.window_s for listing in listings], np.int64),
        usable=np.array([int(not why) for why in whys], np.int64),
        outcome_code=np.array([listing.outcome for listing in listings], np.int64),
        pnl_micros=pnl,
        fills_count=counts,
        cap_micros=np.full(len(listings), cap, np.int64),
        payout_micros=np.full(len(listings), payout, np.int64),
    )
    return windows, dict(Counter(why for why in whys if why))


def bounds_of(params: Params) -> tuple[int, int]:
    """Give the most that a window may lose and the most that it can win, as its parameters fix them beforehand.

    A window's cost stays under the position limit, and under the Kelly share of the bankroll, which is the most that
    the stake asks for from flat; fees come on top. These are hard bounds and wide ones, so the sequential test is slow.
    """
    cap = min(int(params.position_micros), int(params.kelly_ratio * params.bankroll_micros))
    floor = max(float(params.p_floor), 0.001)
    return cap + cap // FEE_ROOM, int(cap * (1.0 - floor) / floor)


def story_of(
    sources: Sequence[SourceCount],
    listings: Sequence[Listing],
    unusable: Mapping[str, int],
    licences: Mapping[Source, str],
) -> DataStory:
    """Tell the sources with what is known of their clocks, and the settlement rules of the windows."""
    told = tuple(
        SourceStory(
            name=SOURCE_NAMES[source.source],
            licence=licences.get(source.source, ""),
            first_ns=source.first_ns,
            last_ns=source.last_ns,
            events_count=source.rows_count,
            clock=clock_words(source),
            gaps_count=source.gaps_count,
            longest_gap_s=source.longest_gap_s,
        )
        for source in sources
    )
    rules = Counter(settlement_words(listing) for listing in listings)
    words = "; ".join(f"{words} ({count:,} windows)" for words, count in rules.most_common())
    return DataStory(sources=told, unusable=dict(unusable), settlement=words)


def clock_words(source: SourceCount) -> str:
    """Say how late a source's rows are against their own stamps."""
    if not len(source.late_ms):
        return "no stamps of its own"
    low, middle, high = (float(value) for value in np.quantile(source.late_ms, [0.01, 0.5, 0.95]))
    if high - low < 1e-6:
        return f"seen {middle:,.0f} ms after its stamp, always: an assumption of the import, not a measurement"
    return f"seen {middle:,.0f} ms after its stamp (median; 1 % under {low:,.0f}, 95 % under {high:,.0f})"


def settlement_words(listing: Listing) -> str:
    """Say by which rule a window settled."""
    rules = listing.rules
    if rules.settlement_code == Settlement.TWAP:
        return f"the oracle's average over {int(rules.lookback_s)} s at the end against that at the start; a tie is UP"
    if rules.settlement_code == Settlement.POINT:
        return "the oracle's last value at the end against that at the start; a tie is UP"
    if rules.settlement_code == Settlement.CANDLE:
        return "an exchange's candle, which is not priced here"
    return "a settlement rule that is not known"


def rules_of_day(listings: Sequence[Listing]) -> tuple[RuleOfDay, ...]:
    """List every value that each dated rule had over these windows, with its source; the most common value first."""
    found = []
    for rule in Rule:
        values: Counter[int] = Counter()
        example: dict[int, Listing] = {}
        for listing in listings:
            if listing.rules.known_mask >> rule & 1:
                value = int(as_dict(listing.rules)[FIELDS[rule]])
                values[value] += 1
                example.setdefault(value, listing)
        for value, count in values.most_common():
            found.append(_rule_of_day(rule, value, example[value], count, len(listings)))
    return tuple(found)


def _rule_of_day(rule: Rule, value: int, listing: Listing, count: int, of: int) -> RuleOfDay:
    words = _value_words(rule, value)
    if count < of:
        words += f" ({count:,} of {of:,} windows)"
    if listing.rules.given_mask >> rule & 1:
        return RuleOfDay(name=_rule_name(rule), value=words, source="the market's own data")
    dated = sources_of(listing.open_s * NS_PER_S, listing.asset, listing.span_s).get(rule)
    if dated is None:
        return RuleOfDay(name=_rule_name(rule), value=words)
    since = "always, as far as known" if dated.effective_ns == EVER else _day(dated.effective_ns)
    source = f"{dated.source} (confidence {dated.confidence.name})"
    return RuleOfDay(name=_rule_name(rule), value=words, since=since, source=source)


def _rule_name(rule: Rule) -> str:
    for suffix in ("_ns", "_ppm", "_bps", "_micros", "_s"):
        if rule.name.lower().endswith(suffix):
            return rule.name.lower().removesuffix(suffix).replace("_", " ")
    return rule.name.lower().replace("_", " ")


def _value_words(rule: Rule, value: int) -> str:
    name = rule.name
    if rule == Rule.SETTLEMENT:
        return Settlement(value).name.lower() if value in list(Settlement) else str(value)
    if rule in (Rule.FEE_BY_NOTIONAL, Rule.TAKER_ONLY):
        return {0: "no", 1: "yes"}.get(value, str(value))
    if name.endswith("_NS"):
        return f"{value / NS_PER_MS:,g} ms"
    if name.endswith("_PPM"):
        return f"{value / 10_000:g} %" if rule == Rule.REBATE_PPM else f"{value / MICROS:g}"
    if name.endswith("_BPS"):
        return "1 cent" if value == 100 else f"{value / 100:g} cents"
    if rule == Rule.SHARES_MIN_MICROS:
        return f"{value / MICROS:g} shares"
    if name.endswith("_MICROS"):
        return f"${value / MICROS:g}"
    return f"{value} s" if name.endswith("_S") else str(value)


def _day(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M UTC")
