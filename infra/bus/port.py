"""The bus as its users see it: publishing never waits, reading gives batches, and what was processed is confirmed."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from infra.bus.messages import Foreign, Message, Topic

PARTITIONS: Final[Mapping[Topic, int]] = {
    Topic.FRAMES: 4, Topic.EVENTS: 4, Topic.DECISIONS: 4, Topic.ORDERS: 4, Topic.PARAMS: 1, Topic.NOTES: 1,
}  # fmt: skip
"""Partitions of each topic where we create it."""


class BusRefused(Exception):
    """The bus cannot be used as it is; one line: why, and what to do."""


class BusAway(BusRefused):
    """Nobody answers at the moment; the same may go well later."""


class Taken(NamedTuple):
    """A message is on its way; in which state `Bus.state` tells."""


class Full(NamedTuple):
    """There is no room for a message now: come again when some have arrived."""

    waiting_count: int
    why: str


class Refused(NamedTuple):
    """A message cannot be taken, now or later: nothing may follow it."""

    why: str


Verdict = Taken | Full | Refused


class State(NamedTuple):
    """How publishing stands."""

    taken_count: int
    arrived_count: int
    """Acknowledged by whoever keeps them."""
    whole_count: int
    """So many of the first that were taken have all arrived: behind them, some may be on their way still."""
    away: str
    """Why nothing arrives, as far as is known; empty when all is well."""
    refused: str
    """Why nothing will arrive any more; empty when all is well."""

    @property
    def waiting_count(self) -> int:
        """Give how many messages are on their way."""
        return self.taken_count - self.arrived_count


class Subscription(Protocol):
    """A member of a group that reads topics."""

    def batch(self, most: int, within_s: float) -> Sequence[Message | Foreign]:
        """Give what has come, at most so many, waiting for the first one no longer than stated.

        Raises:
            BusRefused: nothing will come any more.
        """

    def commit(self) -> None:
        """Confirm that everything given so far was processed: the group will not be given it again.

        Raises:
            BusRefused: it could not be confirmed; it may be given again, as at any time.
        """

    def close(self) -> None:
        """Leave the group; what was not confirmed is given to whoever reads next."""


class Bus(Protocol):
    """Takes messages and gives them to every group that reads their topic, at least once."""

    @property
    def partitions(self) -> Mapping[Topic, int]:
        """Give how many partitions each topic has."""

    def publish(self, message: Message) -> Verdict:
        """Take a message, and never wait."""

    def state(self) -> State:
        """Say how publishing stands."""

    def flush(self, within_s: float) -> State:
        """Wait until everything taken has arrived, no longer than stated."""

    def subscribe(self, group: str, topics: Sequence[Topic]) -> Subscription:
        """Read topics as a member of a group, from what the group has confirmed on, or from the first that is kept."""

    def close(self) -> None:
        """Let go; what has not arrived by then is published again from the journal, by whoever goes on."""
