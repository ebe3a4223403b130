"""Ports of a session: where its commands go, who reads the news of its orders, and who is told."""

from typing import Any, Protocol

from numpy.typing import NDArray

Rows = NDArray[Any]


class Door(Protocol):
    """Where commands go: the venue, or the matching model."""

    def send(self, commands: Rows) -> None:
        """Take commands; never waits."""

    def follow(self, events: Rows, count: int, now_ns: int) -> Rows:
        """See what the feed said; give rows that the door itself has to tell (none for a real venue)."""

    def follow_time(self, now_ns: int) -> Rows:
        """See that time has passed; give rows as `follow` does."""


class News(Protocol):
    """Reads what the user channel says of our orders."""

    def take(self, raw: bytes, seen_ns: int) -> Rows:
        """Give the rows that a frame of the user channel means."""

    def reconnected(self) -> None:
        """Hear that something may have been missed: the channel is back, or a window from before a restart is."""


class Watcher(Protocol):
    """Is told what happened, on the loop's thread, after the core has received it: for screens and summaries."""

    def rows(self, worlds: Any, events: Rows) -> None:
        """Hear rows that may matter to people; prices and levels are not told."""

    def commands(self, commands: Rows) -> None:
        """Hear commands that go to the venue."""

    def mandates(self, mandates: Rows) -> None:
        """Hear a mandate, shape (1,)."""
