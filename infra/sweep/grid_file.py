"""A grid file, read before anything of the core is: a mistake in it must not wait for the compiler."""

import tomllib
from pathlib import Path

from evals.sweep import Grid, GridRefused, grid_of


def read_grid(file: Path) -> Grid:
    """Read a grid file.

    Raises:
        GridRefused: it is not there, no TOML, or says what cannot be swept.
        UnknownParameter, OutOfBounds: a name or a value that cannot be.
    """
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GridRefused(f"{file}: no such file; `updown sweep --example` prints a grid to begin with") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GridRefused(f"{file}: not TOML ({error}); `updown sweep --example` prints one") from error
    return grid_of(told, str(file))
