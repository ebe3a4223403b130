"""Opening a record: of the folder that is named, or of the newest session or run that there is."""

from collections.abc import Callable
from pathlib import Path

from infra.journal.segments import is_journal
from infra.record.record import Record
from infra.runs import RUN_FILE
from infra.shell.session import is_session


class NothingRecorded(Exception):
    """There is no session and no run; the message says how to make one."""


def _nobody(_done: int, _of: int) -> None:
    pass


def open_record(folder: Path, progress: Callable[[int, int], None] = _nobody) -> Record:
    """Open a session's journal or a run's folder.

    Raises:
        NothingRecorded: it is neither.
        JournalForeign, JournalDamaged, RunDamaged: it cannot be read by this code.
    """
    if is_journal(folder):
        if not is_session(folder):
            raise NothingRecorded(f"{folder}: a recording, with no decisions in it; run `updown backtest` over it")
        from infra.record.session_record import session_record

        return session_record(folder)
    if not (folder / RUN_FILE).is_file():
        raise NothingRecorded(f"{folder}: neither a session's journal nor a run; name a folder that has one")
    from infra.record.run_record import run_record

    return run_record(folder, progress)


def newest(home: Path) -> Path:
    """Give the folder of the newest session or run below `home`.

    Raises:
        NothingRecorded: there is none.
    """
    files = [*home.glob("*/*/000001.journal"), *home.glob(f"*/*/{RUN_FILE}")]
    for file in sorted(files, key=lambda each: each.stat().st_mtime, reverse=True):
        if file.name == RUN_FILE or is_session(file.parent):
            return file.parent
    raise NothingRecorded(f"{home}: no session and no run in it; make one with `updown demo` or `updown generate`")
