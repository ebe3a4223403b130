"""The folder of a journal: one writer at a time, and names as safe as the bytes below them."""

import fcntl
import os
from pathlib import Path

from infra.journal.errors import JournalBusy


def take_lock(folder: Path) -> int:
    """Take the folder's lock; it goes with the process, however that ends."""
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = os.read(file, 64).decode("ascii", "replace").strip() or "another process"
        os.close(file)
        raise JournalBusy(f"{folder}: {who} is writing this journal; stop it, or write to another folder") from None
    os.ftruncate(file, 0)
    os.pwrite(file, f"process {os.getpid()}\n".encode(), 0)
    return file


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
