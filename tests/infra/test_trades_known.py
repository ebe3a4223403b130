"""Where the venue's trades are missing beside its books, a run knows it, keeps it, and replays by it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evals.backtest import Terms
from evals.generator import DEMO, generate
from infra.cli.backtest import run_and_save
from infra.cli.replay import replay_run
from infra.journal.writer import Journal
from infra.recordings.tape import Tape, open_tape
from infra.runs import read_run, trades_known
from state.events import EVENT, Kind, Source
from state.params import default_params

EAGER = {"take_edge_bps": 20, "quote_edge_bps": 20, "keep_edge_bps": 0, "interval_z": 0.5}


def tape_of(folder: Path, rows: NDArray[Any], *sources: str) -> Tape:
    with Journal(folder, created_ns=1, code="test") as journal:
        journal.append_events(rows)
        journal.append_note({"import": {"notes": [], "sources": list(sources)}}, int(rows["seen_ns"][-1]))
    return open_tape([folder])


def venue_rows(*kinds: Kind, source: Source = Source.POLYMARKET_BOOK) -> NDArray[Any]:
    rows = np.zeros(len(kinds), EVENT)
    rows["kind_code"], rows["source_code"] = kinds, source
    rows["seen_ns"] = rows["at_ns"] = 1_000 + np.arange(len(kinds))
    return rows


@pytest.mark.parametrize(
    ("kinds", "known"),
    [
        ((Kind.LEVEL_SET, Kind.TRADE_SEEN), True),
        ((Kind.LEVEL_SET, Kind.LEVEL_SET), False),
        ((Kind.TRADE_SEEN,), True),
        ((Kind.PRICE_SEEN,), True),
    ],
)
def test_prints_are_looked_for_where_there_are_books(tmp_path: Path, kinds: tuple[Kind, ...], known: bool) -> None:
    assert trades_known(tape_of(tmp_path / "journal", venue_rows(*kinds))) is known


def test_an_exchanges_trades_are_not_the_venues(tmp_path: Path) -> None:
    books, trades = venue_rows(Kind.LEVEL_SET), venue_rows(Kind.CEX_TRADED, source=Source.BINANCE)
    assert trades_known(tape_of(tmp_path / "journal", np.concatenate([books, trades]))) is False


def test_books_without_prints_are_known_by_their_kind_even_beside_others_that_have_them(tmp_path: Path) -> None:
    rows = venue_rows(Kind.LEVEL_SET, Kind.TRADE_SEEN)
    with_prints, without = "aligned trades and books: 2025-12", "full-depth books: April"
    assert trades_known(tape_of(tmp_path / "a", rows, with_prints, without)) is False
    assert trades_known(tape_of(tmp_path / "b", rows, with_prints)) is True


def test_a_run_without_prints_says_so_and_is_made_again_on_the_same_terms(tmp_path: Path) -> None:
    rows = generate(replace(DEMO, windows=1), 4)
    assert (rows["kind_code"] == Kind.TRADE_SEEN).any()
    tape = tape_of(tmp_path / "journal", rows[rows["kind_code"] != Kind.TRADE_SEEN])
    told = run_and_save(tape, [tmp_path / "journal"], default_params(EAGER), Terms(), tmp_path / "run")
    assert told["run"]["counts"]["orders"] > 0
    assert told["run"]["terms"]["trades_known"] is False
    assert read_run(tmp_path / "run").terms.trades_known is False
    assert "Maker fills on this data are illustrations" in (tmp_path / "run" / "report.html").read_text()
    assert replay_run(tmp_path / "run")["same"]
