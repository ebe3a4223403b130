"""Is the generated market like the real one? Figures of both side by side, and a band that recordings allow.

A figure is taken of each window, hour or stretch and then brought to one number. The band says where that number of
so many real ones would lie by chance alone: they are drawn again with replacement. Where a later measurement of the
venue stands in its reference beside a recording, the band reaches to both: the market has changed in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Final

import numpy as np

from state.records import Floats

LEVEL: Final = 0.99
DRAWS: Final = 4_000
WINDOWS: Final = 24
"""Windows that are generated, and windows that a stored band is for."""

_MEANS: Final = ("spread", "one-sided", "Brier", "trades a second", "touch changes", "changes a", "exchange messages")
_BLOCKS: Final = ("exchange messages", "exchange trades")
"""Rates known from ten minutes only: any rate that one of their blocks had is good, nine blocks of ten."""

ROUNDED = 1e-4
"""Bands that are stored in code are rounded to four digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Where a figure may lie."""

    name: str
    real: float
    """The same figure of the recordings, NaN where only the reference has it."""
    low: float
    high: float
    source: str
    """What the band was derived from, with its date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of the generated market beside its band."""

    band: Band
    simulated: float

    @property
    def inside(self) -> bool:
        """Whether it is where it should be; what was not measured is not."""
        low, high = self.band.low, self.band.high  # stored bands have four digits
        return low - ROUNDED * abs(low) <= self.simulated <= high + ROUNDED * abs(high)


def figure_of(name: str, values: Floats) -> float:
    """Bring a figure's values over windows or hours to one number: the mean of shares and scores, else the median."""
    if not len(values):
        return nan
    return float(values.mean() if name.startswith(_MEANS) else np.median(values))


def band_of(name: str, values: Floats, count: int, source: str) -> Band:
    """Derive a band from real values for a figure of `count` generated ones, by bootstrap; the same each time."""
    rng = np.random.default_rng(20_261_122)
    if name.startswith(_BLOCKS):
        low, high = np.quantile(values, (0.05, 0.95))
    else:
        picks = values[rng.integers(0, len(values), (DRAWS, max(count, 1)))]
        figures = picks.mean(axis=1) if name.startswith(_MEANS) else np.median(picks, axis=1)
        low, high = np.quantile(figures, (0.5 - LEVEL / 2, 0.5 + LEVEL / 2))
    return Band(name=name, real=figure_of(name, values), low=float(low), high=float(high), source=source)


def reaching(band: Band, later: Band | None) -> Band:
    """Let a band reach to a later measurement too."""
    if later is None:
        return band
    low, high = min(band.low, later.low), max(band.high, later.high)
    return replace(band, low=low, high=high, source=f"{band.source}; {later.source}")


def side_by_side(simulated: Mapping[str, Floats], bands: Sequence[Band]) -> list[Row]:
    """Put the generated market's figures beside their bands."""
    empty = np.empty(0)
    return [Row(band=band, simulated=figure_of(band.name, simulated.get(band.name, empty))) for band in bands]


def all_inside(rows: Sequence[Row]) -> bool:
    """Whether nothing is outside its band."""
    return all(row.inside for row in rows)


def known(value: float) -> float | None:
    """Give a number for a machine: None where there is none."""
    return value if isfinite(value) else None
