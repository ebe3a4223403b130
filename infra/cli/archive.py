"""The command `archive`: keep a session's rows as time series, in Parquet files or in a database."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from infra.cli.endings import over
from infra.cli.failures import Exit, Misuse
from infra.cli.speech import AsJson, answer, note, say

if TYPE_CHECKING:
    from infra.store.archiving import Pace
    from infra.store.port import TimeSeries

FILES: Final = "parquet:"
DATABASES: Final = ("postgresql://", "postgres://")


def archive(
    journal: Annotated[
        Path, typer.Option("--journal", metavar="DIR", help="A session's journal, finished or still growing.")
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="WHERE", help="parquet:FOLDER, or postgresql://USER@HOST:PORT/NAME.")
    ] = "parquet:var/archive",
    once: Annotated[bool, typer.Option("--once", help="Keep what is there now, and end.")] = False,
    branch: Annotated[
        str | None, typer.Option(metavar="KIND", help="plain or timescale: what a new database is made as.")
    ] = None,
    keep_days: Annotated[
        int | None, typer.Option(min=1, help="Drop the market's rows after so many days (databases).")
    ] = None,
    patience: Annotated[float, typer.Option(min=0.0, help="Seconds that a store may be away at the end.")] = 30.0,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when standard input ends, as it does when a parent dies.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Keep a session's rows as time series.

    Prices, trades, tops of books, spreads, decisions, orders, fills and parameters, and bars of a second and a minute.
    Follows the journal as it grows, until Ctrl-C; the desk waits for nothing of it, and while a database is away the
    journal keeps what comes. The same journal archived twice changes nothing. A database's password belongs into the
    file that PGPASSFILE names. The answer tells rows/s.

    Example: updown archive --journal var/demo/today --to parquet:var/archive --once
    """
    open_store, pace = _store_of(to, branch, keep_days)
    ended = threading.Event() if once else over(with_parent)
    from infra.store.archiving import Archiver

    told = Archiver(
        folder=journal, open_store=open_store, pace=pace, pause=lambda span_s: _pause(ended, span_s),
        is_over=None if once else ended.is_set, say=note, patience_s=patience, keep_days=keep_days,
    ).run()  # fmt: skip
    answer(told.as_plain()) if as_json else say(told.words)
    if told.lag_items:
        raise typer.Exit(int(Exit.DOES_NOT_HOLD))


def _store_of(to: str, branch: str | None, keep_days: int | None) -> "tuple[Callable[[], TimeSeries], Pace]":
    """Give what opens the store that the operator named, and its pace."""
    from infra.store.archiving import DATABASE_PACE, FILES_PACE

    if to.startswith(FILES) and len(to) > len(FILES):
        if branch is not None or keep_days is not None:
            raise Misuse("--branch and --keep-days are for databases; leave them away for parquet:")
        from infra.store.parquet_store import ParquetSeries

        return lambda: ParquetSeries(Path(to.removeprefix(FILES))), FILES_PACE
    if to.startswith(DATABASES):
        from infra.store.database import place_of
        from infra.store.postgres_store import PostgresSeries
        from infra.store.statements import Branch

        if branch not in (None, *Branch):
            raise Misuse(f"--branch: say {' or '.join(Branch)}")
        place_of(to)
        wanted = None if branch is None else Branch(branch)
        return lambda: PostgresSeries(to, wanted), DATABASE_PACE
    raise Misuse("--to: say parquet:FOLDER or postgresql://USER@HOST:PORT/NAME")


def _pause(ended: threading.Event, span_s: float) -> None:
    """Wait, or less when the end comes; after it a pause is a short one."""
    if ended.is_set():
        threading.Event().wait(min(span_s, 1.0))
    else:
        ended.wait(span_s)
