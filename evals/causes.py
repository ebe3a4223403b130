"""Find the row that each order was fired by, so that nobody has to believe that it had been seen.

The core counts what it takes in: rows of the tape, messages of the venue, mandates of the desk. A command carries that
count; here the three streams are merged anew by their times, and the count is turned back into a row.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.records import Ints

Rows = NDArray[Any]


def mandate_times(lines: Rows, desk_delay_ns: int) -> Ints:
    """Give when each mandate reached the core, in order; one that a newer one overtook on its way never did."""
    due = lines["at_ns"] + desk_delay_ns
    order = np.lexsort((lines["at_ns"], lines["slot_id"]))
    slots, asked = lines["slot_id"][order], lines["at_ns"][order]
    overtaken = np.zeros(len(lines), bool)
    overtaken[order[:-1]] = (slots[:-1] == slots[1:]) & (asked[1:] < due[order[:-1]])
    kept: Ints = np.sort(due[~overtaken])
    return kept


class Causes:
    """Merges the streams chunk by chunk and notes, for each command, the newest row up to its cause."""

    def __init__(self, commands: Rows, messages: Rows, mandates: Ints) -> None:
        """Begin before the first row."""
        self._causes = commands["cause_seq"].astype(np.int64)
        self._decided = commands["at_ns"].astype(np.int64)
        self._heard = np.sort(messages["seen_ns"]).astype(np.int64)
        self._mandates = mandates
        self._rows = 0
        self.seen_ns = np.zeros(len(commands), np.int64)
        """When the newest row up to each cause had been seen."""
        self.by_row = np.zeros(len(commands), bool)
        """Fired by a row; the others by a message or a mandate."""

    def feed(self, chunk: Rows) -> None:
        """Count more rows: at equal times messages come first, then mandates, then rows."""
        seen = np.maximum.accumulate(chunk["seen_ns"])
        seq = self._rows + 1 + np.arange(len(chunk))
        seq += np.searchsorted(self._heard, seen, "right") + np.searchsorted(self._mandates, seen, "right")
        self._rows += len(chunk)
        at = np.searchsorted(seq, self._causes, "right") - 1
        there = at >= 0
        self.seen_ns[there] = chunk["seen_ns"][at[there]]
        self.by_row[there] |= seq[at[there]] == self._causes[there]

    def unexplained_count(self) -> int:
        """Count commands that were not given at the very time of their cause: a run that has any is not this tape's."""
        told = np.isin(self._decided, self._heard) | np.isin(self._decided, self._mandates)
        return int((~np.where(self.by_row, self.seen_ns == self._decided, told)).sum())
