"""The windows that recordings speak of: who they are, when they are listed and settled, and which slot they get."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.recordings.tables import SourceRefused
from state.events import EVENT, LAST_IN_FRAME, Asset, Kind, Source, StrikeSource, Token
from state.units import MICROS, NS_PER_S
from state.world import SLOTS

REST_NS: Final = 120 * NS_PER_S
"""A slot rests this long after its settlement before another window gets it: late messages fall on the old one."""

SETTLED_AFTER_S: Final = 54
"""Median of the venue's automatic resolution after the close (venue reference 2.4, 2026-10)."""

STRIKE_AFTER_S: Final = 60
"""How long after the open the venue publishes the price to beat (venue reference 2.4, 2026-10)."""

LISTED_BEFORE_S: Final = 60
"""How long before the open we list a window: the venue lists it a day before, and nothing happens until then."""

LISTING_TICK_BPS: Final = 100
"""Every one of these markets begins with a tick of one cent (venue reference 2.4)."""

LEAST_SHARES_MICROS: Final = 5 * MICROS
"""Least size of a resting order in these markets (venue reference 2.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window as one recording knows it."""

    asset: Asset
    open_s: int
    span_s: int
    listed_ns: int
    """When the core hears of it."""
    ends_ns: int
    """When the recording has no more to say about it; it is settled then if the outcome is known."""
    tick_bps: int = LISTING_TICK_BPS
    least_micros: int = LEAST_SHARES_MICROS
    rules: tuple[tuple[int, int], ...] = ()
    """(`Rule`, value) that the market's own data gives."""
    strike_usd: float = math.nan
    strike_ns: int = 0
    """When the price to beat is published."""
    outcome: Token | None = None
    official: bool = False
    """The outcome comes from the venue, not from a last price."""
    final_usd: float = 0.0

    @property
    def key(self) -> tuple[int, int, int]:
        """Say which window of the venue it is."""
        return (int(self.asset), self.open_s, self.span_s)


def merge_windows(known: Iterable[Window]) -> dict[tuple[int, int, int], Window]:
    """Make one window of what several recordings say of it; the venue's own outcome outranks an inferred one."""
    merged: dict[tuple[int, int, int], Window] = {}
    for window in known:
        other = merged.get(window.key)
        merged[window.key] = window if other is None else _joined(other, window)
    return merged


def _joined(first: Window, second: Window) -> Window:
    told = second if second.outcome is not None and (second.official or first.outcome is None) else first
    told = first if first.official else told
    strike = first if not math.isnan(first.strike_usd) else second
    return replace(
        first,
        listed_ns=min(first.listed_ns, second.listed_ns),
        ends_ns=max(first.ends_ns, second.ends_ns),
        rules=first.rules or second.rules,
        strike_usd=strike.strike_usd,
        strike_ns=strike.strike_ns,
        outcome=told.outcome,
        official=told.official,
        final_usd=told.final_usd,
    )


def assign_slots(windows: Sequence[Window], slots: int = SLOTS) -> list[int]:
    """Give each window a slot, round robin in the order of listing, skipping slots that are not free yet.

    Raises:
        SourceRefused: more windows at once than there are slots.
    """
    order = sorted(range(len(windows)), key=lambda index: (windows[index].listed_ns, windows[index].key))
    free_ns = [-(1 << 62)] * slots
    given = [0] * len(windows)
    turn = 0
    for index in order:
        window = windows[index]
        free = [(turn + step) % slots for step in range(slots) if free_ns[(turn + step) % slots] <= window.listed_ns]
        if not free:
            raise SourceRefused(
                f"more than {slots} windows at once around {window.open_s}; import fewer folders together"
            )
        given[index] = free[0]
        free_ns[free[0]] = window.ends_ns + REST_NS
        turn = (free[0] + 1) % slots
    return given


def window_rows(windows: Sequence[Window], slots: Sequence[int]) -> NDArray[Any]:
    """Give the rows that list, rule, strike and settle the windows, by the time they are seen."""
    told: list[dict[str, Any]] = []
    for window, slot in zip(windows, slots, strict=True):
        base = {"slot_id": slot, "source_code": Source.GAMMA, "flags_mask": LAST_IN_FRAME}
        listed = base | {"at_ns": window.listed_ns, "seen_ns": window.listed_ns}
        told.append(
            listed
            | {"kind_code": Kind.MARKET_LISTED, "code_id": window.asset, "ref_id": window.open_s * NS_PER_S}
            | {"span_s": window.span_s, "price_bps": window.tick_bps, "amount_micros": window.least_micros}
        )
        told += [listed | {"kind_code": Kind.RULE_GIVEN, "code_id": r, "ref_id": value} for r, value in window.rules]
        if not math.isnan(window.strike_usd):
            strike = {"seen_ns": window.strike_ns, "kind_code": Kind.STRIKE_SEEN, "value_usd": window.strike_usd}
            told.append(base | strike | {"code_id": StrikeSource.VENUE})
        if window.outcome is not None:
            settled = {"at_ns": window.ends_ns, "seen_ns": window.ends_ns, "kind_code": Kind.SETTLED}
            told.append(base | settled | {"code_id": window.outcome, "value_usd": window.final_usd})
    told.sort(key=lambda row: row["seen_ns"])
    rows = np.zeros(len(told), EVENT)
    for index, row in enumerate(told):
        for name, value in row.items():
            rows[name][index] = value
    return rows
