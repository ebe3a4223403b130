"""A live session leaves a journal that a replay makes again to the byte, whole or cut off anywhere."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sessions import CASH_MICROS, feed, market, open_shell, stretch

from infra.journal.blocks import EntryKind
from infra.journal.errors import JournalDamaged, JournalForeign
from infra.journal.reader import entries, verify
from infra.journal.writer import Journal
from infra.shell.restart import ended_orders, resume, start_from
from infra.shell.session import LAYOUTS, begun, is_session, play_session
from state.events import EVENT, Kind
from state.orders import Act, OrderState
from state.params import default_params

BEGINS_S, CUT_S, ENDS_S = -700.0, 240.0, 290.0
"""The listing and the prices before the open, and the window up to its last seconds."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Run a session over half a window, and give its journal with what it counted."""
    folder = tmp_path_factory.mktemp("session") / "journal"
    rows = stretch(market(), BEGINS_S, ENDS_S)

    async def run() -> dict[str, Any]:
        shell = open_shell(folder, int(rows["seen_ns"][0]))
        await feed(shell, rows)
        shell.close()
        shell.session.close()
        assert shell.core is not None
        return {
            "digest": shell.core.digest(),
            "commands": dict(shell.counts.commands),
            "mandates": shell.counts.mandates,
        }

    return folder, asyncio.run(run())


def test_a_replay_makes_every_command_mandate_and_mark_again(recorded: tuple[Path, dict[str, Any]]) -> None:
    folder, told = recorded
    played = play_session(folder)
    assert played.difference == ""
    assert played.core.digest() == told["digest"] == played.last_mark
    assert played.mandates_count == told["mandates"] > 50
    assert played.commands_count == sum(told["commands"].values())
    assert told["commands"]["place"] > 0, "a session without an order proves little"
    assert played.pending == []


def test_what_began_a_session_is_in_its_first_note(recorded: tuple[Path, dict[str, Any]]) -> None:
    assert is_session(recorded[0])
    assert begun(recorded[0])["cash_micros"] == CASH_MICROS


def test_a_row_that_was_changed_is_found(recorded: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """The same session with one price moved: the replay says where it first differs."""
    changed = tmp_path / "changed"
    done = False
    with Journal(changed, created_ns=1, code="tests", layouts=LAYOUTS) as journal:
        for entry in entries(recorded[0]):
            if entry.kind is EntryKind.EVENTS:
                rows = entry.rows
                prices = np.flatnonzero(rows["kind_code"] == Kind.PRICE_SEEN)
                if not done and entry.row > 20_000 and len(prices):
                    rows["value_usd"][prices[0]] += 30.0
                    done = True
                journal.append_events(rows)
            elif entry.kind is EntryKind.MANDATE:
                journal.append_mandate(entry.data, entry.seen_ns)
            elif entry.kind is EntryKind.COMMAND:
                journal.append_commands(np.frombuffer(entry.data, LAYOUTS["Command"]), entry.seen_ns)
            else:
                journal._put((EntryKind.NOTE, 0, 0, entry.seen_ns, entry.data))
    assert done
    assert play_session(changed).difference != ""


@pytest.mark.parametrize("share", [0.35, 0.6, 0.83, 0.97])
def test_a_session_killed_at_any_moment_goes_on_from_its_journal(
    recorded: tuple[Path, dict[str, Any]], tmp_path: Path, share: float
) -> None:
    """The file ends in the middle of a block, as after kill -9: what is whole is played, the session goes on, and the
    journal of both halves replays as one."""
    folder = tmp_path / "journal"
    shutil.copytree(recorded[0], folder)
    (folder / "lock").unlink(missing_ok=True)
    segment = sorted(folder.glob("*.journal"))[-1]
    segment.write_bytes(segment.read_bytes()[: int(segment.stat().st_size * share)])

    start = start_from(folder, default_params(), CASH_MICROS)
    assert start.played is not None
    later = stretch(market(), CUT_S, ENDS_S)
    later = later[later["seen_ns"] > start.played.last_seen_ns]

    async def go_on() -> str:
        assert start.played is not None
        now_ns = start.played.last_seen_ns + 1_000_000_000
        shell = open_shell(folder, now_ns, start.core)
        resume(shell, shell.session, start.played, now_ns)
        shell.tell(ended_orders(start.core))
        open_orders = start.core.worlds["orders"][0]["state_code"]
        assert (open_orders == OrderState.NONE).all(), "nothing of ours rests after a restart of a paper session"
        await feed(shell, later)
        shell.close()
        shell.session.close()
        return start.core.digest()

    digest = asyncio.run(go_on())
    assert verify(folder).sound
    whole = play_session(folder)
    assert whole.difference == "" and whole.core.digest() == digest
    assert [note for note in whole.notes if note.get("restarted")]


def test_a_journal_that_is_no_session_is_refused_in_one_line(tmp_path: Path) -> None:
    with Journal(tmp_path / "other", created_ns=1, code="tests") as journal:
        journal.append_note({"import": {}}, 1)
        journal.append_events(np.zeros(3, EVENT))
    assert not is_session(tmp_path / "other")
    with pytest.raises(JournalForeign, match="not the journal of a live session"):
        start_from(tmp_path / "other", default_params(), CASH_MICROS)


def test_a_session_whose_commands_cannot_be_made_again_is_not_gone_on_with(
    recorded: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    command = np.zeros(1, LAYOUTS["Command"])
    command["act_code"] = Act.PLACE
    with Journal(folder, created_ns=1, code="tests", layouts=LAYOUTS) as journal:
        journal.append_note(begun(recorded[0]), 1)
        journal.append_commands(command, 2)
    with pytest.raises(JournalDamaged, match=r"a replay differs: command 1: recorded .* and none came"):
        start_from(folder, default_params(), CASH_MICROS)
