"""Rows of the schema's tables out of a journal's entries: one pure reader, whatever store they go to.

The same entries give the same rows however they are cut into batches. It keeps what the rows need to know of entries
before them (which window a slot holds, the books), so a reader that goes on after a stop is fed from the beginning
and told from where on rows are wanted.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.journal.blocks import EntryKind
from infra.journal.reader import Entry
from infra.plain_memory import plain, window_slug
from infra.shell.core import COMMAND, MANDATE, PARAMS
from infra.store.books import Tops
from infra.store.port import Batch, numbers, texts, whole
from infra.store.schema import BY_NAME, Holds
from state.events import LAST_IN_FRAME, Asset, FeedState, Kind, Source, Token
from state.orders import Act
from state.params import params_hash
from state.reasons import WORDS, Reason
from state.records import as_dict

_SLOTS: Final = 1 << 16
_FILLS: Final = (
    Kind.FILLED, Kind.FEE_CHARGED, Kind.FILL_REVERSED, Kind.REBATE_PAID, Kind.MERGED, Kind.FILL_MINED,
    Kind.FILL_CONFIRMED, Kind.FILL_RETRIED, Kind.REDEEMED,
)  # fmt: skip
_OF_ORDER: Final = (
    Kind.FILLED, Kind.FEE_CHARGED, Kind.FILL_REVERSED, Kind.FILL_MINED, Kind.FILL_CONFIRMED, Kind.FILL_RETRIED,
)  # fmt: skip
_MATCHES: Final = (Kind.FILLED, Kind.FILL_MINED, Kind.FILL_CONFIRMED, Kind.FILL_RETRIED)
_BOOK: Final = (Kind.BOOK_CLEARED, Kind.LEVEL_SET)

Rows = NDArray[Any]


@dataclass(slots=True)
class JournalRows:
    """Takes a journal's entries in order and gives batches.

    Args:
        journal: Its name.
        from_seq: Items before this are only remembered, not given.
    """

    journal: str
    from_seq: int = 0
    next_seq: int = 0
    """The item after the last one taken."""
    rows_count: int = 0
    """Rows that wait to be cut off."""
    seen_ns: int = 0
    """When the last item was seen."""
    _first_seq: int = 0
    _pieces: dict[str, list[dict[str, Rows]]] = field(default_factory=dict)
    _names: Rows = field(default_factory=lambda: np.full(_SLOTS, "", object))
    _tops: Tops = field(default_factory=Tops)

    def __post_init__(self) -> None:
        """Begin where rows are wanted from."""
        self._first_seq = self.from_seq

    def take(self, entry: Entry) -> None:
        """Take the next entry."""
        assert entry.seq == self.next_seq, "entries are taken in order, from the first"
        self.seen_ns = max(self.seen_ns, entry.seen_ns)
        if entry.kind is EntryKind.EVENTS:
            rows = plain(entry.rows)
            self._take_events(rows, entry.seq)
            self.next_seq = entry.seq + len(rows)
            self.seen_ns = max(self.seen_ns, int(rows["seen_ns"][-1]))
            return
        self.next_seq = entry.seq + 1
        if entry.seq < self.from_seq:
            return
        if entry.kind is EntryKind.MANDATE:
            self._take_mandate(entry)
        elif entry.kind is EntryKind.COMMAND:
            self._take_command(entry)
        elif entry.kind is EntryKind.PARAMS:
            params = np.frombuffer(bytearray(entry.data), PARAMS)[0]
            self._one("params", entry, entry.seen_ns, params_hash=params_hash(params)[:15], settings=_json(params))

    def cut(self) -> Batch:
        """Give all rows since the last cut, and begin anew."""
        tables = {
            name: {column.name: np.concatenate([piece[column.name] for piece in pieces])
                   for column in BY_NAME[name].all_columns}
            for name, pieces in self._pieces.items()
        }  # fmt: skip
        next_seq = max(self.next_seq, self._first_seq)
        batch = Batch(journal=self.journal, first_seq=self._first_seq, next_seq=next_seq, tables=tables)
        self._pieces, self._first_seq, self.rows_count = {}, next_seq, 0
        return batch

    # Events.

    def _take_events(self, rows: Rows, seq: int) -> None:
        """Take rows, stretch by stretch between listings: a slot's name changes there."""
        for start, end in _stretches(rows["kind_code"], Kind.MARKET_LISTED):
            part, first = rows[start:end], seq + start
            if int(part["kind_code"][0]) == Kind.MARKET_LISTED:
                row = part[0]
                slot = int(row["slot_id"])
                self._names[slot] = window_slug(int(row["code_id"]), int(row["ref_id"]), int(row["span_s"]))
                self._tops.forget(slot)
            self._take_books(part, first)
            skip = max(0, self.from_seq - first)
            if skip < len(part):
                self._take_stretch(part[skip:], first + skip)

    def _take_stretch(self, rows: Rows, first: int) -> None:
        kinds, seqs = rows["kind_code"], np.arange(first, first + len(rows), dtype=np.int64)
        for kind, take in (
            (Kind.PRICE_SEEN, self._prices), (Kind.CEX_TRADED, self._prices), (Kind.TRADE_SEEN, self._trades),
            (Kind.ORDER_CHANGED, self._told), *((kind, self._fills) for kind in _FILLS),
        ):  # fmt: skip
            at = kinds == kind
            if at.any():
                take(kind, rows[at], seqs[at])

    def _prices(self, kind: Kind, rows: Rows, seqs: Rows) -> None:
        is_trade = kind == Kind.CEX_TRADED
        bid = numbers(rows["value_usd"])
        ask = bid if is_trade else numbers(rows["other_usd"])
        self._add(
            "ticks", rows, seqs,
            instrument=_instruments(rows, "trade" if is_trade else "quote"), price_usd=(bid + ask) / 2.0,
            bid_usd=bid, ask_usd=ask, amount_micros=rows["amount_micros"] if is_trade else np.zeros(len(rows)),
            side_code=rows["side_code"] if is_trade else np.zeros(len(rows)),
        )  # fmt: skip

    def _trades(self, kind: Kind, rows: Rows, seqs: Rows) -> None:
        names = [
            f"{name}:{Token(token).name}"
            for name, token in zip(self._names[rows["slot_id"]], rows["token_code"].tolist(), strict=True)
        ]
        self._add(
            "trades", rows, seqs, instrument=texts(names), price_bps=rows["price_bps"],
            amount_micros=rows["amount_micros"], side_code=rows["side_code"],
        )  # fmt: skip

    def _told(self, kind: Kind, rows: Rows, seqs: Rows) -> None:
        none = np.zeros(len(rows))
        self._add(
            "orders", rows, seqs, market=self._names[rows["slot_id"]], step=_same("told", len(rows)),
            order_id=rows["ref_id"], mandate_id=none, state_code=rows["code_id"], reject_code=rows["flags_mask"],
            token_code=rows["token_code"], side_code=rows["side_code"], price_bps=rows["price_bps"],
            amount_micros=rows["amount_micros"], post_only=none, p_up=none, edge_bps=none,
            reason=_same("", len(rows)),
        )  # fmt: skip

    def _fills(self, kind: Kind, rows: Rows, seqs: Rows) -> None:
        none = np.zeros(len(rows))
        self._add(
            "fills", rows, seqs, market=self._names[rows["slot_id"]], step=_same(kind.name.lower(), len(rows)),
            order_id=rows["ref_id"] if kind in _OF_ORDER else none,
            token_code=rows["token_code"], side_code=rows["side_code"], price_bps=rows["price_bps"],
            amount_micros=rows["amount_micros"], liquidity_code=rows["code_id"] if kind in _MATCHES else none,
        )  # fmt: skip

    def _take_books(self, rows: Rows, first: int) -> None:
        kinds, flags = rows["kind_code"], rows["flags_mask"]
        is_lost = (
            (kinds == Kind.FEED_CHANGED)
            & (rows["source_code"] == Source.POLYMARKET_BOOK)
            & (rows["code_id"] != FeedState.UP)
        )
        at = np.flatnonzero(np.isin(kinds, _BOOK) | ((flags & LAST_IN_FRAME) != 0) | is_lost)
        if not len(at):
            return
        of = rows[at]
        tops, spreads = self._tops.play(
            of["kind_code"].tolist(), of["slot_id"].tolist(), of["token_code"].tolist(), of["side_code"].tolist(),
            of["price_bps"].tolist(), of["amount_micros"].tolist(), of["flags_mask"].tolist(),
        )  # fmt: skip
        self._changed("books_top", tops, at, rows, first)
        self._changed("spreads", spreads, at, rows, first)

    def _changed(self, table: str, found: Sequence[tuple[int, ...]], at: Rows, rows: Rows, first: int) -> None:
        """Add what changed: each begins with the row that it changed at, its part, and its slot."""
        if not found:
            return
        values = np.array(found, np.int64)
        values = values[first + at[values[:, 0]] >= self.from_seq]
        if not len(values):
            return
        rows_at = at[values[:, 0]]
        given = zip((column.name for column in BY_NAME[table].columns[1:]), values[:, 3:].T, strict=True)
        columns: dict[str, Any] = dict(given)
        names = self._names[values[:, 2]]
        self._add(table, rows[rows_at], first + rows_at, parts=values[:, 1], market=names, **columns)

    # Other entries.

    def _take_mandate(self, entry: Entry) -> None:
        given = plain(np.frombuffer(entry.data, MANDATE))[0]
        reason = int(given["reason_code"])
        same = {
            name: given[name]
            for name in (
                "mandate_id", "until_ns", "reason_code", "gate_code", "take_mask", "quote_mask", "p_up", "p_low",
                "p_high", "p_mid", "p_fair", "cap_micros",
            )
        }  # fmt: skip
        self._one(
            "decisions", entry, int(given["given_ns"]), market=self._names[int(given["slot_id"])],
            reason=WORDS[Reason(reason)] if reason else "",
            edge_up_bps=given["edge_bps"][0], edge_down_bps=given["edge_bps"][1],
            shares_up_micros=given["shares_micros"][0], shares_down_micros=given["shares_micros"][1],
            view_hash=f"{int(given['view_hash']):016x}", params_hash=f"{int(given['params_hash']):015x}", **same,
        )  # fmt: skip

    def _take_command(self, entry: Entry) -> None:
        given = plain(np.frombuffer(entry.data, COMMAND))[0]
        act, reason = Act(int(given["act_code"])), int(given["reason_code"])
        if act is Act.ASK:
            return
        same = {
            name: given[name]
            for name in (
                "order_id", "mandate_id", "token_code", "side_code", "price_bps", "amount_micros", "post_only", "p_up",
                "edge_bps",
            )
        }  # fmt: skip
        self._one(
            "orders", entry, int(given["at_ns"]), market=self._names[int(given["slot_id"])], step=act.name.lower(),
            state_code=0, reject_code=0, reason=WORDS[Reason(reason)] if reason else "", **same,
        )  # fmt: skip

    def _one(self, table: str, entry: Entry, at_ns: int, **values: Any) -> None:
        head = {"at_ns": whole([at_ns]), "seen_ns": whole([entry.seen_ns])}
        columns: dict[str, Any] = {name: [value] for name, value in values.items()}
        self._add(table, head, whole([entry.seq]), **columns)

    def _add(self, table: str, head: Any, seqs: Rows, *, parts: Rows | None = None, **values: Any) -> None:
        """Put rows to a table; `head` gives their times."""
        piece = {
            "journal": _same(self.journal, len(seqs)), "seq": whole(seqs),
            "part_id": whole(np.zeros(len(seqs)) if parts is None else parts),
            "at_ns": whole(head["at_ns"]), "seen_ns": whole(head["seen_ns"]),
        }  # fmt: skip
        columns = BY_NAME[table].columns
        assert {column.name for column in columns} == set(values), f"{table}: other columns than the schema's"
        for column in columns:
            given = values[column.name]
            piece[column.name] = _AS[column.holds](given)
        self._pieces.setdefault(table, []).append(piece)
        self.rows_count += len(seqs)


_AS: Final = {Holds.WHOLE: whole, Holds.NUMBER: numbers, Holds.TEXT: texts}


def _same(text: str, count: int) -> Rows:
    return np.full(count, text, object)


def _json(params: Any) -> str:
    return json.dumps(as_dict(params), sort_keys=True)


def _instruments(rows: Rows, what: str) -> Rows:
    codes = rows["code_id"].astype(np.int64) << 8 | rows["source_code"]
    names = {
        int(code): f"{_word(Asset, int(code) >> 8)}@{_word(Source, int(code) & 0xFF)}/{what}"
        for code in np.unique(codes)
    }
    return texts([names[code] for code in codes.tolist()])


def _word(codes: Any, code: int) -> str:
    return codes(code).name.lower() if code in codes.__members__.values() else f"{codes.__name__.lower()}{code}"


def _stretches(kinds: Rows, kind: int) -> Iterator[tuple[int, int]]:
    """Give stretches that begin at the first row or at one of a kind."""
    starts = sorted({0, *np.flatnonzero(kinds == kind).tolist()})
    yield from zip(starts, [*starts[1:], len(kinds)], strict=True)
