"""What a stack holds after everything was done to it: bus, feeds and database against the journals, item by item."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from evals.proof import Figure
from infra.bus.cluster import Cluster, partitions_of
from infra.bus.kafka_reading import held
from infra.bus.restoring import Restored, journals_held, restore
from infra.ingest import FEEDS
from infra.stack.local import LocalStack
from infra.store.archiving import FILES_PACE, Archived, Archiver
from infra.store.parquet_store import ParquetSeries
from infra.store.port import Columns
from infra.store.postgres_store import PostgresSeries
from infra.store.schema import TABLES


def told_figures(told: dict[str, Any], again: dict[str, Any], stopped_count: int, how: str) -> list[Figure]:
    """Hold the desk's journal against its replay."""
    same = bool(again["same"]) and again["hash_came"] == told["session"]["run_hash"]
    return [
        Figure(name=how, measured=stopped_count, bar="-"),
        Figure(name="windows settled, orders placed", bar="-",
               measured=f"{told['windows']['settled']}, {told['orders']['placed']}"),
        Figure(name="the journal replayed without any of them", bar="the same hash", holds=same,
               measured="the same hash" if same else f"differs: {again['difference']}"),
    ]  # fmt: skip


def bus_figures(restored: Restored, tee: dict[str, Any], came: dict[str, Any], again: dict[str, Any]) -> list[Figure]:
    """Hold what the bus has of the desk's journal against that journal."""
    same = came["hash_came"] == again["hash_came"]
    items = int(tee["items_count"])  # of a tee that was killed, and read the journal from its beginning again
    return [
        Figure(name="items on the bus, and in the journal", measured=f"{restored.items_count:,} and {items:,}",
               bar="equal", holds=restored.items_count == items and not tee["lag_items_count"]),
        Figure(name="messages that the bus holds twice", measured=restored.doubled_count, bar="0",
               holds=restored.doubled_count == 0),
        Figure(name="the bus's journal replayed: commands, mandates, hash", bar="the same", holds=same,
               measured=f"{came['commands']:,}, {came['mandates']:,}, {'the same' if same else 'another'}"),
    ]  # fmt: skip


def feeds_figures(stack: LocalStack, folder: Path) -> list[Figure]:
    """Hold what the bus has of the feeds against the ingest's own journal."""
    cluster = Cluster(stack.kafka.bootstrap, FEEDS)
    partitions = partitions_of(cluster)
    restored = restore(held(cluster, partitions), journals_held(held(cluster, partitions))[0], folder)
    tee = stack.processes["ingest"].told()["tee"]
    items = int(tee["items_count"])
    return [
        Figure(name="items of the feeds on the bus, and in the ingest's journal", bar="equal, none twice",
               measured=f"{restored.items_count:,} and {items:,}, {restored.doubled_count} twice",
               holds=restored.items_count == items and not tee["lag_items_count"] and not restored.doubled_count),
    ]  # fmt: skip


def database_figures(stack: LocalStack, folder: Path) -> list[Figure]:
    """Hold every table of the database against the same journal archived in files."""
    told = _archived(stack.journal, folder)
    files, database = ParquetSeries(folder), PostgresSeries(stack.postgres.dsn())
    lag = stack.processes["archive"].told()["lag_items"]
    figures = [Figure(name="items of the journal that the database lacks", measured=lag, bar="0", holds=lag == 0)]
    try:
        for table in TABLES:
            ours, theirs = files.rows(table.name), database.rows(table.name)
            same = _equal(ours, theirs)
            figures.append(
                Figure(name=f"rows of {table.name} in the database, by sequence", measured=f"{len(theirs['seq']):,}",
                       bar=f"those in files, {len(ours['seq']):,}", holds=same)
            )  # fmt: skip
    finally:
        files.close()
        database.close()
    assert told.lag_items == 0
    return figures


def _archived(journal: Path, folder: Path) -> Archived:
    return Archiver(
        folder=journal, open_store=lambda: ParquetSeries(folder), pace=FILES_PACE, pause=time.sleep
    ).run()  # fmt: skip


def _equal(ours: Columns, theirs: Columns) -> bool:
    return ours.keys() == theirs.keys() and all(_same(ours[name], theirs[name]) for name in ours)


def _same(one: Any, other: Any) -> bool:
    if len(one) != len(other):
        return False
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
