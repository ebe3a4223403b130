"""Books of a session that is none: rows and notes by hand, for stories of payouts and complete sets."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gateway_desk import SLOT
from relayer_stage import Stage

from infra.ledger.ledger_book import LedgerBook
from infra.venues.relaying import Relayer
from infra.venues.settling import Settling
from state.events import EVENT, Kind, Source
from state.units import MICROS


@dataclass
class Books:
    """What a session would be: rows and notes in the order in which they came, and books over them."""

    on: Stage
    cash_micros: int
    facts: list[Any] = field(default_factory=list)
    halts: list[str] = field(default_factory=list)
    heard: int = 0

    def __post_init__(self) -> None:
        self.book = self.opened()

    def opened(self) -> LedgerBook:
        """Open books anew, as a restart does: from the journal alone."""
        book = LedgerBook()
        book.begin(self.cash_micros, 1)
        for number, fact in enumerate(self.facts):
            self._hear(book, number, fact)
        return book

    @staticmethod
    def _hear(book: LedgerBook, number: int, fact: Any) -> None:
        if isinstance(fact, dict):
            book.note(number, fact, 2)
        else:
            book.rows(1_000 * number, fact)

    def add(self, fact: Any) -> None:
        self.facts.append(fact)
        self._hear(self.book, len(self.facts) - 1, fact)

    def row(self, kind: Kind, **columns: int) -> None:
        row = np.zeros(1, EVENT)
        row["kind_code"], row["source_code"], row["slot_id"] = kind, Source.GAMMA, SLOT
        row["at_ns"] = row["seen_ns"] = self.on.venue.clock.now_ns()
        for name, value in columns.items():
            row[name] = value
        self.add(row)

    def listen(self) -> None:
        """Take in what the desk has been told since."""
        rows = self.on.desk.rows
        if len(rows) > self.heard:
            self.add(rows[self.heard :].copy())
            self.heard = len(rows)

    def settling(self, relayer: Relayer | None) -> Settling:
        listing = self.on.desk.listing
        return Settling(
            self.book, self.on.desk.rest, relayer, self.on.venue.clock, note=self.add,
            listings=lambda: {listing.slug: listing}, slug_of=lambda _: listing.slug, halt=self.halts.append,
        )  # fmt: skip

    def notes(self, key: str) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, dict) and key in fact]

    def owed(self) -> float:
        return self.book.balances().pending_redemption_micros / MICROS

    def agree(self) -> bool:
        """Say whether books and venue have the same collateral, to the micro."""
        return self.book.balances().collateral_micros == self.on.venue.engine.cash_micros(self.on.account)
