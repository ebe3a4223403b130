"""Frozen windows: the market's rows of a journal up to the last settled window, with nothing of our own in them.

A session's journal holds the market and the desk's own doings side by side. A rehearsal plays the market again and does
its own, so mandates, commands, parameters, the operator's words and whatever came of our orders stay out. What differs
from the session, and cannot be mended by leaving rows out:

- Orders meet the matching model of paper and backtest, not the venue that they met; its draws are seeded anew.
- The desk's delay is the measured median, not what each run took that day.
- Where our orders rested or took at a real venue (live and demo), the books and trades that we saw had them in them.
  Both sides of a rehearsal see the same books, so this touches the champion and the challenger alike, but a challenger
  that would have left a quote alone still sees it displayed. A demonstration of four windows traded the same three
  of them again; what a window made was 26, 4 and -54 dollars where the session had made 14, 4 and 46, for 172, 24 and
  1,296 spent against 94, 26 and 1,225. So a rehearsal ranks parameters on a market; it does not foretell the dollars.
- Money begins with the session's first cash, and no day was carried over from other sessions.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.backtest import Terms
from infra.journal.reader import read_events, read_notes
from infra.recordings.rows import join, words_of
from infra.runs import read_run, run_tape
from state.events import EVENT, Kind, Source
from state.params import BOUNDS, Params, default_params
from state.units import NS_PER_S

MARKET: Final = tuple(
    int(kind)
    for kind in (
        Kind.TICKED, Kind.MARKET_LISTED, Kind.RULE_GIVEN, Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.TOUCH_CARRIED,
        Kind.TRADE_SEEN, Kind.TICK_CHANGED, Kind.PRICE_SEEN, Kind.CEX_TRADED, Kind.AVERAGE_SEEN, Kind.STRIKE_SEEN,
        Kind.FEED_CHANGED, Kind.SETTLED, Kind.CHAIN_SEEN,
    )
)  # fmt: skip
"""Kinds that tell of the market; a kind that is added later stays out until somebody says that it belongs here."""

NOT_MARKET: Final = (int(Source.POLYMARKET_USER), int(Source.OPERATOR))
"""Sources that tell of us alone: our channel at the venue has no place where the matching model tells the fills."""

STANDING: Final = tuple(
    int(kind) for kind in (Kind.MARKET_LISTED, Kind.RULE_GIVEN, Kind.TICK_CHANGED, Kind.FEED_CHANGED, Kind.SETTLED)
)
"""Kinds that hold until something else is said."""
MARKS: Final = (int(Kind.MARKET_LISTED), int(Kind.SETTLED))

WINDOWS_MOST: Final = 48
"""Windows of a journal that are frozen: four hours. A window has up to 800,000 rows of 64 bytes, held in memory."""
WARM_S: Final = 900


class NothingToRehearse(Exception):
    """No settled window stands in the journals; the message says which were read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """Rows that rehearsals are played on, and what names them."""

    sources: tuple[str, ...]
    rows: NDArray[Any]
    digest: str
    """Of the rows and of what a run assumes beside them: the same digest, the same rehearsal."""
    opens_s: tuple[int, ...]
    """Start of every settled window that counts, in order, Unix seconds."""
    from_s: int
    """Windows that opened before this are played, for what they teach, and not counted."""
    last_seen_ns: int
    params: Params
    """Those that the journal began with."""
    cash_micros: int
    trades_known: bool

    def until(self, cut_s: int) -> "Frozen":
        """Give only what was seen before a moment: all that a proposer may fit on."""
        rows = self.rows[: int(np.searchsorted(self.rows["seen_ns"], cut_s * NS_PER_S, side="left"))]
        return _frozen(self.sources, rows, self.params, self.cash_micros, self.trades_known, self.from_s)


def freeze(source: Path, *, windows_most: int = WINDOWS_MOST) -> Frozen:
    """Freeze a session's journal (growing or finished), a recording's journal, or the rows of a run.

    Of a journal with more windows only the last are kept, with a quarter of an hour before them, so that averages and
    volatility are known by then. The desk's learning begins there: both sides of a rehearsal begin alike.

    Raises:
        NothingToRehearse: no window settled in it.
        JournalMissing, JournalForeign, JournalDamaged, RunMissing, RunDamaged: it cannot be read.
    """
    if (source / "run.json").is_file():
        run = read_run(source)
        folder = run_tape(run, lambda done, total: None).folder
        params, cash, known = run.params, run.terms.cash_micros, run.terms.trades_known
    else:
        folder, known = source, None
        first = next(iter(read_notes(source, torn_ok=True)), {})
        is_session = "session" in first
        params = default_params(_known(first["params"])) if is_session else default_params()
        cash = int(first["cash_micros"]) if is_session else Terms().cash_micros
    from_s = _from_s(folder, windows_most)
    rows = join([_recent(chunk, from_s) for chunk in read_events(folder, torn_ok=True)])
    return frozen_rows((str(source),), rows, params=params, cash_micros=cash, trades_known=known, from_s=from_s)


def _from_s(folder: Path, windows_most: int) -> int:
    """Give the start of the first window that is wanted, Unix seconds; 0: all are."""
    marks = [chunk[np.isin(chunk["kind_code"], MARKS)] for chunk in read_events(folder, torn_ok=True)]
    opens = _opens_s(np.concatenate(marks)) if marks else ()
    return opens[-windows_most] if len(opens) > windows_most else 0


def _recent(chunk: NDArray[Any], from_s: int) -> NDArray[Any]:
    """Keep the market's rows from a while before a window on, and of before that only what still holds."""
    mask = np.isin(chunk["kind_code"], MARKET) & ~np.isin(chunk["source_code"], NOT_MARKET)
    if from_s:
        mask &= (chunk["seen_ns"] >= (from_s - WARM_S) * NS_PER_S) | np.isin(chunk["kind_code"], STANDING)
    kept: NDArray[Any] = chunk if mask.all() else words_of(chunk)[mask].reshape(-1).view(EVENT)
    return kept


def freeze_all(sources: Sequence[Path], *, windows_most: int = WINDOWS_MOST) -> tuple[Frozen, ...]:
    """Freeze several journals, in the order of their time; of two that tell of the same time the later named stays.

    Raises:
        NothingToRehearse: no window settled in any of them.
    """
    found: list[Frozen] = []
    for source in sources:
        try:
            new = freeze(source, windows_most=windows_most)
        except NothingToRehearse:
            continue
        found = [old for old in found if old.opens_s[-1] < new.opens_s[0] or old.opens_s[0] > new.opens_s[-1]] + [new]
    if not found:
        names = ", ".join(str(source) for source in sources) or "no journal"
        raise NothingToRehearse(f"{names}: no window has settled there; let the session run on")
    return tuple(sorted(found, key=lambda each: each.opens_s[0]))


def frozen_rows(
    sources: tuple[str, ...], rows: NDArray[Any], *, params: Params | None = None, cash_micros: int | None = None,
    trades_known: bool | None = None, from_s: int = 0,
) -> Frozen:  # fmt: skip
    """Freeze rows at hand: the market's of them, up to the last settled window.

    Args:
        sources: where they came from, in words.
        rows: in the order they were seen.
        params: what they were traded with; the defaults when None.
        cash_micros: what a run over them begins with; the backtest's own when None.
        trades_known: whether trade prints stand beside the books; looked for in the rows when None.
        from_s: windows that opened before this are played and not counted.

    Raises:
        NothingToRehearse: no window settled in them.
    """
    market = _recent(rows, 0)
    settled = np.flatnonzero(market["kind_code"] == Kind.SETTLED)
    if not len(settled):
        raise NothingToRehearse(f"{', '.join(sources)}: no window has settled there; let the session run on")
    known = bool((market["kind_code"] == Kind.TRADE_SEEN).any()) if trades_known is None else trades_known
    cash = Terms().cash_micros if cash_micros is None else cash_micros
    return _frozen(sources, market[: settled[-1] + 1], params or default_params(), cash, known, from_s)


def _frozen(
    sources: tuple[str, ...], rows: NDArray[Any], params: Params, cash_micros: int, known: bool, from_s: int
) -> Frozen:
    total = hashlib.sha256(json.dumps([cash_micros, known, from_s, str(EVENT.descr)]).encode())
    total.update(np.ascontiguousarray(rows).tobytes())
    return Frozen(
        sources=sources,
        rows=rows,
        digest=total.hexdigest(),
        opens_s=tuple(open_s for open_s in _opens_s(rows) if open_s >= from_s),
        from_s=from_s,
        last_seen_ns=int(rows["seen_ns"][-1]) if len(rows) else 0,
        params=params,
        cash_micros=cash_micros,
        trades_known=known,
    )


def _opens_s(rows: NDArray[Any]) -> tuple[int, ...]:
    """List the starts of the windows that settled: a slot's listing before its settlement says which window it was."""
    at = np.flatnonzero(np.isin(rows["kind_code"], MARKS))
    listed: dict[int, int] = {}
    found = set()
    for row in rows[at]:
        slot = int(row["slot_id"])
        if int(row["kind_code"]) == Kind.MARKET_LISTED:
            listed[slot] = int(row["ref_id"]) // NS_PER_S
        elif slot in listed:
            found.add(listed[slot])
    return tuple(sorted(found))


def _known(told: dict[str, float]) -> dict[str, float]:
    """Leave out what an older session called a parameter and this code does not: both sides then take the default."""
    return {name: value for name, value in told.items() if name in BOUNDS}
