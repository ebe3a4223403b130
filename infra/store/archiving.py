"""Archiving: follow a journal as it grows and keep its rows in a store, in a process of its own beside the desk.

The desk waits for nothing of this. The journal is the buffer: while the store is away nothing is read on, so nothing is
dropped and nothing piles up in memory; when it is back, what the store lacks is read from the watermark that it tells.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from infra.beat import beat
from infra.clock import monotonic_ns, now_ns
from infra.journal.errors import JournalMissing
from infra.journal.naming import journal_end, journal_id
from infra.journal.reader import Reading
from infra.store.port import StoreAway, StoreBehind, TimeSeries
from infra.store.rows import JournalRows
from state.units import NS_PER_S

POLL_S: Final = 0.5
"""How often a growing journal is read on."""
UPKEEP_S: Final = 60.0
"""How often bars are brought up to date, room is made, and old rows are dropped."""
SLOW_S: Final = 5.0
"""A step of the store that takes longer is told of."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
"""Between tries while the store is away."""

Answer = TypeVar("Answer")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How large a step is.

    Args:
        batch_rows: Rows after which a batch is written at once.
        gather_s: How long fewer may gather before they are written anyway.
    """

    batch_rows: int
    gather_s: float


DATABASE_PACE: Final = Pace(20_000, 1.0)
FILES_PACE: Final = Pace(200_000, 60.0)
"""A batch of files is a folder: fewer and larger ones are read faster."""


@dataclass(frozen=True, slots=True)
class Archived:
    """What an archiver did."""

    journal: str
    where: str
    items: int
    """Items of the journal that the store has now."""
    lag_items: int
    """Items that it lacks."""
    rows: int
    """Rows that were new to it."""
    rows_by_table: dict[str, int]
    bars: int
    seconds: float
    rows_per_s: float
    """Over all: reading, making rows, writing."""
    written_rows_per_s: float
    """Over the time spent in writing alone."""
    outages: int
    away_s: float

    def as_plain(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return asdict(self)

    @property
    def words(self) -> str:
        """Say it in a line."""
        said = f"{self.rows:,} rows of {self.items:,} items kept in {self.where} at {self.rows_per_s:,.0f} rows/s"
        if self.outages:
            said += f"; it was away {self.outages} times, {self.away_s:.1f} s in all"
        return said + (f"; {self.lag_items:,} items are not there yet: run this again" if self.lag_items else "")


class GivenUp(Exception):
    """The store stayed away for longer than it was waited for."""


@dataclass(slots=True, kw_only=True)
class Archiver:
    """Keeps one journal's rows in one store.

    Args:
        folder: The journal.
        open_store: Opens the store; called again after every outage of the opening itself.
        pace: How large a step is.
        pause: Waits so many seconds, or less when the end has come.
        is_over: Whether the journal has come to its end; None: it has, one look is all.
        say: Tells people of outages.
        patience_s: How long a store may stay away when the end has come.
        keep_days: Days of market rows to keep; None: all.
    """

    folder: Path
    open_store: Callable[[], TimeSeries]
    pace: Pace
    pause: Callable[[float], None]
    is_over: Callable[[], bool] | None = None
    say: Say = lambda _: None
    patience_s: float = 30.0
    keep_days: int | None = None
    _store: TimeSeries | None = None
    _mark: int = 0
    _rows: dict[str, int] = field(default_factory=dict)
    _bars: int = 0
    _write_ns: int = 0
    _wrote_ns: int = 0
    _kept_up_ns: int = 0
    _outages: int = 0
    _away_ns: int = 0

    def run(self) -> Archived:
        """Archive until the journal's end.

        Raises:
            JournalMissing, JournalDamaged: it cannot be read.
            StoreRefused: the store is not one that we may write.
        """
        began_ns = monotonic_ns()
        journal = self._await_journal()
        where = ""
        try:
            self._store = self._patiently(self.open_store)
            while not self._follow(journal):
                self.say("the store lacks what it had: beginning again from its watermark")
        except GivenUp as gone:
            self.say(f"given up: {gone}")
        finally:
            if self._store is not None:
                where = self._store.where
                self._store.close()
        seconds = (monotonic_ns() - began_ns) / NS_PER_S
        rows = sum(self._rows.values())
        return Archived(
            journal=journal, where=where, items=self._mark,
            lag_items=max(0, journal_end(self.folder).next_seq - self._mark),
            rows=rows, rows_by_table=dict(sorted(self._rows.items())), bars=self._bars, seconds=round(seconds, 3),
            rows_per_s=round(rows / max(seconds, 1e-9)),
            written_rows_per_s=round(rows / max(self._write_ns / NS_PER_S, 1e-9)) if rows else 0,
            outages=self._outages, away_s=round(self._away_ns / NS_PER_S, 3),
        )  # fmt: skip

    def _await_journal(self) -> str:
        while True:
            try:
                return journal_id(self.folder)
            except JournalMissing:
                if self._has_ended():
                    raise
            self.pause(POLL_S)

    def _follow(self, journal: str) -> bool:
        """Read from the beginning, write from the watermark on; False: the store lost its watermark meanwhile."""
        store = self._opened
        self._mark = self._patiently(lambda: store.watermark(journal))
        rows, reading = JournalRows(journal, self._mark), Reading(self.folder)
        self._wrote_ns = monotonic_ns()
        try:
            while True:
                is_last = self._has_ended()
                for entry in reading.entries():
                    rows.take(entry)
                    if rows.rows_count >= self.pace.batch_rows:
                        self._write(rows)
                if rows.next_seq > self._mark and (is_last or self._passed(self._wrote_ns, self.pace.gather_s)):
                    self._write(rows)
                if is_last or self._passed(self._kept_up_ns, UPKEEP_S):
                    self._keep_up()
                if is_last:
                    return True
                beat()
                self.pause(POLL_S)
        except StoreBehind:
            return False

    def _write(self, rows: JournalRows) -> None:
        batch, store = rows.cut(), self._opened
        began_ns = monotonic_ns()
        away_ns = self._away_ns
        new = self._patiently(lambda: store.write(batch))
        self._wrote_ns = monotonic_ns()
        self._write_ns += self._wrote_ns - began_ns - (self._away_ns - away_ns)
        self._mark = batch.next_seq
        if new == batch.rows_count:
            for name, columns in batch.tables.items():
                self._rows[name] = self._rows.get(name, 0) + len(columns["seq"])
        elif new:  # somebody else wrote some of them
            self._rows["shared"] = self._rows.get("shared", 0) + new

    def _keep_up(self) -> None:
        store = self._opened
        done = self._patiently(lambda: store.upkeep(now_ns(), self.keep_days))
        self._bars += max(0, done.bars_count)
        self._kept_up_ns = monotonic_ns()

    @property
    def _opened(self) -> TimeSeries:
        assert self._store is not None, "opened before it is used"
        return self._store

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Tell of a store that hangs: it keeps its connections, and says nothing by itself."""
        words = f"the store gives no answer for {SLOW_S:g} s; the journal keeps what comes"
        slow = threading.Timer(SLOW_S, self.say, (words,))
        slow.daemon = True
        slow.start()
        try:
            yield
        finally:
            slow.cancel()

    def _patiently(self, call: Callable[[], Answer]) -> Answer:
        """Call until the store answers; what it says twice is kept once, by its watermark.

        Raises:
            GivenUp: the end has come, and it stayed away.
        """
        away_ns, pause_s, ended_ns = 0, FIRST_PAUSE_S, 0
        while True:
            try:
                with self._watched():
                    answer = call()
                break
            except StoreAway as away:
                if not away_ns:
                    away_ns = monotonic_ns()
                    self._outages += 1
                    self.say(f"the store is away ({away}); the journal keeps what comes, and it is tried again")
                if self._has_ended():
                    ended_ns = ended_ns or monotonic_ns()
                    if self._passed(ended_ns, self.patience_s):
                        self._away_ns += monotonic_ns() - away_ns
                        raise GivenUp(str(away)) from None
            beat()
            self.pause(pause_s)
            pause_s = min(2.0 * pause_s, LONGEST_PAUSE_S)
        if away_ns:
            self._away_ns += monotonic_ns() - away_ns
            self.say(f"the store is back after {(monotonic_ns() - away_ns) / NS_PER_S:.1f} s")
        return answer

    def _has_ended(self) -> bool:
        return self.is_over is None or self.is_over()

    @staticmethod
    def _passed(since_ns: int, span_s: float) -> bool:
        return monotonic_ns() - since_ns >= span_s * NS_PER_S
