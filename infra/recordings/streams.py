"""Merge several streams of rows into one, by the time they were seen, a chunk at a time."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from infra.recordings.rows import Rows, copy, in_order, join
from state.events import EVENT

CHUNK_ROWS: Final = 16_384
"""Rows in a journal's block: a megabyte, which unpacks inside a processor's second-level cache."""

_ENDLESS: Final = np.iinfo(np.int64).max


def merge(streams: Sequence[Iterator[Rows]]) -> Iterator[Rows]:
    """Give the rows of all streams in the order they were seen; at the same moment the earlier stream comes first.

    Each stream's rows must themselves be in order. Rows of one stream that were seen at the same moment stay together,
    so that no stream's frame is broken up by another's.
    """
    if len(streams) == 1:
        yield from streams[0]
        return
    held: list[Rows] = [np.zeros(0, EVENT) for _ in streams]
    more = [True] * len(streams)
    while any(more) or any(len(rows) for rows in held):
        for index, stream in enumerate(streams):
            while more[index] and len(held[index]) == 0:
                held[index], more[index] = _next(held[index], stream)
        lasts = [int(rows["seen_ns"][-1]) if going else _ENDLESS for rows, going in zip(held, more, strict=True)]
        limit = min(lasts)
        if limit == _ENDLESS:
            yield in_order(*held)
            return
        cuts = [int(np.searchsorted(rows["seen_ns"], limit)) for rows in held]
        if any(cuts):
            yield in_order(*[rows[:cut] for rows, cut in zip(held, cuts, strict=True)])
            held = [rows[cut:] for rows, cut in zip(held, cuts, strict=True)]
        slowest = lasts.index(limit)
        held[slowest], more[slowest] = _next(held[slowest], streams[slowest])


def _next(held: Rows, stream: Iterator[Rows]) -> tuple[Rows, bool]:
    for rows in stream:
        if len(rows):
            return join([held, rows]), True
    return held, False


def in_chunks(stream: Iterator[Rows], size: int = CHUNK_ROWS) -> Iterator[Rows]:
    """Cut a stream into chunks of one size, the last one shorter."""
    held = np.zeros(0, EVENT)
    for rows in stream:
        joined = join([held, rows])
        full = len(joined) // size * size
        for start in range(0, full, size):
            yield joined[start : start + size]
        held = copy(joined[full:])
    if len(held):
        yield held
