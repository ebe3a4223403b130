"""What can be wrong with a journal, each as one line that says what, where, and how to mend it."""

from typing import NamedTuple


class JournalError(Exception):
    """Anything that keeps a journal from being written or read."""


class JournalMissing(JournalError):
    """There is no journal at that place."""


class JournalForeign(JournalError):
    """It is not a journal, or one of another format or record layout: reading it would misread it."""


class JournalDamaged(JournalError):
    """Bytes are wrong or gone; what was lost is said, and nothing has been changed on disk."""


class JournalBusy(JournalError):
    """Somebody else is writing this journal."""


class JournalFailed(JournalError):
    """The writing thread met an error; what was not yet synced may be lost."""


class Gap(NamedTuple):
    """A hole in a journal: where it is, how many bytes are wrong, and what is missing, as far as the rest can tell."""

    segment_id: int
    offset_count: int
    """Byte in the segment at which the hole begins."""
    bytes_count: int
    """Bytes that are wrong there; 0 when a whole stretch is simply absent."""
    first_seq: int
    """Sequence number of the first item that is missing."""
    items_count: int
    """Items missing; -1 when nothing follows that could tell."""
    rows_count: int
    """Event rows among them; -1 when nothing follows that could tell."""
    why: str

    def __str__(self) -> str:
        """Say it in one line."""
        lost = "an unknown number of items" if self.items_count < 0 else f"{self.items_count} items"
        return (
            f"segment {self.segment_id:06d} at byte {self.offset_count}: {self.why} ({self.bytes_count} bytes); "
            f"{lost} lost from item {self.first_seq}"
        )
