"""Every statement that either branch can send, read by PostgreSQL's own grammar."""

from typing import Any

import pglast
import pytest

from infra.store import statements
from infra.store.schema import ROLLUPS, TABLES
from infra.store.statements import Branch


def _all(branch: Branch) -> Any:
    yield from statements.BOOKKEEPING
    for migration in statements.migrations(branch):
        yield from migration
    for table in TABLES:
        yield statements.copy_into(table)
        for of_journal in (False, True):
            yield statements.select_rows(table, of_journal=of_journal)
    for rollup in ROLLUPS:
        yield statements.touched(rollup)
        for of_journal in (False, True):
            yield statements.select_bars(rollup, of_journal=of_journal)
    if branch is Branch.PLAIN:
        yield from (statements.upsert_bars(rollup) for rollup in ROLLUPS)
        yield statements.LIST_PARTITIONS
        for table in TABLES:
            name = statements.partition_name(table.name, 20_000)
            yield statements.make_partition(table.name, 20_000)
            yield statements.detach_partition(table.name, name)
            yield statements.detach_partition(table.name, name, finish=True)
            yield statements.drop_partition(name)
        return
    yield from (statements.CREATE_EXTENSION, statements.COMPRESS_CHUNK)
    yield from (statements.refresh_bars(rollup) for rollup in ROLLUPS)
    for table in TABLES:
        yield from (statements.drop_chunks(table.name), statements.old_chunks(table.name))


def _as_sent(statement: str) -> str:
    for number in range(1, statement.count("%s") + 1):
        statement = statement.replace("%s", f"${number}", 1)
    return statement.replace("%%", "%")


@pytest.mark.parametrize("branch", list(Branch))
def test_postgresql_can_read_every_statement(branch: Branch) -> None:
    sent = [_as_sent(statement) for statement in _all(branch)]
    for statement in sent:
        (parsed,) = pglast.parse_sql(statement)
        assert parsed.stmt is not None
    assert len(sent) > 80
    words = " ".join(sent)
    calls = {"create_hypertable": 8, "timescaledb.continuous": 4, "refresh_continuous_aggregate": 4, "drop_chunks": 8}
    for call, count in calls.items():
        assert words.count(call) == (count if branch is Branch.TIMESCALE else 0)


def test_a_broken_statement_is_caught() -> None:
    with pytest.raises(pglast.parser.ParseError):
        pglast.parse_sql(statements.migrations(Branch.TIMESCALE)[0][2].replace("CREATE TABLE", "CREATE TABEL"))


def test_both_branches_reckon_bars_by_the_same_words() -> None:
    plain, timescale = (
        [_reckoning(statement) for statement in made]
        for made in (
            [statements.upsert_bars(rollup) for rollup in ROLLUPS],
            [each for each in statements.migrations(Branch.TIMESCALE)[0] if "timescaledb.continuous" in each],
        )
    )
    assert plain == timescale
    assert len(plain) == 4


def _reckoning(statement: str) -> Any:
    """Give the columns that a bar is made of, without how its time is cut."""
    return statement.split(" AS bucket, ")[1].split(" FROM ")[0]
