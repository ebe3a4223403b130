"""The folder of a journal: one writer at a time, and names as safe as the bytes below them."""

import os
from pathlib import Path

from infra import lock_file
from infra.journal.errors import JournalBusy


def take_lock(folder: Path) -> int:
    """Take the folder's lock.

    Raises:
        JournalBusy: another process is writing there.
    """
    try:
        return lock_file.take_lock(folder / "lock")
    except lock_file.LockTaken as who:
        raise JournalBusy(f"{folder}: {who} is writing this journal; stop it, or write to another folder") from None


def writer_of(folder: Path) -> int | None:
    """Give the number of the process that last took the folder's lock and may still write; None: nobody did."""
    try:
        told = (folder / "lock").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return None
    return int(told[1]) if len(told) == 2 and told[1].isdecimal() else None


def sync_folder(folder: Path) -> None:
    """Make a new file's name as safe as its bytes."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
