"""Sources: the rows that a venue lives on, generated or of a recorded day, set to the clock's time.

Both give chunks sorted by `seen_ns`, lazily; no frame is cut between two chunks.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.generator_spec import MarketSpec
from evals.generator_stream import stream
from infra.recordings.rows import copy, join, words_of
from infra.recordings.tape import open_tape
from state.events import EVENT, Kind, Source
from state.records import one
from state.rulebook import REGISTRY
from state.rules import Rule, Rules, rules_in_force
from state.units import NS_PER_S

Rows = NDArray[Any]

GRID_S: Final = 300
"""Days are moved by whole five-minute windows."""

PRIVATE: Final = (
    Kind.TICKED, Kind.MANDATE_GIVEN, Kind.PARAMS_CHANGED, Kind.ORDER_CHANGED, Kind.FILLED, Kind.FEE_CHARGED,
    Kind.FILL_REVERSED, Kind.REBATE_PAID, Kind.OPERATOR_SAID, Kind.DAY_CARRIED,
)  # fmt: skip
"""Kinds that are about whoever recorded, and not about the market."""

_FIELDS: Final = {
    Rule.SETTLEMENT: "settlement_code",
    Rule.LOOKBACK_S: "lookback_s",
    Rule.FEE_RATE_PPM: "fee_rate_ppm",
    Rule.FEE_EXPONENT: "fee_exponent_count",
    Rule.FEE_BY_NOTIONAL: "fee_by_notional_code",
    Rule.TAKER_ONLY: "taker_only_code",
    Rule.TAKER_HOLD_NS: "hold_ns",
    Rule.REBATE_PPM: "rebate_ppm",
    Rule.REBATE_LEAST_MICROS: "rebate_least_micros",
    Rule.TICK_FINE_BPS: "tick_fine_bps",
    Rule.TICK_EDGE_BPS: "tick_edge_bps",
    Rule.NOTIONAL_MIN_MICROS: "min_notional_micros",
}
"""Rules that belong to a day. Tick and least size stand in the listing; orders are signed as they are today."""


def first_open_s(origin_ns: int, spec: MarketSpec) -> int:
    """Give the start of the first window for a clock that begins at `origin_ns`: its warm-up lies after that moment.

    On the grid of the spec's windows; with a clock that begins on the grid, and a warm-up of whole windows, the warm-up
    begins with the clock.
    """
    ready_s = -(-origin_ns // NS_PER_S) + spec.warmup_s
    return -(-ready_s // spec.window_s) * spec.window_s


def generated(spec: MarketSpec, seed: int, first_open_s: int, windows: int) -> Iterator[Rows]:
    """Give the rows of a generated market whose first window starts at a Unix second.

    Raises:
        ValueError: the spec cannot be played so.
    """
    return stream(replace(spec, first_open_s=first_open_s, windows=windows), seed)


def recorded(folder: Path, now_ns: int, cache: Path | None = None) -> Iterator[Rows]:
    """Give the rows of a recorded day as if it began now, or up to a window ago: moved by whole windows.

    Every window keeps the dated rules of the day it was recorded on, by rows that give them; only its orders are
    signed as today's. What was about the recorder's own orders is left out.

    Args:
        folder: A journal, or a data folder, which is imported once.
        now_ns: The clock's time at the beginning.
        cache: Where imports are kept; the user's cache folder when None.

    Raises:
        SourceRefused, JournalMissing, JournalForeign, JournalDamaged: as `open_tape`.
    """
    tape = open_tape([folder], cache)
    grid_ns = GRID_S * NS_PER_S
    shift_ns = (now_ns - tape.first_seen_ns) // grid_ns * grid_ns
    return _unbroken(moved(chunk, shift_ns) for chunk in tape.chunks())


def moved(rows: Rows, shift_ns: int) -> Rows:
    """Give the market's own rows, moved in time, with the rules of the day they come from."""
    private = np.isin(rows["kind_code"], PRIVATE)
    mine = words_of(rows)[~private].reshape(-1).view(EVENT) if private.any() else copy(rows)
    rules = [_rules_of(row, shift_ns) for row in mine[mine["kind_code"] == Kind.MARKET_LISTED]]
    places = np.flatnonzero(mine["kind_code"] == Kind.MARKET_LISTED) + 1
    stamped = mine["at_ns"] != 0
    mine["at_ns"] += shift_ns * stamped
    mine["seen_ns"] += shift_ns
    dated = (mine["kind_code"] == Kind.MARKET_LISTED) | (mine["kind_code"] == Kind.CHAIN_SEEN)
    mine["ref_id"] += shift_ns * dated
    if not len(places):
        return mine
    cuts = [0, *places.tolist(), len(mine)]
    parts = [mine[cuts[0] : cuts[1]]]
    for index, given in enumerate(rules):
        parts += [given, mine[cuts[index + 1] : cuts[index + 2]]]
    return join(parts)


def _rules_of(listed: np.void, shift_ns: int) -> Rows:
    """Give the rules of a window's own day that are others on the day it is moved to."""
    then, now = one(Rules), one(Rules)
    open_ns, asset, span_s = int(listed["ref_id"]), int(listed["code_id"]), int(listed["span_s"])
    rules_in_force(REGISTRY, open_ns, asset, span_s, then)
    rules_in_force(REGISTRY, open_ns + shift_ns, asset, span_s, now)
    before: Any = then
    after: Any = now
    differing = [
        (rule, int(before[name]))
        for rule, name in _FIELDS.items()
        if then.known_mask >> rule & 1 and int(before[name]) != int(after[name])
    ]
    rows = np.zeros(len(differing), EVENT)
    for row, (rule, value) in zip(rows, differing, strict=True):
        row["at_ns"], row["seen_ns"] = int(listed["at_ns"]) + shift_ns, int(listed["seen_ns"]) + shift_ns
        row["kind_code"], row["source_code"] = Kind.RULE_GIVEN, Source.GAMMA
        row["slot_id"], row["code_id"], row["ref_id"], row["flags_mask"] = listed["slot_id"], rule, value, 1
    return rows


def _unbroken(chunks: Iterator[Rows]) -> Iterator[Rows]:
    """Cut chunks only between times, so that no frame is torn, and let time never go back."""
    rest = np.zeros(0, EVENT)
    last_ns = -(1 << 62)
    for chunk in chunks:
        rows = join((rest, chunk))
        if not len(rows):
            continue
        rows["seen_ns"] = np.maximum.accumulate(np.maximum(rows["seen_ns"], last_ns))
        cut = int(rows["seen_ns"].searchsorted(rows["seen_ns"][-1]))
        last_ns = int(rows["seen_ns"][-1])
        rest = copy(rows[cut:])
        if cut:
            yield rows[:cut]
    if len(rest):
        yield rest
