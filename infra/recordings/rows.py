"""Copy, join and order event rows as the whole cache lines they are.

NumPy copies a structured row field by field: measured 2026-11-22, a million rows take 0.38 s to copy and 0.71 s to
reorder as records, 0.05 s as eight 64-bit words each.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.events import EVENT, LAST_IN_FRAME, Kind

Rows = NDArray[Any]

_WORDS: Final = EVENT.itemsize // 8


def words_of(rows: Rows) -> NDArray[np.int64]:
    """See rows as eight 64-bit words each, without copying."""
    return rows.view(np.int64).reshape(-1, _WORDS)


def join(groups: Sequence[Rows]) -> Rows:
    """Put groups of rows behind one another; a single group comes back as it is."""
    full = [rows for rows in groups if len(rows)]
    if len(full) == 1:
        return full[0]
    if not full:
        return np.zeros(0, EVENT)
    return np.concatenate([words_of(rows) for rows in full]).reshape(-1).view(EVENT)


def copy(rows: Rows) -> Rows:
    """Give the rows memory of their own."""
    return words_of(rows).copy().reshape(-1).view(EVENT)


def in_order(*groups: Rows) -> Rows:
    """Join groups of rows by the time they were seen; at the same moment the earlier group comes first."""
    joined = join(groups)
    seen = joined["seen_ns"]
    if np.all(seen[1:] >= seen[:-1]):
        return joined
    return np.take(words_of(joined), np.argsort(seen, kind="stable"), axis=0).reshape(-1).view(EVENT)


def blank(count: int, kind: Kind, source: int) -> Rows:
    """Give rows of one kind and source, each a frame of its own, everything else zero."""
    rows = np.zeros(count, EVENT)
    rows["kind_code"] = kind
    rows["source_code"] = source
    rows["flags_mask"] = LAST_IN_FRAME
    return rows
