"""Rows as PostgreSQL's binary COPY takes them, packed by NumPy instead of value by value.

A row is a count of fields and then each field's length and bytes, all big-endian. Rows whose texts have the same
lengths have the same layout, so each such group is one structured array; in a table of ticks there are few groups.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.store.port import Columns
from infra.store.schema import Holds, Table

HEAD: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
TAIL: Final = struct.pack(">h", -1)
EPOCH_US: Final = 946_684_800_000_000
"""PostgreSQL's moments count microseconds from the year 2000."""
_NUMBERS: Final = {Holds.WHOLE: ">i8", Holds.NUMBER: ">f8"}


def packed(table: Table, columns: Columns) -> Iterator[bytes]:
    """Give a table's rows, `ts` added, as pieces of one binary COPY."""
    seen_ns = columns["seen_ns"]
    fields: list[tuple[str, NDArray[Any], NDArray[Any] | None]] = []
    for column in table.all_columns:
        values = columns[column.name]
        if column.holds is Holds.TEXT:
            coded, lengths = _coded(values)
            fields.append((column.name, coded, lengths))
        else:
            fields.append((column.name, values.astype(_NUMBERS[column.holds]), None))
    fields.append(("ts", (seen_ns // 1_000 - EPOCH_US).astype(">i8"), None))
    yield HEAD
    lengths_of = [lengths for _, _, lengths in fields if lengths is not None]
    groups, of_group = np.unique(np.stack(lengths_of, axis=1), axis=0, return_inverse=True)
    for number, sizes in enumerate(groups.tolist()):
        yield _group(fields, sizes, np.flatnonzero(of_group.reshape(-1) == number))
    yield TAIL


def _group(fields: list[tuple[str, NDArray[Any], NDArray[Any] | None]], sizes: list[int], at: NDArray[Any]) -> bytes:
    """Pack rows whose texts have these sizes."""
    left = iter(sizes)
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    wide: list[int] = []
    for name, values, lengths in fields:
        size = values.itemsize if lengths is None else next(left)
        wide.append(size)
        layout.append((f"{name}_size", ">i4"))
        if size:
            layout.append((name, values.dtype.str if lengths is None else f"S{size}"))
    rows = np.zeros(len(at), layout)
    rows["fields"] = len(fields)
    for (name, values, _), size in zip(fields, wide, strict=True):
        rows[f"{name}_size"] = size
        if size:
            rows[name] = values[at].tolist() if values.dtype == object else values[at]
    return rows.tobytes()


def _coded(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give texts as UTF-8 and their lengths in bytes."""
    known: dict[str, bytes] = {text: text.encode() for text in set(values.tolist())}
    coded = np.empty(len(values), object)
    coded[:] = [known[text] for text in values.tolist()]
    lengths = np.fromiter((len(each) for each in coded), np.int64, len(coded))
    return coded, lengths
