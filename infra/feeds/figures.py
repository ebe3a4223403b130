"""Figures in frames: venue prices and amounts as exact integers, dollars and times as what they can be, or refused."""

from datetime import date
from functools import lru_cache
from typing import Final

from infra.feeds.frames import offbeat
from state.units import BPS, MICROS, MILL_BPS, NS_PER_MS, NS_PER_S

# A venue number arrives as text and is read as the nearest double. Dividing an integer by a power of ten is correctly
# rounded too, so m / 1000 is the very double that the text of m mills reads as: one equality decides.

LEVEL_BPS: Final[dict[float, int]] = {mills / 1000: mills * MILL_BPS for mills in range(1, 1000)}
"""Price as read -> price in bps, for every price at which an order can rest; a price that is not a key is refused."""

SHARES_MAX: Final = 2e9
"""Below this a double holds every micro apart from its neighbours, so rounding gives the exact integer."""


def bps_of(price: float) -> int:
    """Give a level's price in bps, exactly.

    Raises:
        Offbeat: the price is no whole mill strictly between nothing and a dollar.

    >>> bps_of(0.07), bps_of(0.999)
    (700, 9990)
    """
    bps = LEVEL_BPS.get(price)
    return offbeat(f"price {price!r} is not a whole mill between 0 and 1") if bps is None else bps


def touch_bps_of(text: str) -> int:
    """Give a carried best price in bps, 0 for an empty side, which the venue writes as 0, 1 or nothing.

    The reading of "1" as an empty ask follows the market-channel page of the venue's documentation (mirror of
    2026-02-27); none of the recorded frames has an empty side.
    """
    if not text:
        return 0
    try:
        price = float(text)
    except ValueError:
        offbeat(f"best price {text[:40]!r} is no number")
    return 0 if price in (0.0, 1.0) else bps_of(price)


def tick_bps_of(tick: float) -> int:
    """Give a tick size in bps.

    Raises:
        Offbeat: the tick is not a whole number of mills; our grid cannot hold its prices.
    """
    bps = round(tick * BPS) if 0 < tick < 1 else 0
    if bps < MILL_BPS or bps % MILL_BPS or bps / BPS != tick:
        offbeat(f"tick {tick!r} is not a whole number of mills")
    return bps


def micros_of(shares: float) -> int:
    """Give an amount in micros: exact for up to six decimals, nearest (ties to even) beyond them.

    Raises:
        Offbeat: the amount is negative, not a number, or too large to be exact.

    >>> micros_of(12.345678)
    12345678
    """
    if not 0 <= shares <= SHARES_MAX:
        offbeat(f"amount {shares!r} is not between 0 and {SHARES_MAX:.0f}")
    return round(shares * MICROS)


USD_MAX: Final = 1e12


def usd_of(price: float) -> float:
    """Give a dollar price back when it can be one.

    Raises:
        Offbeat: it is zero, negative, not a number or beyond any sane price.
    """
    if not 0 < price < USD_MAX:
        offbeat(f"price {price!r} is no price")
    return price


E18: Final = 10**18


def accurate_usd(value: float, text: str, *, scaled: bool) -> float:
    """Give the value that a price payload states twice, as a number and as text of full accuracy.

    Args:
        value: The rounded number beside the text.
        text: The accurate text; empty means only the number was given.
        scaled: Text without a decimal point is an integer scaled by 1e18 (RTDS for Chainlink and averages).

    Raises:
        Offbeat: the two disagree, so that one of them does not mean what we think.
    """
    if not text:
        return usd_of(value)
    try:
        accurate = int(text) / E18 if scaled and "." not in text else float(text)
    except (ValueError, OverflowError):
        offbeat(f"accurate value {text[:40]!r} is no number")
    if not abs(accurate - value) <= 1e-6 * abs(value):
        offbeat(f"value {value!r} and accurate value {text[:40]!r} disagree")
    return usd_of(accurate)


AT_NS_MAX: Final = 4_102_444_800 * NS_PER_S
"""The year 2100: a later time is a unit mistaken for another."""


def at_ns_of(count: int, ns_each: int) -> int:
    """Give a time that counts milliseconds, seconds or the like as nanoseconds.

    Raises:
        Offbeat: before 1970 or after 2100.
    """
    at_ns = count * ns_each
    if not 0 <= at_ns < AT_NS_MAX:
        offbeat(f"time {count} is out of range")
    return at_ns


def ns_of_iso(text: str) -> int:
    """Read `2026-04-07T14:30:02.789012Z` and its relatives to the nanosecond; always UTC.

    Raises:
        Offbeat: not such a time, or one in another zone than UTC.

    >>> ns_of_iso("1970-01-01T00:00:01.000000007Z")
    1000000007
    """
    clock, _, zone = text[11:].partition("+") if "+" in text[11:] else text[11:].rstrip("Z").partition("+")
    whole, _, part = clock.strip().partition(".")
    if zone.replace(":", "").strip("0") or len(part) > 9 or (part and not part.isdecimal()):
        offbeat(f"time {text[:40]!r} is not UTC to the nanosecond")
    try:
        hours, minutes, seconds = (int(figure) for figure in whole.split(":"))
        day_s = _day_s(text[:10])
    except ValueError:
        offbeat(f"time {text[:40]!r} cannot be read")
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds <= 60):
        offbeat(f"time {text[:40]!r} cannot be")
    return at_ns_of((day_s + hours * 3600 + minutes * 60 + seconds) * NS_PER_S + int(part.ljust(9, "0")), 1)


@lru_cache(maxsize=64)
def _day_s(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400


_STAMP_NS: Final = {10: NS_PER_S, 13: NS_PER_MS, 16: 1_000, 19: 1}
"""Digits of a stamp of our times -> nanoseconds in one of its units."""


def ns_of_stamp(text: str) -> int:
    """Read a time that a message gives now in seconds, now in milliseconds, now as ISO text; empty is 0.

    The user channel does all three (fixtures of its client libraries, 2024 to 2026).

    Raises:
        Offbeat: it is none of these.

    >>> ns_of_stamp("1792638003") == ns_of_stamp("1792638003000") == ns_of_stamp("2026-10-22T03:00:03Z")
    True
    """
    if not text:
        return 0
    if text.isdecimal():
        each = _STAMP_NS.get(len(text))
        return offbeat(f"time {text[:40]!r} has no known unit") if each is None else at_ns_of(int(text), each)
    return ns_of_iso(text)
