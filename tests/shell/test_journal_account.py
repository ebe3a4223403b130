"""A journal is gone on with only by the session it is of: the same mode, the same account, the same venue."""

from pathlib import Path

import pytest

from infra.cli.failures import Exit, code_of
from infra.journal.errors import JournalForeign
from infra.shell.core import Core
from infra.shell.restart import hold_journal
from infra.shell.session import Session
from state.params import default_params

NEXT_DOOR = {"mode": "live", "account": "0x" + "11" * 20, "clob": "http://127.0.0.1:4000"}


@pytest.fixture(name="folder")
def fixture_folder(tmp_path: Path) -> Path:
    """Give the journal of a live session that was tried out next door."""
    session = Session(tmp_path, created_ns=1, code="tests")
    session.begin(Core(default_params(), 10**11), {"seed": 1, **NEXT_DOOR}, 1)
    session.close()
    return tmp_path


def test_the_same_account_goes_on_and_an_empty_folder_is_anybodys(folder: Path, tmp_path: Path) -> None:
    hold_journal(folder, NEXT_DOOR)
    hold_journal(tmp_path / "new", NEXT_DOOR)


@pytest.mark.parametrize(
    ("name", "now", "line"),
    [
        ("clob", "https://clob.polymarket.com", "the journal is of clob http://127.0.0.1:4000, and this session is of"),
        ("account", "0x" + "22" * 20, "the journal is of account 0x1111"),
        ("mode", "demo", "the journal is of mode live, and this session is of mode demo; name a new folder"),
    ],
)
def test_another_one_is_refused_so_that_no_real_account_starts_with_play_money(
    folder: Path, name: str, now: str, line: str
) -> None:
    with pytest.raises(JournalForeign, match=line) as refused:
        hold_journal(folder, NEXT_DOOR | {name: now})
    assert code_of(refused.value) is Exit.BAD_DATA
