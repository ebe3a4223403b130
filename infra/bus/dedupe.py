"""Each message once: what came twice is left out, what is missing is told before anything behind it is taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from infra.bus.messages import NOTHING, TITLE_SEQ, Message, Place, since


class Doubled(NamedTuple):
    """A message that was taken before, or holds nothing that is wanted."""

    message: Message


class Missing(NamedTuple):
    """Messages that went to a partition and were not delivered, as the next one tells."""

    journal: str
    place: Place
    after: int
    """First item of the last message that was taken there; `NOTHING`: none was."""
    before: int
    """First item of the last message that is missing."""

    def __str__(self) -> str:
        """Say it in one line."""
        where = f"{self.place.topic}/{self.place.partition}"
        since = "from its beginning" if self.after == NOTHING else f"after item {self.after}"
        return f"journal {self.journal}: messages of {where} are missing {since} up to that of item {self.before}"


@dataclass(slots=True)
class Dedupe:
    """What was taken, by journal and partition.

    Args:
        taken: First item of the last message taken of each, as a reader keeps it beside what it made of it.
        from_seq: Items below this one are not wanted.
    """

    taken: dict[tuple[str, Place], int] = field(default_factory=dict)
    from_seq: int = TITLE_SEQ
    doubled_count: int = 0
    """Messages left out."""

    @classmethod
    def resumed(cls, taken: Mapping[tuple[str, Place], int], from_seq: int = TITLE_SEQ) -> "Dedupe":
        """Go on from what a reader has kept."""
        return cls(dict(taken), from_seq)

    def take(self, message: Message) -> Message | Doubled | Missing:
        """Give what is new of a message.

        A message behind a hole is not taken: `skip` says that the reader goes on without what is missing.
        """
        at = (message.journal, message.place)
        seen = self.taken.get(at, NOTHING)
        if message.seq <= seen:
            self.doubled_count += 1
            return Doubled(message)
        if message.before > seen:
            return Missing(message.journal, message.place, seen, message.before)
        self.taken[at] = message.seq
        if message.last < self.from_seq:
            return Doubled(message)
        return since(message, self.from_seq)

    def skip(self, missing: Missing) -> None:
        """Go on without what is missing."""
        self.taken[missing.journal, missing.place] = missing.before
