"""Import full-depth books at trade times (`l2_changes`, `tob`, `windows`): one token of each window, level by level.

The recorder's clock wanders by a tenth of a second, so a row is seen at the venue's time stamp plus a stated feed
delay, never earlier than the row before it; `at_ns` keeps the venue's stamp as recorded, also where it steps back.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.recordings.recording import Recording, Terms, bps_of, micros_of
from infra.recordings.rows import Rows, copy, in_order
from infra.recordings.tables import Columns, SourceRefused, Table, table
from infra.recordings.windows import Window
from state.events import EVENT, LAST_IN_FRAME, Asset, Kind, Side, Source, Token
from state.units import NS_PER_MS, NS_PER_S

SPAN_S: Final = 300
_BATCH_ROWS: Final = 500_000
_SEQ_BITS: Final = 24
_TOKEN: Final = "Down"
_FINE_BPS: Final = 10


def open_l2(folder: Path, terms: Terms) -> Recording:
    """Look into a folder of full-depth books and say what will come of it."""
    changes, tops, told = (table(folder, f"{name}.parquet") for name in ("l2_changes", "tob", "windows"))
    windows, counts = _windows(changes, tops, told, terms)
    unknown = sum(window.outcome is None for window in windows)
    notes = (
        f"seen = venue time + {terms.feed_delay_ms} ms, never backwards: the recorder's clock wanders",
        "books of the Down token only: Up was recorded in fragments, and mirrors it",
        f"settled {terms.settled_after_s} s after the close, or after the last book",
        f"{unknown} of {len(windows)} windows have no known outcome and are never settled",
        "no trades, no prices of the coin, no strike in this recording",
    )
    return Recording(
        kind="full-depth books",
        folder=folder,
        windows=windows,
        parts=lambda: _parts(changes, tops, windows, counts, terms),
        rows_count=int(sum(counts)),
        notes=notes,
    )


def _windows(changes: Table, tops: Table, told: Table, terms: Terms) -> tuple[tuple[Window, ...], list[int]]:
    """Give the windows in order and how many changes each has."""
    here = f"token = '{_TOKEN}'"
    seen = tops.read(
        {"w": "window_start", "first_ms": "arg_min(ts_exch_ms, seq)", "last_ms": "max(ts_exch_ms)"},
        where=here, group="window_start", order="1",
    )  # fmt: skip
    sizes = changes.read({"w": "window_start", "n": "count(*)"}, where=here, group="window_start", order="1")
    ends = told.read({"w": "window_start", "outcome": "coalesce(outcome, '')", "how": "coalesce(outcome_source, '')"})
    outcomes = dict(zip(ends["w"].tolist(), zip(ends["outcome"], ends["how"], strict=True), strict=True))
    if seen["w"].tolist() != sizes["w"].tolist():
        raise SourceRefused(f"{changes.name}: its windows are not those of tob.parquet; fetch both files again")
    windows = []
    delay_ns = terms.feed_delay_ns
    for w, first_ms, last_ms in zip(
        seen["w"].tolist(), seen["first_ms"].tolist(), seen["last_ms"].tolist(), strict=True
    ):
        outcome, how = outcomes.get(w, ("", ""))
        first_ns, last_ns = first_ms * NS_PER_MS + delay_ns, last_ms * NS_PER_MS + delay_ns
        windows.append(
            Window(
                asset=Asset.BTC,
                open_s=w,
                span_s=SPAN_S,
                listed_ns=min((w - terms.listed_before_s) * NS_PER_S, first_ns - NS_PER_MS),
                ends_ns=max((w + SPAN_S + terms.settled_after_s) * NS_PER_S, last_ns + NS_PER_MS),
                outcome={"Up": Token.UP, "Down": Token.DOWN}.get(outcome),
                official=how.startswith("official"),
            )
        )
    return tuple(windows), sizes["n"].tolist()


def _parts(changes: Table, tops: Table, windows: tuple[Window, ...], counts: list[int], terms: Terms) -> Iterator[Rows]:
    """Give the rows some windows at a time; what a window says after the next one began waits for it."""
    held = np.zeros(0, EVENT)
    batches = list(_batches(counts))
    for index, (low, high) in enumerate(batches):
        rows = in_order(held, _batch(changes, tops, windows, low, high, terms))
        following = windows[batches[index + 1][0]].listed_ns if index + 1 < len(batches) else 1 << 62
        cut = int(np.searchsorted(rows["seen_ns"], following))
        held = copy(rows[cut:])
        if cut:
            yield rows[:cut]


def _batches(counts: list[int]) -> Iterator[tuple[int, int]]:
    low = size = 0
    for index, count in enumerate(counts):
        if size and size + count > _BATCH_ROWS:
            yield low, index
            low, size = index, 0
        size += count
    yield low, len(counts)


def _batch(changes: Table, tops: Table, windows: tuple[Window, ...], low: int, high: int, terms: Terms) -> Rows:
    """Make the rows of windows `low` to `high`, in the order they were seen."""
    starts = np.array([window.open_s for window in windows[low:high]])
    here = f"token = '{_TOKEN}' AND window_start BETWEEN {starts[0]} AND {starts[-1]}"
    frames = tops.read(
        {"w": "window_start", "seq": "seq", "at_ms": "ts_exch_ms"}
        | {"bid": "coalesce(bid, 'nan')::double", "ask": "coalesce(ask, 'nan')::double"},
        where=here, order="window_start, seq",
    )  # fmt: skip
    levels = changes.read(
        {"w": "window_start", "seq": "seq", "sell": "side = 'A'", "mills": "price_mills", "size": "size"},
        where=here,
    )  # fmt: skip
    frame_key, level_key = _key(frames, starts[0]), _key(levels, starts[0])
    if (np.diff(level_key) < 0).any():  # the files we know lie in order, and sorting in the query costs as much again
        order = np.lexsort((levels["mills"], levels["sell"], level_key))
        levels, level_key = {name: values[order] for name, values in levels.items()}, level_key[order]
    frame_of = np.searchsorted(frame_key, level_key)
    if (frame_of >= len(frame_key)).any() or (frame_key[np.minimum(frame_of, len(frame_key) - 1)] != level_key).any():
        raise SourceRefused(f"{changes.name}: a change belongs to no row of tob.parquet; fetch both files again")
    window_of = np.searchsorted(starts, frames["w"])
    rows = _lay_out(frames, levels, frame_of, window_of, terms, changes.name)
    rows["slot_id"] += low
    return in_order(rows)


def _key(columns: Columns, first: int) -> NDArray[np.int64]:
    return ((columns["w"] - first) << _SEQ_BITS) | columns["seq"].astype(np.int64)


def _lay_out(
    frames: Columns, levels: Columns, frame_of: NDArray[Any], window_of: NDArray[Any], terms: Terms, where: str
) -> Rows:
    """Put each frame's rows behind one another: new tick, clearing, levels, touch; the last one closes the frame."""
    count = len(window_of)
    changed = np.bincount(frame_of, minlength=count)
    opens = frames["seq"] == 0
    ticks = _first_fine(levels, frame_of, window_of)
    touched = np.ones(count, bool) if terms.checks else changed == 0
    sizes = 2 * ticks + opens + changed + touched
    start = np.cumsum(sizes) - sizes
    rows = np.zeros(int(sizes.sum()), EVENT)
    frame = np.repeat(np.arange(count), sizes)
    rows["at_ns"] = (frames["at_ms"] * NS_PER_MS)[frame]
    rows["seen_ns"] = _seen(frames["at_ms"], window_of, terms)[frame]
    rows["slot_id"] = window_of[frame]
    rows["source_code"] = Source.POLYMARKET_BOOK
    rows["token_code"] = Token.DOWN
    for token in (Token.UP, Token.DOWN):
        at = start[ticks] + int(token)
        rows["kind_code"][at] = Kind.TICK_CHANGED
        rows["token_code"][at] = token
        rows["price_bps"][at] = _FINE_BPS
    at = (start + 2 * ticks)[opens]
    rows["kind_code"][at] = Kind.BOOK_CLEARED
    first_level = np.cumsum(changed) - changed
    at = (start + 2 * ticks + opens)[frame_of] + np.arange(len(frame_of)) - first_level[frame_of]
    rows["kind_code"][at] = Kind.LEVEL_SET
    rows["side_code"][at] = np.where(levels["sell"], Side.SELL, Side.BUY)
    rows["price_bps"][at] = bps_of(levels["mills"] / 1000.0, where)
    rows["amount_micros"][at] = micros_of(levels["size"], where)
    at = (start + sizes - 1)[touched]
    rows["kind_code"][at] = Kind.TOUCH_CARRIED
    rows["price_bps"][at] = bps_of(frames["bid"][touched], where)
    rows["span_s"][at] = bps_of(frames["ask"][touched], where)
    rows["flags_mask"][start + sizes - 1] = LAST_IN_FRAME
    return rows


def _first_fine(levels: Columns, frame_of: NDArray[Any], window_of: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the frame of each window in which a price off the one-cent grid first appears.

    The recording has no `tick_size_change`; the venue's own message would have come at or a little before that frame.
    """
    marked = np.zeros(len(window_of), bool)
    fine = frame_of[(levels["mills"] % 10 != 0) & (levels["size"] > 0)]
    _, first = np.unique(window_of[fine], return_index=True)
    marked[fine[first]] = True
    return marked


def _seen(at_ms: NDArray[np.int64], window_of: NDArray[Any], terms: Terms) -> NDArray[np.int64]:
    """Give each frame's time of seeing: the venue's time plus the delay, never backwards within a window."""
    seen = at_ms * NS_PER_MS + terms.feed_delay_ns
    for index in np.unique(window_of):
        inside = slice(*np.searchsorted(window_of, [index, index + 1]))
        seen[inside] = np.maximum.accumulate(seen[inside])
    return seen
