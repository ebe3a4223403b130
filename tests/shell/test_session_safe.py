"""What was commanded is safe on disk before it leaves: who asks waits for the sync, together, and hears of failure."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.journal.errors import JournalFailed
from infra.journal.reader import entries
from infra.journal.segments import SUFFIX
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


def test_an_order_is_on_its_way_to_the_disk_as_soon_as_it_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        session = Session(tmp_path / "journal", created_ns=0, code="test")
        session.orders_leave = True
        synced = threading.Event()
        really = os.fdatasync

        def told(file: int) -> None:
            really(file)
            synced.set()

        monkeypatch.setattr(os, "fdatasync", told)
        session.commands(place(1), 1)
        assert any(entry.seen_ns == 1 for entry in entries(tmp_path / "journal", torn_ok=True))  # with the kernel
        assert await asyncio.to_thread(synced.wait, 10.0)  # and nobody has waited for it yet
        await session.safe()
        session.close()

    asyncio.run(story())


def test_a_torn_block_of_the_calling_thread_is_the_last_that_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        session = Session(tmp_path / "journal", created_ns=0, code="test")
        session.orders_leave = True
        session.journal.flush()
        really, main = os.write, threading.current_thread()

        def torn(file: int, data: bytes) -> int:
            if threading.current_thread() is not main or len(data) < 60:
                return really(file, data)
            really(file, data[:50])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", torn)
        with pytest.raises(JournalFailed, match="No space left"):
            session.commands(place(1), 1)
        monkeypatch.setattr(os, "write", really)
        with pytest.raises(JournalFailed):
            session.commands(place(2), 2)
        session.journal._thread.join(10.0)
        assert not session.journal._thread.is_alive()
        (segment,) = (tmp_path / "journal").glob(f"*{SUFFIX}")
        size = segment.stat().st_size
        with pytest.raises(JournalFailed):
            session.close()
        assert segment.stat().st_size == size

    asyncio.run(story())
