"""The shell's own ways: when the desk is wrong, when frames were lost, when slots run out, when it stops."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sessions import desk_process, feed, market, open_shell, stretch

from infra.feeds.frames import Wire
from infra.feeds.listings import Listing
from infra.shell.core import MandateDiffers
from infra.shell.desk import Desk
from infra.shell.latency import Latency, Span
from infra.shell.session import play_session
from infra.shell.shell import Shell
from infra.shell.slots import NoSlotFree, Slots
from infra.streams.intake import Arrived, What
from state.events import EVENT, Asset, FeedState, Kind, Source, Word
from state.orders import OrderState
from state.world import SLOTS

ROWS = stretch(market(), -700.0, 90.0)
PLAIN = Listing(
    condition_id="0x01", slug="btc-updown-5m-1792573200", asset=Asset.BTC, open_ns=1_792_573_200_000_000_000,
    span_s=300, up_token="1", down_token="2", tick_bps=100, min_micros=5_000_000,
)  # fmt: skip


def begun_ns() -> int:
    return int(ROWS["seen_ns"][0])


def test_a_mandate_that_the_fused_desk_would_not_give_halts_the_core_and_is_not_written_down(tmp_path: Path) -> None:
    """The LangGraph desk answers with one bit more than the fused one: nobody trades on that, ever."""

    async def run() -> Shell:
        shell = open_shell(tmp_path / "journal", begun_ns())
        desk: Any = shell.desk
        honest = desk._deliver

        def bent(mandates: Any) -> None:
            mandates["p_up"] += 1e-12 * (shell.counts.mandates == 20)
            honest(mandates)

        desk._deliver = bent
        await feed(shell, ROWS)
        shell.close()
        shell.session.close()
        return shell

    shell = asyncio.run(run())
    assert shell.core is not None
    assert int(shell.core.world["halted_code"]) == Word.HALT
    assert "the LangGraph desk and the fused one differ" in shell.halted_why
    played = play_session(tmp_path / "journal")
    assert played.difference == "" and int(played.core.world["halted_code"]) == Word.HALT
    assert any("differ" in str(note.get("halted")) for note in played.notes)


def test_a_mandate_that_nobody_asked_for_is_refused(tmp_path: Path) -> None:
    async def run() -> None:
        shell = open_shell(tmp_path / "journal", begun_ns())
        await feed(shell, ROWS)
        assert shell.core is not None
        unasked: Any = shell.core.ask(0).decision["mandate"].copy()
        unasked["mandate_id"] += 1000
        with pytest.raises(MandateDiffers, match="nobody asked for it"):
            shell.core.give(unasked, shell.clock.now_ns())
        shell.close()
        shell.session.close()

    asyncio.run(run())


def test_a_market_whose_run_is_under_way_is_not_run_twice_the_newest_request_waits(tmp_path: Path) -> None:
    async def run() -> tuple[list[int], int]:
        shell = open_shell(tmp_path / "journal", begun_ns())
        await feed(shell, ROWS)
        assert shell.core is not None
        came: list[int] = []
        shell.close()
        desk = Desk(desk_process(), lambda rows: came.append(int(rows["mandate_id"][0])), print)
        asked = [shell.core.ask(0) for _ in range(4)]
        for each in asked:
            desk.run(each)
        while desk.is_busy:  # noqa: ASYNC110 - the desk tells its own loop, not a test
            await asyncio.sleep(0.001)
        desk.close()
        shell.session.close()
        first, *_, last = (each.mandate_id for each in asked)
        assert came == [first, last]
        return came, desk.coalesced_count

    came, coalesced = asyncio.run(run())
    assert len(came) == 2 and coalesced == 2


def test_frames_that_had_to_be_dropped_make_the_books_invalid_until_a_snapshot(tmp_path: Path) -> None:
    async def run() -> tuple[bool, bool, list[int]]:
        shell = open_shell(tmp_path / "journal", begun_ns())
        await feed(shell, ROWS)
        assert shell.core is not None
        markets = shell.core.worlds["markets"][0]
        slot = int(ROWS["slot_id"][ROWS["kind_code"] == Kind.LEVEL_SET][-1])
        before = bool(markets[slot]["books"]["valid"].all())
        shell.take([Arrived(What.GAP, Wire.POLYMARKET_MARKET, 1, shell.clock.now_ns(), why="7 frames dropped")])
        after = bool(markets[slot]["books"]["valid"].any())
        shell.close()
        shell.session.close()
        from infra.journal.reader import read_events

        told = np.concatenate(list(read_events(tmp_path / "journal")))
        changed = told[(told["kind_code"] == Kind.FEED_CHANGED) & (told["source_code"] == Source.POLYMARKET_BOOK)]
        return before, after, changed["code_id"].tolist()

    before, after, states = asyncio.run(run())
    assert before and not after
    assert states[-1] == FeedState.GAP


def test_stopping_pulls_every_order(tmp_path: Path) -> None:
    """Told to pull all, the core cancels what rests, and the session's journal says why."""
    rows = stretch(market(), -700.0, 290.0)

    async def run() -> Shell:
        shell = open_shell(tmp_path / "journal", begun_ns())
        await feed(shell, rows)
        placed = shell.counts.commands["place"]
        assert placed > 0
        shell.halt("the operator stops", Word.PULL_ALL)
        clock: Any = shell.clock
        for _ in range(40):
            clock.at_ns += 50_000_000
            shell.take(shell.intake.drain(64))
        shell.close()
        shell.session.close()
        return shell

    shell = asyncio.run(run())
    assert shell.core is not None
    assert (shell.core.worlds["orders"][0]["state_code"] == OrderState.NONE).all()


@given(st.lists(st.integers(0, 40), max_size=60))
def test_windows_keep_their_slots_and_never_share_one(steps: list[int]) -> None:
    slots = Slots()
    plain = PLAIN
    held: dict[str, int] = {}
    for step in steps:
        each = replace(plain, slug=f"window {step}", open_ns=plain.open_ns + step * 300_000_000_000)
        if each.slug in held and step % 2:
            assert slots.give_back(each.slug) == held.pop(each.slug)
            continue
        try:
            slot = slots.take(each)
        except NoSlotFree:
            assert len(held) == SLOTS
            continue
        assert held.setdefault(each.slug, slot) == slot
        assert sorted(held.values()) == sorted(set(held.values()))


def test_after_a_restart_a_window_gets_the_slot_that_the_core_has_it_in() -> None:
    assert Slots().take(PLAIN, known=6) == 6


def test_latency_keeps_the_last_samples_and_says_the_budget() -> None:
    latency = Latency()
    for ms in range(1, 101):
        latency.add(Span.EXECUTION, float(ms))
    (row,) = latency.table()
    assert row == {"span": "execution", "count": 100, "p50_ms": 50.5, "p99_ms": 99.01, "budget_ms": 500.0}


def test_rows_of_our_own_making_are_seen_when_they_are_told(tmp_path: Path) -> None:
    async def run() -> Any:
        shell = open_shell(tmp_path / "journal", begun_ns())
        await feed(shell, stretch(market(), -700.0, -290.0))
        rows = np.zeros(1, EVENT)
        rows["kind_code"], rows["code_id"] = Kind.OPERATOR_SAID, Word.HALT
        shell.tell(rows)
        shell.close()
        shell.session.close()
        return rows

    told = asyncio.run(run())
    assert told["seen_ns"][0] >= begun_ns()


def test_a_window_that_is_never_decided_gives_its_slot_to_the_next_when_we_hold_nothing_of_it(tmp_path: Path) -> None:
    async def run() -> Shell:
        shell = open_shell(tmp_path / "journal", PLAIN.open_ns)
        for step in range(SLOTS + 1):
            each = replace(PLAIN, slug=f"window {step}", open_ns=PLAIN.open_ns + step * 300_000_000_000)
            shell.take([Arrived(What.LISTED, Wire.GAMMA, 0, PLAIN.open_ns + 700_000_000_000, listing=each)])
        shell.close()
        shell.session.close()
        return shell

    shell = asyncio.run(run())
    assert list(shell.listings) == [f"window {step}" for step in range(1, SLOTS + 1)]
    assert shell.counts.no_slot == 0
    notes = play_session(tmp_path / "journal").notes
    assert [note["given up"] for note in notes if "given up" in note] == ["window 0"]
