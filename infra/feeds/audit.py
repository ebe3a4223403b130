"""The audit of frames: every recorded frame read or refused with a reason, and books held against what frames carry."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.proof import Figure, Proof
from infra.feeds.decoder import PARSERS, Decoder
from infra.feeds.frames import Parsed, Refused, Tally, Wire
from infra.feeds.polymarket_market import Book as BookFrame
from infra.feeds.polymarket_market import PriceChange
from infra.recordings.raw_frames import read_lines
from state.book import Book
from state.compiled import compiled
from state.events import EVENT, Kind
from state.records import rows
from tools.book import EMPTY_BPS, apply_to_book, clear_book

WIRES: Final[tuple[tuple[str, tuple[Wire, ...]], ...]] = (
    ("polymarket_clob_", (Wire.POLYMARKET_MARKET,)),
    ("polymarket_rtds", (Wire.RTDS,)),
    ("polymarket_polybolt", (Wire.POLYBOLT,)),
    ("polymarket_rest", (Wire.GAMMA, Wire.CLOB_REST)),
    ("polymarket_ws_user_market_rtds", (Wire.POLYMARKET_MARKET, Wire.POLYMARKET_USER, Wire.RTDS)),
    ("binance_spot", (Wire.BINANCE_SPOT,)),
    ("binance_usdm", (Wire.BINANCE_USDM,)),
    ("binance_coinm", (Wire.BINANCE_COINM,)),
    ("binance", (Wire.BINANCE_USDM,)),
    ("bybit", (Wire.BYBIT,)),
    ("okx", (Wire.OKX,)),
    ("coinbase_exchange", (Wire.COINBASE_EXCHANGE,)),
    ("coinbase", (Wire.COINBASE,)),
)
"""How a file's name begins -> whose frames it holds; a mixed file's frame is read by the first that does not refuse."""

TRANSIENTS: Final = (4, 10_361)
"""Carried best prices that may differ, of how many: what the recorder of the first such file found (2026-04-21)."""

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Read:
    """What reading all frames of a folder came to."""

    frames: int = 0
    answered: int = 0
    messages: int = 0
    refused: int = 0
    wordless: int = 0
    """Refusals without a reason."""
    by_type: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """File, message type or `refused`, reason."""
    unknown: Tally = field(default_factory=Tally)
    market_refused: int = 0


@dataclass(slots=True)
class Held:
    """What holding books against carried best prices came to."""

    checked: int = 0
    differ: int = 0
    before_book: int = 0
    best_bid_asks: int = 0
    best_bid_asks_differ: int = 0
    frames: int = 0
    lanes_differ: int = 0
    """Frames of which the short and the full way of decoding made different rows."""
    strangest: list[dict[str, Any]] = field(default_factory=list)


def wires_of(name: str) -> tuple[Wire, ...]:
    """Tell whose frames a file holds by its name; none for a file that is not one of frames."""
    return next((wires for start, wires in WIRES if name.startswith(start)), ())


def audit_frames(folder: Path, progress: Progress | None = None) -> Proof:
    """Read every frame of every file in a folder, and hold the market channel's books against what it carries.

    Args:
        folder: Holds files of frames, one JSON object with `raw` a line, as `*.jsonl.zst`.
        progress: Told how many bytes of how many have been read.

    Raises:
        SourceRefused: a file cannot be read as such.
    """
    files = [path for path in sorted(folder.glob("*.jsonl.zst")) if wires_of(path.name)]
    total = sum(path.stat().st_size for path in files)
    read, held, done = Read(), Held(), 0
    for path in files:
        frames = [told["raw"].encode() for told in read_lines(path)]
        read_all(path.name.removesuffix(".jsonl.zst"), frames, wires_of(path.name), read)
        if path.name.startswith("polymarket_clob_market"):
            hold_books(frames, held)
        done += path.stat().st_size
        if progress is not None:
            progress(done, total)
    return Proof(
        name="frames",
        claim="Every frame is read or refused with a reason; books rebuilt from frames show the prices that they carry",
        figures=(*_figures_read(read), *_figures_held(held)),
        tables={
            "frames by file and type": [
                {"file": name, "type": kind, "reason": reason, "count": count}
                for (name, kind, reason), count in sorted(read.by_type.items())
            ],
            "unknown fields": read.unknown.rows("file", "field"),
            "carried best prices that differ": held.strangest,
        },
        notes=(
            f"{held.before_book} changes came before their token's first book and are not held against it",
            "best prices carried by best_bid_ask messages are stamped apart from the book and only inform",
        ),
    )


def read_all(name: str, frames: list[bytes], wires: tuple[Wire, ...], read: Read) -> None:
    """Parse the frames of one file, with an eye for unknown fields."""
    for raw in frames:
        parsed = _parse(raw, wires)
        read.frames += 1
        refused = (parsed,) if isinstance(parsed, Refused) else parsed.refused
        for each in refused:
            read.by_type[name, "refused", f"{each.reason} [{each.kind}]" if each.kind else each.reason] += 1
            read.refused += 1
            read.wordless += not each.reason
            read.market_refused += wires == (Wire.POLYMARKET_MARKET,)
        messages = parsed.messages if isinstance(parsed, Parsed) else ()
        for message in messages:
            read.by_type[name, type(message).__name__, ""] += 1
            read.messages += 1
        read.answered += isinstance(parsed, Refused) or len(messages) + len(refused) == _objects_in(raw)
        for unknown in parsed.unknown_fields if isinstance(parsed, Parsed) else ():
            read.unknown.add(name, unknown)


def _objects_in(raw: bytes) -> int:
    """Count a frame's objects by other means than ours; plain words are one."""
    try:
        frame = json.loads(raw)
    except ValueError:
        return 1
    return len(frame) if isinstance(frame, list) else 1


def _parse(raw: bytes, wires: tuple[Wire, ...]) -> Parsed | Refused:
    parsed: Parsed | Refused = Refused("nobody's frame")
    for wire in wires:
        parsed = PARSERS[wire](raw, audit=True)
        if isinstance(parsed, Parsed):
            break
    return parsed


def hold_books(frames: list[bytes], held: Held) -> None:
    """Replay the frames of a market channel in arrival order, and compare the best prices after each frame."""
    decoder, short = Decoder(carried=True), Decoder()
    slots = _list_tokens(frames, decoder, short)
    books = rows(Book, 2 * slots)
    for book in books:
        clear_book(book)
    full, lean = np.zeros(1 << 14, EVENT), np.zeros(1 << 14, EVENT)
    for number, raw in enumerate(frames):
        told = full[: decoder.decode(Wire.POLYMARKET_MARKET, raw, 1, full)]
        levels = told[told["kind_code"] != Kind.TOUCH_CARRIED]
        held.frames += 1
        held.lanes_differ += not _same(levels, lean[: short.decode(Wire.POLYMARKET_MARKET, raw, 1, lean)])
        # Best prices follow all levels of their frame, so the books may take the whole frame first.
        _apply(books, told)
        for row in told[told["kind_code"] == Kind.TOUCH_CARRIED]:
            _hold(number, row, books[2 * int(row.slot_id) + int(row.token_code)], bool(len(levels)), held)


@compiled
def _apply(books: NDArray[Any], told: NDArray[Any]) -> None:
    for index in range(len(told)):
        row = told[index]
        apply_to_book(books[2 * int(row.slot_id) + int(row.token_code)], row)


def _same(levels: NDArray[Any], lean: NDArray[Any]) -> bool:
    flags = levels["flags_mask"].copy()
    flags[-1:] = 1  # the full way flagged the last carried price instead
    again = levels.copy()
    again["flags_mask"] = flags
    return again.tobytes() == lean.tobytes()


def _hold(number: int, row: Any, book: Any, is_change: bool, held: Held) -> None:
    ours = tuple(0 if best == EMPTY_BPS else int(best) for best in (book.bid.best_bps, book.ask.best_bps))
    carried = (int(row.price_bps), int(row.span_s))
    if not is_change:
        held.best_bid_asks += 1
        held.best_bid_asks_differ += ours != carried
    elif not book.valid:
        held.before_book += 1
    else:
        held.checked += 1
        if ours != carried:
            held.differ += 1
            held.strangest.append(
                {"frame": number, "slot": int(row.slot_id), "token": int(row.token_code)}
                | {"bid_bps": ours[0], "ask_bps": ours[1], "carried_bid_bps": carried[0], "carried_ask_bps": carried[1]}
            )


def _list_tokens(frames: list[bytes], *decoders: Decoder) -> int:
    """List each market of the frames at a slot of its own; which of its two tokens is Up does not matter here."""
    tokens: dict[str, list[str]] = {}
    for market, token in _tokens_in(frames):
        known = tokens.setdefault(market, [])
        if token not in known:
            known.append(token)
    for slot, (market, known) in enumerate(tokens.items()):
        for decoder in decoders:
            decoder.list_market(slot, market, known[0], known[-1])
    return len(tokens)


def _tokens_in(frames: list[bytes]) -> Iterator[tuple[str, str]]:
    for raw in frames:
        parsed = PARSERS[Wire.POLYMARKET_MARKET](raw)
        for message in parsed.messages if isinstance(parsed, Parsed) else ():
            if isinstance(message, PriceChange):
                yield from ((message.market, change.asset_id) for change in message.price_changes)
            elif isinstance(message, BookFrame):
                yield message.market, message.asset_id


def _figures_read(read: Read) -> tuple[Figure, ...]:
    whole = read.frames > 0 and read.answered == read.frames
    return (
        Figure(name="frames", measured=read.frames, bar="> 0", holds=read.frames > 0),
        Figure(name="frames read whole or refused", measured=read.answered, bar="= frames", holds=whole),
        Figure(name="refusals without a reason", measured=read.wordless, bar="= 0", holds=read.wordless == 0),
        Figure(name="messages read", measured=read.messages, bar="-"),
        Figure(name="messages refused", measured=read.refused, bar="-"),
        Figure(
            name="refused on the recorded market channel",
            measured=read.market_refused,
            bar="= 0",
            holds=read.market_refused == 0,
        ),
        Figure(name="unknown fields met", measured=read.unknown.total, bar="-"),
    )


def _figures_held(held: Held) -> tuple[Figure, ...]:
    few, of = TRANSIENTS
    agrees = held.checked > 0 and held.differ * of <= few * held.checked
    return (
        Figure(name="changes held against their carried best prices", measured=held.checked, bar="> 0"),
        Figure(
            name="changes that reproduce them",
            measured=f"{held.checked - held.differ:,} of {held.checked:,}",
            bar=f">= {of - few:,} of {of:,}",
            holds=agrees,
        ),
        Figure(
            name="best_bid_ask messages that agree with the book",
            measured=f"{held.best_bid_asks - held.best_bid_asks_differ:,} of {held.best_bid_asks:,}",
            bar="-",
        ),
        Figure(
            name="frames that the short way decodes differently",
            measured=held.lanes_differ,
            bar="= 0",
            holds=held.frames > 0 and held.lanes_differ == 0,
        ),
    )
