"""Wording: figures and moments as people read them, each with its unit; None is said as a dash."""

from datetime import UTC, datetime
from math import isfinite
from typing import Final

from state.units import BPS, NS_PER_S

NONE: Final = "-"


def known(value: float | None) -> bool:
    """Say whether there is a figure to show."""
    return value is not None and isfinite(value)


def usd(value: float | None, digits: int = 2) -> str:
    """Say dollars: 97,123.40."""
    return f"{value:,.{digits}f}" if value is not None and isfinite(value) else NONE


def signed_usd(value: float | None) -> str:
    """Say a profit or a loss, always with its sign; zero has none."""
    if value is None or not isfinite(value):
        return NONE
    return "$0.00" if abs(value) < 0.005 else f"{'+' if value > 0 else '-'}${abs(value):,.2f}"


def cents(price_bps: float | None) -> str:
    """Say a venue price in cents: 53c, 53.5c."""
    if price_bps is None or not isfinite(price_bps):
        return NONE
    return f"{price_bps / (BPS / 100):.2f}".rstrip("0").rstrip(".") + "c"


def share_of(p: float | None, digits: int = 1) -> str:
    """Say a probability or a ratio in percent."""
    return f"{100.0 * p:.{digits}f} %" if p is not None and isfinite(p) else NONE


def shares(amount: float) -> str:
    """Say an amount of shares, shortened from ten thousand on."""
    if not isfinite(amount):
        return NONE
    return f"{amount / 1000:,.1f}k" if abs(amount) >= 10_000 else f"{amount:,.2f}".rstrip("0").rstrip(".")


def amount_usd(value: float) -> str:
    """Say an amount of money without cents, shortened from ten thousand on: $2,000, $18.4k, $50k, $1.2M."""
    if not isfinite(value):
        return NONE
    sign = "-" if value <= -0.5 else ""
    amount = abs(value)
    for size, letter in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if amount >= max(size, 10_000.0):
            return f"{sign}${amount / size:,.1f}".removesuffix(".0") + letter
    return f"{sign}${amount:,.0f}"


def count(value: float) -> str:
    """Say a count, shortened from a million on."""
    return f"{value / 1e6:,.1f}M" if abs(value) >= 1e6 else f"{value:,.0f}"


def span_ms(ms: float | None) -> str:
    """Say a span that was measured in ms with about three digits and the unit that suits it."""
    if ms is None or not isfinite(ms):
        return NONE
    size = abs(ms)
    if size == 0.0:
        return "0 ms"
    if size < 1.0:
        return f"{ms * 1000:.0f} us"
    if size < 1000.0:
        return f"{ms:.{1 if size < 100 else 0}f} ms"
    seconds = ms / 1000.0
    if abs(seconds) < 600.0:
        return f"{seconds:.{1 if size < 100_000.0 else 0}f} s"
    return f"{seconds / 60.0:.0f} min" if abs(seconds) < 36_000.0 else f"{seconds / 3600.0:,.0f} h"


def countdown(ns: int) -> str:
    """Say minutes and seconds: 03:12; after the end with a minus."""
    seconds = abs(ns) // NS_PER_S
    return f"{'-' if ns < 0 and seconds else ''}{seconds // 60:02d}:{seconds % 60:02d}"


def clock(at_ns: int, digits: int = 0) -> str:
    """Say a time of day, UTC, with so many digits of its second."""
    seconds, rest = divmod(int(at_ns), NS_PER_S)
    try:
        told = f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}"
    except (OverflowError, OSError, ValueError):
        return NONE  # no date of this calendar
    return f"{told}.{rest:09d}"[: 9 + digits] if digits else told


def speed(ratio: float) -> str:
    """Say how fast the session's clock runs."""
    return f"{ratio:g}x"


def file_size(bytes_count: int) -> str:
    """Say a size on disk or in memory."""
    return f"{bytes_count / 1e6:,.1f} MB" if bytes_count < 10**9 else f"{bytes_count / 1e9:,.2f} GB"
