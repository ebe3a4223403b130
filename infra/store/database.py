"""A connection to the database: opened, found out what it can, its tables made or followed up, and what goes wrong.

Which branch keeps the rows is found out once, when the tables are made, and written down there. A database of the
other branch is never taken over in silence: what it was made as, it stays, or it is refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from infra.store.port import StoreAway, StoreRefused
from infra.store.statements import BOOKKEEPING, CREATE_EXTENSION, SCHEMA, Branch, migrations

Link = psycopg.Connection[tuple[Any, ...]]
LOCK: Final = 0x7570646F776E
"""Number of the advisory lock under which tables are made and kept: one at a time."""
OLDEST: Final = 150_000
_CALM: Final = {
    "connect_timeout": "5", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3",
    "tcp_user_timeout": "15000", "application_name": "updown",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Probe:
    """What a database can, and what it was made as.

    Args:
        server: Its version as a number.
        timescale: Version of TimescaleDB there; empty: not installed in this database.
        can_timescale: Whether TimescaleDB with continuous aggregates is there or can be installed.
        branch: What our tables were made as; None: there are none.
        version: The last migration applied.
    """

    server: int
    timescale: str
    can_timescale: bool
    branch: Branch | None
    version: int


def place_of(dsn: str) -> str:
    """Say where a database is, without user or password.

    Raises:
        StoreRefused: it cannot be read, or carries a password.
    """
    try:
        told = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise StoreRefused("this is no address of a database; say postgresql://USER@HOST:PORT/NAME") from None
    if told.get("password") or (dsn.startswith("postgres") and urlsplit(dsn).password):
        raise StoreRefused(
            "leave the password out of the address, where other processes can read it; put it into a file "
            "that PGPASSFILE names (HOST:PORT:NAME:USER:PASSWORD)"
        )
    return f"{told.get('host', 'local')}:{told.get('port', 5432)}/{told.get('dbname', '')}"


def connect(dsn: str) -> Link:
    """Connect; statements of ours find our tables first.

    Raises:
        StoreAway: nobody answers, or refuses us.
        StoreRefused: the address cannot be.
    """
    where = place_of(dsn)
    calm = {name: value for name, value in _CALM.items() if name not in conninfo_to_dict(dsn)}
    with told(where):
        link = psycopg.connect(make_conninfo(dsn, **calm), autocommit=True, prepare_threshold=None)
        link.execute(f"SET search_path TO {SCHEMA}, public")
        link.execute("SET TIME ZONE 'UTC'")
    return link


@contextmanager
def told(where: str) -> Iterator[None]:
    """Tell what a database answers in our words.

    Raises:
        StoreAway: it is gone, full, or ends; trying again may help.
        StoreRefused: it says no to what we asked; trying again will not help.
    """
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise StoreAway(f"{where}: {_line(error)}") from error
    except psycopg.Error as error:
        raise StoreRefused(f"{where} refuses: {_line(error)}") from error


def run(link: Link, statement: str, values: tuple[Any, ...] | None = None) -> "psycopg.Cursor[tuple[Any, ...]]":
    """Run one of our statements; they are made from the schema alone, never from what others say."""
    return link.execute(sql.SQL(statement), values)


def probe(link: Link) -> Probe:
    """Find out what a database can, and what it was made as."""
    server = link.info.server_version
    installed = run(link, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    offered = run(
        link,
        "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb' "
        "AND current_setting('shared_preload_libraries') LIKE '%%timescaledb%%' "
        "AND current_setting('timescaledb.license', true) = 'timescale'",
        (),
    ).fetchone()
    branch, version = None, 0
    if _one(link, f"SELECT to_regclass('{SCHEMA}.migrations') IS NOT NULL"):
        row = run(link, "SELECT version, branch FROM migrations ORDER BY version DESC LIMIT 1").fetchone()
        if row is not None:
            version, branch = int(row[0]), Branch(row[1])
    return Probe(server, str(installed[0]) if installed else "", offered is not None, branch, version)


def prepare(link: Link, where: str, wanted: Branch | None = None) -> Branch:
    """Make the tables, or follow them up; two that start at once do it one after the other.

    Args:
        link: To the database.
        where: It, in words.
        wanted: The branch to make them as; None: the better one that the database can.

    Raises:
        StoreRefused: it is too old, newer than this code, or of another branch.
    """
    with told(where):
        run(link, "SELECT pg_advisory_lock(%s)", (LOCK,))
        try:
            return _prepare(link, where, wanted)
        finally:
            if not link.closed:
                run(link, "SELECT pg_advisory_unlock(%s)", (LOCK,))


def _prepare(link: Link, where: str, wanted: Branch | None) -> Branch:
    found = probe(link)
    if found.server < OLDEST:
        raise StoreRefused(f"{where}: PostgreSQL {found.server // 10_000} is too old; it takes 15 or newer")
    branch = choose(found, where, wanted)
    every = migrations(branch)
    if found.version > len(every):
        raise StoreRefused(
            f"{where}: its tables are of version {found.version}, and this program knows {len(every)}: update it"
        )
    if branch is Branch.TIMESCALE and not found.timescale:
        run(link, CREATE_EXTENSION)
    for number in range(found.version + 1, len(every) + 1):
        with link.transaction():
            for statement in (*BOOKKEEPING, *every[number - 1]):
                run(link, statement)
            run(link, "INSERT INTO migrations (version, branch) VALUES (%s, %s)", (number, branch.value))
    return branch


def choose(found: Probe, where: str, wanted: Branch | None) -> Branch:
    """Choose the branch: what the tables were made as, else what was wanted, else the better one.

    Raises:
        StoreRefused: what they were made as cannot be had here, or is not what was wanted.
    """
    if found.branch is Branch.TIMESCALE and not found.can_timescale:
        raise StoreRefused(
            f"{where}: its tables were made with TimescaleDB, which is not loaded here; load it (its own licence, "
            "shared_preload_libraries), or archive to another database"
        )
    if wanted is Branch.TIMESCALE and not found.can_timescale:
        raise StoreRefused(f"{where}: TimescaleDB with continuous aggregates is not there; load it, or archive plain")
    if found.branch is not None and wanted not in (None, found.branch):
        raise StoreRefused(f"{where}: its tables were made {found.branch}; for {wanted} archive to another database")
    better = Branch.TIMESCALE if found.can_timescale else Branch.PLAIN
    return found.branch or wanted or better


def _one(link: Link, statement: str) -> Any:
    row = run(link, statement).fetchone()
    assert row is not None, "a question that always has an answer"
    return row[0]


def _line(error: psycopg.Error) -> str:
    said = str(error).strip().splitlines()
    return said[0] if said else type(error).__name__
