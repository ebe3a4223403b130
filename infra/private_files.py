"""Private files: what processes of one user tell each other, written whole or not at all, for that user alone."""

import os
from pathlib import Path
from typing import Final

MODE: Final = 0o600


def write_private(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, safe on disk, for its owner only; one that was there is replaced."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)


def is_running(pid: int) -> bool:
    """Say whether a process lives, another user's too."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
