"""The figures of the real market, taken from whatever recordings a folder holds, by the measures of `evals.realism`.

Which recording serves for what: full-depth books for spread, depth, knowledge and trade times; raw market frames for
the rate of changes and sizes of trades; the settlement stream for itself; exchange prices for their rates; books
aligned with an exchange price for who follows whom.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from evals.realism import Band, band_of, reaching
from evals.realism_bands import VENUE
from evals.realism_books import Figures, book_figures, change_figures, gather, mids, size_figures, trade_gaps
from evals.realism_prices import exchange_figures, lag_s, stream_figures
from infra.feeds.decoder import Decoder
from infra.feeds.frames import Wire
from infra.recordings.importer import open_folder
from infra.recordings.raw_frames import read_lines
from infra.recordings.recording import Recording, Terms
from infra.recordings.rows import Rows
from infra.recordings.tables import SourceRefused
from state.events import EVENT, LAST_IN_FRAME, Kind, Source
from state.records import Floats
from state.units import NS_PER_MS, NS_PER_S

FRAMES: Final = "polymarket_clob_market_*.jsonl.zst"
LEAST_FRAMES: Final = 500
"""A window with fewer books than this, or begun late, or cut short, is not measured (as the data's own `usable`)."""

BEGUN_S: Final = 60
DONE_S: Final = 285
BLOCK_NS: Final = NS_PER_S

Told = dict[str, tuple[Floats, str]]
"""Values of each figure, and the recording they come from."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recordings gave."""

    figures: Told
    left_out: tuple[str, ...]
    """Folders that no figure was taken from, each with the reason."""


def recorded_figures(data: Path) -> Recorded:
    """Measure every recording in a folder of recordings, or one such recording itself.

    Raises:
        SourceRefused: none is there that any figure can be taken from.
    """
    found: Told = {}
    left_out = []
    folders = [data, *sorted(path for path in data.iterdir() if path.is_dir())] if data.is_dir() else []
    for folder in folders:
        try:
            figures = _of_folder(folder)
        except SourceRefused as refused:
            if folder != data:
                left_out.append(str(refused))
            continue
        for name, values in figures.items():
            if len(values) and name not in found:
                found[name] = (values, folder.name)
    if not found:
        raise SourceRefused(f"{data}: no recording in it that realism can be measured by; name a folder of recordings")
    return Recorded(found, tuple(left_out))


def bands_of(found: Told, count: int) -> list[Band]:
    """Derive bands for figures of so many windows, in the order of the figures; venue figures reach into them."""
    bands = {name: band_of(name, values, _count(name, values, count), at) for name, (values, at) in found.items()}
    later = {band.name: band for band in VENUE}
    return [reaching(band, later.get(name)) for name, band in bands.items()] + [
        band for name, band in later.items() if name not in bands
    ]


def _count(name: str, values: Floats, windows: int) -> int:
    """Say of how many values a generated figure is made: windows, or as many hours and blocks as were recorded."""
    by_time = name.startswith(("stream 1 s", "stream auto", "stream seconds", "stream delay", "window move"))
    return len(values) if by_time or name.startswith("exchange") else min(windows, max(len(values), 1))


def _of_folder(folder: Path) -> dict[str, Floats]:
    frames = sorted(folder.glob(FRAMES))
    if frames:
        return _frames(frames[0])
    recording = open_folder(folder, Terms())
    if recording.kind == "full-depth books":
        return gather([figures for figures in _windows(recording) if figures])
    if recording.kind == "settlement stream":
        return stream_figures(_rows(recording, Source.CHAINLINK))
    if recording.kind == "exchange prices":
        named = ((Source.BINANCE, "spot"), (Source.BINANCE_PERP, "perpetual"))
        return {
            key: values
            for source, name in named
            for key, values in exchange_figures(_rows(recording, source), name).items()
        }
    if recording.kind == "aligned trades and books":
        return gather(list(_aligned(recording)))
    return {}


def _rows(recording: Recording, source: Source) -> Rows:
    rows = np.concatenate(list(recording.parts()))
    found: Rows = rows[rows["source_code"] == source]
    return found


def _by_window(recording: Recording) -> Iterator[tuple[int, Rows]]:
    """Give each window's rows once it is over: a window ends when a part comes without it."""
    held: dict[int, list[Rows]] = {}
    for rows in recording.parts():
        rows = rows[np.isin(rows["kind_code"], (Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.TICK_CHANGED, Kind.TRADE_SEEN))]
        present = set(np.unique(rows["slot_id"]).tolist())
        for index in sorted(set(held) - present):
            yield index, np.concatenate(held.pop(index))
        for index in sorted(present):
            held.setdefault(index, []).append(rows[rows["slot_id"] == index])
    for index in sorted(held):
        yield index, np.concatenate(held[index])


def _windows(recording: Recording) -> Iterator[Figures]:
    """Measure each usable window of full-depth books, one book a trade."""
    for index, rows in _by_window(recording):
        window = recording.windows[index]
        ends = rows["flags_mask"] & LAST_IN_FRAME > 0
        since_s = (rows["seen_ns"][ends] - window.open_s * NS_PER_S) / NS_PER_S
        if window.outcome is None or len(since_s) < LEAST_FRAMES or since_s[0] > BEGUN_S or since_s[-1] < DONE_S:
            continue
        figures = book_figures(rows, window.open_s, window.span_s, window.outcome)
        main = (since_s >= 0) & (since_s < 240)
        yield figures | trade_gaps(rows["at_ns"][ends][main].astype(np.float64), 240.0)


def _aligned(recording: Recording) -> Iterator[Figures]:
    """Say how far each coin's middles follow the exchange price that was recorded beside them."""
    rows = np.concatenate(list(recording.parts()))
    for index, window in enumerate(recording.windows):
        mine = rows[(rows["slot_id"] == index) & (rows["source_code"] == Source.POLYMARKET_BOOK)]
        priced = (rows["kind_code"] == Kind.PRICE_SEEN) & (rows["code_id"] == window.asset)
        prices = rows[priced & (rows["source_code"] == Source.BINANCE)]
        if not (mine["kind_code"] == Kind.LEVEL_SET).any() or len(prices) < LEAST_FRAMES // 10:
            continue
        seen_ns, p_up = mids(mine, int(mine["seen_ns"][0]), int(mine["seen_ns"][-1]))
        if len(seen_ns) > LEAST_FRAMES:
            lag = lag_s(prices["seen_ns"], prices["value_usd"], seen_ns, p_up)
            yield {"middle behind the perpetual, s": lag}


def _frames(path: Path) -> dict[str, Floats]:
    """Measure raw market frames by the second, in the venue's own time: receive times are whole seconds there."""
    rows = _decoded(path)
    rows["seen_ns"] = np.maximum.accumulate(rows["at_ns"])
    start_ns, end_ns = int(rows["seen_ns"][0]), int(rows["seen_ns"][-1])
    blocks = []
    for low_ns in range(start_ns, end_ns - BLOCK_NS, BLOCK_NS):
        high_ns = low_ns + BLOCK_NS
        blocks.append(change_figures(rows[rows["seen_ns"] < high_ns], low_ns, high_ns))
    trades = rows["amount_micros"][rows["kind_code"] == Kind.TRADE_SEEN]
    return gather(blocks) | gather([size_figures(part) for part in np.array_split(trades, max(len(trades) // 12, 1))])


def _decoded(path: Path) -> Rows:
    """Decode the frames of the window under way."""
    told = json.loads(path.with_name(path.name.replace(".jsonl.zst", ".meta.json")).read_text())["markets"]["current"]
    decoder = Decoder()
    decoder.list_market(0, told["conditionId"], told["upTokenId"], told["downTokenId"])
    parts = []
    out: Any = np.zeros(4_096, EVENT)
    for line in read_lines(path):
        count = decoder.decode(Wire.POLYMARKET_MARKET, line["raw"].encode(), NS_PER_MS, out)
        parts.append(out[:count].copy())
    return np.concatenate(parts)
