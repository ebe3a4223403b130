"""Tables of a sweep as Parquet: columns in, columns out, each file written whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]

SQL_TYPES: Final = {"i": "BIGINT", "u": "BIGINT", "f": "DOUBLE", "b": "BOOLEAN", "U": "VARCHAR", "O": "VARCHAR"}


class TableDamaged(Exception):
    """A table cannot be read back; the message says which."""


def write_table(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns of one length as a Parquet file; the same columns give the same bytes.

    The file appears under its name only once it is whole and on the disk.
    """
    told = {name: values.astype(object) if values.dtype.kind == "U" else values for name, values in columns.items()}
    told["row_id"] = np.arange(len(next(iter(told.values()))))
    picked = ", ".join(f'CAST("{name}" AS {SQL_TYPES[told[name].dtype.kind]}) AS "{name}"' for name in columns)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with duckdb.connect(config={"threads": "1"}) as door:
        door.register("told", told)
        query = f"SELECT {picked} FROM told ORDER BY row_id"
        door.execute(f"COPY ({query}) TO '{_quoted(beside)}' (FORMAT parquet, COMPRESSION zstd)")
    with beside.open("rb") as whole:
        os.fsync(whole.fileno())
    beside.replace(path)


def read_table(path: Path) -> Columns:
    """Read a table's columns back in their order; a missing number is NaN.

    Raises:
        TableDamaged: there is no such table, or it is damaged.
    """
    try:
        with duckdb.connect(config={"threads": "1"}) as door:
            found = door.execute(f"SELECT * FROM read_parquet('{_quoted(path)}')").fetchnumpy()
    except duckdb.Error as error:
        raise TableDamaged(f"{path}: cannot be read ({str(error).splitlines()[0]})") from error
    return {name: _plain(values) for name, values in found.items()}


def _plain(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):
        values = values.filled(np.nan) if values.dtype.kind == "f" else values.filled()
    return np.asarray(values)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
