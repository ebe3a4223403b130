"""Take the census of a tape while it is played: its windows with their rules, its sources, and when each one spoke."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.results import UNKNOWN_OUTCOME
from state.events import ASSETS, EVENT, Kind, Source, Token
from state.records import Floats, Ints, one
from state.rulebook import REGISTRY
from state.rules import Rule, Rules, apply_rule, rules_in_force
from state.units import NS_PER_S

Rows = NDArray[Any]

GAP_S: Final = 5.0
"""A source that is silent for longer has a gap."""
SAMPLE_EVERY: Final = 101
"""One row in so many is kept to tell how late rows are; a prime, so that it does not fall in step with frames."""

LENGTHS_S: Final = (300, 900, 3_600, 14_400, 86_400)
SOURCES: Final = len(Source)

_SELDOM: Final = (Kind.MARKET_LISTED, Kind.RULE_GIVEN, Kind.STRIKE_SEEN, Kind.SETTLED)
_OF_BOOK: Final = (Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.TOUCH_CARRIED)
_OF_PRICE: Final = (Kind.PRICE_SEEN, Kind.AVERAGE_SEEN)
_STREAMS: Final = tuple(range(int(Source.CHAINLINK), int(Source.POLYMARKET_BOOK) + 1))
"""Sources that ought to speak all the time; a silent catalogue is no gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One window of the tape, with the rules it had and what the tape tells of it."""

    window_s: int
    """Its number in reports, see `window_number`."""
    slot: int
    asset: int
    open_s: int
    span_s: int
    listed_ns: int
    until_ns: int
    """When its slot goes to the next window; far in the future for the last one."""
    rules: Rules
    """Of the registry for its start, with what its own data say on top."""
    outcome: int
    """`Token` that won, or `UNKNOWN_OUTCOME`."""
    settled_ns: int
    strikes: tuple[tuple[int, float], ...]
    """(seen_ns, dollars) of every price to beat that was told."""
    book_first_s: float
    """Seconds after its open at which its book first spoke within the window; NaN if never."""
    book_last_s: float
    price_share: float
    """Share of its seconds in which a price of its coin was seen."""

    @property
    def close_ns(self) -> int:
        """Give the end of the window."""
        return (self.open_s + self.span_s) * NS_PER_S

    def strike_at(self, seen_ns: int) -> float:
        """Give the price to beat as it was known at a moment; NaN before it was told."""
        known = [usd for told_ns, usd in self.strikes if told_ns <= seen_ns]
        return known[-1] if known else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCount:
    """What one source said."""

    source: Source
    rows_count: int
    first_ns: int
    last_ns: int
    gaps_count: int
    longest_gap_s: float
    late_ms: Floats
    """Seen less stamped, of one row in `SAMPLE_EVERY`."""


def window_number(asset: int, open_s: int, span_s: int) -> int:
    """Give the number of a window in a report: its start, plus a few seconds that keep coins and lengths apart.

    For a five-minute window of the first coin it is the Unix second of its start. Windows of several coins at one time
    are so taken as separate clusters, though they move together: intervals over them are somewhat too narrow.
    """
    length = LENGTHS_S.index(span_s) if span_s in LENGTHS_S else len(LENGTHS_S)
    return open_s + asset + ASSETS * length


class Census:
    """Counts of one tape; `watch` lets its chunks through to whoever plays them."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self.rows_count = 0
        self.trades_count = 0
        self._seldom: list[Rows] = []
        self._late: list[Rows] = []
        self._book: list[Ints] = []
        self._price: list[Ints] = []
        self._counts = np.zeros(SOURCES, np.int64)
        self._first = np.zeros(SOURCES, np.int64)
        self._last = np.zeros(SOURCES, np.int64)
        self._gaps = np.zeros(SOURCES, np.int64)
        self._longest = np.zeros(SOURCES, np.int64)

    def watch(self, chunks: Iterable[Rows]) -> Iterator[Rows]:
        """Count every chunk and hand it on unchanged."""
        for chunk in chunks:
            self.take(chunk)
            yield chunk

    def take(self, chunk: Rows) -> None:
        """Count more rows."""
        if not len(chunk):
            return
        kind, seen = chunk["kind_code"], chunk["seen_ns"]
        of_book, of_price = np.isin(kind, _OF_BOOK), np.isin(kind, _OF_PRICE)
        self._seldom.append(chunk[np.isin(kind, _SELDOM)])
        self._late.append(chunk[(SAMPLE_EVERY - self.rows_count) % SAMPLE_EVERY :: SAMPLE_EVERY])
        self.rows_count += len(chunk)
        self.trades_count += int((kind == Kind.TRADE_SEEN).sum())
        self._book.append(_seconds(seen[of_book], chunk["slot_id"][of_book]))
        self._price.append(_seconds(seen[of_price], chunk["code_id"][of_price]))
        source = np.where(kind == Kind.FEED_CHANGED, Source.OURSELVES, np.minimum(chunk["source_code"], SOURCES - 1))
        for code in np.flatnonzero(np.bincount(source, minlength=SOURCES)):
            if code != Source.OURSELVES:
                self._count(int(code), seen[source == code])

    def _count(self, code: int, seen: Ints) -> None:
        before = self._last[code] if self._counts[code] else seen[0]
        steps = np.diff(seen, prepend=before)
        if not self._counts[code]:
            self._first[code] = seen[0]
        self._counts[code] += len(seen)
        self._last[code] = seen[-1]
        if code in _STREAMS:
            self._gaps[code] += int((steps > GAP_S * NS_PER_S).sum())
            self._longest[code] = max(int(self._longest[code]), int(steps.max()))

    def sources(self) -> tuple[SourceCount, ...]:
        """Give what every source said that said anything."""
        late = np.concatenate([np.zeros(0, EVENT), *self._late])
        stamped = (late["at_ns"] > 0) & (late["at_ns"] != late["seen_ns"])
        found = []
        for code in np.flatnonzero(self._counts):
            rows = late[stamped & (late["source_code"] == code)]
            found.append(
                SourceCount(
                    source=Source(int(code)),
                    rows_count=int(self._counts[code]),
                    first_ns=int(self._first[code]),
                    last_ns=int(self._last[code]),
                    gaps_count=int(self._gaps[code]),
                    longest_gap_s=float(self._longest[code]) / NS_PER_S,
                    late_ms=(rows["seen_ns"] - rows["at_ns"]) / 1e6,
                )
            )
        return tuple(found)

    def listings(self) -> tuple[Listing, ...]:
        """Give every window of the tape, by its number."""
        seldom = np.concatenate([np.zeros(0, EVENT), *self._seldom])
        book = np.unique(np.concatenate([np.zeros(0, np.int64), *self._book]))
        price = np.unique(np.concatenate([np.zeros(0, np.int64), *self._price]))
        found = []
        for slot in np.unique(seldom["slot_id"]):
            rows = seldom[seldom["slot_id"] == slot]
            heads = _heads(rows)
            for head, after in zip(heads, [*heads[1:], len(rows)], strict=True):
                until_ns = int(rows["seen_ns"][after]) if after < len(rows) else 1 << 62
                found.append(_listing(rows[head:after], until_ns, book, price))
        return tuple(sorted(found, key=lambda listing: (listing.window_s, listing.listed_ns)))


def _heads(rows: Rows) -> list[int]:
    """Give the rows that begin a window; a listing told twice begins nothing."""
    heads: list[int] = []
    for row in np.flatnonzero(rows["kind_code"] == Kind.MARKET_LISTED):
        if not heads or rows["ref_id"][row] != rows["ref_id"][heads[-1]]:
            heads.append(int(row))
    return heads


def _listing(rows: Rows, until_ns: int, book: Ints, price: Ints) -> Listing:
    head = rows[0]
    slot, asset = int(head["slot_id"]), int(head["code_id"])
    open_s, span_s = int(head["ref_id"]) // NS_PER_S, int(head["span_s"])
    told = [row for row in rows[rows["kind_code"] == Kind.SETTLED] if row["code_id"] <= Token.DOWN]
    strikes = rows[rows["kind_code"] == Kind.STRIKE_SEEN]
    spoke = _between(book, slot, open_s, span_s)
    return Listing(
        window_s=window_number(asset, open_s, span_s),
        slot=slot,
        asset=asset,
        open_s=open_s,
        span_s=span_s,
        listed_ns=int(head["seen_ns"]),
        until_ns=until_ns,
        rules=_rules(rows, asset, open_s, span_s),
        outcome=int(told[0]["code_id"]) if told else UNKNOWN_OUTCOME,
        settled_ns=int(told[0]["seen_ns"]) if told else 0,
        strikes=tuple((int(row["seen_ns"]), float(row["value_usd"])) for row in strikes),
        book_first_s=float(spoke[0] - open_s) if len(spoke) else float("nan"),
        book_last_s=float(spoke[-1] - open_s) if len(spoke) else float("nan"),
        price_share=len(_between(price, asset, open_s, span_s)) / max(span_s, 1),
    )


def _rules(rows: Rows, asset: int, open_s: int, span_s: int) -> Rules:
    rules = one(Rules)
    rules_in_force(REGISTRY, open_s * NS_PER_S, asset, span_s, rules)
    if rows[0]["price_bps"] > 0:
        apply_rule(rules, int(Rule.TICK_BPS), int(rows[0]["price_bps"]))
    if rows[0]["amount_micros"] > 0:
        apply_rule(rules, int(Rule.SHARES_MIN_MICROS), int(rows[0]["amount_micros"]))
    for row in rows[rows["kind_code"] == Kind.RULE_GIVEN]:
        apply_rule(rules, int(row["code_id"]), int(row["ref_id"]))
    return rules


_KEY: Final = 40


def _seconds(seen_ns: Ints, key: Rows) -> Ints:
    """Give the distinct (key, second) pairs as single numbers."""
    seconds: Ints = (key.astype(np.int64) << _KEY) + seen_ns // NS_PER_S
    if not len(seconds):
        return seconds
    return np.unique(seconds[np.diff(seconds, prepend=-1) != 0])


def _between(seconds: Ints, key: int, open_s: int, span_s: int) -> Ints:
    base = key << _KEY
    low, high = np.searchsorted(seconds, [base + open_s, base + open_s + span_s])
    inside: Ints = seconds[low:high] - base
    return inside
