"""Read recorded tables into arrays, or refuse them in one line that says what is wrong and how to mend it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]

_THREADS: Final = 2


class SourceRefused(Exception):
    """A folder or file that cannot be imported; one line: which, why, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Table:
    """One or several Parquet files of the same schema, read as one table."""

    paths: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Name the table for people."""
        return str(self.paths[0]) + (f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else "")

    def read(
        self,
        columns: Mapping[str, str],
        *,
        where: str = "true",
        order: str = "",
        group: str = "",
        empty_ok: bool = False,
    ) -> Columns:
        """Give columns as plain NumPy arrays, one value a row, no masks.

        Args:
            columns: SQL expression of each column by its name; an expression whose value may be null must say with
                coalesce what stands for it.
            where: Condition on rows.
            order: Columns to order by; without it rows come as they lie.
            group: Columns to group by.
            empty_ok: Accept a table without rows.

        Raises:
            SourceRefused: not Parquet, damaged, without rows, or without a column that is needed.
        """
        chosen = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
        query = f"SELECT {chosen} FROM read_parquet($paths) WHERE {where}"
        query += f" GROUP BY {group}" if group else ""
        query += f" ORDER BY {order}" if order else ""
        try:
            with duckdb.connect() as door:
                door.execute(f"SET threads = {_THREADS}")
                door.execute(query, {"paths": [str(path) for path in self.paths]})
                found: Columns = door.fetchnumpy()
        except duckdb.BinderException as error:
            raise SourceRefused(
                f"{self.name}: not the columns that were expected ({_first_line(error)}); see the folder's schema"
            ) from error
        except duckdb.ParserException:
            raise  # our own mistake, not the file's
        except duckdb.Error as error:
            raise SourceRefused(
                f"{self.name}: cannot be read as Parquet ({_first_line(error)}); fetch the file again"
            ) from error
        for name, values in found.items():
            if isinstance(values, np.ma.MaskedArray):
                if values.mask.any():
                    raise SourceRefused(f"{self.name}: column {name} has rows without a value; fetch the file again")
                found[name] = values.data
        if not empty_ok and len(next(iter(found.values()))) == 0:
            raise SourceRefused(f"{self.name}: the table is empty; fetch the file again, or leave the folder out")
        return found


def table(folder: Path, pattern: str) -> Table:
    """Find a table's file or files in a folder.

    Raises:
        SourceRefused: none is there.
    """
    paths = tuple(sorted(folder.glob(pattern)))
    if not paths:
        raise SourceRefused(f"{folder}: {pattern} is missing; fetch the folder again, or name another one")
    return Table(paths)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
