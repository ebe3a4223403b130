"""The intake: one bounded queue between sockets and the hot core; what is dropped is counted, never silent."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from numpy.typing import NDArray

from infra.feeds.frames import Wire
from infra.feeds.listings import Listing


class What(IntEnum):
    """What came in."""

    FRAME = 1
    CONNECTED = 2
    DISCONNECTED = 3
    GAP = 4
    """Still connected, but something of this wire was lost here (conflation had to drop what cannot be dropped)."""
    LISTED = 5
    """A window that should be followed from now on."""
    UNLISTED = 6
    """A window that nobody needs any more."""
    ROWS = 7
    """Rows ready-made: what the gateway learnt of our orders."""
    MANDATE = 8
    """A mandate that the desk has given, as `rows` of shape (1,): handed through untouched."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One thing that came in, with the moment it did."""

    what: What
    wire: Wire
    connection: int
    seen_ns: int
    raw: bytes = b""
    why: str = ""
    listing: Listing | None = None
    rows: NDArray[Any] | None = None


class Intake:
    """SKELETON: helper "streams" writes this; the signatures stand."""

    def put(self, arrived: Arrived) -> None:
        """Take something in; never waits. Called on the event loop's thread."""
        raise NotImplementedError

    async def wait(self, until_ns: int) -> None:
        """Wait until something is there or the clock shows a time."""
        raise NotImplementedError

    def drain(self, most: int) -> list[Arrived]:
        """Give what came first, at most so many."""
        raise NotImplementedError

    @property
    def depth(self) -> int:
        raise NotImplementedError

    conflated: dict[Wire, int]
    """Frames dropped because a newer one said the same better, by wire."""
    lost: dict[Wire, int]
    """Frames dropped that could not be spared (each stretch is told as one GAP)."""
