"""The rulebook: every dated rule of the venue that we know of, with its source and how far to trust it.

The facts are retold from the project's venue reference as it stood on 2026-11-22. A new fact is a new row, never an
edit of an old one: a recording is always read under the rules of its own day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from numpy.typing import NDArray

from state.events import Asset
from state.records import as_dict, one, rows
from state.rules import (
    ANY,
    FOREIGN,
    SIGNED_V1_UNTIL_NS,
    UNSTATED,
    Confidence,
    DatedRule,
    Rule,
    Rules,
    Settlement,
    rules_in_force,
)
from state.units import MICROS, NS_PER_MS, NS_PER_S


@dataclass(frozen=True, slots=True)
class Dated:
    """One row of the registry as people read it."""

    effective_ns: int
    rule: Rule
    value: int
    confidence: Confidence
    source: str
    asset: int = ANY
    window_s: int = ANY


@dataclass(frozen=True, slots=True)
class RulesUnknown:
    """A refusal: why a market cannot be traded, as a value."""

    reason: str
    code: int


@dataclass(frozen=True, slots=True)
class RuleDifference:
    """A rule on which the registry and the market's own data disagree."""

    rule: Rule
    registry: int
    venue: int


def utc_ns(stamp: str) -> int:
    """Give the nanoseconds of an ISO date or minute in UTC.

    >>> utc_ns("2026-08-14")
    1786665600000000000
    """
    return int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()) * NS_PER_S


EVER: Final = 0
"""Effective since before any market of these kinds."""

WINDOWS_S: Final = (300, 900, 14_400)
"""The lengths that settle on Chainlink: 5 and 15 minutes, 4 hours."""


def _settlement() -> Iterator[Dated]:
    page = "venue reference 2.5, the venue's changelog"
    for window_s in WINDOWS_S:
        point = f"{page}: last Chainlink value at both ends until 2026-08-06; equality is UP"
        yield Dated(EVER, Rule.SETTLEMENT, Settlement.POINT, Confidence.A, point, window_s=window_s)
        yield Dated(EVER, Rule.LOOKBACK_S, 0, Confidence.A, point, window_s=window_s)
        seconds = 30 if window_s == 300 else 60
        first = utc_ns("2026-08-07")
        note = f"{page}: average of {seconds} s from 2026-08-07; the hour of the change is not stated, midnight taken"
        yield Dated(first, Rule.SETTLEMENT, Settlement.TWAP, Confidence.A, note, window_s=window_s)
        yield Dated(first, Rule.LOOKBACK_S, seconds, Confidence.A, note, window_s=window_s)
    note = f"{page}: 5-minute windows on the average of 60 s from 2026-08-14 00:00 UTC"
    yield Dated(utc_ns("2026-08-14"), Rule.LOOKBACK_S, 60, Confidence.A, note, window_s=300)
    candle = "venue reference 2.1: hourly and daily windows settle on a Binance candle; doubted of the hourly since"
    for window_s in (3_600, 86_400):
        yield Dated(EVER, Rule.SETTLEMENT, Settlement.CANDLE, Confidence.C, candle, window_s=window_s)
        yield Dated(EVER, Rule.LOOKBACK_S, 0, Confidence.C, candle, window_s=window_s)


def _curve(since_ns: int, curve: tuple[int, int, int], how: Confidence, note: str, window_s: int) -> Iterator[Dated]:
    names = (Rule.FEE_RATE_PPM, Rule.FEE_EXPONENT, Rule.FEE_BY_NOTIONAL)
    for rule, value in zip(names, curve, strict=True):
        yield Dated(since_ns, rule, value, how, note, window_s=window_s)


def _fees() -> Iterator[Dated]:
    page = "venue reference 3.1, the venue's fee page and changelog"
    free, squared = (0, 1, 0), (250_000, 2, 1)
    for window_s, since in ((900, "2026-01-05"), (14_400, "2026-03-06")):
        note = f"{page}: the first fees on these windows came on {since}; none before, by inference"
        yield from _curve(EVER, free, Confidence.C, note, window_s)
    for window_s, since in ((900, "2026-01-05"), (300, "2026-02-12"), (14_400, "2026-03-06")):
        note = f"{page}: from {since} C p 0.25 (p (1 - p))^2; earlier 5-minute windows: fee unknown, so not traded"
        yield from _curve(utc_ns(since), squared, Confidence.A, note, window_s)
    note = f"{page}: from 2026-03-30 C r p (1 - p), crypto r = 0.072"
    yield from _curve(utc_ns("2026-03-30"), (72_000, 1, 0), Confidence.A, note, ANY)
    note = f"{page}: r = 0.07 'since July', but market objects of 2026-06-07 carry it already: dated by what was seen"
    yield from _curve(utc_ns("2026-06-07"), (70_000, 1, 0), Confidence.B, note, ANY)
    yield Dated(EVER, Rule.TAKER_ONLY, 1, Confidence.A, f"{page}: makers pay nothing, on every curve")
    page = "venue reference 3.2, maker rebates page"
    note = f"{page}: the share before June 2026 was not found, so none is counted"
    yield Dated(EVER, Rule.REBATE_PPM, 0, Confidence.C, note)
    note = f"{page}: 20 % of taker fees; in market objects since 2026-06-07 at the latest"
    yield Dated(utc_ns("2026-06-07"), Rule.REBATE_PPM, 200_000, Confidence.A, note)
    yield Dated(EVER, Rule.REBATE_LEAST_MICROS, MICROS, Confidence.A, f"{page}: paid daily, from one dollar")


def _hold() -> Iterator[Dated]:
    page = "venue reference 3.4, changelog as others quote it"
    for since, milliseconds, how, note in (
        ("1970-01-01", 500, Confidence.B, "500 ms from the launch until about 2026-02-18"),
        ("2026-02-20", 0, Confidence.B, "removed between 2026-02-18 and 02-20; the later day taken"),
        ("2026-06-01", 250, Confidence.C, "250 ms 'by June 2026'; the day of the change is not known"),
        ("2026-08-17T11:00", 50, Confidence.B, "50 ms from 2026-08-17 11:00 UTC"),
        ("2026-09-04T14:00", 150, Confidence.B, "150 ms from 2026-09-04 14:00 UTC; some tools still assume 250"),
    ):
        yield Dated(utc_ns(since), Rule.TAKER_HOLD_NS, milliseconds * NS_PER_MS, how, f"{page}: {note}")


def _orders() -> Iterator[Dated]:
    page = "venue reference 2.4 and market objects of 2026-06-07"
    for rule, value in ((Rule.TICK_BPS, 100), (Rule.TICK_FINE_BPS, 10), (Rule.TICK_EDGE_BPS, 400)):
        note = f"{page}: tick of a cent, of a tenth of one above 0.96 and below 0.04"
        yield Dated(EVER, rule, value, Confidence.A, note)
    page = "venue reference 3.3"
    yield Dated(EVER, Rule.SHARES_MIN_MICROS, 5 * MICROS, Confidence.A, f"{page}: five shares to rest")
    yield Dated(EVER, Rule.NOTIONAL_MIN_MICROS, MICROS, Confidence.A, f"{page}: one dollar to be marketable")
    page = "venue reference 1.1 and 1.2"
    yield Dated(EVER, Rule.ORDER_VERSION, 1, Confidence.A, f"{page}: first exchange, dead since 2026-04-28")
    note = f"{page}: second exchange from 2026-04-28 about 11:00 UTC; version 3 only where the market's data say so"
    yield Dated(SIGNED_V1_UNTIL_NS, Rule.ORDER_VERSION, 2, Confidence.A, note)


HISTORY: Final[tuple[Dated, ...]] = tuple(
    sorted((*_settlement(), *_fees(), *_hold(), *_orders()), key=lambda row: row.effective_ns)
)
"""All that is known, oldest first; rows of one moment stand in their order of writing and the last that fits holds."""


def table_of(history: tuple[Dated, ...]) -> NDArray[Any]:
    """Give a history as the record array that compiled code walks; it must be sorted by effective time."""
    table = rows(DatedRule, len(history))
    for index, row in enumerate(history):
        table[index] = (row.effective_ns, row.asset, row.window_s, row.rule, row.value, row.confidence)
    return table


REGISTRY: Final[NDArray[Any]] = table_of(HISTORY)
"""`HISTORY` for compiled code: pass it to `rules_in_force`, never write to it."""

FIELDS: Final[dict[Rule, str]] = {
    Rule.SETTLEMENT: "settlement_code",
    Rule.LOOKBACK_S: "lookback_s",
    Rule.FEE_RATE_PPM: "fee_rate_ppm",
    Rule.FEE_EXPONENT: "fee_exponent_count",
    Rule.FEE_BY_NOTIONAL: "fee_by_notional_code",
    Rule.TAKER_ONLY: "taker_only_code",
    Rule.TAKER_HOLD_NS: "hold_ns",
    Rule.REBATE_PPM: "rebate_ppm",
    Rule.REBATE_LEAST_MICROS: "rebate_least_micros",
    Rule.TICK_BPS: "tick_bps",
    Rule.TICK_FINE_BPS: "tick_fine_bps",
    Rule.TICK_EDGE_BPS: "tick_edge_bps",
    Rule.SHARES_MIN_MICROS: "min_shares_micros",
    Rule.NOTIONAL_MIN_MICROS: "min_notional_micros",
    Rule.ORDER_VERSION: "order_version_code",
}
"""Where a market's record keeps each rule."""


def refusal(rules: Rules) -> RulesUnknown | None:
    """Say in words why a market cannot be traded; None when it can."""
    code = int(rules.refused_code)
    if code == 0:
        return None
    if code == FOREIGN:
        return RulesUnknown("the market has a rule that this version does not know", code)
    if code > UNSTATED:
        return RulesUnknown(f"nobody has stated {Rule(code - UNSTATED).name} for this market at its time", code)
    rule = Rule(code)
    value = as_dict(rules)[FIELDS[rule]]
    return RulesUnknown(f"{rule.name} = {value} is not supported", code)


def rules_at(when_ns: int, asset: Asset | int, window_s: int) -> Rules | RulesUnknown:
    """Look up the rules of a window that starts at that moment, or say why it cannot be traded."""
    rules = one(Rules)
    rules_in_force(REGISTRY, when_ns, int(asset), window_s, rules)
    return refusal(rules) or rules


def differences(registry: Rules, venue: Rules) -> tuple[RuleDifference, ...]:
    """List the rules that a market's own data state otherwise than the registry does for its moment."""
    ours, theirs = as_dict(registry), as_dict(venue)
    given = [rule for rule in Rule if theirs["given_mask"] >> rule & 1]
    return tuple(
        RuleDifference(rule, ours[FIELDS[rule]], theirs[FIELDS[rule]])
        for rule in given
        if ours[FIELDS[rule]] != theirs[FIELDS[rule]]
    )


def sources_of(when_ns: int, asset: Asset | int, window_s: int) -> dict[Rule, Dated]:
    """Give the row of the registry that is in force for each rule: the answer to "by whose word?"."""
    fits = [
        row
        for row in HISTORY
        if row.effective_ns <= when_ns and row.asset in (ANY, int(asset)) and row.window_s in (ANY, window_s)
    ]
    return {row.rule: row for row in fits}
