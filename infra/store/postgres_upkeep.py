"""Upkeep of a database, called by us on both branches: bars, compression, and old rows dropped.

Bars are reckoned anew wherever rows have come since the last round, however late: what a round has to do follows from
the sequence numbers, not from a window of time. Only behind the horizon, from where rows may have been dropped, bars
stay as they are: reckoned from what is left they would be wrong.
"""

from datetime import datetime, timedelta
from typing import Final

from infra.store.database import LOCK, Link, run
from infra.store.port import Upkeep
from infra.store.schema import ROLLUPS, TABLES, Rollup
from infra.store.statements import (
    COMPRESS_CHUNK,
    LIST_PARTITIONS,
    Branch,
    day_of,
    day_start,
    detach_partition,
    drop_chunks,
    drop_partition,
    old_chunks,
    partition_name,
    refresh_bars,
    touched,
    upsert_bars,
)

COMPRESS_DAYS: Final = 2
"""Days after which a chunk is turned into columns."""
_EDGE: Final = timedelta(minutes=1)
"""The longest bar: stretches of time begin and end on its edges, so that every bar is reckoned whole."""


def keep_up(link: Link, branch: Branch, now_ns: int, keep_days: int | None) -> Upkeep:
    """Do one round; gives nothing done when somebody else is at it."""
    row = run(link, "SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
    if row is None or not row[0]:
        return Upkeep()
    try:
        bars = sum(_roll_up(link, branch, rollup) for rollup in ROLLUPS)
        if branch is Branch.TIMESCALE:
            _compress(link, now_ns)
        dropped = 0
        if keep_days is not None:
            horizon_day = max(day_of(now_ns) - keep_days, _horizon_day(link))
            _set_horizon(link, horizon_day)
            dropped = _drop(link, branch, horizon_day)
        return Upkeep(bars if branch is Branch.PLAIN else -1, 0, dropped)
    finally:
        if not link.closed:
            run(link, "SELECT pg_advisory_unlock(%s)", (LOCK,))


def _roll_up(link: Link, branch: Branch, rollup: Rollup) -> int:
    """Reckon bars wherever rows have come; the watermark is read before the rows, so none is passed over."""
    behind = run(
        link,
        "SELECT w.journal, coalesce(r.next_seq, 0), w.next_seq FROM watermarks w "
        "LEFT JOIN rolled r ON r.journal = w.journal AND r.rollup = %s WHERE coalesce(r.next_seq, 0) < w.next_seq",
        (rollup.name,),
    ).fetchall()
    horizon = day_start(_horizon_day(link))
    count = 0
    for journal, from_seq, next_seq in behind:
        low, high = run(link, touched(rollup), (journal, from_seq)).fetchone() or (None, None)
        stretch = None if low is None else (max(_down(low), horizon), _down(high) + _EDGE)
        if stretch and stretch[0] < stretch[1] and branch is Branch.TIMESCALE:
            run(link, refresh_bars(rollup), stretch)
        with link.transaction():
            if stretch and stretch[0] < stretch[1] and branch is Branch.PLAIN:
                count += run(link, upsert_bars(rollup), (journal, *stretch)).rowcount
            run(
                link,
                "INSERT INTO rolled VALUES (%s, %s, %s) "
                "ON CONFLICT (rollup, journal) DO UPDATE SET next_seq = excluded.next_seq",
                (rollup.name, journal, next_seq),
            )
    return count


def _down(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _horizon_day(link: Link) -> int:
    """Give the first day of which all rows are still there."""
    row = run(link, "SELECT value FROM about WHERE name = 'horizon_day'").fetchone()
    return int(row[0]) if row else 0


def _set_horizon(link: Link, day: int) -> None:
    run(
        link,
        "INSERT INTO about VALUES ('horizon_day', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (str(day),),
    )


def _drop(link: Link, branch: Branch, horizon_day: int) -> int:
    """Drop the market's rows of whole days before the horizon."""
    passing = [table.name for table in TABLES if table.passes]
    if branch is Branch.TIMESCALE:
        moment = (day_start(horizon_day),)
        counts = [run(link, drop_chunks(table), moment).fetchone() for table in passing]
        return sum(int(row[0]) for row in counts if row)
    dropped = 0
    for name, pending in run(link, LIST_PARTITIONS).fetchall():
        table = str(name).rsplit("_d", 1)[0]
        if table not in passing or str(name) >= partition_name(table, horizon_day):
            continue
        if pending is not None:  # else a round before this one was cut short after it had detached it
            run(link, detach_partition(table, name, finish=bool(pending)))
        run(link, drop_partition(name))
        dropped += 1
    return dropped


def _compress(link: Link, now_ns: int) -> None:
    """Turn chunks into columns that hardly anything comes to any more."""
    moment = (day_start(day_of(now_ns) - COMPRESS_DAYS),)
    for table in TABLES:
        for (chunk,) in run(link, old_chunks(table.name), moment).fetchall():
            run(link, COMPRESS_CHUNK, (chunk,))
