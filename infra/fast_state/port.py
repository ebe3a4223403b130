"""Fast state: what several parts, and several processes, must agree on at once: rates, leases, last values.

One port with two stores: one of this process (`in_process.py`) and one that others share (`redis_store.py`). Nothing
in it matters after a restart: orders and money are the ledger's, and the truth is the journal.
An order never waits for the network, so `take` answers at once: a shared store hands out tokens that it fetched ahead.
Cancels ask for no token anywhere. Who may act at all for a key is said by its lease on this machine
(`infra/shell/lease.py`); the leases here are for what several machines share.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, Self

VALUE_MOST: Final = 65_536
"""Bytes of one value; a longer one is our own error."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something may be done: so many a second, and so many at once after a quiet time."""

    per_s: float
    burst: float

    def part(self, share: float) -> "Rate":
        """Give a share of it."""
        return Rate(self.per_s * share, self.burst * share)


class Why(StrEnum):
    """Why something was not done."""

    HELD = "another holds it"
    OVERTAKEN = "another has taken it since"
    EXPIRED = "its time ran out"
    AWAY = "the store cannot be reached"


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that was given; its holder shows it with every write."""

    name: str
    holder: str
    fence: int
    """Greater than that of every earlier holder."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What was asked for was not done, and nothing was changed."""

    why: Why
    words: str = ""
    """Who holds it, or what was wrong with the store."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was asked for was done."""


@dataclass(frozen=True, slots=True)
class Told:
    """A value that was told at a place."""

    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing was told within the time."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the store does."""

    degraded: str = ""
    """Why less is to be had than usual; empty when all is well."""
    since_ns: int = 0
    """Since when it is so (monotonic); 0: from the beginning."""
    outages: int = 0
    """How often it went from well to degraded."""
    dropped: int = 0
    """Values that were never told, because too many waited."""


class Listening(Protocol):
    """What is told at a place, from its last values on."""

    def hear(self, within_s: float) -> Told | Quiet | Refused:
        """Give the next value; who was cut off is given all last values once more, for some may have been missed."""

    def close(self) -> None:
        """Hear no more; more than once does no harm."""


class FastState(Protocol):
    """The port."""

    def expect(self, bucket: str, rate: Rate) -> None:
        """Say that tokens of a bucket will be asked for, so that they can be fetched ahead; never waits."""

    def take(self, bucket: str, rate: Rate, tokens: float = 1.0) -> bool:
        """Take tokens of a bucket: all of them or none; never waits.

        A bucket of one process begins full. A shared one begins empty and fills: nobody knows what was taken before.
        """

    def acquire(self, name: str, holder: str, span_ms: int) -> Held | Refused:
        """Take a lease for a time; waits for `redis_store.CALL_S` at most, as all that follow."""

    def renew(self, held: Held, span_ms: int) -> Held | Refused:
        """Hold a lease for a time from now on; one that has run out must be acquired again."""

    def release(self, held: Held) -> Done | Refused:
        """Give a lease back."""

    def write(self, held: Held, place: str, name: str, value: bytes) -> Done | Refused:
        """Tell a value as the holder of a lease; refused when the lease is no longer held."""

    def tell(self, place: str, name: str, value: bytes) -> None:
        """Keep a last value and tell it to whoever listens; never waits: it may be late, and a newer one overtakes."""

    def last(self, place: str) -> dict[str, bytes] | Refused:
        """Give the last values of a place by name."""

    def listen(self, place: str) -> Listening:
        """Listen to what is told at a place."""

    def standing(self) -> Standing:
        """Say how the store does."""

    def close(self) -> None:
        """Let go of whatever is open; more than once does no harm."""

    def __enter__(self) -> Self:
        """Use it for a block."""

    def __exit__(self, *_: object) -> None:
        """Close it."""
