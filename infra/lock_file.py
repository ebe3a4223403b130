"""A lock file: one process at a time; the lock goes with its process, however that ends."""

import fcntl
import os
from pathlib import Path


class LockTaken(Exception):
    """Another process has the lock; the message names it as far as it is known."""


def take_lock(file: Path) -> int:
    """Take a file's lock and write into it who has it; gives the handle that holds it.

    Raises:
        LockTaken: another process has it.
    """
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = os.read(handle, 64).decode("ascii", "replace").strip() or "another process"
        os.close(handle)
        raise LockTaken(who) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()}\n".encode(), 0)
    return handle
