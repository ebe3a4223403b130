"""The time series in Parquet files: a folder for each batch, made whole under another name and then renamed.

    FOLDER/about.json                                  which schema
    FOLDER/JOURNAL/FIRST-NEXT/ticks.parquet, ...       items FIRST up to NEXT of that journal, all tables at once

The name of the newest folder is the watermark: a rename is one step, so a batch is there with its watermark or not at
all, whatever is killed. No file is ever opened again for writing; readers (DuckDB, anything that reads Parquet) need
no lock and see whole batches only. Bars are reckoned from the rows when they are asked for. Nothing is dropped here:
delete folders of a whole journal to make room.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from infra.journal.folder import sync_folder
from infra.lock_file import LockTaken, take_lock
from infra.store.port import (
    EVER,
    Batch,
    Columns,
    Span,
    StoreAway,
    StoreBehind,
    StoreRefused,
    Upkeep,
    numbers,
    texts,
    whole,
)
from infra.store.schema import BY_NAME, ROLLUP_BY_NAME, SCHEMA_VERSION, TABLES, Column, Holds, bar_columns

ABOUT: Final = "about.json"
_MADE: Final = ".making"
_TYPES: Final = {Holds.WHOLE: "BIGINT", Holds.NUMBER: "DOUBLE", Holds.TEXT: "VARCHAR"}


class ParquetSeries:
    """Keeps time series in a folder; one writer at a time, any number of readers."""

    def __init__(self, folder: Path, *, reads_only: bool = False) -> None:
        """Open or make the folder.

        Raises:
            StoreRefused: it holds something else or a newer schema, or another process writes it.
        """
        self.folder = folder
        self._reads_only = reads_only
        self._lock: int | None = None
        self._door = duckdb.connect()
        self._marks: dict[str, int] = {}
        if reads_only:
            _check(folder)
            return
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock = take_lock(folder / "lock")
        except LockTaken as who:
            raise StoreRefused(f"{folder}: {who} writes it; stop it, or archive to another folder") from None
        if not (folder / ABOUT).exists():
            if any(path.name != "lock" for path in folder.iterdir()):
                raise StoreRefused(f"{folder}: holds something else; archive to an empty folder")
            _keep_about(folder)
        _check(folder)
        for left in folder.glob(f"*/{_MADE}"):  # of a writer that was killed
            shutil.rmtree(left)

    @property
    def where(self) -> str:
        """Say where it is."""
        return f"parquet:{self.folder}"

    def watermark(self, journal: str) -> int:
        """Give the first item of a journal that it does not have."""
        if self._reads_only or journal not in self._marks:
            self._marks[journal] = max((end for _, end, _ in self._batches(journal)), default=0)
        return self._marks[journal]

    def write(self, batch: Batch) -> int:
        """Keep a batch; the rows are synced before the rename, the rename before this returns.

        Raises:
            StoreAway: the disk refuses.
            StoreBehind: items before these are lacking.
        """
        assert not self._reads_only, "opened for reading"
        mark = self.watermark(batch.journal)
        if batch.next_seq <= mark:
            return 0
        if batch.first_seq > mark:
            raise StoreBehind(f"{self.where} has journal {batch.journal} up to item {mark}, not {batch.first_seq}")
        left = batch.after(mark)
        home = self.folder / left.journal
        made = home / _MADE
        try:
            if made.exists():
                shutil.rmtree(made)
            made.mkdir(parents=True)
            for name, columns in left.tables.items():
                self._keep(made / f"{name}.parquet", name, columns)
            sync_folder(made)
            made.rename(home / f"{left.first_seq:015d}-{left.next_seq:015d}")
            sync_folder(home)
            sync_folder(self.folder)
        except (OSError, duckdb.IOException) as error:
            raise StoreAway(f"{self.where}: {' '.join(str(error).split())}") from error
        self._marks[batch.journal] = left.next_seq
        return left.rows_count

    def rows(self, table: str, span: Span = EVER, journal: str | None = None) -> Columns:
        """Give a table's rows of a stretch of time, ordered by journal, sequence and part."""
        columns = BY_NAME[table].all_columns
        names = ", ".join(column.name for column in columns)
        query = f"SELECT {names} FROM {self._source(table, journal)} {_WITHIN} ORDER BY journal, seq, part_id"
        return self._ask(query, [span.from_ns, span.until_ns], columns)

    def bars(self, rollup: str, span: Span = EVER, journal: str | None = None) -> Columns:
        """Give bars that begin in a stretch of time, ordered by journal, instrument and time."""
        of = ROLLUP_BY_NAME[rollup]
        wide = of.span_ns
        from_ns = min(-(-span.from_ns // wide) * wide, EVER.until_ns)
        until_ns = min(-(-span.until_ns // wide) * wide, EVER.until_ns)
        query = f"""
            SELECT journal, instrument, seen_ns // {wide} * {wide} AS bucket_ns,
                arg_min({of.price}, seq) AS open, max({of.price}) AS high, min({of.price}) AS low,
                arg_max({of.price}, seq) AS close, sum(amount_micros)::BIGINT AS amount_micros, count(*) AS rows_count
            FROM {self._source(of.table, journal)} {_WITHIN}
            GROUP BY ALL ORDER BY journal, instrument, bucket_ns"""
        return self._ask(query, [from_ns, until_ns], bar_columns(of.holds))

    def upkeep(self, now_ns: int, keep_days: int | None = None) -> Upkeep:
        """Do nothing: bars are reckoned when asked for, and nothing is dropped here.

        Raises:
            StoreRefused: old rows are to be dropped.
        """
        if keep_days is not None:
            raise StoreRefused(f"{self.where}: nothing is dropped from Parquet files; delete folders of journals")
        return Upkeep()

    def close(self) -> None:
        """Let the folder go."""
        self._door.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _batches(self, journal: str) -> list[tuple[int, int, Path]]:
        """Give a journal's batches in order: first item, the item after the last, folder."""
        home = self.folder / journal
        found: list[tuple[int, int, Path]] = []
        for path in sorted(home.iterdir()) if home.is_dir() else ():
            first, dash, end = path.name.partition("-")
            if dash and first.isdigit() and end.isdigit():
                found.append((int(first), int(end), path))
        return found

    def _source(self, table: str, journal: str | None) -> str:
        journals = [journal] if journal else [path.name for path in self.folder.iterdir() if path.is_dir()]
        files = [
            file
            for each in journals
            for _, _, folder in self._batches(each)
            if (file := folder / f"{table}.parquet").exists()
        ]
        if files:
            return f"read_parquet([{', '.join(_quoted(file) for file in files)}])"
        empty = ", ".join(f"NULL::{_TYPES[column.holds]} AS {column.name}" for column in BY_NAME[table].all_columns)
        return f"(SELECT {empty} WHERE false)"

    def _keep(self, file: Path, table: str, columns: Columns) -> None:
        names = [column.name for column in BY_NAME[table].all_columns]
        self._door.register("kept", {name: np.ascontiguousarray(columns[name]) for name in names})
        try:
            self._door.execute(f"COPY kept TO {_quoted(file)} (FORMAT parquet, COMPRESSION zstd)")
        finally:
            self._door.unregister("kept")
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _ask(self, query: str, values: list[Any], columns: tuple[Column, ...]) -> Columns:
        try:
            found = self._door.execute(query, values).fetchnumpy()
        except duckdb.Error as error:
            raise StoreAway(f"{self.where}: {' '.join(str(error).split())}") from error
        return {column.name: _column(found[column.name], column.holds) for column in columns}


_WITHIN: Final = "WHERE seen_ns >= ? AND seen_ns < ?"


def _column(values: NDArray[Any], holds: Holds) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):  # NaN travels as null
        values = values.filled(np.nan) if holds is Holds.NUMBER else values.data
    return {Holds.WHOLE: whole, Holds.NUMBER: numbers, Holds.TEXT: texts}[holds](values)


def _quoted(file: Path) -> str:
    return "'" + str(file).replace("'", "''") + "'"


def _keep_about(folder: Path) -> None:
    told = {"schema": SCHEMA_VERSION, "tables": [table.name for table in TABLES]}
    made = folder / f"{ABOUT}.making"
    made.write_text(json.dumps(told, indent=1) + "\n")
    made.rename(folder / ABOUT)


def _check(folder: Path) -> None:
    try:
        told = json.loads((folder / ABOUT).read_text())
        version = int(told["schema"])
    except (OSError, ValueError, KeyError, TypeError):
        raise StoreRefused(f"{folder}: no archive of time series; make one with `updown archive`") from None
    if version != SCHEMA_VERSION:
        raise StoreRefused(f"{folder}: schema {version}, and this is {SCHEMA_VERSION}: archive to another folder")
