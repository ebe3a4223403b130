"""Books in PostgreSQL, many sessions' in one database: their schema with versions, and all that can be read of them."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from infra.ledger.balances import Balances, Equity, balances_of, equity_of
from infra.ledger.entries import Account, Entry, Fill, FillState, Posting
from infra.ledger.ledger import LedgerAway, LedgerForeign
from infra.store import database
from infra.store.database import Link, run
from infra.store.port import StoreAway, StoreRefused
from state.events import Side, Token
from state.orders import Liquidity

SCHEMA: Final = "updown_ledger"
SCHEMA_VERSION: Final = 1
_STAYS: Final = f"""
    CREATE FUNCTION {SCHEMA}.stays() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'entries and postings never change and are never deleted'; END $$
"""
STEPS: Final[dict[int, tuple[str, ...]]] = {
    1: (
        f"""CREATE TABLE {SCHEMA}.entries (
            books text NOT NULL, entry_id bigint NOT NULL, key text NOT NULL, kind text NOT NULL,
            seen_ns bigint NOT NULL, day bigint NOT NULL, "window" text NOT NULL, order_id bigint NOT NULL,
            mark text NOT NULL, PRIMARY KEY (books, entry_id), UNIQUE (books, key))""",
        f"""CREATE TABLE {SCHEMA}.postings (
            books text NOT NULL, entry_id bigint NOT NULL, line bigint NOT NULL, account text NOT NULL,
            commodity text NOT NULL, micros bigint NOT NULL, PRIMARY KEY (books, entry_id, line),
            FOREIGN KEY (books, entry_id) REFERENCES {SCHEMA}.entries)""",
        f"""CREATE TABLE {SCHEMA}.fills (
            books text NOT NULL, key text NOT NULL, "window" text NOT NULL, order_id bigint NOT NULL,
            token text NOT NULL, side text NOT NULL, price_bps bigint NOT NULL, amount_micros bigint NOT NULL,
            liquidity text NOT NULL, seen_ns bigint NOT NULL, state text NOT NULL, PRIMARY KEY (books, key))""",
        f"""CREATE TABLE {SCHEMA}.ends (
            books text NOT NULL, "window" text NOT NULL, outcome text NOT NULL, seen_ns bigint NOT NULL,
            PRIMARY KEY (books, "window"))""",
        f"CREATE INDEX entries_by_day ON {SCHEMA}.entries (books, day)",
        _STAYS,
        *(
            f"CREATE TRIGGER {table}_stay BEFORE UPDATE OR DELETE ON {SCHEMA}.{table} "
            f"FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.stays()"
            for table in ("entries", "postings")
        ),
    ),
}
"""Schema version -> what leads there from the one before."""
FILL: Final = 'key, "window", order_id, token, side, price_bps, amount_micros, liquidity, seen_ns, state'
"""Columns of a fill, as `infra.ledger.ledger_file.fill_columns` gives them."""
_TABLES: Final = (
    f'SELECT entry_id, key, kind, seen_ns, day, "window", order_id, mark FROM {SCHEMA}.entries '
    "WHERE books = %s ORDER BY entry_id",
    f"SELECT entry_id, line, account, commodity, micros FROM {SCHEMA}.postings WHERE books = %s "
    "ORDER BY entry_id, line",
    f'SELECT {FILL} FROM {SCHEMA}.fills WHERE books = %s ORDER BY key COLLATE "C"',
    f'SELECT "window", outcome, seen_ns FROM {SCHEMA}.ends WHERE books = %s ORDER BY "window" COLLATE "C"',
)
"""The rows of some books, in the order and form in which a file's are (`infra.ledger.ledger_file`)."""


class PostgresBooks:
    """Books of one name in a database, as they are read (`infra.ledger.ledger.Books`).

    Args:
        dsn: Its address, without a password: that is for a file that PGPASSFILE names.
        name: Whose books.
    """

    def __init__(self, dsn: str, name: str) -> None:
        try:
            self.where = f"books {name} at {database.place_of(dsn)}"
        except StoreRefused as error:
            raise LedgerForeign(str(error)) from None
        self.dsn, self.name = dsn, name

    def balances(self) -> Balances:
        """Add up what is durable."""
        with self._looking() as link:
            return balances_of(self._sums(link))

    def equity(self) -> Equity:
        """Part that by how sure it is, shares at cost."""
        with self._looking() as link:
            query = f'SELECT "window", outcome FROM {SCHEMA}.ends WHERE books = %s'
            ends = {window: Token[outcome] for window, outcome in run(link, query, (self.name,))}
            return equity_of(balances_of(self._sums(link)), self._fills(link), ends)

    def day_pnl_micros(self, day: int) -> int:
        """Give the realised result of a UTC day, counted from 1970."""
        query = (
            f"SELECT coalesce(sum(micros), 0)::bigint FROM {SCHEMA}.postings JOIN {SCHEMA}.entries "
            "USING (books, entry_id) WHERE books = %s AND day = %s AND account = %s"
        )
        with self._looking() as link:
            return -_one(link, query, (self.name, day, Account.REALISED.value))

    def fills(self) -> list[Fill]:
        """Give every fill with its state, in the order of booking."""
        with self._looking() as link:
            return self._fills(link)

    def count(self) -> int:
        """Count the entries."""
        with self._looking() as link:
            return _one(link, f"SELECT count(*) FROM {SCHEMA}.entries WHERE books = %s", (self.name,))

    def entries(self) -> Iterator[Entry]:
        """Give every entry in order, postings included, fills and ends left out."""
        with self._looking() as link:
            told = [run(link, query, (self.name,)).fetchall() for query in _TABLES[:2]]
        lines: dict[int, list[Posting]] = {}
        for entry_id, _, account, commodity, micros in told[1]:
            lines.setdefault(entry_id, []).append(Posting(Account(account), commodity, micros))
        for entry_id, key, kind, seen_ns, day, window, order_id, _ in told[0]:
            yield Entry(
                key=key, kind=kind, seen_ns=seen_ns, day=day, window=window, order_id=order_id,
                postings=tuple(lines.get(entry_id, ())),
            )  # fmt: skip

    def digest(self) -> str:
        """Give a hash over every row: that of a file's books which hold the same."""
        digest = hashlib.sha256()
        with self._looking() as link:
            for query in _TABLES:
                for row in run(link, query, (self.name,)):
                    digest.update(repr(row).encode())
        return digest.hexdigest()

    def _sums(self, link: Link) -> dict[tuple[str, str], int]:
        query = (
            f"SELECT account, commodity, sum(micros)::bigint FROM {SCHEMA}.postings WHERE books = %s "
            "GROUP BY account, commodity"
        )
        return {(account, commodity): micros for account, commodity, micros in run(link, query, (self.name,))}

    def _fills(self, link: Link) -> list[Fill]:
        names = ", ".join(f"fills.{name.strip()}" for name in FILL.split(","))
        query = (
            f"SELECT {names} FROM {SCHEMA}.fills JOIN {SCHEMA}.entries USING (books, key) WHERE books = %s "
            "ORDER BY entry_id"
        )
        return [
            Fill(key, window, order_id, Token[token], Side[side], price, amount, Liquidity[liquidity], seen_ns,
                 FillState(state))
            for key, window, order_id, token, side, price, amount, liquidity, seen_ns, state
            in run(link, query, (self.name,))
        ]  # fmt: skip

    @contextmanager
    def _looking(self) -> Iterator[Link]:
        """Look once, while somebody may be writing."""
        with told(self.where):
            link = database.connect(self.dsn)
            try:
                hold_schema(link, self.where)
                with link.transaction():
                    run(link, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    yield link
            finally:
                link.close()


@contextmanager
def told(where: str) -> Iterator[None]:
    """Tell what a database answers in the ledger's words.

    Raises:
        LedgerAway: it cannot be reached.
        LedgerForeign: it says no.
    """
    try:
        with database.told(where):
            yield
    except StoreAway as error:
        raise LedgerAway(str(error)) from error
    except StoreRefused as error:
        raise LedgerForeign(str(error)) from error


def hold_schema(link: Link, where: str) -> None:
    """Refuse a database without our tables, or with those of another schema."""
    version = version_of(link)
    if version != SCHEMA_VERSION:
        has = f"schema {version} of the ledger" if version else "no ledger"
        raise LedgerForeign(f"{where}: that database has {has}, this code has schema {SCHEMA_VERSION}")


def version_of(link: Link) -> int:
    """Give the schema's version in a database; 0: it has none."""
    if not _one(link, f"SELECT (to_regclass('{SCHEMA}.about') IS NOT NULL)::int", ()):
        return 0
    return _one(link, f"SELECT version FROM {SCHEMA}.about", ())


def make_schema(link: Link, where: str) -> None:
    """Make the tables, or bring them up to the newest schema; one process at a time.

    Raises:
        LedgerForeign: they are of a newer one.
    """
    with link.transaction():
        run(link, "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (SCHEMA,))
        run(link, f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        run(link, f"CREATE TABLE IF NOT EXISTS {SCHEMA}.about (version bigint NOT NULL)")
        version = int((run(link, f"SELECT coalesce(max(version), 0) FROM {SCHEMA}.about").fetchone() or (0,))[0])
        for step in range(version + 1, SCHEMA_VERSION + 1):
            for statement in STEPS[step]:
                run(link, statement)
        if version < SCHEMA_VERSION:
            run(link, f"DELETE FROM {SCHEMA}.about")
            run(link, f"INSERT INTO {SCHEMA}.about VALUES ({SCHEMA_VERSION})")
    hold_schema(link, where)


def _one(link: Link, query: str, values: tuple[Any, ...]) -> int:
    row = run(link, query, values).fetchone()
    assert row is not None, "an aggregate gives a row"
    return int(row[0])
