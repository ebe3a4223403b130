"""Import trades and whole books of several coins and window lengths, with the Binance mid the recorder held then.

All is on one receive clock. A mid has no time of its own and is not a bid or an ask: it is carried as an equal pair,
with `at_ns` 0, when it first shows. Outcomes are not in the recording; its windows are never settled.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.recordings.recording import Recording, Terms, bps_of, micros_of
from infra.recordings.rows import Rows, blank, in_order
from infra.recordings.tables import Columns, SourceRefused, Table, table
from infra.recordings.windows import Window
from state.events import EVENT, LAST_IN_FRAME, Asset, Kind, Side, Source, Token
from state.units import NS_PER_MS, NS_PER_S

_SPANS: Final = {"5m": 300, "15m": 900, "1h": 3600, "4h": 14400}
_TOKENS: Final = {"Up": Token.UP, "Down": Token.DOWN}


def open_aligned(folder: Path, terms: Terms) -> Recording:
    """Look into a folder of aligned trades and books and say what will come of it."""
    trades, books = table(folder, "trades.parquet"), table(folder, "books.parquet")
    windows, index_of = _windows(trades, books, terms)
    levels = books.read({"n": "sum(len(bid_px) + len(ask_px))::bigint"})["n"][0]
    return Recording(
        kind="aligned trades and books",
        folder=folder,
        windows=windows,
        parts=lambda: _parts(trades, books, windows, index_of),
        rows_count=int(levels) + int(trades.read({"n": "count(*)"})["n"][0]),
        notes=(
            "the Binance mid is carried where it changes, without a time of its own",
            "no outcomes and no strikes in this recording: its windows are never settled",
        ),
    )


Index = dict[tuple[str, int], int]


def _windows(trades: Table, books: Table, terms: Terms) -> tuple[tuple[Window, ...], Index]:
    first: dict[tuple[str, int], tuple[int, int]] = {}
    for part in (trades, books):
        found = part.read(
            {"m": "market", "w": "window_start", "low": "min(ts_recv_ms)", "high": "max(ts_recv_ms)"},
            group="market, window_start", order="1, 2",
        )  # fmt: skip
        columns = (found[name].tolist() for name in ("m", "w", "low", "high"))
        for market, start, low, high in zip(*columns, strict=True):
            before = first.get((market, start), (low, high))
            first[market, start] = min(before[0], low), max(before[1], high)
    windows = []
    for (market, start), (low, high) in sorted(first.items()):
        asset, span_s = _market(market, trades.name)
        windows.append(
            Window(
                asset=asset,
                open_s=start,
                span_s=span_s,
                listed_ns=min((start - terms.listed_before_s) * NS_PER_S, (low - 1) * NS_PER_MS),
                ends_ns=max((start + span_s + terms.settled_after_s) * NS_PER_S, (high + 1) * NS_PER_MS),
            )
        )
    return tuple(windows), {key: index for index, key in enumerate(sorted(first))}


def _market(name: str, where: str) -> tuple[Asset, int]:
    """Read "btc_15m" as a coin and a window length."""
    coin, _, span = name.partition("_")
    if coin.upper() not in Asset.__members__ or span not in _SPANS:
        raise SourceRefused(
            f"{where}: market {name!r} is none we know; known are btc, eth, sol, xrp with 5m, 15m, 1h, 4h"
        )
    return Asset[coin.upper()], _SPANS[span]


def _parts(trades: Table, books: Table, windows: tuple[Window, ...], index_of: Index) -> Iterator[Rows]:
    base = {"m": "market", "w": "window_start", "token": "token", "at": "ts_exch_ms", "seen": "ts_recv_ms"}
    base |= {"mid": "coalesce(binance_mid, 'nan'::double)"}
    order = "ts_recv_ms, market, token, seq"
    traded = trades.read(base | {"price": "price", "size": "size", "sold": "taker_side = 'sell'"}, order=order)
    frames = books.read(base | {"seq": "seq", "bids": "len(bid_px)", "asks": "len(ask_px)"}, order=order)
    mids = [_mids(columns, windows, index_of) for columns in (traded, frames)]
    groups = (_changed(in_order(*mids)), _trades(traded, index_of, trades.name), _books(books, frames, index_of))
    yield in_order(*groups)


def _slots(columns: Columns, index_of: Index) -> NDArray[np.int64]:
    return np.array([index_of[key] for key in zip(columns["m"].tolist(), columns["w"].tolist(), strict=True)])


def _tokens(columns: Columns) -> NDArray[np.int64]:
    return np.array([_TOKENS[token] for token in columns["token"].tolist()])


def _stamp(rows: Rows, columns: Columns, index_of: Index) -> None:
    rows["at_ns"] = columns["at"] * NS_PER_MS
    rows["seen_ns"] = columns["seen"] * NS_PER_MS
    rows["slot_id"] = _slots(columns, index_of)
    rows["token_code"] = _tokens(columns)


def _trades(traded: Columns, index_of: Index, where: str) -> Rows:
    rows = blank(len(traded["at"]), Kind.TRADE_SEEN, Source.POLYMARKET_BOOK)
    _stamp(rows, traded, index_of)
    rows["side_code"] = np.where(traded["sold"], Side.SELL, Side.BUY)
    rows["price_bps"] = bps_of(traded["price"], where)
    rows["amount_micros"] = micros_of(traded["size"], where)
    return rows


def _mids(columns: Columns, windows: tuple[Window, ...], index_of: Index) -> Rows:
    known = np.isfinite(columns["mid"]) & (columns["mid"] > 0)
    rows = blank(int(known.sum()), Kind.PRICE_SEEN, Source.BINANCE)
    rows["seen_ns"] = columns["seen"][known] * NS_PER_MS
    assets = np.array([window.asset for window in windows])
    rows["code_id"] = assets[_slots(columns, index_of)[known]]
    rows["value_usd"] = rows["other_usd"] = columns["mid"][known]
    return rows


def _changed(rows: Rows) -> Rows:
    """Keep a coin's mid only where it differs from the one before."""
    keep = np.zeros(len(rows), bool)
    for asset in Asset:
        at = np.flatnonzero(rows["code_id"] == asset)
        values = rows["value_usd"][at]
        keep[at[np.flatnonzero(np.diff(values, prepend=np.nan) != 0)]] = True
    return rows[keep]


def _books(books: Table, frames: Columns, index_of: Index) -> Rows:
    """Make a clearing and its levels of every whole book."""
    sides: list[tuple[Any, Any]] = []
    for name in ("bid", "ask"):
        found = books.read(
            {"px": f"unnest({name}_px)", "sz": f"unnest({name}_sz)", "seen": "ts_recv_ms", "m": "market", "t": "token"}
            | {"seq": "seq", "rank": f"generate_subscripts({name}_px, 1)"},
            order="seen, m, t, seq, rank",
        )
        sides.append((bps_of(found["px"], books.name), micros_of(found["sz"], books.name)))
    sizes = 1 + frames["bids"] + frames["asks"]
    start = np.cumsum(sizes) - sizes
    frame = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.zeros(int(sizes.sum()), EVENT)
    rows["source_code"] = Source.POLYMARKET_BOOK
    _stamp(rows, {name: values[frame] for name, values in frames.items()}, index_of)
    rows["kind_code"] = Kind.LEVEL_SET
    rows["kind_code"][start] = Kind.BOOK_CLEARED
    after = np.ones(len(sizes), np.int64)
    for side, (prices, amounts), many in ((Side.BUY, sides[0], "bids"), (Side.SELL, sides[1], "asks")):
        first = np.cumsum(frames[many]) - frames[many]
        of = np.repeat(np.arange(len(sizes)), frames[many])
        at = start[of] + after[of] + np.arange(len(of)) - first[of]
        rows["side_code"][at] = side
        rows["price_bps"][at] = prices
        rows["amount_micros"][at] = amounts
        after += frames[many]
    rows["flags_mask"][start + sizes - 1] = LAST_IN_FRAME
    return rows
