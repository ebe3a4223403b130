"""What was commanded is safe on disk before it leaves: who asks waits for the sync, together, and hears of failure."""

import asyncio
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.journal.errors import JournalFailed
from infra.journal.reader import entries
from infra.shell.core import COMMAND
from infra.shell.session import Session
from state.orders import Act


def place(order_id: int) -> Any:
    command = np.zeros(1, COMMAND)
    command["act_code"], command["order_id"] = Act.PLACE, order_id
    return command


def test_what_was_commanded_can_be_read_back_once_it_is_said_to_be_safe(tmp_path: Path) -> None:
    async def story() -> None:
        session = Session(tmp_path / "journal", created_ns=0, code="test")
        session.commands(place(1), 1)
        session.commands(place(2), 2)
        await session.safe()
        found = [entry for entry in entries(tmp_path / "journal", torn_ok=True) if entry.seen_ns in (1, 2)]
        assert len(found) == 2
        session.close()

    asyncio.run(story())


def test_who_asks_for_the_same_waits_for_the_same_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        session = Session(tmp_path / "journal", created_ns=0, code="test")
        asked, really = [0], session.journal.when_safe

        def counted(told: Any) -> None:
            asked[0] += 1
            really(told)

        monkeypatch.setattr(session.journal, "when_safe", counted)
        session.commands(place(1), 1)
        await asyncio.gather(session.safe(), session.safe(), session.safe())
        await session.safe()
        assert asked == [1]
        session.commands(place(2), 2)
        await session.safe()
        assert asked == [2]
        session.close()

    asyncio.run(story())


def test_a_disk_that_fails_lets_nothing_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        session = Session(tmp_path / "journal", created_ns=0, code="test")

        def full(_file: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fdatasync", full)
        session.commands(place(1), 1)
        with pytest.raises(JournalFailed, match="No space left"):
            await session.safe()
        with pytest.raises(JournalFailed):
            session.commands(place(2), 2)

    asyncio.run(story())
