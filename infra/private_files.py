"""Private files: what processes of one user tell each other, written whole or not at all, for that user alone."""

import os
import stat
from pathlib import Path
from typing import Final

MODE: Final = 0o600


class NotPrivate(Exception):
    """A file that others could have written, or that cannot be read; the words say which."""


def write_private(file: Path, content: bytes) -> None:
    """Write a file whole or not at all, safe on disk, for its owner only; one that was there is replaced."""
    _written_beside(file, content).replace(file)


def offer_private(file: Path, content: bytes) -> bool:
    """Write a file as `write_private` does, unless one is there: one offer at a time. Says whether it was written."""
    beside = _written_beside(file, content)
    try:
        os.link(beside, file)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    return True


def read_private(file: Path, bytes_most: int = 4096) -> bytes:
    """Read the beginning of a file that nobody but our own user can have written.

    Raises:
        NotPrivate: others could have written it, or it cannot be read.
    """
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as source:
            about = os.fstat(handle)
            if about.st_uid != os.geteuid() or stat.S_IMODE(about.st_mode) & 0o077:
                raise NotPrivate("others could have written it")
            return source.read(bytes_most)
    except OSError as error:
        raise NotPrivate((error.strerror or str(error)).lower()) from None


def _written_beside(file: Path, content: bytes) -> Path:
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    return beside


def is_running(pid: int) -> bool:
    """Say whether a process lives, another user's too."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
