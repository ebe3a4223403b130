"""Bands that go with the code, so that `updown realism` works where no recordings are: numbers and where they are from.

Derived on 2026-11-22 by `updown realism --data` for 24 windows from recordings of others; what those were is written
beside each.
"""

from typing import Final

from evals.realism import Band

_ASKED: Final = "venue reference 2.7"


def _venue(name: str, low: float, high: float, when: str) -> Band:
    return Band(name=name, real=float("nan"), low=low, high=high, source=f"{_ASKED}, {when}")


VENUE: Final[tuple[Band, ...]] = (
    _venue("spread at one tick", 0.60, 0.60, "October 2026"),
    _venue("touch, dollars", 36.0, 37.0, "October 2026"),
    _venue("best three, dollars", 307.0, 345.0, "October 2026"),
    _venue("touch changes a minute", 73.0, 73.0, "October 2026"),
    # 380 a second over the eight tokens of four windows, of which the one under way has nearly all.
    _venue("changes a second", 300.0, 380.0, "October 2026"),
    _venue("trades a second", 10.6, 10.6, "May 2026"),
    _venue("trade size, p50", 8.0, 8.0, "May 2026"),
    # From France 90 ms; beside the venue's own region some ten: a desk may stand at either.
    _venue("book delay, p50 ms", 5.0, 90.0, "October 2026"),
    # About 0.4 s; taken as good to half of that, for how it was measured is not said.
    _venue("middle behind the perpetual, s", 0.2, 0.6, "October 2026"),
    # About 2 s where the stream came 2.4 s late; where it comes 1.3 s late it is the less.
    _venue("stream behind the middle, s", 0.9, 2.4, "October 2026"),
)
"""Later measurements of the venue, to which bands reach."""

_BOOKS: Final = "full-depth books, 2026-04-13 to 15"
_FRAMES: Final = "raw market frames, 10 s of 2026-04-21"
_STREAM: Final = "settlement stream, 2026-06-08"
_CEX: Final = "Binance prices, 10 min of 2024-08-08"
_ALIGNED: Final = "books aligned with prices, 2025-12-11"


def _band(name: str, real: float, low: float, high: float, source: str, later: str = "") -> Band:
    return Band(name=name, real=real, low=low, high=high, source=f"{source}; {later}" if later else source)


_RECORDED: Final[tuple[Band, ...]] = (
    _band("exchange messages a second, spot", 112.5, 41.72, 215.3, _CEX),
    _band("exchange trades a second, spot", 26.8, 10.08, 67.16, _CEX),
    _band("exchange gaps, p95 to mean, spot", 5.406, 5.281, 5.696, _CEX),
    _band("exchange messages a second, perpetual", 193.3, 104.9, 290.0, _CEX),
    _band("exchange trades a second, perpetual", 39.45, 20.04, 185.2, _CEX),
    _band("exchange gaps, p95 to mean, perpetual", 5.756, 5.528, 5.983, _CEX),
    _band("stream 1 s moves, sd bps", 0.5707, 0.5338, 0.6833, _STREAM),
    _band("stream 1 s moves, kurtosis", 22.85, 16.14, 30.13, _STREAM),
    _band("stream autocorrelation, 1 s", 0.3295, 0.3067, 0.3468, _STREAM),
    _band("stream autocorrelation, 2 s", 0.1259, 0.09696, 0.1649, _STREAM),
    _band("stream seconds present", 0.9825, 0.9812, 0.9846, _STREAM),
    _band("stream delay, p50 ms", 1320.0, 1309.0, 1332.0, _STREAM),
    _band("stream delay, p95 ms", 1897.0, 1863.0, 1914.0, _STREAM),
    _band("window move, median bps", 10.19, 8.526, 12.84, _STREAM),
    _band("middle behind the perpetual, s", 0.4274, 0.03035, 0.6723, _ALIGNED, "venue reference 2.7, October 2026"),
    _band("spread at one tick", 0.8714, 0.6, 0.8966, _BOOKS, "venue reference 2.7, October 2026"),
    _band("spread, cents", 1.195, 1.142, 1.261, _BOOKS),
    _band("touch, shares, p10", 33.35, 26.92, 47.27, _BOOKS),
    _band("touch, shares, p50", 293.8, 230.4, 387.5, _BOOKS),
    _band("touch, shares, p90", 916.2, 639.0, 1157.0, _BOOKS),
    _band("best three, shares, p10", 549.4, 429.4, 731.8, _BOOKS),
    _band("best three, shares, p50", 1333.0, 1006.0, 1789.0, _BOOKS),
    _band("best three, shares, p90", 2633.0, 1903.0, 3602.0, _BOOKS),
    _band("touch, dollars", 109.9, 36.0, 207.3, _BOOKS, "venue reference 2.7, October 2026"),
    _band("best three, dollars", 484.9, 307.0, 903.3, _BOOKS, "venue reference 2.7, October 2026"),
    _band("whole book, dollars", 43720.0, 39820.0, 48500.0, _BOOKS),
    _band("levels", 99.0, 99.0, 99.0, _BOOKS),
    _band("touch changes a minute", 121.1, 73.0, 152.7, _BOOKS, "venue reference 2.7, October 2026"),
    _band("one-sided at 60 s", 0.08642, 0.0, 0.25, _BOOKS),
    _band("one-sided at 30 s", 0.2963, 0.08333, 0.5417, _BOOKS),
    _band("one-sided at 10 s", 0.5062, 0.25, 0.75, _BOOKS),
    _band("one-sided at 5 s", 0.5802, 0.2917, 0.8333, _BOOKS),
    _band("Brier at 240 s", 0.2155, 0.1394, 0.3061, _BOOKS),
    _band("Brier at 180 s", 0.1783, 0.09351, 0.2701, _BOOKS),
    _band("Brier at 120 s", 0.1539, 0.05764, 0.2695, _BOOKS),
    _band("Brier at 60 s", 0.1171, 0.0254, 0.2396, _BOOKS),
    _band("Brier at 30 s", 0.05577, 0.008116, 0.1473, _BOOKS),
    _band("Brier at 10 s", 0.04083, 0.000504, 0.1577, _BOOKS),
    _band("Brier at 5 s", 0.01823, 0.0001958, 0.09187, _BOOKS),
    _band("trades a second", 11.93, 10.28, 13.88, _BOOKS, "venue reference 2.7, May 2026"),
    _band("gap between trades, p50 ms", 40.0, 33.0, 47.0, _BOOKS),
    _band("gap between trades, p95 ms", 324.2, 276.4, 370.0, _BOOKS),
    _band("changes a second", 512.0, 300.0, 603.3, _FRAMES, "venue reference 2.7, October 2026"),
    _band("changes at the touch", 0.6528, 0.5849, 0.6975, _FRAMES),
    _band("gap between changes, p95 ms", 6.0, 4.0, 6.1, _FRAMES),
    _band("trade size, p50", 5.618, 4.135, 9.08, _FRAMES, "venue reference 2.7, May 2026"),
    _band("trade size, p90", 30.63, 17.09, 38.74, _FRAMES),
)

BANDS: Final[tuple[Band, ...]] = (
    *_RECORDED,
    *(band for band in VENUE if band.name not in {known.name for known in _RECORDED}),
)
"""All bands, in the order in which they are shown; where a recording has a figure, the later one is within its band."""
