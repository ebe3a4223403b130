"""Settlements: how each window of a journal ended, by the venue's word and by our own averages, and what became of it.

Read from the journal alone: the settlement stream's observations, the venue's price to beat and outcome, our fills as
the books have them, and the notes of what was paid.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from infra.journal.reader import read_events, read_notes
from infra.ledger.ledger_book import REDEEMED, LedgerBook
from infra.plain_memory import window_slug
from infra.venues.witness import Testimony, averages_of
from state.events import Kind, Source, StrikeSource, Token
from state.records import one
from state.rulebook import REGISTRY
from state.rules import Rules, apply_rule, rules_in_force
from state.units import NS_PER_S

KEPT_S: Final = 1_100
"""Seconds of the stream that are kept: a quarter of an hour, its look-back, and lateness."""
_WANTED: Final = {
    int(each) for each in (Kind.MARKET_LISTED, Kind.RULE_GIVEN, Kind.STRIKE_SEEN, Kind.SETTLED, Kind.PRICE_SEEN)
}
Told = Callable[[int], None]


@dataclass(slots=True)
class Settled:
    """One window; dollars are NaN where nobody said."""

    slug: str
    open_s: int
    close_s: int
    rules: Rules
    asset: int
    strike_venue_usd: float = math.nan
    close_venue_usd: float = math.nan
    outcome: Token | None = None
    """The venue's."""
    ours: Testimony | None = None
    resolved_ns: int = 0
    owed_micros: int = 0
    """What our shares of the winner were worth."""
    paid_micros: int = 0
    by: str = ""
    """Who set the payment off."""

    @property
    def agrees(self) -> bool | None:
        """Say whether we name the same winner; None when one of us names none."""
        if self.outcome is None or self.ours is None or self.ours.outcome is None:
            return None
        return self.ours.outcome is self.outcome

    @property
    def seconds_to_resolve(self) -> float:
        """Give how long after its end the outcome was seen."""
        return self.resolved_ns / NS_PER_S - self.close_s if self.resolved_ns else math.nan

    def told(self) -> dict[str, Any]:
        """Give it as named values, for a table or a machine."""
        ours = self.ours
        mine = ours.outcome if ours is not None else None
        return {
            "window": self.slug,
            "strike_own_usd": _said(ours.strike.usd if ours else math.nan),
            "strike_venue_usd": _said(self.strike_venue_usd),
            "close_own_usd": _said(ours.close.usd if ours else math.nan),
            "close_venue_usd": _said(self.close_venue_usd),
            "outcome_own": mine.name if mine is not None else None,
            "outcome_venue": self.outcome.name if self.outcome is not None else None,
            "agrees": self.agrees,
            "sure": ours.is_sure if ours is not None else False,
            "owed_usd": self.owed_micros / 1e6,
            "paid_usd": self.paid_micros / 1e6,
            "redeemed_by": self.by or None,
            "seconds_to_resolve": _said(self.seconds_to_resolve),
        }


@dataclass(slots=True)
class _Reading:
    """Rows as they go by."""

    slots: dict[int, Settled] = field(default_factory=dict)
    windows: dict[str, Settled] = field(default_factory=dict)
    streams: dict[int, dict[int, float]] = field(default_factory=dict)
    """Asset -> second -> value; of several in one second the first stands."""

    def row(self, row: Any) -> None:
        kind = int(row["kind_code"])
        if kind == Kind.PRICE_SEEN:
            if int(row["source_code"]) == Source.CHAINLINK:
                self._observe(int(row["code_id"]), int(row["at_ns"]) // NS_PER_S, float(row["value_usd"]))
            return
        if kind == Kind.MARKET_LISTED:
            self._list(row)
            return
        window = self.slots.get(int(row["slot_id"]))
        if window is None:
            return
        if kind == Kind.RULE_GIVEN:
            apply_rule(window.rules, int(row["code_id"]), int(row["ref_id"]))
        elif kind == Kind.STRIKE_SEEN and int(row["code_id"]) == StrikeSource.VENUE:
            window.strike_venue_usd = float(row["value_usd"])
        elif kind == Kind.SETTLED:
            self._settle(window, row)

    def _list(self, row: Any) -> None:
        open_ns, span_s, asset = int(row["ref_id"]), int(row["span_s"]), int(row["code_id"])
        if not span_s:
            return
        slug = window_slug(asset, open_ns, span_s)
        window = self.windows.get(slug)
        if window is None:
            rules = one(Rules)
            rules_in_force(REGISTRY, open_ns, asset, span_s, rules)
            open_s = open_ns // NS_PER_S
            window = self.windows[slug] = Settled(slug, open_s, open_s + span_s, rules, asset)
        self.slots[int(row["slot_id"])] = window

    def _observe(self, asset: int, second_s: int, usd: float) -> None:
        stream = self.streams.setdefault(asset, {})
        stream.setdefault(second_s, usd)
        if len(stream) > 2 * KEPT_S:
            newest = max(stream)
            self.streams[asset] = {at: value for at, value in stream.items() if at > newest - KEPT_S}

    def _settle(self, window: Settled, row: Any) -> None:
        """Take the venue's word; a second one may add the price it ended at."""
        if float(row["value_usd"]) > 0.0:
            window.close_venue_usd = float(row["value_usd"])
        if window.outcome is not None or int(row["code_id"]) > Token.DOWN:
            return
        window.outcome, window.resolved_ns = Token(int(row["code_id"])), int(row["seen_ns"])
        stream = self.streams.get(window.asset, {})
        window.ours = averages_of(stream, window.open_s, window.close_s, int(window.rules.lookback_s))


def settlements_of(folder: Path, told: Told | None = None) -> list[Settled]:
    """Give every window of a journal that was decided, by its start.

    Args:
        folder: The journal's.
        told: Told how many rows have been read.

    Raises:
        JournalForeign, JournalDamaged: it cannot be read.
    """
    reading, count = _Reading(), 0
    for chunk in read_events(folder, torn_ok=True):
        for row in _wanted(chunk):
            reading.row(row)
        count += len(chunk)
        if told is not None:
            told(count)
    book = LedgerBook()
    book.catch_up(folder)
    for window in reading.windows.values():
        booked = book.booker.windows.get(window.slug)
        if booked is not None and booked.outcome is not None:
            window.owed_micros = booked.held[int(booked.outcome)]
            window.paid_micros = window.owed_micros - book.booker.owed[window.slug]
    _name_payers(folder, reading)
    decided = [window for window in reading.windows.values() if window.outcome is not None]
    return sorted(decided, key=lambda window: (window.open_s, window.slug))


def _wanted(chunk: NDArray[Any]) -> NDArray[Any]:
    kinds = chunk["kind_code"]
    keep = kinds == int(Kind.SETTLED)
    for kind in _WANTED:
        keep |= kinds == kind
    keep &= (kinds != int(Kind.PRICE_SEEN)) | (chunk["source_code"] == int(Source.CHAINLINK))
    kept: NDArray[Any] = chunk[keep]
    return kept


def _name_payers(folder: Path, reading: _Reading) -> None:
    for note in read_notes(folder, torn_ok=True):
        window = reading.windows.get(str(note.get(REDEEMED, "")))
        if window is not None:
            window.by = str(note.get("by", ""))


def _said(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
