import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals.backtest import Backtest, Terms
from evals.generator import SPECS, generate
from infra.journal.writer import Journal
from infra.proofs import bad_input, played
from infra.proofs.bad_input import Case
from infra.proofs.determinism import _flipped_on_disk, _telling_row
from infra.proofs.spoiled import Spoiler, spoilers
from infra.recordings.tape import Tape, open_tape
from infra.snapshots import SnapshotRefused, load_snapshot, save_snapshot
from state.events import Kind
from state.params import default_params
from state.records import layout, rows
from state.world import World


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    folder = tmp_path_factory.mktemp("proofs") / "journal"
    with Journal(folder, created_ns=1, code="test") as journal:
        journal.append_events(generate(replace(SPECS["demo"], windows=2), 1))
    return open_tape([folder])


@pytest.fixture(scope="module")
def first(tape: Tape) -> dict[str, Any]:
    return played.play_whole(tape)


def saved(tape: Tape, path: Path, stop: int, size: int | None = None) -> Path:
    backtest = Backtest(default_params(), Terms())
    played.play_to(backtest, tape, stop, size)
    save_snapshot(path, backtest)
    return path


def test_the_size_of_the_chunks_leaves_no_trace(tape: Tape, first: dict[str, Any]) -> None:
    assert first["counts"]["lines"] > 0 and first["counts"]["orders"] > 0 and first["events"] == tape.rows_count
    for size in (997, 65_536, tape.rows_count):
        assert played.play_whole(tape, size) == first


@pytest.mark.parametrize("part", [0.0, 0.1, 0.62, 0.9, 1.0])
def test_a_run_goes_on_from_its_snapshot_as_if_nothing_had_been(
    tape: Tape, first: dict[str, Any], part: float, tmp_path: Path
) -> None:
    stop = int(part * tape.rows_count)
    path = saved(tape, tmp_path / "at", stop, 4_001)
    came = played.play_stretch(tape, path, None, size=10_007, end=True)
    new = came.pop("new")
    assert came == first
    assert part not in (0.0, 1.0) or new["lines"] == (first["counts"]["lines"] if part == 0.0 else 0)
    assert not list(tmp_path.glob(".*")), "something half-written was left"


def test_a_snapshot_loaded_and_saved_again_is_the_same_run(tape: Tape, tmp_path: Path) -> None:
    path = saved(tape, tmp_path / "at", 50_000)
    one, other = load_snapshot(path), load_snapshot(path)
    save_snapshot(tmp_path / "again", one)
    again = load_snapshot(tmp_path / "again")
    assert again.events_count == 50_000 == other.events_count
    assert again.ledgers().run_hash == other.ledgers().run_hash
    assert again.session.tobytes() == other.session.tobytes()


def test_a_snapshot_that_is_not_whole_or_not_ours_is_refused(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tape, tmp_path / "at", 9_000)
    whole = path.read_bytes()
    with pytest.raises(SnapshotRefused, match="no snapshot there"):
        load_snapshot(tmp_path / "none")
    for cut in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(SnapshotRefused, match="begin from the journal's first row"):
            load_snapshot(path)
    chance = np.random.default_rng(3)
    for _ in range(60):
        data = bytearray(whole)
        data[int(chance.integers(len(data)))] ^= 1 << int(chance.integers(8))
        path.write_bytes(data)
        try:
            came = load_snapshot(path)
        except SnapshotRefused:
            continue
        path.write_bytes(whole)  # a bit of the zip's own dates and names, of which nothing is read
        assert came.ledgers().run_hash == load_snapshot(path).ledgers().run_hash
    path.write_bytes(whole)
    monkeypatch.setattr("infra.snapshots.layout_hash", lambda dtype: "0" * 16)
    with pytest.raises(SnapshotRefused, match=r"another layout of .*World"):
        load_snapshot(path)
    assert zipfile.is_zipfile(path)


def test_another_seed_another_parameter_and_another_outcome_make_another_run(tape: Tape, first: dict[str, Any]) -> None:
    kinds = tape.array()["kind_code"]
    settled = _telling_row(tape)
    assert kinds[settled] == Kind.SETTLED
    params = default_params({"take_edge_bps": 400.0})
    for change in ({"seed": 2}, {"params": params}, {"flip_row": settled}):
        came = played.play_whole(tape, **change)
        assert came["run_hash"] != first["run_hash"], change


def test_a_byte_between_fields_is_seen(first: dict[str, Any]) -> None:
    assert first["padding_set_count"] == 0
    world = rows(World, 1)
    assert played.padding_set(world) == 0
    world.view(np.uint8)[:] = 255
    assert played.padding_set(world) == played.padding_set(world[0]) > 0
    covered = played._covered(layout(World))
    assert played.padding_set(world) == int((~covered).sum()) < layout(World).itemsize // 100


def test_no_flipped_bit_of_a_journal_is_played(tape: Tape, tmp_path: Path) -> None:
    refused, why = _flipped_on_disk(tape, tmp_path)
    assert refused == 40 and "lost from item" in why


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Spoiler:
    return spoilers(None, tmp_path_factory.mktemp("sound"))


@pytest.mark.parametrize(
    ("case", "holds"),
    [
        (bad_input.CASES[0], True),
        (next(case for case in bad_input.CASES if case.spoil == "being_written"), True),
        (Case(what="an answer that is none", words=("rules", "--at", "yesterday"), code=3, says="is no date"), False),
        (Case(what="other words", words=("rules", "--at", "yesterday"), code=2, says="apples"), False),
        (Case(what="no refusal at all", words=("version",), code=0, says=""), False),
    ],
    ids=lambda value: value.what if isinstance(value, Case) else None,
)
def test_a_case_holds_only_with_its_code_its_line_and_its_bytes(
    made: Spoiler, case: Case, holds: bool, tmp_path: Path
) -> None:
    row = bad_input._try(case, made, tmp_path / "case", bad_input._cache_beside(tmp_path))
    assert all(row[name] for name in ("code_ok", "line_ok", "kept_ok")) == holds, row


def test_bytes_that_change_under_a_case_are_noticed(made: Spoiler, tmp_path: Path) -> None:
    words = ("{writer}", "{bad}")  # the writer recovers what it opens, so it does write
    case = Case(what="a writer let in", words=words, code=2, says="", spoil="truncated")
    row = bad_input._try(case, made, tmp_path / "case", bad_input._cache_beside(tmp_path))
    assert row["kept"] == "CHANGED" and not row["kept_ok"]


def test_a_proof_holds_only_when_every_row_does() -> None:
    good = {"what": "a", "exit": 2, "line": "b", "kept": "c", "code_ok": True, "line_ok": True, "kept_ok": True}
    assert bad_input._judge([good, good]).holds
    for name in ("code_ok", "line_ok", "kept_ok"):
        assert not bad_input._judge([good | {name: False}, good]).holds
        assert not bad_input._judge([good, good | {name: False}]).holds
