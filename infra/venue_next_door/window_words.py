"""What people are told of a window: its title in Eastern time, its rules in a sentence, its series and its ids."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from infra.venue_next_door.nouns import Window
from state.events import Asset

EASTERN: Final = ZoneInfo("America/New_York")
_NAMES: Final = {Asset.BTC: "Bitcoin", Asset.ETH: "Ethereum", Asset.SOL: "Solana", Asset.XRP: "XRP"}
_LENGTHS: Final = {300: "5m", 900: "15m", 14_400: "4h", 3_600: "1h"}
SERIES_ID: Final = 10_684
"""Of the five-minute windows of Bitcoin (venue reference 2.1); the others are counted on from it here."""


def length_of(window: Window) -> str:
    """Give a window's length as the venue's names have it."""
    return _LENGTHS.get(window.span_s, f"{window.span_s // 60}m")


def series_slug_of(window: Window) -> str:
    """Give the slug of the series that a window belongs to."""
    return f"{window.asset.name.lower()}-up-or-down-{length_of(window)}"


def series_id_of(window: Window) -> str:
    """Give the id of that series."""
    lengths = sorted(_LENGTHS)
    place = lengths.index(window.span_s) if window.span_s in lengths else len(lengths)
    return str(SERIES_ID + len(lengths) * int(window.asset) + place)


def event_id_of(window: Window) -> str:
    """Give the id of the event that holds the window's one market."""
    return str(window.gamma_id - 1_000_000 if window.gamma_id > 1_000_000 else window.gamma_id)


def title_of(window: Window) -> str:
    """Give a window's title, in US Eastern time as the venue writes it (venue reference 2.1, 2.3)."""
    start, end = (datetime.fromtimestamp(second, EASTERN) for second in (window.open_s, window.open_s + window.span_s))
    name = _NAMES[window.asset]
    return f"{name} Up or Down - {start:%B} {start.day}, {_hour_of(start)}-{_hour_of(end)} ET"


def _hour_of(moment: datetime) -> str:
    return f"{moment.hour % 12 or 12}:{moment:%M%p}"


def description_of(window: Window) -> str:
    """Say in a sentence what a window is decided by."""
    name = window.asset.name
    if window.lookback_s:
        return (
            f"Resolves Up when the {window.lookback_s}-second average of {name}/USD by Chainlink at the end of the "
            "window is at or above the same average at its start, otherwise Down."
        )
    return (
        f"Resolves Up when {name}/USD by Chainlink at the end of the window is at or above its value at the start, "
        "otherwise Down."
    )


def source_of(window: Window) -> str:
    """Give the address of the stream that a window is decided by (venue reference 2.3)."""
    pair = f"{window.asset.name.lower()}-usd"
    average = f"-twap-{window.lookback_s}s-streams" if window.lookback_s else ""
    return f"https://data.chain.link/streams/{pair}{average}"


def iso_of(ns: int) -> str:
    """Write a time to the second, UTC.

    >>> iso_of(1_792_638_000_000_000_000)
    '2026-10-22T03:00:00Z'
    """
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def iso_micros_of(ns: int) -> str:
    """Write a time to the microsecond, UTC, as the venue does for rows it made.

    >>> iso_micros_of(1_792_638_000_000_001_000)
    '2026-10-22T03:00:00.000001Z'
    """
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%S}.{ns % 1_000_000_000 // 1000:06d}Z"
