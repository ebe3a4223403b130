"""The witness: the averages that decide a window, reckoned by ourselves from the settlement stream, beside the venue's.

Plain sums over the seconds that were observed, apart from the core's own running averages, so that one checks the
other. Which seconds count is told in `tools/average.py`; a second without an observation takes the last value before
it, as there. When our sums and the venue's word name different winners and the gap is wider than what such filling and
rounding can do, either the rule is not what we believe or the stream is not what settles: no new risk is taken on it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.plain_memory import plain, slug_of
from state.events import Kind, Token
from state.rules import Settlement
from state.units import BPS, NS_PER_S

MARGIN_BPS: Final = 0.2
"""A difference of strike and close below this is too close to tell. Ours: some four times what one filled second of a
minute moves on an ordinary day."""
COVERED_LEAST: Final = 0.9
"""Share of the seconds of each average that must have been observed for our word to count."""

Rows = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Mean:
    """One average of the settlement stream; NaN where nothing was observed."""

    usd: float
    covered_ratio: float
    """Share of its seconds that have an observation of their own."""


@dataclass(frozen=True, slots=True)
class Testimony:
    """How a window ended by our own observations."""

    strike: Mean
    close: Mean
    shifted_outcome: Token | None = None
    """Who wins when each average ends a second earlier: which seconds count is not published, and a window on which
    that decides is too close to tell."""

    @property
    def outcome(self) -> Token | None:
        """Give the winner, equality being UP; None when an average is missing."""
        if not (math.isfinite(self.strike.usd) and math.isfinite(self.close.usd)):
            return None
        return Token.UP if self.close.usd >= self.strike.usd else Token.DOWN

    @property
    def gap_bps(self) -> float:
        """Give how far apart the two averages are, without sign."""
        return abs(self.close.usd / self.strike.usd - 1.0) * BPS

    @property
    def is_sure(self) -> bool:
        """Say whether it is worth a quarrel with the venue."""
        covered = min(self.strike.covered_ratio, self.close.covered_ratio)
        named = self.outcome is not None and self.outcome is self.shifted_outcome
        return named and covered >= COVERED_LEAST and self.gap_bps >= MARGIN_BPS


def mean_of(values_usd: Mapping[int, float], ends_s: int, lookback_s: int) -> Mean:
    """Average the seconds (ends - lookback, ends] of a stream kept by second; look-back 0 or 1 is the value there.

    >>> mean_of({1: 10.0, 2: 20.0, 4: 40.0}, 4, 3)
    Mean(usd=26.666666666666668, covered_ratio=0.6666666666666666)
    """
    span_s = max(lookback_s, 1)
    first_s = ends_s - span_s + 1
    before = [second for second in values_usd if second < first_s]
    last = values_usd[max(before)] if before else math.nan
    total, covered = 0.0, 0
    for second in range(first_s, ends_s + 1):
        if second in values_usd:
            last = values_usd[second]
            covered += 1
        total += last
    return Mean(total / span_s, covered / span_s)


def averages_of(values_usd: Mapping[int, float], open_s: int, close_s: int, lookback_s: int) -> Testimony:
    """Give our word on a window."""
    strike, close = mean_of(values_usd, open_s, lookback_s), mean_of(values_usd, close_s, lookback_s)
    shifted = Testimony(mean_of(values_usd, open_s - 1, lookback_s), mean_of(values_usd, close_s - 1, lookback_s))
    return Testimony(strike, close, shifted.outcome)


class Witness:
    """Hears the venue's outcomes in a live session and holds each against our own; a `Watcher` of the shell.

    Args:
        note: Writes into the journal.
        halt: Told in one line when the venue decided otherwise than we saw.
    """

    def __init__(self, note: Callable[[dict[str, Any]], None], halt: Callable[[str], None]) -> None:
        self._note, self._halt = note, halt
        self._told: set[str] = set()

    def rows(self, worlds: Any, events: Rows) -> None:
        """Hear rows; outcomes are looked at."""
        for event in events[events["kind_code"] == int(Kind.SETTLED)]:
            world = plain(worlds)[0]
            market = world["markets"][int(event["slot_id"])]
            if int(event["code_id"]) <= Token.DOWN and int(market["close_ns"]):
                self._hold(world, market, Token(int(event["code_id"])))

    def commands(self, commands: Rows) -> None:
        """Hear commands: nothing here."""

    def mandates(self, mandates: Rows) -> None:
        """Hear a mandate: nothing here."""

    def _hold(self, world: Any, market: Any, outcome: Token) -> None:
        slug, rules = slug_of(market), market["rules"]
        if slug in self._told:
            return
        self._told.add(slug)
        if int(rules["settlement_code"]) not in (Settlement.TWAP, Settlement.POINT):
            return
        ring = world["assets"][int(market["asset_code"])]["observations"]
        known = ring["second_s"] > 0
        values = dict(zip(ring["second_s"][known].tolist(), ring["value_usd"][known].tolist(), strict=True))
        open_s, close_s = int(market["open_ns"]) // NS_PER_S, int(market["close_ns"]) // NS_PER_S
        ours = averages_of(values, open_s, close_s, int(rules["lookback_s"]))
        agrees = ours.outcome is None or ours.outcome is outcome
        self._note(
            {
                "witnessed": slug,
                "venue": outcome.name,
                "ours": ours.outcome.name if ours.outcome is not None else "",
                "strike_usd": _finite(ours.strike.usd),
                "close_usd": _finite(ours.close.usd),
                "agrees": agrees,
                "sure": ours.is_sure,
            }
        )
        if not agrees and ours.is_sure:
            self._halt(
                f"{slug}: the venue says {outcome.name}, and the stream's averages were {ours.strike.usd:,.2f} and "
                f"{ours.close.usd:,.2f}: look at the rule before trading on"
            )


def _finite(usd: float) -> float:
    """Give a figure that JSON can say: 0 for none."""
    return usd if np.isfinite(usd) else 0.0
