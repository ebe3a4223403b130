"""Parameters change while a session runs: asked for beside its journal, judged, in force at the boundary, replayed."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from params_session import BEGAN, CLOSE_NS, OPENING, ROWS, asked, at, in_force, pass_s, refused, session
from sessions import CASH_MICROS, feed, open_shell, stretch

from infra.journal.blocks import EntryKind
from infra.journal.reader import entries, read_events, read_notes
from infra.journal.writer import Journal
from infra.shell.core import MANDATE, PARAMS, MandateOutlived
from infra.shell.params_request import (
    ASKED,
    CHANGED,
    REFUSED,
    ChangeRefused,
    news_of,
    read_news,
    undo_of,
)
from infra.shell.restart import resume, start_from
from infra.shell.retuning import Retuning
from infra.shell.session import LAYOUTS, play_session
from infra.venues.gate import Gate
from state.events import Kind, Word
from state.params import default_params, params_hash
from state.units import MICROS, NS_PER_S
from tools.retuning import Retune


def test_a_change_waits_for_the_boundary_and_is_in_force_before_the_next_window_is_decided_on(tmp_path: Path) -> None:
    async def run() -> str:
        with session(tmp_path) as (shell, retuning, gate):
            await feed(shell, OPENING)
            answer = await asked(retuning, take_edge_bps=250.0, position_micros=400 * MICROS)
            assert (answer.due_ns, answer.words) == (
                CLOSE_NS,
                "taken up: take_edge_bps 100 to 250, position_micros 5e+10 to 4e+08, at the next boundary of windows",
            )
            at(shell, 299.9)
            assert in_force(shell, "take_edge_bps") == 100.0 and gate.limits.position_micros == 50_000 * MICROS
            await feed(shell, stretch(ROWS, 299.9, 304.0))
            assert in_force(shell, "take_edge_bps") == 250.0 and gate.limits.position_micros == 400 * MICROS
            assert shell.core is not None and retuning.changes_count == 1
            assert shell.core.params_hash == answer.after
            return shell.core.digest()

    digest = asyncio.run(run())
    played = play_session(tmp_path)
    assert played.difference == "" and played.core.digest() == digest and played.changes_count == 1
    news = news_of(played.notes)
    assert [each.what for each in news] == [ASKED, CHANGED]
    assert news[1].changes == {"take_edge_bps": (100.0, 250.0), "position_micros": (5e10, 4e8)}
    assert (news[1].before, news[1].after) == (params_hash(BEGAN), params_hash(played.core.params))

    rows = np.concatenate(list(read_events(tmp_path)))
    (change,) = rows[rows["kind_code"] == Kind.PARAMS_CHANGED]
    assert int(change["seen_ns"]) >= CLOSE_NS
    mandates = [each.data for each in entries(tmp_path) if each.kind is EntryKind.MANDATE]
    given = rows[rows["kind_code"] == Kind.MANDATE_GIVEN]
    hashes = np.frombuffer(b"".join(mandates), MANDATE)
    later = given["seen_ns"] >= change["seen_ns"]
    assert later.any() and len(set(hashes["params_hash"][given["ref_id"][later]])) == 1
    assert set(hashes["params_hash"][given["ref_id"][later]]) != set(hashes["params_hash"][given["ref_id"][~later]])
    (data,) = (each.data for each in entries(tmp_path) if each.kind is EntryKind.PARAMS)
    assert np.frombuffer(data, PARAMS)["take_edge_bps"][0] == 250.0


def test_each_wish_that_must_not_be_is_refused_with_its_reason_and_written_down(tmp_path: Path) -> None:
    async def run() -> list[str]:
        with session(tmp_path) as (shell, retuning, _):
            pass_s(shell, 1.0)
            told = [
                await refused(retuning, before="0123456789abcdef", take_edge_bps=250.0),
                await refused(retuning, liquidity_micros=BEGAN.liquidity_micros - 1),
                await refused(retuning, no_such_bps=1.0),
                await refused(retuning, take_edge_bps=1.0),
                await refused(retuning, take_edge_bps=100.0),
            ]
            shell.halt("a test")
            told.append(await refused(retuning, take_edge_bps=50.0))
            assert (await asked(retuning, receipt="first", take_edge_bps=300.0)).code == ""
            told.append(await refused(retuning, receipt="second", take_edge_bps=310.0))
            pass_s(shell, 10.0)
            assert in_force(shell, "take_edge_bps") == 300.0, (
                "no window is open, so it need not wait; and it adds no risk"
            )
            told.append(await refused(retuning, receipt="first", take_edge_bps=320.0))
            return told

    told = asyncio.run(run())
    assert told == [
        "STALE", "OUT_OF_BOUNDS", "UNKNOWN", "OUT_OF_BOUNDS", "NOTHING_CHANGES", "ADDS_RISK_HALTED",
        "ANOTHER_WAITS", "RECEIPT_USED",
    ]  # fmt: skip
    assert [each.code for each in read_news(tmp_path) if each.what == REFUSED] == told
    assert play_session(tmp_path).difference == ""


def test_what_was_allowed_when_it_was_asked_for_is_judged_again_at_the_boundary(tmp_path: Path) -> None:
    async def run() -> None:
        with session(tmp_path) as (shell, retuning, _):
            await feed(shell, OPENING)
            await asked(retuning, undoes="an earlier one", take_edge_bps=50.0)
            shell.halt("something looks wrong")
            await feed(shell, stretch(ROWS, 299.9, 301.0))
            assert in_force(shell, "take_edge_bps") == 100.0
            assert retuning.waiting is None and retuning.changes_count == 0

    asyncio.run(run())
    news = read_news(tmp_path)
    assert [(each.what, each.code) for each in news] == [(ASKED, ""), (REFUSED, "ADDS_RISK_HALTED")]
    assert news[1].changes == {"take_edge_bps": (100.0, 50.0)}
    assert [each.undoes for each in news] == ["an earlier one"] * 2, "who reads the refusal knows what stands still"
    assert play_session(tmp_path).difference == ""


def test_a_change_is_taken_back_by_a_request_like_any_other_and_the_gate_follows_both_ways(tmp_path: Path) -> None:
    async def run() -> None:
        with session(tmp_path, allowed=Retune.SAFER) as (shell, retuning, gate):
            pass_s(shell, 1.0)
            await asked(retuning, receipt="shrink", concurrent_count=2, kelly_ratio=0.1)
            pass_s(shell, 10.0)
            assert (gate.limits.concurrent_count, in_force(shell, "kelly_ratio")) == (2, 0.1)
            await shell.session.all_safe()
            back = undo_of(read_news(retuning.folder), "shrink")
            assert back == {"concurrent_count": 5.0, "kelly_ratio": 0.2}
            assert await refused(retuning, receipt="more", **(back | {"kelly_ratio": 0.21})) == "SETTING_FORBIDS"
            await asked(retuning, receipt="undo", undoes="shrink", **back)
            pass_s(shell, 10.0)
            assert (gate.limits.concurrent_count, in_force(shell, "kelly_ratio")) == (5, 0.2)
            assert retuning.core.params_hash == params_hash(BEGAN)

    asyncio.run(run())
    assert [each.undoes for each in read_news(tmp_path) if each.what == CHANGED] == ["", "shrink"]
    assert play_session(tmp_path).changes_count == 2


def test_a_mandate_that_was_asked_for_under_the_old_parameters_is_dropped_and_halts_nobody(tmp_path: Path) -> None:
    async def run() -> None:
        with session(tmp_path) as (shell, retuning, _):
            await feed(shell, OPENING)
            core = retuning.core
            late: Any = core.ask(0)
            shell.change_params(default_params({"take_edge_bps": 333.0}), shell.clock.now_ns())
            with pytest.raises(MandateOutlived):
                core.give(late.decision["mandate"], shell.clock.now_ns())
            again: Any = core.ask(0)
            shell.desk.run(again)  # type: ignore[union-attr]
            shell.change_params(default_params({"take_edge_bps": 444.0}), shell.clock.now_ns())
            await feed(shell, stretch(ROWS, 12.0, 13.0))
            assert shell.halted_why == "" and not int(core.world["halted_code"])

    asyncio.run(run())
    assert [note for note in read_notes(tmp_path) if "mandate dropped" in note]


def cut_off(whole: Path, folder: Path) -> None:
    """Copy a journal up to the row that puts new parameters in force: what was to be noted after it is lost."""
    with Journal(folder, created_ns=1, code="tests", layouts=LAYOUTS) as journal:
        for entry in entries(whole):
            if entry.kind is EntryKind.EVENTS:
                rows = entry.rows
                last = np.flatnonzero(rows["kind_code"] == Kind.PARAMS_CHANGED)
                journal.append_events(rows if len(last) == 0 else rows[: last[0] + 1])
                if len(last):
                    return
            elif entry.kind is EntryKind.COMMAND:
                journal.append_commands(np.frombuffer(entry.data, LAYOUTS["Command"]), entry.seen_ns)
            else:
                journal._put((entry.kind, entry.source, entry.connection, entry.seen_ns, entry.data))
                journal.next_mandate += entry.kind is EntryKind.MANDATE
                journal.next_params += entry.kind is EntryKind.PARAMS


@pytest.mark.parametrize("moment", ["before", "after", "between change and note"])
def test_killed_around_the_boundary_a_session_goes_on_as_if_nothing_had_happened(tmp_path: Path, moment: str) -> None:
    """The file ends where kill -9 left it; the next start takes up what waits, and tells what was done already."""
    whole, folder = tmp_path / "whole", tmp_path / "journal"

    async def first() -> None:
        with session(whole) as (shell, retuning, _):
            await feed(shell, OPENING)
            await asked(retuning, receipt="r", take_edge_bps=250.0)
            shell.session.journal.flush()
            if moment == "before":
                shutil.copytree(whole, folder)
            await feed(shell, stretch(ROWS, 299.9, 300.3))
            shell.session.journal.flush()
            if moment == "after":
                shutil.copytree(whole, folder)
        if moment == "between change and note":
            cut_off(whole, folder)

    async def second() -> tuple[float, str, list[str]]:
        start = start_from(folder, BEGAN, CASH_MICROS)
        assert start.played is not None
        now_ns = start.played.last_seen_ns + NS_PER_S
        shell = open_shell(folder, now_ns, start.core)
        resume(shell, shell.session, start.played, now_ns)
        gate = Gate(BEGAN, now_ns)
        retuning = Retuning(shell, Retune.ANY, BEGAN, start.played.notes, gate)
        retuning.begin()
        assert (retuning.waiting is not None) == (moment == "before")
        with pytest.raises(ChangeRefused, match=r"waits for its boundary|has been used"):
            await asked(retuning, receipt="r", take_edge_bps=260.0)
        await feed(shell, stretch(ROWS, 302.0, 303.0))
        shell.close()
        shell.session.close()
        assert retuning.changes_count == 1
        return in_force(shell, "take_edge_bps"), start.core.digest(), [each.what for each in read_news(folder)]

    asyncio.run(first())
    shutil.rmtree(whole)
    (folder / "lock").unlink(missing_ok=True)
    value, digest, told = asyncio.run(second())
    assert value == 250.0 and told.count(CHANGED) == 1
    played = play_session(folder)
    assert played.difference == "" and played.core.digest() == digest and played.changes_count == 1


def test_a_session_that_is_leaving_makes_no_change_and_the_next_start_does(tmp_path: Path) -> None:
    async def run() -> None:
        with session(tmp_path) as (shell, retuning, _):
            await feed(shell, OPENING)
            await asked(retuning, take_edge_bps=50.0)
            shell.say(Word.LEAVE)
            at(shell, 301.0)
            assert in_force(shell, "take_edge_bps") == 100.0 and retuning.waiting is not None

    asyncio.run(run())
    start = start_from(tmp_path, BEGAN, CASH_MICROS)
    assert start.played is not None and [each.what for each in news_of(start.played.notes)] == [ASKED]
