"""The port of the time series: what every branch must do, what travels through it, and how it may fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]
"""A table's rows, column by column."""


class StoreAway(Exception):
    """The store does not answer at this moment: try again; what was not acknowledged must be written again."""


class StoreRefused(Exception):
    """The store is not one that we may write; says why, and how to mend it."""


class StoreBehind(Exception):
    """The store lacks items before those that were handed in: hand in what follows its watermark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one stretch of a journal's items comes to, whole: all tables or none are written.

    Args:
        journal: Its name.
        first_seq: The first item of the stretch.
        next_seq: The item after its last one; the watermark that comes with it.
        tables: Rows by table; tables without any are left out.
    """

    journal: str
    first_seq: int
    next_seq: int
    tables: Mapping[str, Columns]

    @property
    def rows_count(self) -> int:
        """Count the rows of all tables."""
        return sum(len(columns["seq"]) for columns in self.tables.values())

    def after(self, seq: int) -> "Batch":
        """Give what is left of it from an item on."""
        if seq <= self.first_seq:
            return self
        left: dict[str, Columns] = {}
        for name, columns in self.tables.items():
            keep = columns["seq"] >= seq
            if keep.any():
                left[name] = {column: values[keep] for column, values in columns.items()}
        return Batch(journal=self.journal, first_seq=seq, next_seq=max(seq, self.next_seq), tables=left)


class Span(NamedTuple):
    """A stretch of time by `seen_ns`; the end is left out."""

    from_ns: int
    until_ns: int


EVER = Span(0, (1 << 63) - 1)


class Upkeep(NamedTuple):
    """What a round of upkeep did."""

    bars_count: int = 0
    """Bars written or written anew; -1: the database does not say."""
    made_count: int = 0
    """Partitions made ahead."""
    dropped_count: int = 0
    """Partitions of old rows dropped."""


class TimeSeries(Protocol):
    """Keeps rows of journals and answers questions on them; every method may raise `StoreAway`."""

    @property
    def where(self) -> str:
        """Say where it is, without secrets."""

    def watermark(self, journal: str) -> int:
        """Give the first item of a journal that it does not have."""

    def write(self, batch: Batch) -> int:
        """Keep a batch together with its watermark, in one step; gives how many rows were new.

        Items below the watermark are left out, so a second writing of the same changes nothing.

        Raises:
            StoreBehind: it lacks items before these.
        """

    def rows(self, table: str, span: Span = EVER, journal: str | None = None) -> Columns:
        """Give a table's rows of a stretch of time, ordered by journal and sequence."""

    def bars(self, rollup: str, span: Span = EVER, journal: str | None = None) -> Columns:
        """Give bars that begin in a stretch of time, ordered by journal, instrument and time."""

    def upkeep(self, now_ns: int, keep_days: int | None = None) -> Upkeep:
        """Do what is due: bars up to the newest row, room for the days to come, old rows of the market dropped.

        Args:
            now_ns: The time now.
            keep_days: Days of market rows to keep; None: all. Decisions, orders, fills and bars always stay.
        """

    def close(self) -> None:
        """Let go."""


def whole(values: Any) -> NDArray[Any]:
    """Give a column of whole numbers."""
    return np.asarray(values, np.int64)


def numbers(values: Any) -> NDArray[Any]:
    """Give a column of numbers; NaN where there is none."""
    return np.asarray(values, np.float64)


def texts(values: Any) -> NDArray[Any]:
    """Give a column of texts."""
    found = np.empty(len(values), object)
    found[:] = values
    return found
