"""Audit the book against recorded full-depth changes: replay every one, compare every touch, size and depth."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.proof import Figure, Proof
from infra.recordings.importer import Progress, quiet
from infra.recordings.recording import bps_of, micros_of
from infra.recordings.tables import Columns, SourceRefused, Table, table
from state.book import Book, BookCode
from state.compiled import compiled
from state.events import Side
from state.records import one
from tools.book import clear_book, depth_within, open_book, set_level, touch_micros

CENTS: Final = (1, 2, 4, 9)
"""Reaches of the recorded depth columns, in cents from the touch."""

_BID, _ASK, _BID_SIZE, _ASK_SIZE, _BIDS, _ASKS = range(6)
_DEPTHS: Final = 6
"""From this column on: bid and ask depth by reach, then the whole side."""
_COLUMNS: Final = _DEPTHS + 2 * (len(CENTS) + 1)
_BUY, _SELL, _DONE = int(Side.BUY), int(Side.SELL), int(BookCode.DONE)
_ROUNDING: Final = 2e-6
"""The recorded sums are 32-bit floats of sums of floats: they carry 24 bits, and their own order of adding."""


@compiled
def replay_levels(
    book: Book,
    opens: NDArray[np.bool_],
    ends: NDArray[np.int64],
    sides: NDArray[np.int64],
    prices_bps: NDArray[np.int64],
    amounts_micros: NDArray[np.int64],
    found: NDArray[np.int64],
) -> int:
    """Put every change into the book and note the book after each frame.

    Args:
        book: An open book; carried over to the next call.
        opens: By frame, whether it is a whole book, before which the old one is cleared.
        ends: By frame, the change after its last.
        sides: By change; the next two as well.
        prices_bps: Price of the level.
        amounts_micros: New size at the level.
        found: Filled in: by frame, best prices, touch sizes, level counts, depths by reach, whole sides.

    Returns:
        Changes that the book refused.
    """
    refused = 0
    at = 0
    for frame in range(len(opens)):
        if opens[frame]:
            clear_book(book)
        while at < ends[frame]:
            if set_level(book, sides[at], prices_bps[at], amounts_micros[at]) != _DONE:
                refused += 1
            at += 1
        found[frame, 0] = book.bid.best_bps
        found[frame, 1] = book.ask.best_bps
        found[frame, 2] = touch_micros(book, _BUY)
        found[frame, 3] = touch_micros(book, _SELL)
        found[frame, 4] = book.bid.levels_count
        found[frame, 5] = book.ask.levels_count
        column = 6
        for cents in (1, 2, 4, 9, 100):
            found[frame, column] = depth_within(book, _BUY, cents)
            found[frame, column + 1] = depth_within(book, _SELL, cents)
            column += 2
    return refused


class _Tally:
    """Counts by column of frames in which replay and record agree."""

    def __init__(self) -> None:
        self.frames = self.changes = self.refused = self.sample = self.sample_held = 0
        self.agreed = np.zeros(_COLUMNS, np.int64)
        self.touch = 0
        self.one_sided = 0
        self.crossed = 0
        self.windows: dict[str, int] = {}


def audit_l2(folder: Path, progress: Progress = quiet) -> Proof:
    """Replay a folder's changes through the real book and hold it against every row of the recorded tops.

    Args:
        folder: Holds `l2_changes`, `tob` and `windows`.
        progress: Told frames done, of how many.

    Raises:
        SourceRefused: the folder is missing, of another schema, or damaged.
    """
    if not folder.is_dir():
        raise SourceRefused(f"{folder}: no such folder; name a folder of full-depth books")
    changes, tops = table(folder, "l2_changes.parquet"), table(folder, "tob.parquet")
    whole = table(folder, "windows.parquet").read({"w": "window_start"}, where="usable", order="1", empty_ok=True)
    sample = set(whole["w"][:6].tolist())
    (total,) = tops.read({"n": "count(*)"})["n"].tolist()
    tally = _Tally()
    for token in ("Down", "Up"):
        book = one(Book)
        open_book(book, 10)
        for frames, levels in _spells(changes, tops, token):
            _hold(book, frames, levels, sample, tally, changes.name)
            tally.windows[token] = tally.windows.get(token, 0) + len(np.unique(frames["w"]))
            progress(tally.frames, int(total))
    return _proof(tally, int(total), folder)


def _spells(changes: Table, tops: Table, token: str) -> Iterator[tuple[Columns, Columns]]:
    """Give a token's frames and changes some windows at a time, both in the order of their sequence."""
    here = f"token = '{token}'"
    counts = changes.read(
        {"w": "window_start", "n": "count(*)"}, where=here, group="window_start", order="1", empty_ok=True
    )
    starts, groups = counts["w"], np.cumsum(counts["n"]) // 500_000
    sums = [f"{side}_sz{reach}" for reach in (*(f"_{cents}c" for cents in CENTS), "_all") for side in ("bid", "ask")]
    numbers = ["bid", "ask", "bid_sz", "ask_sz", *sums]
    for group in np.unique(groups).tolist():
        inside = starts[groups == group]
        where = f"{here} AND window_start BETWEEN {inside[0]} AND {inside[-1]}"
        frames = tops.read(
            {"w": "window_start", "seq": "seq", "n_bid": "n_bid", "n_ask": "n_ask"}
            | {name: f"coalesce({name}, 'nan')::double" for name in numbers},
            where=where, order="window_start, seq",
        )  # fmt: skip
        levels = changes.read(
            {"w": "window_start", "seq": "seq", "sell": "side = 'A'", "mills": "price_mills", "size": "size"},
            where=where, order="window_start, seq, side, price_mills",
        )  # fmt: skip
        yield frames, levels


def _hold(book: Any, frames: Columns, levels: Columns, sample: set[int], tally: _Tally, where: str) -> None:
    """Replay one spell and count what agrees."""
    first = int(frames["w"][0])
    frame_key = ((frames["w"] - first) << 24) | frames["seq"].astype(np.int64)
    level_key = ((levels["w"] - first) << 24) | levels["seq"].astype(np.int64)
    if not np.isin(level_key, frame_key).all():
        raise SourceRefused(f"{where}: a change belongs to no row of tob.parquet; fetch both files again")
    found = np.zeros((len(frame_key), _COLUMNS), np.int64)
    tally.refused += replay_levels(
        book,
        frames["seq"] == 0,
        np.searchsorted(level_key, frame_key, side="right").astype(np.int64),
        levels["sell"].astype(np.int64),
        bps_of(levels["mills"] / 1000.0, where).astype(np.int64),
        micros_of(levels["size"], where),
        found,
    )
    agreed = _agreed(found, frames, where)
    touch = agreed[:, :4].all(axis=1)
    in_sample = np.isin(frames["w"], list(sample))
    tally.frames += len(frame_key)
    tally.changes += len(level_key)
    tally.agreed += agreed.sum(axis=0)
    tally.touch += int(touch.sum())
    tally.sample += int(in_sample.sum())
    tally.sample_held += int((touch & in_sample).sum())
    sides = found[:, : _ASK + 1]
    tally.one_sided += int((sides < 0).any(axis=1).sum())
    tally.crossed += int(((sides[:, 0] >= sides[:, 1]) & (sides >= 0).all(axis=1)).sum())


def _agreed(found: NDArray[np.int64], frames: Columns, where: str) -> NDArray[np.bool_]:
    """Say by frame and column whether replay and record agree; an empty side is recorded as no value."""
    agreed = np.zeros(found.shape, bool)
    for column, name in ((_BID, "bid"), (_ASK, "ask")):
        recorded = np.where(np.isnan(frames[name]), -1, bps_of(frames[name], where))
        agreed[:, column] = found[:, column] == recorded
    for column, name in ((_BID_SIZE, "bid_sz"), (_ASK_SIZE, "ask_sz")):
        recorded = np.nan_to_num(frames[name]).astype(np.float32)
        agreed[:, column] = (found[:, column] / 1e6).astype(np.float32) == recorded
    agreed[:, _BIDS] = found[:, _BIDS] == frames["n_bid"]
    agreed[:, _ASKS] = found[:, _ASKS] == frames["n_ask"]
    column = _DEPTHS
    for reach in (*(f"_{cents}c" for cents in CENTS), "_all"):
        for side in ("bid", "ask"):
            recorded = np.nan_to_num(frames[f"{side}_sz{reach}"])
            agreed[:, column] = np.abs(found[:, column] / 1e6 - recorded) <= _ROUNDING * np.maximum(recorded, 1.0)
            column += 1
    return agreed


def _proof(tally: _Tally, total: int, folder: Path) -> Proof:
    def share(name: str, count: int, of: int) -> Figure:
        return Figure(name=name, measured=f"{count:,} of {of:,}", bar="all", holds=count == of and of > 0)

    names = ["best bid", "best ask", "size at the bid", "size at the ask", "bid levels", "ask levels"]
    for reach in (*(f"within {cents} c" for cents in CENTS), "in all"):
        names += [f"bid size {reach}", f"ask size {reach}"]
    rows = [
        {"column": name, "agree": int(count), "of": tally.frames, "share": f"{count / max(tally.frames, 1):.6%}"}
        for name, count in zip(names, tally.agreed.tolist(), strict=True)
    ]
    depths = int(tally.agreed[_BIDS:].min()) if tally.frames else 0
    return Proof(
        name="l2",
        claim="replayed level changes reproduce every recorded touch: both prices and both sizes",
        figures=(
            share("touches of the first six complete windows", tally.sample_held, tally.sample),
            share("touches of all windows, both tokens", tally.touch, total),
            share("level counts and depths of the worst column", depths, tally.frames),
            Figure(name="changes the book refused", measured=tally.refused, bar="0", holds=tally.refused == 0),
            Figure(name="crossed books", measured=tally.crossed, bar="0", holds=tally.crossed == 0),
            Figure(name="changes replayed", measured=tally.changes, bar="-"),
            Figure(name="one-sided books among them", measured=tally.one_sided, bar="-"),
        ),
        tables={"columns": rows},
        notes=(
            f"{folder.name}: " + ", ".join(f"{count} windows of {token}" for token, count in tally.windows.items()),
            "sums are compared to two millionths: they were recorded as 32-bit floats",
            "the recording's own check counts six windows without naming them; all rows are held instead",
        ),
    )
