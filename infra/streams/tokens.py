"""Tokens: what is followed on the market channel, and whose book is still awaited."""

from typing import Final

from infra.clock import Clock
from infra.feeds.listings import Listing
from infra.streams.connection import Connection
from infra.streams.endpoints import TOKENS_MOST, market_less, market_more
from state.units import NS_PER_S

BOOK_WAIT_S: Final = 10.0
"""A token whose book has not come by then is asked for again; a market that is not hydrated yet has none."""


class Tokens:
    """Subscribes windows as they are listed, on the connection that stands and on every one after it."""

    def __init__(self, clock: Clock) -> None:
        self.connection: Connection | None = None
        """The market channel; it rests while no token is followed."""
        self._clock = clock
        self._followed: list[str] = []
        self._awaited: dict[str, int] = {}
        """Token without a book on this connection -> when it was asked for."""

    def list_window(self, listing: Listing) -> None:
        """Ask for a window's books and what changes them."""
        more = [token for token in (listing.up_token, listing.down_token) if token not in self._followed]
        assert len(self._followed) + len(more) <= TOKENS_MOST, "one connection bears no more tokens"
        self._followed += more
        self._wait_for(more)
        if self.connection is not None and more:
            self.connection.say(market_more(more))
            self.connection.want(True)

    def unlist_window(self, listing: Listing) -> None:
        """Let a window's books go."""
        less = [token for token in (listing.up_token, listing.down_token) if token in self._followed]
        self._followed = [token for token in self._followed if token not in less]
        for token in less:
            self._awaited.pop(token, None)
        if self.connection is not None and less:
            self.connection.say(market_less(less))
            if not self._followed:
                self.connection.want(False, "nothing is followed")

    def all(self) -> list[str]:
        """Give every token, for the first frame of a new connection: on it, every book is awaited anew."""
        self._awaited.clear()
        self._wait_for(self._followed)
        return self._followed

    def look(self, raw: bytes) -> None:
        """See whether a frame brings a book that is awaited."""
        if self._awaited and b'"book"' in raw:
            for token in [each for each in self._awaited if each.encode() in raw]:
                del self._awaited[token]

    def ask_again(self) -> None:
        """Ask again for books that did not come; those that did stay as they are."""
        due_ns = self._clock.now_ns() - round(BOOK_WAIT_S * NS_PER_S)
        late = [token for token, asked_ns in self._awaited.items() if asked_ns <= due_ns]
        if late and self.connection is not None:
            self.connection.say(market_less(late))
            self.connection.say(market_more(late))
            self._wait_for(late)

    @property
    def awaited(self) -> int:
        """Say how many books are still to come."""
        return len(self._awaited)

    def _wait_for(self, tokens: list[str]) -> None:
        now_ns = self._clock.now_ns()
        self._awaited |= dict.fromkeys(tokens, now_ns)
