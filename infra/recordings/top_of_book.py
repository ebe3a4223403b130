"""Import best prices of both tokens at every update: touches without sizes, hence checks and not books.

The recording has neither sizes nor the venue's time: a touch is carried as TOUCH_CARRIED with `at_ns` 0, and no book
is built of it. Outcomes are not stated; the windows are never settled.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from infra.recordings.recording import Recording, Terms, bps_of
from infra.recordings.rows import Rows, blank, in_order
from infra.recordings.tables import Table, table
from infra.recordings.windows import Window
from state.events import Asset, Kind, Source, Token
from state.units import NS_PER_MS, NS_PER_S

SPAN_S: Final = 300


def open_top_of_book(folder: Path, terms: Terms) -> Recording:
    """Look into a folder of best prices and say what will come of it."""
    ticks = table(folder, "ticks_*.parquet")
    spells = ticks.read(
        {"w": "window_start", "n": "count(*)", "low": "min(ts_recv_ms)", "high": "max(ts_recv_ms)"},
        group="window_start", order="1",
    )  # fmt: skip
    windows = tuple(
        Window(
            asset=Asset.BTC,
            open_s=start,
            span_s=SPAN_S,
            listed_ns=min((start - terms.listed_before_s) * NS_PER_S, (low - 1) * NS_PER_MS),
            ends_ns=max((start + SPAN_S + terms.settled_after_s) * NS_PER_S, (high + 1) * NS_PER_MS),
        )
        for start, low, high in zip(spells["w"].tolist(), spells["low"].tolist(), spells["high"].tolist(), strict=True)
    )
    return Recording(
        kind="best prices",
        folder=folder,
        windows=windows,
        parts=lambda: _parts(ticks, windows),
        rows_count=int(spells["n"].sum()),
        notes=("no sizes: touches are carried as checks, no book is built", "no outcomes: windows are never settled"),
    )


def _parts(ticks: Table, windows: tuple[Window, ...]) -> Iterator[Rows]:
    own = "CASE WHEN updated_token = 'Up' THEN up_{0} ELSE down_{0} END"
    found = ticks.read(
        {"w": "window_start", "seen": "ts_recv_ms", "up": "updated_token = 'Up'"}
        | {side: f"coalesce({own.format(side)}, 'nan'::double)" for side in ("bid", "ask")},
        order="ts_recv_ms, window_start",
    )
    rows = blank(len(found["w"]), Kind.TOUCH_CARRIED, Source.POLYMARKET_BOOK)
    rows["seen_ns"] = found["seen"] * NS_PER_MS
    rows["slot_id"] = np.searchsorted([window.open_s for window in windows], found["w"])
    rows["token_code"] = np.where(found["up"], Token.UP, Token.DOWN)
    rows["price_bps"] = bps_of(found["bid"], ticks.name)
    rows["span_s"] = bps_of(found["ask"], ticks.name)
    yield in_order(rows)
