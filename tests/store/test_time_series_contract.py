"""One contract for every branch of the time series: the same rows in, the same answers out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from store_journals import (
    START_NS,
    as_bars,
    assert_same,
    batches,
    market_journal,
    prints,
    reckoned_bars,
    timescale_dsn,
    write_rows,
)
from traced_sessions import traded_session

from infra.store.parquet_store import ParquetSeries
from infra.store.port import Span, StoreBehind, TimeSeries
from infra.store.postgres_store import PostgresSeries
from infra.store.schema import BY_NAME, ROLLUPS, TABLES
from infra.store.statements import SCHEMA, Branch
from state.units import NS_PER_S

BRANCHES = ("parquet", "plain", "timescale")


@pytest.fixture(params=BRANCHES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TimeSeries]:
    """Give an empty store of each branch."""
    opened: TimeSeries
    if request.param == "parquet":
        opened = ParquetSeries(tmp_path / "archive")
    elif request.param == "plain":
        opened = PostgresSeries(request.getfixturevalue("dsn"), Branch.PLAIN)
    else:
        address = timescale_dsn()
        with psycopg.connect(address, autocommit=True) as link:
            link.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE".encode())
        opened = PostgresSeries(address, Branch.TIMESCALE)
    yield opened
    opened.close()


def test_what_is_written_is_read_back_to_the_last_bit(store: TimeSeries) -> None:
    for folder in (traded_session(), market_journal()):
        (whole,) = batches(folder)
        for batch in batches(folder, 15_000):
            assert store.write(batch) == batch.rows_count
        assert store.watermark(whole.journal) == whole.next_seq
        for table in TABLES:
            if table.name not in whole.tables:
                continue
            wanted = whole.tables[table.name]
            order = np.lexsort((wanted["part_id"], wanted["seq"]))
            found = store.rows(table.name, journal=whole.journal)
            assert_same(found, {name: wanted[name][order] for name in found})


def test_a_second_writing_changes_nothing_and_an_overlap_is_cut(store: TimeSeries, tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "j", prints([(second, 60_000.0 + second) for second in range(200)]))
    (whole,) = batches(folder)
    first, *rest = batches(folder, 50)
    assert store.write(first) == first.rows_count
    assert store.write(first) == 0
    assert store.write(whole) == whole.rows_count - first.rows_count
    assert all(store.write(batch) == 0 for batch in rest)
    assert store.rows("ticks")["seq"].tolist() == whole.tables["ticks"]["seq"].tolist()


def test_a_hole_is_refused(store: TimeSeries, tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "j", prints([(second, 60_000.0) for second in range(90)]))
    (whole,) = batches(folder)
    with pytest.raises(StoreBehind, match="up to item 0, not 40"):
        store.write(whole.after(40))
    assert store.watermark(whole.journal) == 0
    assert store.write(whole) == 90


def test_bars_are_those_reckoned_row_by_row(store: TimeSeries) -> None:
    (whole,) = batches(market_journal())
    for batch in batches(market_journal(), 20_000):
        store.write(batch)
        store.upkeep(START_NS)
    for rollup in ROLLUPS:
        wanted = reckoned_bars(whole.tables[rollup.table], rollup.price, rollup.span_s)
        assert as_bars(store.bars(rollup.name)) == wanted != {}


def test_rows_and_bars_of_a_stretch_of_time(store: TimeSeries, tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "j", prints([(second / 2, 60_000.0 + second) for second in range(100)]))
    store.write(batches(folder)[0])
    store.upkeep(START_NS)
    span = Span(START_NS + 10 * NS_PER_S, START_NS + 12 * NS_PER_S)
    assert store.rows("ticks", span)["price_usd"].tolist() == [60_020.0, 60_021.0, 60_022.0, 60_023.0]
    bars = store.bars("ohlc_1s", span)
    assert [bars[name].tolist() for name in ("open", "close", "rows_count")] == [
        [60_020.0, 60_022.0], [60_021.0, 60_023.0], [2, 2],
    ]  # fmt: skip


def test_late_rows_change_the_bars_that_they_belong_to(store: TimeSeries, tmp_path: Path) -> None:
    early = [(second, 60_000.0 + second) for second in range(180)]
    late = [(30.5, 59_000.0), (95.0, 61_000.0), (400.0, 60_500.0)]
    folder = write_rows(tmp_path / "j", prints(early + late))
    (whole,) = batches(folder)
    first, *rest = batches(folder, 180)
    assert first.rows_count == 180
    store.write(first)
    store.upkeep(START_NS)
    for batch in rest:
        store.write(batch)
    store.upkeep(START_NS)
    for name, span_s in (("ohlc_1s", 1), ("ohlc_1m", 60)):
        assert as_bars(store.bars(name)) == reckoned_bars(whole.tables["ticks"], "price_usd", span_s)
    assert 59_000.0 in store.bars("ohlc_1m")["low"]


def test_two_recordings_of_one_market_stay_two(store: TimeSeries, tmp_path: Path) -> None:
    rows = prints([(0.0, 60_000.0), (0.5, 60_001.0)])
    names = []
    for code in ("one", "two"):
        (batch,) = batches(write_rows(tmp_path / code, rows, code))
        names.append(batch.journal)
        store.write(batch)
    store.upkeep(START_NS)
    assert sorted(set(store.rows("ticks")["journal"])) == sorted(names)
    assert store.bars("ohlc_1s")["rows_count"].tolist() == [2, 2]
    assert store.bars("ohlc_1s", journal=names[0])["amount_micros"].tolist() == [10]


def test_an_empty_store_answers_with_nothing(store: TimeSeries) -> None:
    assert store.watermark("nobody") == 0
    assert all(len(store.rows(table.name)["seq"]) == 0 for table in TABLES)
    assert all(len(store.bars(rollup.name)["journal"]) == 0 for rollup in ROLLUPS)
    assert set(BY_NAME) == {table.name for table in TABLES}
