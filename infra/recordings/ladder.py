"""Import seven looks a window before its close: touches of both tokens, Binance's last price, the venue's winner.

The recorder's clock is some 20 to 25 s slow (the data's own note): order can be trusted, times cannot, and they are
kept as labelled. Depths and average prices of sizes are sums over levels that were not kept; they are not carried,
nor are the paper quotes and the one-point mids of the same folder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from infra.recordings.recording import Recording, Terms, bps_of
from infra.recordings.rows import Rows, blank, in_order
from infra.recordings.tables import Columns, Table, table
from infra.recordings.windows import Window
from state.events import Asset, Kind, Source, Token
from state.units import NS_PER_MS, NS_PER_S

SPAN_S: Final = 300


def open_ladder(folder: Path, terms: Terms) -> Recording:
    """Look into a folder of late looks and say what will come of it."""
    looks = table(folder, "ladder.parquet")
    told = looks.read(
        {"w": "window_start", "winner": "coalesce(any_value(winner), '')"}
        | {"last": "min(t_to_close_s)", "n": "count(*)"},
        group="window_start", order="1",
    )  # fmt: skip
    windows = tuple(
        Window(
            asset=Asset.BTC,
            open_s=start,
            span_s=SPAN_S,
            listed_ns=(start - terms.listed_before_s) * NS_PER_S,
            ends_ns=(start + SPAN_S + terms.settled_after_s) * NS_PER_S + max(0, round(-last * NS_PER_S)),
            outcome={"UP": Token.UP, "DOWN": Token.DOWN}.get(winner),
            official=True,
        )
        for start, winner, last in zip(told["w"].tolist(), told["winner"].tolist(), told["last"].tolist(), strict=True)
    )
    return Recording(
        kind="late looks",
        folder=folder,
        windows=windows,
        parts=lambda: _parts(looks, windows),
        rows_count=3 * int(told["n"].sum()),
        notes=(
            "times are as labelled, though the recorder's clock was some 20 s slow",
            "touches without levels: carried as checks, no book is built; depth sums, quotes and mids are not carried",
        ),
    )


def _parts(looks: Table, windows: tuple[Window, ...]) -> Iterator[Rows]:
    quotes = {
        f"{token}_{side}": f"coalesce({token}_{side}, 'nan'::double)"
        for token in ("up", "down")
        for side in ("bid", "ask")
    }
    found = looks.read(
        {"w": "window_start", "left": "t_to_close_s", "price": "coalesce(binance_last, 'nan'::double)"} | quotes,
        order="window_start, t_to_close_s DESC",
    )
    yield in_order(_prices(found), *(_touches(found, token, windows, looks.name) for token in Token))


def _seen(found: Columns) -> NDArray[np.int64]:
    left_ms: NDArray[np.int64] = np.rint(found["left"] * 1000).astype(np.int64)
    closes: NDArray[np.int64] = (found["w"].astype(np.int64) + SPAN_S) * NS_PER_S
    return closes - left_ms * NS_PER_MS


def _prices(found: Columns) -> Rows:
    known = np.isfinite(found["price"])
    rows = blank(int(known.sum()), Kind.PRICE_SEEN, Source.BINANCE)
    rows["seen_ns"] = _seen(found)[known]
    rows["code_id"] = Asset.BTC
    rows["value_usd"] = rows["other_usd"] = found["price"][known]
    return rows


def _touches(found: Columns, token: Token, windows: tuple[Window, ...], where: str) -> Rows:
    rows = blank(len(found["w"]), Kind.TOUCH_CARRIED, Source.POLYMARKET_BOOK)
    rows["seen_ns"] = _seen(found)
    rows["slot_id"] = np.searchsorted([window.open_s for window in windows], found["w"])
    rows["token_code"] = token
    name = token.name.lower()
    rows["price_bps"] = bps_of(found[f"{name}_bid"], where)
    rows["span_s"] = bps_of(found[f"{name}_ask"], where)
    return rows
