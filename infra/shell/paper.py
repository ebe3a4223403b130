"""Paper: the matching model in this process as the venue, over whatever the real sockets say."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.events import EVENT
from state.exchange import Exchange
from state.orders import COMMANDS, Command
from state.records import rows
from tools.exchange import attend, open_exchange

OUTBOX: Final = 64
_NONE: Final = np.zeros(0, EVENT)

Rows = NDArray[Any]


class PaperVenue:
    """Takes the core's commands and the feed's rows, and answers with rows: nothing leaves this process.

    The same model as in a backtest, with its delays. Its memory is not kept: after a restart it has no orders.
    """

    def __init__(self, seed: int, cash_micros: int) -> None:
        """Open an account with play money."""
        self._exchanges = rows(Exchange, 1)
        open_exchange(self._exchanges[0], seed, cash_micros)
        self._sent = rows(Command, COMMANDS)
        self._sent_count = 0
        self._out = np.zeros(OUTBOX, EVENT)

    def send(self, commands: Rows) -> None:
        """Take commands; they leave with the next call of `follow`."""
        for row in range(len(commands)):
            assert self._sent_count < COMMANDS, "more commands at once than one event can give"
            self._sent[self._sent_count] = commands[row]
            self._sent_count += 1

    def follow(self, events: Rows, count: int, now_ns: int) -> Rows:
        """Apply what the feed said, do what is due, and give the messages that have reached us by now."""
        sent, self._sent_count = self._sent_count, 0
        written = attend(self._exchanges, self._sent, sent, now_ns, events[:count], now_ns, self._out)
        return self._out[:written].copy() if written else _NONE

    def follow_time(self, now_ns: int) -> Rows:
        """Do what is due by now; give the messages that have reached us."""
        due_ns = min(self._exchanges["next_deed_ns"][0], self._exchanges["next_parcel_ns"][0])
        if self._sent_count == 0 and due_ns > now_ns:
            return _NONE
        return self.follow(_NONE, 0, now_ns)

    @property
    def tally(self) -> dict[str, int]:
        """Give what happened, counted."""
        tally = self._exchanges[0]["tally"]
        return {name: int(tally[name]) for name in tally.dtype.names}
