"""The runway: the rows of the next half minute, fetched by a thread, with marks for who applies and who publishes.

A venue does two things with each row: it applies it to the matching at the time it happened, and lets it leave at the
time it is seen. Two marks walk the same rows; what both have passed is dropped.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.recordings.rows import copy, join
from state.events import EVENT, LAST_IN_FRAME, Kind, Source
from state.units import NS_PER_S

Rows = NDArray[Any]

AHEAD_NS: Final = 30 * NS_PER_S
LATEST_NS: Final = 5 * NS_PER_S
"""Rows of the market are seen at most so long after they happened; those are waited for."""
SLICE_ROWS: Final = 64
"""Rows leave in slices of this many, between which orders are read: about a millisecond of frames."""

_LIFE: Final = (Kind.MARKET_LISTED, Kind.RULE_GIVEN, Kind.STRIKE_SEEN, Kind.SETTLED, Kind.TICK_CHANGED)
_MARKET: Final = (
    Kind.MARKET_LISTED, Kind.RULE_GIVEN, Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.TRADE_SEEN, Kind.TICK_CHANGED,
    Kind.FEED_CHANGED, Kind.SETTLED,
)  # fmt: skip
"""Kinds that the matching reads (tools/exchange.py)."""
_LONG_AGO: Final = -(1 << 62)


def _any_of(kinds: Iterable[Kind]) -> NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[[int(kind) for kind in kinds]] = True
    return table


_IS_LIFE: Final = _any_of(_LIFE)
_IS_MARKET: Final = _any_of(_MARKET)


class Runway:
    """Takes chunks of rows, sorted by `seen_ns`, from a lazy source, a stretch ahead of time."""

    def __init__(self, source: Iterable[Rows], ahead_ns: int = AHEAD_NS) -> None:
        """Begin to fetch.

        Args:
            source: Chunks of EVENT rows; no frame may be cut between two.
            ahead_ns: How far ahead of the clock rows should be there.
        """
        self.rows: Rows = np.zeros(0, EVENT)
        self.applied = 0
        """Rows that the matching has been given."""
        self.published = 0
        """Rows that have left."""
        self._seen = np.zeros(0, np.int64)
        self._apply_ns = np.zeros(0, np.int64)
        """When a row may be applied: not before it happened, nor before the one in front of it."""
        self._life: list[int] = []
        """Where the rows are that change a window."""
        self._oracle: list[int] = []
        """Where the values of the settlement stream are."""
        self._oracle_usd = 0.0
        self._ahead_ns = ahead_ns
        self._source: Iterator[Rows] = iter(source)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="runway")
        self._coming: Future[Rows | None] | None = self._pool.submit(next, self._source, None)

    def close(self) -> None:
        """End the thread after the chunk that it is fetching."""
        self._coming = None
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def is_spent(self) -> bool:
        """Whether no more rows will come."""
        return self._coming is None

    def wait(self) -> None:
        """Wait for the first chunk; safe in a thread of its own."""
        coming = self._coming
        if coming is not None:
            coming.result()

    def apply_ns(self, at: int) -> int:
        """Give when a row may be applied."""
        return int(self._apply_ns[at])

    def reach(self, now_ns: int) -> None:
        """Take what has been fetched; wait for it only when rows that are due would be missing."""
        while self._coming is not None:
            end_ns = int(self._seen[-1]) if len(self._seen) else _LONG_AGO
            if end_ns >= now_ns + self._ahead_ns or (end_ns > now_ns + LATEST_NS and not self._coming.done()):
                return
            chunk = self._coming.result()
            if chunk is None:
                self.close()
                return
            self._coming = self._pool.submit(next, self._source, None)
            if len(chunk):
                self._append(chunk)

    def _append(self, chunk: Rows) -> None:
        gone = min(self.applied, self.published)
        last_ns = int(self._apply_ns[-1]) if len(self._apply_ns) else _LONG_AGO
        assert not len(self._seen) or chunk["seen_ns"][0] > self._seen[-1], "a frame was cut, or rows go back in time"
        self._oracle_usd = self.oracle_usd()
        kinds = chunk["kind_code"]
        apply_ns = np.where(_IS_MARKET[kinds], chunk["at_ns"], _LONG_AGO)
        apply_ns[0] = max(int(apply_ns[0]), last_ns)
        start = len(self.rows) - gone
        is_oracle = (kinds == Kind.PRICE_SEEN) & (chunk["source_code"] == Source.CHAINLINK)
        self._life = [at - gone for at in self._life if at >= gone] + (start + np.flatnonzero(_IS_LIFE[kinds])).tolist()
        self._oracle = [at - gone for at in self._oracle if at >= gone] + (start + np.flatnonzero(is_oracle)).tolist()
        self.rows = copy(chunk) if start == 0 else join((self.rows[gone:], chunk))
        self._seen = np.concatenate((self._seen[gone:], chunk["seen_ns"]))
        self._apply_ns = np.concatenate((self._apply_ns[gone:], np.maximum.accumulate(apply_ns)))
        self.applied -= gone
        self.published -= gone

    def to_apply(self, now_ns: int) -> int:
        """Give the end of the rows that have happened by now."""
        return int(self._apply_ns.searchsorted(now_ns, "right"))

    def to_publish(self, now_ns: int) -> int:
        """Give the end of the rows that are seen by now."""
        return int(self._seen.searchsorted(now_ns, "right"))

    def next_apply_ns(self) -> int | None:
        """Give when the next row happens."""
        return int(self._apply_ns[self.applied]) if self.applied < len(self._apply_ns) else None

    def next_publish_ns(self) -> int | None:
        """Give when the next row is seen."""
        return int(self._seen[self.published]) if self.published < len(self._seen) else None

    def pieces(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """Cut a stretch of rows after every row that changes a window; the third word says whether a piece ends so."""
        for at in self._life:
            if start <= at < end:
                yield start, at + 1, True
                start = at + 1
        if start < end:
            yield start, end, False

    def next_slice(self, now_ns: int) -> tuple[int, int, bool] | None:
        """Give the next whole frames that are seen by now, as a piece of some `SLICE_ROWS` rows; None when none are."""
        piece = next(self.pieces(self.published, self.to_publish(now_ns)), None)
        if piece is None or piece[1] - piece[0] <= SLICE_ROWS:
            return piece
        start, stop, is_life = piece
        ends = np.flatnonzero(self.rows["flags_mask"][start + SLICE_ROWS - 1 : stop - 1] & LAST_IN_FRAME)
        return (start, start + SLICE_ROWS + int(ends[0]), False) if len(ends) else (start, stop, is_life)

    def oracle_usd(self) -> float:
        """Give the last value of the settlement stream that has been published, 0 before the first."""
        usd = self._oracle_usd
        for at in self._oracle:
            if at >= self.published:
                break
            usd = float(self.rows["value_usd"][at])
        return usd
