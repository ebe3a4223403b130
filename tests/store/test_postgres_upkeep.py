"""What a database of ours is kept like: migrations, partitions, old rows dropped, and what is refused."""

import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from store_journals import START_NS, as_bars, batches, prints, reckoned_bars, write_rows

from infra.store.database import Probe, choose, connect, place_of
from infra.store.port import Batch, StoreAway, StoreRefused
from infra.store.postgres_store import PostgresSeries
from infra.store.statements import Branch, day_of, partition_name
from state.units import NS_PER_S

DAY_S = 86_400
NOW_NS = START_NS + 10 * DAY_S * NS_PER_S


def _partitions(dsn: str, table: str = "ticks") -> Any:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1"
    with connect(dsn) as link:
        return [row[0] for row in link.execute(query, (table,))]


def _days_of_prints(folder: Path, days: Any, code: str = "tests") -> Batch:
    rows = prints([(day * DAY_S + second, 60_000.0 + second) for day in days for second in range(90)])
    (batch,) = batches(write_rows(folder, rows, code))
    return batch


def test_old_rows_of_the_market_go_and_their_bars_stay(dsn: str, tmp_path: Path) -> None:
    store = PostgresSeries(dsn)
    batch = _days_of_prints(tmp_path / "j", range(5))
    store.write(batch)
    wanted = reckoned_bars(batch.tables["ticks"], "price_usd", 60)
    first_day = day_of(START_NS)
    assert partition_name("ticks", first_day) in _partitions(dsn)

    done = store.upkeep(NOW_NS, keep_days=8)  # horizon: the third day
    assert done.dropped_count == 2 * 4  # two days, of the four tables that pass
    assert partition_name("ticks", first_day) not in _partitions(dsn)
    assert partition_name("orders", first_day) in _partitions(dsn, "orders")
    assert min(store.rows("ticks")["seen_ns"]) >= START_NS + 1 * DAY_S * NS_PER_S
    assert as_bars(store.bars("ohlc_1m")) == wanted
    assert store.upkeep(NOW_NS, keep_days=8).dropped_count == 0
    store.close()


def test_rows_from_behind_the_horizon_do_not_spoil_bars_that_stand(dsn: str, tmp_path: Path) -> None:
    store = PostgresSeries(dsn)
    batch = _days_of_prints(tmp_path / "j", range(3))
    store.write(batch)
    store.upkeep(NOW_NS, keep_days=8)
    before = as_bars(store.bars("ohlc_1m"))
    late = prints([(5.0, 1.0)])
    store.write(_renamed(batches(write_rows(tmp_path / "late", late))[0], batch))
    store.upkeep(NOW_NS)
    assert as_bars(store.bars("ohlc_1m")) == before
    assert 1.0 in store.rows("ticks")["price_usd"]
    assert store.upkeep(NOW_NS, keep_days=8).dropped_count > 0  # and they go like their like
    assert 1.0 not in store.rows("ticks")["price_usd"]
    store.close()


def _renamed(late: Any, before: Any) -> Any:
    """Give a batch as the next one of another journal."""
    from infra.store.port import Batch, texts

    tables = {
        name: {**columns, "journal": texts([before.journal] * len(columns["seq"])), "seq": columns["seq"] + 10_000}
        for name, columns in late.tables.items()
    }
    return Batch(journal=before.journal, first_seq=before.next_seq, next_seq=20_000, tables=tables)


def test_a_drop_that_was_cut_short_is_finished_by_the_next_round(dsn: str, tmp_path: Path) -> None:
    store = PostgresSeries(dsn)
    store.write(_days_of_prints(tmp_path / "j", range(2)))
    store.upkeep(NOW_NS)
    left = partition_name("ticks", day_of(START_NS))
    with connect(dsn) as link:
        link.execute(f"ALTER TABLE ticks DETACH PARTITION {left} CONCURRENTLY".encode())
    assert store.upkeep(NOW_NS, keep_days=5).dropped_count == 2 * 4
    with connect(dsn) as link:
        assert link.execute("SELECT to_regclass(%s)", (left,)).fetchone() == (None,)
    store.close()


def test_a_day_that_another_dropped_is_made_again(dsn: str, tmp_path: Path) -> None:
    store = PostgresSeries(dsn)
    first, *rest = batches(write_rows(tmp_path / "j", prints([(s, 60_000.0) for s in range(100)])), 50)
    store.write(first)
    with connect(dsn) as link:
        link.execute(f"DROP TABLE {partition_name('ticks', day_of(START_NS))}".encode())
    assert [store.write(batch) for batch in rest if batch.rows_count] == [50]
    store.close()


def test_partitions_are_made_before_they_are_needed(dsn: str) -> None:
    store = PostgresSeries(dsn)
    assert store.upkeep(NOW_NS).made_count == 4
    today = day_of(NOW_NS)
    assert _partitions(dsn) == [partition_name("ticks", today + ahead) for ahead in range(4)]
    assert store.upkeep(NOW_NS).made_count == 0
    store.close()


def test_two_that_start_at_once_make_the_tables_once(dsn: str) -> None:
    opened, failed = [], []

    def start() -> None:
        try:
            opened.append(PostgresSeries(dsn))
        except (StoreAway, StoreRefused, psycopg.Error) as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(opened) == 4
    with connect(dsn) as link:
        assert link.execute("SELECT version, branch FROM migrations").fetchall() == [(1, "plain")]
    for store in opened:
        store.close()


def test_a_database_newer_than_this_program_is_refused(dsn: str) -> None:
    PostgresSeries(dsn).close()
    with connect(dsn) as link:
        link.execute("INSERT INTO migrations VALUES (99, 'plain')")
    with pytest.raises(StoreRefused, match="of version 99, and this program knows 1: update it"):
        PostgresSeries(dsn)


def test_a_branch_is_never_switched_in_silence(dsn: str) -> None:
    PostgresSeries(dsn).close()
    with pytest.raises(StoreRefused, match="TimescaleDB with continuous aggregates is not there"):
        PostgresSeries(dsn, Branch.TIMESCALE)
    with connect(dsn) as link:
        link.execute("UPDATE migrations SET branch = 'timescale'")
    with pytest.raises(StoreRefused, match="made with TimescaleDB, which is not loaded here"):
        PostgresSeries(dsn)


@pytest.mark.parametrize(
    ("found", "wanted", "chosen"),
    [
        (Probe(170_000, "", False, None, 0), None, Branch.PLAIN),
        (Probe(170_000, "", True, None, 0), None, Branch.TIMESCALE),
        (Probe(170_000, "2.30", True, None, 0), Branch.PLAIN, Branch.PLAIN),
        (Probe(170_000, "2.30", True, Branch.PLAIN, 1), None, Branch.PLAIN),
        (Probe(170_000, "2.30", True, Branch.TIMESCALE, 1), None, Branch.TIMESCALE),
        (Probe(170_000, "2.30", True, Branch.PLAIN, 1), Branch.TIMESCALE, "for timescale archive to another database"),
        (Probe(170_000, "", False, None, 0), Branch.TIMESCALE, "TimescaleDB with continuous aggregates is not there"),
        (Probe(170_000, "", False, Branch.TIMESCALE, 1), None, "made with TimescaleDB, which is not loaded here"),
    ],
)
def test_the_branch_is_what_the_tables_were_made_as(found: Any, wanted: Any, chosen: Any) -> None:
    if isinstance(chosen, Branch):
        assert choose(found, "db", wanted) is chosen
        return
    with pytest.raises(StoreRefused, match=chosen):
        choose(found, "db", wanted)


def test_a_password_has_no_place_in_an_address() -> None:
    for address in ("postgresql://me:hunter2@db:5/x", "postgresql://me@db/x?password=hunter2"):
        with pytest.raises(StoreRefused) as refused:
            place_of(address)
        assert "hunter2" not in str(refused.value)
        assert "PGPASSFILE" in str(refused.value)
    assert place_of("postgresql://me@db:5/x") == "db:5/x"


def test_the_schema_says_what_its_columns_hold(dsn: str) -> None:
    PostgresSeries(dsn).close()
    with psycopg.connect(dsn) as link:
        row = link.execute("SELECT obj_description('updown.ticks'::regclass)").fetchone()
    assert row == ("A price of the outside world: a quote's middle, a print or an oracle's value.",)
