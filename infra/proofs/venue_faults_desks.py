"""Desks of the stage of the venue's faults: what they are made of, what they hear, and what can be asked of them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.ledger.ledger_book import LedgerBook
from infra.proofs.fault_desks import Hand
from infra.proofs.venue_faults_wires import WAY_NS, HandQuestions, HandRest
from infra.shell.shell import Shell
from infra.streams.discovery import Discovery
from infra.venues.credentials import Secret
from infra.venues.signing import Signer
from infra.wallets import deposit_wallet_of
from state.events import EVENT, Kind, Source
from state.units import NS_PER_S

BY_CATALOGUE: Final = (
    int(Kind.MARKET_LISTED), int(Kind.RULE_GIVEN), int(Kind.STRIKE_SEEN), int(Kind.SETTLED),
)  # fmt: skip
"""Rows that a desk learns from the catalogue by itself."""
OF_BOOKS: Final = np.zeros(256, np.bool_)
"""Kinds of rows that the market channel tells, of one window."""
OF_BOOKS[[Kind.BOOK_CLEARED, Kind.LEVEL_SET, Kind.TOUCH_CARRIED, Kind.TRADE_SEEN, Kind.TICK_CHANGED]] = True

Rows = NDArray[Any]
Roads = Callable[[bytes], tuple[int, ...]]
"""Says of a message of the user channel how late each copy of it comes, in ns; nothing: it is lost."""


@dataclass(slots=True, kw_only=True)
class HandDesk(Hand):
    """A desk on the stage."""

    folder: Path
    rest: HandRest
    signer: Signer
    """Of its orders."""
    questions: HandQuestions
    discovery: Discovery
    roads: Roads = field(default=lambda _: (WAY_NS,))
    slot: int = -1
    """Of the window in which the story plays; -1: not listed yet."""
    prices_count: int = 0
    books_count: int = 0
    """How much of what left the venue it has heard, of prices and of the window's books."""

    @property
    def books(self) -> LedgerBook:
        """Give its books as they stand in memory."""
        assert isinstance(self.journal.books, LedgerBook), "a desk on the stage keeps books"
        return self.journal.books

    def counted(self, words: str) -> int:
        """Give one of the gateway's counts."""
        return self.gateway.counts[words]

    def heard(self, order: int, words: str) -> bool:
        """Say whether something was heard of an order."""
        return any(words in line for line in self.story_of(order))

    def placed_ns(self, order: int) -> int:
        """Give when an order was commanded."""
        its_hash = self.hash_of(order)
        return int(next(note["at_ns"] for note in self.noted("hash") if note["hash"] == its_hash))

    def noted(self, key: str) -> list[dict[str, Any]]:
        """Give the journal's notes with a key."""
        return [note for note in self.journal.notes if key in note]


def prices_in(told: Rows) -> Rows:
    """Keep what is said of prices; what the catalogue tells a desk learns by itself."""
    kinds = told["kind_code"]
    kept: Rows = told[~OF_BOOKS[kinds] & ~np.isin(kinds, BY_CATALOGUE)]
    return kept


def books_in(told: Rows, there: int, here: int) -> Rows:
    """Keep what is said of one window's books, put into the slot that the desk has it in."""
    kept: Rows = told[OF_BOOKS[told["kind_code"]] & (told["slot_id"] == there)].copy()
    kept["slot_id"] = here
    return kept


def chain_head(now_ns: int) -> Rows:
    """Say that the chain has made a block just now, at a usual fee."""
    seen = np.zeros(1, EVENT)
    seen["kind_code"], seen["source_code"], seen["value_usd"] = Kind.CHAIN_SEEN, Source.POLYGON, 30.0
    seen["ref_id"] = now_ns - NS_PER_S
    return seen


def halt(shell: Shell, why: str) -> None:
    """Let the core stop; a hand has none and only writes it down."""
    if shell.core is not None:
        shell.halt(why)
    else:
        shell.session.note({"halted": why}, shell.clock.now_ns())


def key_of(name: str) -> Secret:
    """Give the key of a name, the same each time: a throw-away that everybody can reckon."""
    return Secret(hashlib.sha256(f"venue faults {name}".encode()).hexdigest())


def signer_of(name: str) -> Signer:
    """Give the signer of a name, for the deposit wallet that its key has."""
    return Signer(key_of(name), deposit_wallet_of(Signer(key_of(name)).address))
