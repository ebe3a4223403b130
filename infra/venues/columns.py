"""Columns: picks some of a command's columns at once: read one by one, two cost as much as the whole command."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from state.orders import Command
from state.records import layout


def columns_of(*names: str) -> Callable[[Any], Any]:
    """Give what picks columns, two or more, out of a command's plain values."""
    every = layout(Command).names
    assert every is not None, "a record has named columns"
    return itemgetter(*(every.index(name) for name in names))
