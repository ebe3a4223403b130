"""`updown archive` as an operator runs it: real processes, killed in the middle, over files and a real server."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_journals import START_NS, assert_same, batches, prints, write_rows

from infra.journal.naming import journal_id
from infra.journal.writer import Journal
from infra.shell.session import LAYOUTS
from infra.stack.postgres import Postgres
from infra.store.archiving import Archiver, Pace
from infra.store.parquet_store import ParquetSeries
from infra.store.port import StoreAway, StoreRefused, TimeSeries
from infra.store.postgres_store import PostgresSeries

ROOT = Path(__file__).resolve().parents[2]
ROWS = 220_000
"""More than a batch of either store."""

pytestmark = pytest.mark.rehearsal


def _command(*words: Any) -> list[str]:
    return [sys.executable, "-m", "infra", "archive", *map(str, words)]


def _run(*words: Any) -> Any:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(_command(*words), capture_output=True, text=True, env=env, cwd=ROOT, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def long_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = prints([(at / 500, 60_000.0 + at % 700) for at in range(ROWS)])
    return write_rows(tmp_path_factory.mktemp("long") / "journal", rows)


def _open(to: str) -> TimeSeries:
    return ParquetSeries(Path(to.removeprefix("parquet:")), reads_only=True) if "parquet" in to else PostgresSeries(to)


def _assert_whole(to: str, folder: Path) -> None:
    (whole,) = batches(folder)
    store = _open(to)
    assert store.watermark(whole.journal) == whole.next_seq
    assert_same(store.rows("ticks"), whole.tables["ticks"])
    store.close()


@pytest.fixture(params=["parquet", "postgres"])
def to(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"parquet:{tmp_path / 'archive'}" if request.param == "parquet" else request.getfixturevalue("dsn")


def test_archiving_twice_tells_its_rate_and_changes_nothing(long_journal: Path, to: str) -> None:
    code, out, err = _run("--journal", long_journal, "--to", to, "--once", "--json")
    told = json.loads(out)
    assert (code, told["rows"], told["lag_items"], told["rows_by_table"]) == (0, ROWS, 0, {"ticks": ROWS}), err
    assert told["rows_per_s"] > 0 < told["written_rows_per_s"]
    code, out, _ = _run("--journal", long_journal, "--to", to, "--once", "--json")
    assert (code, json.loads(out)["rows"]) == (0, 0)
    _assert_whole(to, long_journal)


def test_a_writer_killed_on_the_way_goes_on_where_its_watermark_stands(long_journal: Path, to: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    journal = journal_id(long_journal)
    if "parquet" not in to:
        PostgresSeries(to).close()
    kills = 0
    for wanted in (1, 100_000):
        child = subprocess.Popen(
            _command("--journal", long_journal, "--to", to, "--once"), env=env, cwd=ROOT, stderr=subprocess.PIPE
        )
        while child.poll() is None and _mark(to, journal) < wanted:
            time.sleep(0.002)
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
            kills += 1
        child.communicate()
    assert kills >= 1, "it was done before it could be killed"
    code, _, err = _run("--journal", long_journal, "--to", to, "--once")
    assert code == 0, err
    _assert_whole(to, long_journal)


def _mark(to: str, journal: str) -> int:
    try:
        store = _open(to)
    except (StoreAway, StoreRefused):
        return 0  # not made yet
    found = store.watermark(journal)
    store.close()
    return found


def test_a_server_killed_on_the_way_loses_and_doubles_nothing(long_journal: Path, postgres: Postgres, dsn: str) -> None:
    said, events = [], threading.Event()
    killed = threading.Event()

    def kill() -> None:
        while not events.is_set() and _mark(dsn, journal_id(long_journal)) < 20_000:
            time.sleep(0.005)
        postgres.kill()
        killed.set()

    def say(words: Any) -> None:
        said.append(words)
        if "is away" in words:
            killed.wait(20)
            postgres.start()

    threading.Thread(target=kill).start()
    told = Archiver(
        folder=long_journal, open_store=lambda: PostgresSeries(dsn), pace=Pace(2_000, 1.0), pause=time.sleep, say=say
    ).run()
    events.set()
    assert killed.wait(20)
    if postgres.child is None:
        postgres.start()
    assert (told.outages, told.lag_items, told.items) == (1, 0, ROWS + 1), said
    assert said[0].startswith("the store is away (127.0.0.1:")
    _assert_whole(dsn, long_journal)


def test_a_growing_journal_is_followed_to_its_end(tmp_path: Path, to: str) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    journal = Journal(tmp_path / "journal", created_ns=START_NS, code="tests", layouts=LAYOUTS)
    rows = prints([(at / 100, 60_000.0 + at) for at in range(5_000)])
    journal.append_note({"session": 0}, START_NS)
    child = subprocess.Popen(
        _command("--journal", tmp_path / "journal", "--to", to, "--with-parent", "--json"), env=env, cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for part in np.array_split(rows, 10):
        journal.append_events(part)
        journal.flush()
    journal.close()
    out, err = child.communicate()  # its parent has nothing more to say
    assert child.returncode == 0, err
    told = json.loads(out)
    assert (told["rows"], told["lag_items"]) == (5_000, 0)
    _assert_whole(to, tmp_path / "journal")


def test_a_store_that_stays_away_is_told_and_can_be_caught_up(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "j", prints([(at, 60_000.0) for at in range(30)]))
    to = "postgresql://postgres@127.0.0.1:1/nothing"
    code, out, err = _run("--journal", folder, "--to", to, "--once", "--patience", "0.1", "--json")
    told = json.loads(out)
    assert (code, told["items"], told["lag_items"], told["outages"]) == (1, 0, 31, 1)
    assert "the store is away (127.0.0.1:1/nothing: " in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "ftp://x"), "--to: say parquet:FOLDER or postgresql://USER@HOST:PORT/NAME"),
        (("--to", "postgresql://a:hunter2@h/x"), "leave the password out of the address"),
        (("--to", "parquet:x", "--keep-days", "3"), "--branch and --keep-days are for databases"),
        (("--to", "postgresql://a@h/x", "--branch", "blue"), "--branch: say plain or timescale"),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_code_2(tmp_path: Path, words: Any, said: str) -> None:
    code, out, err = _run("--journal", tmp_path, *words, "--once")
    assert (code, out) == (2, "")
    assert said in err
    assert "hunter2" not in err
    assert len(err.splitlines()) == 1


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(StoreRefused, match="holds something else"):
        ParquetSeries(tmp_path)
    store = ParquetSeries(tmp_path / "mine")
    with pytest.raises(StoreRefused, match="writes it; stop it"):
        ParquetSeries(tmp_path / "mine")
    store.close()
