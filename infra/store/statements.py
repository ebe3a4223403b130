"""Every statement that makes and keeps the tables of a database, on both branches, made from the schema.

Both branches have the same tables with the same columns; they differ in how rows are cut by time and how bars are kept:

- plain: a partition a day, made ahead; bars by upsert; old partitions detached and dropped
- timescale: hypertables with a chunk a day; bars as continuous aggregates; old chunks dropped, older ones compressed

No background job of the database is used on either: our own upkeep calls everything, so that one thing is watched.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from infra.store.schema import ROLLUPS, TABLES, Column, Holds, Rollup, Table

SCHEMA: Final = "updown"
"""The namespace of all our tables in a database."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES: Final = {Holds.WHOLE: "bigint", Holds.NUMBER: "double precision", Holds.TEXT: "text"}
_SPAN: Final = {1: "1 second", 60: "1 minute"}


class Branch(StrEnum):
    """How a database keeps time series; chosen once, when its tables are made."""

    PLAIN = "plain"
    TIMESCALE = "timescale"


BOOKKEEPING: Final = (
    f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
    "CREATE TABLE IF NOT EXISTS about (name text PRIMARY KEY, value text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS migrations "
    "(version integer PRIMARY KEY, branch text NOT NULL, applied timestamptz NOT NULL DEFAULT now())",
)
"""What must be there before it can be known which migrations were applied."""


CREATE_EXTENSION: Final = "CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public"


def migrations(branch: Branch) -> tuple[tuple[str, ...], ...]:
    """Give every migration of a branch in order; number 1 first. Applied ones are never changed, only followed."""
    return (tuple(_first(branch)),)


def _first(branch: Branch) -> Iterator[str]:
    yield (
        "CREATE TABLE watermarks "
        "(journal text PRIMARY KEY, next_seq bigint NOT NULL, written timestamptz NOT NULL DEFAULT now())"
    )
    yield "CREATE TABLE rolled (rollup text, journal text, next_seq bigint NOT NULL, PRIMARY KEY (rollup, journal))"
    for table in TABLES:
        yield from _table(table, branch)
    for rollup in ROLLUPS:
        yield _aggregate(rollup) if branch is Branch.TIMESCALE else _bar_table(rollup)


def _table(table: Table, branch: Branch) -> Iterator[str]:
    columns = ", ".join(_column(column) for column in table.all_columns)
    cut = "" if branch is Branch.TIMESCALE else " PARTITION BY RANGE (ts)"
    key = "PRIMARY KEY (journal, seq, part_id, ts)"
    yield f"CREATE TABLE {table.name} ({columns}, ts timestamptz NOT NULL, {key}){cut}"
    yield f"COMMENT ON TABLE {table.name} IS {_text(table.about)}"
    for column in table.all_columns:
        yield f"COMMENT ON COLUMN {table.name}.{column.name} IS {_text(column.about)}"
    yield f"COMMENT ON COLUMN {table.name}.ts IS 'seen_ns cut to microseconds'"
    yield f"CREATE INDEX {table.name}_by_subject ON {table.name} ({table.subject}, ts)"
    if branch is Branch.PLAIN:
        yield f"CREATE INDEX {table.name}_by_ts ON {table.name} USING brin (ts) WITH (autosummarize = on)"
        return
    yield f"SELECT create_hypertable('{table.name}', by_range('ts', INTERVAL '1 day'), create_default_indexes => false)"
    yield f"CREATE INDEX {table.name}_by_ts ON {table.name} (ts DESC)"
    yield (
        f"ALTER TABLE {table.name} SET (timescaledb.enable_columnstore = true, "
        f"timescaledb.segmentby = 'journal, {table.subject}', timescaledb.orderby = 'ts, seq, part_id')"
    )


def _column(column: Column) -> str:
    return f"{column.name} {_TYPES[column.holds]} NOT NULL"


def _text(words: str) -> str:
    return "'" + words.replace("'", "''") + "'"


# Bars.


def _bars(rollup: Rollup, bucket: str) -> str:
    """Give the columns of bars; first and last by the sequence number, one journal at a time."""
    price, order = rollup.price, "seq, part_id"
    back = "seq DESC, part_id DESC"
    return (
        f"SELECT journal, instrument, {bucket} AS bucket, "
        f"(array_agg({price} ORDER BY {order}))[1] AS open, max({price}) AS high, min({price}) AS low, "
        f"(array_agg({price} ORDER BY {back}))[1] AS close, "
        f"sum(amount_micros)::bigint AS amount_micros, count(*) AS rows_count FROM {rollup.table}"
    )


def _bar_table(rollup: Rollup) -> str:
    price = _TYPES[rollup.holds]
    prices = ", ".join(f"{name} {price} NOT NULL" for name in ("open", "high", "low", "close"))
    return (
        f"CREATE TABLE {rollup.name} (journal text, instrument text, bucket timestamptz, {prices}, "
        "amount_micros bigint NOT NULL, rows_count bigint NOT NULL, PRIMARY KEY (journal, instrument, bucket))"
    )


def _aggregate(rollup: Rollup) -> str:
    bucket = f"time_bucket(INTERVAL '{_SPAN[rollup.span_s]}', ts)"
    return (
        f"CREATE MATERIALIZED VIEW {rollup.name} "
        "WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS "
        f"{_bars(rollup, bucket)} GROUP BY 1, 2, 3 WITH NO DATA"
    )


def upsert_bars(rollup: Rollup) -> str:
    """Reckon a journal's bars anew over a stretch of time (plain); takes the journal, from and until."""
    bucket = f"date_bin(INTERVAL '{_SPAN[rollup.span_s]}', ts, TIMESTAMPTZ '2000-01-01 00:00:00+00')"
    names = ("open", "high", "low", "close", "amount_micros", "rows_count")
    return (
        f"INSERT INTO {rollup.name} {_bars(rollup, bucket)} "
        "WHERE journal = %s AND ts >= %s AND ts < %s GROUP BY 1, 2, 3 "
        f"ON CONFLICT (journal, instrument, bucket) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in names)}"
    )


def refresh_bars(rollup: Rollup) -> str:
    """Reckon all bars anew over a stretch of time (timescale); takes from and until."""
    return f"CALL refresh_continuous_aggregate('{rollup.name}', %s::timestamptz, %s::timestamptz)"


def touched(rollup: Rollup) -> str:
    """Ask which times the rows of a journal have, from an item on; takes the journal and the item."""
    return f"SELECT min(ts), max(ts) FROM {rollup.table} WHERE journal = %s AND seq >= %s"


# Days.


def day_of(at_ns: int) -> int:
    """Count a moment's day since 1970, UTC."""
    return at_ns // 86_400_000_000_000


def day_start(day: int) -> datetime:
    """Give the beginning of a day since 1970."""
    return EPOCH + timedelta(days=day)


def partition_name(table: str, day: int) -> str:
    """Name the partition of a day."""
    return f"{table}_d{day_start(day):%Y%m%d}"


def make_partition(table: str, day: int) -> str:
    """Make the partition of a day (plain)."""
    start, end = day_start(day), day_start(day + 1)
    return (
        f"CREATE TABLE IF NOT EXISTS {partition_name(table, day)} PARTITION OF {table} "
        f"FOR VALUES FROM ('{start:%Y-%m-%d} 00:00:00+00') TO ('{end:%Y-%m-%d} 00:00:00+00')"
    )


LIST_PARTITIONS: Final = (
    "SELECT c.relname, i.inhdetachpending FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_inherits i ON i.inhrelid = c.oid "
    f"WHERE n.nspname = '{SCHEMA}' AND c.relkind = 'r' AND c.relname ~ '_d[0-9]{{8}}$'"
)
"""Every partition (plain), with whether it is being detached; without an answer it is detached already."""


def detach_partition(table: str, partition: str, *, finish: bool = False) -> str:
    """Take a partition out of its table without stopping who reads or writes it; `finish` what was cut short."""
    return f"ALTER TABLE {table} DETACH PARTITION {partition} {'FINALIZE' if finish else 'CONCURRENTLY'}"


def drop_partition(partition: str) -> str:
    """Drop what was detached."""
    return f"DROP TABLE IF EXISTS {partition}"


def drop_chunks(table: str) -> str:
    """Drop old chunks (timescale); takes the moment."""
    return f"SELECT count(*) FROM drop_chunks('{table}', older_than => %s::timestamptz)"


def old_chunks(table: str) -> str:
    """Name chunks that are not compressed yet (timescale); takes the moment before which they end."""
    return (
        "SELECT format('%%I.%%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks "
        f"WHERE hypertable_schema = '{SCHEMA}' AND hypertable_name = '{table}' "
        "AND NOT is_compressed AND range_end <= %s::timestamptz"
    )


COMPRESS_CHUNK: Final = "CALL convert_to_columnstore(%s::regclass)"
"""Turn a chunk into columns (timescale); takes its name."""

# Rows.


def copy_into(table: Table) -> str:
    """Take rows in binary."""
    names = ", ".join(column.name for column in table.all_columns)
    return f"COPY {table.name} ({names}, ts) FROM STDIN (FORMAT BINARY)"


def select_rows(table: Table, *, of_journal: bool) -> str:
    """Ask for rows; takes from and until as moments, then as nanoseconds, and the journal."""
    names = ", ".join(column.name for column in table.all_columns)
    one = " AND journal = %s" if of_journal else ""
    return (
        f"SELECT {names} FROM {table.name} WHERE ts >= %s AND ts <= %s AND seen_ns >= %s AND seen_ns < %s{one} "
        "ORDER BY journal, seq, part_id"
    )


def select_bars(rollup: Rollup, *, of_journal: bool) -> str:
    """Ask for bars; takes from and until as moments, and the journal."""
    one = " AND journal = %s" if of_journal else ""
    return (
        "SELECT journal, instrument, (extract(epoch FROM bucket) * 1000000000)::bigint AS bucket_ns, "
        f"open, high, low, close, amount_micros, rows_count FROM {rollup.name} "
        f"WHERE bucket >= %s AND bucket < %s{one} ORDER BY journal, instrument, bucket_ns"
    )
