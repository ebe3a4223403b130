"""The same synthetic stretch as `generate` gives, in pieces, for who lives through it instead of reading it whole.

A venue that runs for a day needs the rows of the next seconds, never those of the day. Books and exchange messages,
which are nearly all of the rows, are drawn when their time comes and forgotten when they have been given.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np

from evals.generator import World, begin_world, cleared_events, open_s
from evals.generator_feeds import Events, block_starts_ns, feed_states, in_order
from evals.generator_spec import MarketSpec
from state.events import EVENT
from state.units import NS_PER_S

CHUNK_S: Final = 10
"""Seen time that one chunk covers at most."""


class _Part:
    """One source of rows in the order they are seen, drawn when its first row may be due."""

    def __init__(self, first_ns: int, draw: Callable[[], Events]) -> None:
        """Name the time before which no row of it is seen, and how to get them."""
        self.first_ns = first_ns
        self._draw: Callable[[], Events] | None = draw
        self._rows: Events = np.empty(0, EVENT)
        self._given = 0

    def until(self, end_ns: int) -> Events:
        """Give the rows seen before a time that were not given yet."""
        if self._draw is not None:
            self._rows, self._draw = in_order(self._draw()), None
        start = self._given
        self._given += int(np.searchsorted(self._rows["seen_ns"][start:], end_ns))
        rows = self._rows[start : self._given]
        self.first_ns = int(self._rows["seen_ns"][self._given]) if self._given < len(self._rows) else -1
        return rows

    @property
    def spent(self) -> bool:
        """Whether all its rows were given."""
        return self.first_ns < 0


def stream(spec: MarketSpec, seed: int) -> Iterator[Events]:
    """Give the rows of `generate(spec, seed)` in chunks of at most `CHUNK_S` seconds of seen time, none empty.

    Put together they are the same bytes. Frames are never torn: all rows of one are seen at the same time, and chunks
    are cut between times. Drawing a window's book takes a good part of a second of machine time, at the moment its
    makers come; who serves sockets draws in a thread. Raises ValueError for a spec that cannot be played.
    """
    return _chunks(_parts(begin_world(spec, seed)))


def _chunks(parts: list[_Part]) -> Iterator[Events]:
    span_ns = CHUNK_S * NS_PER_S
    while parts:
        end_ns = (min(part.first_ns for part in parts) // span_ns + 1) * span_ns
        # Parts stand in the order in which `generate` puts them together; that order decides between equal times.
        due = [part.until(end_ns) for part in parts if part.first_ns < end_ns]
        parts = [part for part in parts if not part.spent]
        if any(len(rows) for rows in due):
            yield in_order(np.concatenate(due))


def _parts(world: World) -> list[_Part]:
    spec = world.spec
    start_ns = world.path.start_ns
    parts = [_Part(start_ns, partial(feed_states, spec, world.path))]
    parts += [_Part(start_ns, partial(np.asarray, rows)) for rows in (world.published, world.chain, world.life)]
    for number in range(len(spec.feeds)):
        blocks = world.feed(number)
        # Blocks are drawn in their order: an earlier one is never due later.
        parts += [_Part(first_ns, partial(next, blocks)) for first_ns in block_starts_ns(spec, world.path)]
    for index in range(spec.windows):
        told_ns = (open_s(spec, index) - spec.listed_before_s) * NS_PER_S
        quoted_ns = (open_s(spec, index) - spec.quoted_before_s) * NS_PER_S
        parts.append(_Part(told_ns, partial(cleared_events, spec, index)))
        parts.append(_Part(quoted_ns, partial(world.book, index)))
    return parts
