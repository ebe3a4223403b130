"""Frozen windows: what is taken from a journal, what is left, and the process that plays them."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
from rehearsed_windows import late_market

from infra.journal.writer import Journal
from infra.supervisor.frozen import NothingToRehearse, freeze, freeze_all, frozen_rows
from infra.supervisor.rehearsal import Rehearsal, RehearsalFailed
from state.events import EVENT, Kind, Source
from state.params import OutOfBounds, UnknownParameter, default_params
from state.records import as_dict

pytestmark = pytest.mark.rehearsal


def ours(seen_ns: int) -> np.ndarray:
    """Rows of our own doings, as a session's journal holds them."""
    kinds = (
        Kind.MANDATE_GIVEN,
        Kind.ORDER_CHANGED,
        Kind.FILLED,
        Kind.FEE_CHARGED,
        Kind.OPERATOR_SAID,
        Kind.DAY_CARRIED,
    )
    rows = np.zeros(len(kinds) + 1, EVENT)
    rows["kind_code"] = [*kinds, Kind.FEED_CHANGED]
    rows["source_code"][1:4] = Source.POLYMARKET_USER
    rows["source_code"][4] = Source.OPERATOR
    rows["source_code"][-1] = Source.POLYMARKET_USER
    rows["at_ns"] = rows["seen_ns"] = seen_ns
    return rows


def write_session(folder: Path, rows: np.ndarray) -> Path:
    """Write a session's journal of a market with our own doings in between."""
    with Journal(folder, created_ns=1, code="tests") as journal:
        journal.append_note({"session": 2, "params": as_dict(default_params()), "cash_micros": 5_000_000_000}, 1)
        for start in range(0, len(rows), 50_000):
            journal.append_events(rows[start : start + 50_000])
            journal.append_events(ours(int(rows["seen_ns"][min(start + 50_000, len(rows)) - 1])))
    return folder


def test_a_session_gives_the_market_and_nothing_of_our_own(tmp_path: Path) -> None:
    market = late_market()
    frozen = freeze(write_session(tmp_path / "session", market))
    bare = frozen_rows(("market",), market, cash_micros=5_000_000_000)
    assert frozen.digest == bare.digest and len(frozen.opens_s) == 6
    assert frozen.rows["kind_code"][-1] == Kind.SETTLED
    assert frozen.cash_micros == 5_000_000_000 and frozen.trades_known


def test_a_journal_that_was_cut_short_is_frozen_up_to_its_last_settled_window(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "session", late_market())
    file = folder / "000001.journal"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * 0.7)])
    frozen = freeze(folder)
    assert 1 <= len(frozen.opens_s) < 6
    assert frozen.rows["kind_code"][-1] == Kind.SETTLED
    assert (frozen.rows == late_market()[: len(frozen.rows)]).all()


def test_a_journal_without_a_settled_window_has_nothing_to_rehearse(tmp_path: Path) -> None:
    market = late_market()
    folder = write_session(tmp_path / "session", market[: int(np.argmax(market["kind_code"] == Kind.SETTLED))])
    with pytest.raises(NothingToRehearse, match="no window has settled there"):
        freeze(folder)
    with pytest.raises(NothingToRehearse):
        freeze_all([folder])


def test_what_may_be_fitted_on_ends_before_the_cut() -> None:
    frozen = frozen_rows(("market",), late_market())
    cut_s = frozen.opens_s[3]
    before = frozen.until(cut_s)
    assert before.rows["seen_ns"].max() < cut_s * 1_000_000_000
    assert set(before.opens_s) < set(frozen.opens_s[:3])


def test_two_journals_of_the_same_time_are_not_counted_twice(tmp_path: Path) -> None:
    first, second = (write_session(tmp_path / name, late_market()) for name in ("first", "second"))
    assert [each.sources for each in freeze_all([first, second])] == [(str(second),)]


def test_the_same_windows_and_changes_give_the_same_rehearsal_and_are_played_once(tmp_path: Path) -> None:
    async def story() -> None:
        frozen = [frozen_rows(("market",), late_market())]
        async with Rehearsal(frozen, tmp_path / "one", seeds=(1, 2)) as first:
            told = await first.rehearse({"interval_z": 4.0})
            again = await first.rehearse({"interval_z": 4.0})
            assert first.played_count == 2
        async with Rehearsal(frozen, tmp_path / "two", seeds=(1, 2)) as other:
            elsewhere = await other.rehearse({"interval_z": 4.0})
        assert told == again == elsewhere
        assert told.fit_windows_count + told.windows_count == 6
        assert told.champion.total_micros > 0.0 == told.challenger.total_micros
        assert told.champion_hash != told.challenger_hash

    asyncio.run(story())


def test_a_change_that_cannot_stand_is_refused_before_anything_is_played(tmp_path: Path) -> None:
    async def story() -> None:
        async with Rehearsal([frozen_rows(("market",), late_market())], tmp_path) as rehearsal:
            with pytest.raises(OutOfBounds):
                await rehearsal.rehearse({"kelly_ratio": 7.0})
            with pytest.raises(UnknownParameter):
                await rehearsal.rehearse({"kelly": 0.1})
            assert rehearsal.played_count == 0

    asyncio.run(story())


def test_a_run_that_is_late_is_given_up_and_stands_for_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        frozen = [frozen_rows(("market",), late_market())]
        async with Rehearsal(frozen, tmp_path, deadline_s=0.01) as rehearsal:
            with pytest.raises(RehearsalFailed, match="given up"):
                await rehearsal.rehearse({"interval_z": 4.0})
            rehearsal.deadline_s = 60.0
            assert (await rehearsal.rehearse({"interval_z": 4.0})).windows_count > 0

    asyncio.run(story())


def test_rows_that_are_gone_are_a_refusal_with_a_reason(tmp_path: Path) -> None:
    async def story() -> None:
        async with Rehearsal([frozen_rows(("market",), late_market())], tmp_path) as rehearsal:
            (tmp_path / "rows").mkdir()
            for digest in (each.digest for each in (*rehearsal._whole, *rehearsal._before)):
                (tmp_path / "rows" / f"{digest[:32]}.npy").write_bytes(b"no rows")
            with pytest.raises(RehearsalFailed):
                await rehearsal.rehearse({"interval_z": 4.0})

    asyncio.run(story())


def test_a_kept_score_that_is_damaged_is_reckoned_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with Rehearsal([frozen_rows(("market",), late_market())], tmp_path, seeds=(1,)) as rehearsal:
            told = await rehearsal.rehearse({"interval_z": 4.0})
            for kept in (tmp_path / "scores").iterdir():
                assert json.loads(kept.read_text())
                kept.write_text("{")
            assert await rehearsal.rehearse({"interval_z": 4.0}) == told
            assert rehearsal.played_count == 4

    asyncio.run(story())


def test_of_a_long_journal_only_the_last_windows_are_frozen_and_counted(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "session", late_market())
    whole, recent = freeze(folder), freeze(folder, windows_most=2)
    assert recent.opens_s == whole.opens_s[-2:]
    assert len(recent.rows) < len(whole.rows)
    assert recent.digest != whole.digest

    async def story() -> None:
        async with Rehearsal([recent], tmp_path / "rehearsals", seeds=(1,), fit_ratio=0.5) as rehearsal:
            told = await rehearsal.rehearse({"interval_z": 1.0})
            assert (told.fit_windows_count, told.windows_count) == (1, 1)
            assert told.challenger.traded_ratio > 0.0

    asyncio.run(story())


def test_a_proposal_that_waits_keeps_its_cut(tmp_path: Path) -> None:
    frozen = frozen_rows(("market",), late_market())
    rehearsal = Rehearsal([frozen], tmp_path, cut_s=frozen.opens_s[2])
    assert rehearsal.cut_s == frozen.opens_s[2] and rehearsal.last_open_s == frozen.opens_s[-1]
