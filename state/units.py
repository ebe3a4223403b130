"""The units of the house on one page, and the few constants that convert between them.

`_ns`      int64 nanoseconds, UTC since 1970, or a span of time
`_s`       int64 whole seconds (a Unix second or a span)
`_bps`     integer ten-thousandths of a dollar per share: venue prices, fees and edges per share
`_micros`  int64 millionths of a dollar or of a share, as on chain
`_ppm`     integer millionths of a pure ratio (fee rates, shares of something)
`_usd`     float dollars: BTC prices and display only, never the venue's money
`p_`       float probability in [0, 1]; `_logodds` is log(p / (1 - p))
"""

from typing import Final

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000
MICROS: Final = 1_000_000
LOT_MICROS: Final = MICROS // 100
"""A hundredth of a share: the venue's size grid (venue reference 5.4, 5.5)."""

BPS: Final = 10_000
"""Ten-thousandths in a dollar: a price of 5,300 bps reads as 53 cents or 53 %."""

MILL_BPS: Final = 10
"""The book's grid: one mill, a thousandth of a dollar. Ticks that are not whole mills are refused."""

LEVELS: Final = BPS // MILL_BPS + 1
"""Grid points from 0 to one dollar, both ends included."""

UNIT_SUFFIXES: Final = (
    "_ns", "_s", "_bps", "_micros", "_ppm", "_usd", "_logodds", "_seq", "_id", "_count", "_code",
    "_hash", "_ratio", "_var", "_per_s", "_z", "_log", "_mask", "_mills",
)  # fmt: skip
"""Every number in a record ends in one of these or begins with `p_`; a test of the house holds it."""
