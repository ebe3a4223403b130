"""The wallet's day: what other sessions of the same key came to today, read from their books.

Each session has books of its own beside its journal, and knows its own day from there. The limit of a day's loss is the
wallet's, though, and a session in a new folder must not begin it anew. So the folder of leases keeps, for each key, a
list of the books that its sessions have written; the figures stay in the books, which are their source.

Doubt: after kill -9 books may lack their last second, which the session itself would complete from its journal if it
went on. Sessions on other machines are not known here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec
import numpy as np

from infra.ledger.entries import day_of
from infra.ledger.ledger import LedgerAway, LedgerForeign
from infra.ledger.ledger_book import FILE
from infra.ledger.places import books_by, file_of
from infra.private_files import write_private
from infra.terminal.wording import signed_usd
from state.events import EVENT, Kind, Source
from state.units import MICROS

ENDING: Final = ".books"


class DayUnknown(Exception):
    """What the wallet came to today cannot be known; one line: why, and what to do."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What other sessions of a wallet came to on a day."""

    day: int
    realised_micros: int = 0
    undecided_micros: int = 0
    """What they may still lose in windows whose end their books do not know: counted as lost."""
    folders: tuple[Path, ...] = ()
    """Of the sessions that this is about."""

    @property
    def micros(self) -> int:
        """Give the result, at its worst."""
        return self.realised_micros - self.undecided_micros

    @property
    def words(self) -> str:
        """Say it in a line; empty when there is nothing to say."""
        if not self.micros and not self.undecided_micros:
            return ""
        said = f"other sessions of this wallet came to {signed_usd(self.micros / MICROS)} today"
        if not self.undecided_micros:
            return said
        where = ", ".join(str(folder) for folder in self.folders)
        return (
            f"{said}, ${self.undecided_micros / MICROS:,.2f} of it in windows whose end their books do not know: going "
            f"on in their folder would settle that ({where})"
        )

    def row(self) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        """Give the row that core and gate hear; it takes the place of any said before for the day."""
        told = np.zeros(1, EVENT)
        told["kind_code"], told["source_code"] = Kind.DAY_CARRIED, Source.OURSELVES
        told["ref_id"], told["amount_micros"] = self.day, self.micros
        return told


class WalletBooks:
    """The list of books that a key's sessions have written; its lease is held by whoever uses this."""

    def __init__(self, file: Path, folder: Path, dsn: str = "") -> None:
        """Take the list's file, the folder of the session that asks, and the database that keeps books, if one does."""
        self._file, self._folder, self._dsn = file, folder, dsn

    @classmethod
    def of(cls, leases: Path, address: str, folder: Path, dsn: str = "") -> Self:
        """Give the list of an address, beside its lease."""
        return cls(leases / f"{address.lower()}{ENDING}", folder, dsn)

    @property
    def _own(self) -> Path:
        return file_of(self._folder).absolute()

    def enrol(self) -> None:
        """Put the books of this session on the list; they must be there by now, and nothing booked in them."""
        known = self._read()
        if self._own not in known:
            self._write([*known, self._own])

    def elsewhere(self, now_ns: int) -> Elsewhere:
        """Add up what other sessions came to on the day of a moment, and forget books that have nothing to say of it.

        Raises:
            DayUnknown: books on the list are gone or cannot be read.
        """
        day = day_of(now_ns)
        realised, undecided, folders, kept = 0, 0, [], []
        for path in self._read():
            if path == self._own:
                kept.append(path)
                continue
            here, open_ = self._result(path, day)
            realised += here
            undecided += open_
            if here or open_:
                folders.append(path.parent)
                kept.append(path)
        self._write(kept)
        return Elsewhere(day, realised, undecided, tuple(folders))

    def _result(self, path: Path, day: int) -> tuple[int, int]:
        """Give what books say of a day: realised, and what may still be lost in windows without an end."""
        try:
            books = books_by(path, self._dsn)
            balances = books.balances()
            pairs: dict[str, list[int]] = {}
            for key, micros in balances.shares.items():
                pairs.setdefault(key.window, []).append(micros)
            sets = sum(min(each) for each in pairs.values() if len(each) == 2)
            undecided = balances.invested_micros + balances.fees_open_micros - max(sets, 0)
            return books.day_pnl_micros(day), max(undecided, 0)
        except (LedgerForeign, LedgerAway) as error:
            raise DayUnknown(
                f"what this wallet lost today is not known: {error}; put the books back, or, if that session lost "
                f"nothing today, take its line out of {self._file}"
            ) from None

    def _read(self) -> list[Path]:
        try:
            raw = self._file.read_bytes()
        except FileNotFoundError:
            return []
        try:
            return [Path(path) for path in msgspec.json.decode(raw, type=list[str])]
        except msgspec.MsgspecError as error:
            raise DayUnknown(f'{self._file}: no list of books ({error}); mend it: ["FOLDER/{FILE}", ...]') from None

    def _write(self, paths: list[Path]) -> None:
        write_private(self._file, msgspec.json.format(msgspec.json.encode([str(path) for path in paths])) + b"\n")
