"""Turn annotated classes into NumPy record layouts, so that one declaration serves mypy, numba and readers.

A record class is a description: it is never instantiated. `layout(Book)` gives the dtype; rows of an array of that
dtype answer to the class's attributes, compiled and interpreted alike.
"""

import math
from collections.abc import MutableSequence
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

I64 = Annotated[int, np.int64]
U64 = Annotated[int, np.uint64]
I32 = Annotated[int, np.int32]
U16 = Annotated[int, np.uint16]
U8 = Annotated[int, np.uint8]
F64 = Annotated[float, np.float64]
Flag = Annotated[bool, np.bool_]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Record:
    """Mark a class whose annotations describe one NumPy record."""


R = TypeVar("R", bound=Record)
Rows = MutableSequence
"""`Annotated[Rows[Book], 2]` is a fixed run of nested records."""

_LAYOUTS: dict[type[Record], np.dtype[Any]] = {}
_ALIGNMENTS: dict[np.dtype[Any], int] = {}


def layout(record: type[Record]) -> np.dtype[Any]:
    """Give the record's dtype, made once from its annotations in their order of writing.

    Every field stands where a C compiler would put it. (NumPy takes a nested `np.record` for unaligned and would not.)

    >>> class Pair(Record):
    ...     known: Flag
    ...     p_up: F64
    >>> layout(Pair).itemsize
    16
    """
    if record not in _LAYOUTS:
        hints = get_type_hints(record, include_extras=True)
        formats = [_field(hint) for hint in hints.values()]
        offsets, end, widest = [], 0, 1
        for kind, shape in formats:
            alignment = _ALIGNMENTS.get(kind, kind.alignment)
            widest = max(widest, alignment)
            offsets.append(-(-end // alignment) * alignment)
            end = offsets[-1] + kind.itemsize * math.prod(shape)
        spec: Any = {
            "names": list(hints),
            "formats": formats,
            "offsets": offsets,
            "itemsize": -(-end // widest) * widest,
            "aligned": True,
        }
        _LAYOUTS[record] = np.dtype((np.record, np.dtype(spec)))
        _ALIGNMENTS[_LAYOUTS[record]] = widest
    return _LAYOUTS[record]


def _field(hint: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    if get_origin(hint) is not Annotated:
        return layout(hint), ()
    kind, *notes = get_args(hint)
    origin = get_origin(kind)
    if origin is MutableSequence:
        (row,) = get_args(kind)
        return layout(row), (int(notes[0]),)
    shape = notes[1] if len(notes) > 1 and isinstance(notes[1], tuple) else ()
    return np.dtype(notes[0]), shape


def rows(record: type[R], count: int) -> "NDArray[Any]":
    """Give a zeroed array of `count` rows of the record."""
    return np.zeros(count, layout(record))


def one(record: type[R]) -> R:
    """Give a single zeroed row: a live view that compiled functions read and write."""
    return cast(R, rows(record, 1)[0])


def as_dict(row: Any) -> dict[str, Any]:
    """Give a row as plain Python values, nested records as dicts: exact for every int and float."""
    return _named(row.dtype, row.item())


def _named(dtype: np.dtype[Any], values: tuple[Any, ...]) -> dict[str, Any]:
    """Name the values that NumPy gave in one go: five times quicker than field by field."""
    assert dtype.names is not None
    return {name: _plain(dtype[name], value) for name, value in zip(dtype.names, values, strict=True)}


def _plain(dtype: np.dtype[Any], value: Any) -> Any:
    if dtype.names is not None:
        return _named(dtype, value)
    if isinstance(value, np.ndarray):
        return [_named(value.dtype, row) for row in value.tolist()] if value.dtype.names else value.tolist()
    return value


def from_dict(record: type[R], values: dict[str, Any]) -> R:
    """Rebuild a row from `as_dict`'s answer; a missing or an unknown field raises KeyError."""
    row = one(record)
    fill(row, values)
    return row


def fill(row: Any, values: dict[str, Any]) -> None:
    """Write plain values into a row in place; the fields must be exactly the row's."""
    names = row.dtype.names
    if set(values) != set(names):
        odd = sorted(set(values) ^ set(names))
        raise KeyError(f"fields do not match the record: {', '.join(odd)}")
    for name in names:
        value = values[name]
        if isinstance(value, dict):
            fill(row[name], value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for child, item in zip(row[name], value, strict=True):
                fill(child, item)
        else:
            row[name] = value
