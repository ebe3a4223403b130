"""A session beside the replay of its own windows: drift, for the supervisor's digest."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from evals.drift import drift
from evals.rehearsal import MOMENTS_S, NO_FORECAST, WindowScore, standing_forecasts
from infra.record.record import Record, Window
from infra.supervisor.receipts import plain
from infra.supervisor.rehearsal import Rehearsal

Plain = dict[str, Any]

DOUBT: Final = "the books that were recorded show our own quotes: a replay ranks parameters and foretells no dollars"


async def drift_of(record: Record, rehearsal: Rehearsal) -> Plain:
    """Give how far the session is from its replay, over windows that it traded with the parameters now in force.

    Args:
        record: of the session.
        rehearsal: of its journal, with the parameters in force as champion.

    Raises:
        RehearsalFailed: the replay did not come to its end.
    """
    live = live_scores(record, since_ns=record.params[-1].since_ns)
    if not live:
        return {"cannot": "no window has settled that opened under the parameters in force"}
    told: Plain = plain(asdict(drift(live, await rehearsal.replayed())))
    return told | {"doubt": DOUBT}


def live_scores(record: Record, since_ns: int) -> tuple[WindowScore, ...]:
    """Score the settled windows that opened since then, as they were lived."""
    said = standing_forecasts(record.lines)
    return tuple(
        WindowScore(
            open_s=open_s, slot_id=slot, up=window.outcome == "UP", profit_micros=float(window.realised_micros),
            spent_micros=float(window.spent_micros), traded_ratio=float(window.fills_count > 0),
            p_up=said.get((open_s, slot), (NO_FORECAST,) * len(MOMENTS_S)),
        )
        for open_s, slot, window in settled_windows(record)
        if window.open_ns >= since_ns
    )  # fmt: skip


def settled_windows(record: Record) -> Iterator[tuple[int, int, Window]]:
    """Give every settled window that was decided on, by its opening second and its slot."""
    lines = record.lines
    keys = lines["open_s"] << 16 | lines["slot_id"]
    for first in np.unique(keys, return_index=True)[1].tolist():
        window = record.windows.get(record.slug_of(lines[first]))
        if window is not None and window.outcome:
            yield int(lines["open_s"][first]), int(lines["slot_id"][first]), window
