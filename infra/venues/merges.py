"""Merges: what became of a merge of which nobody has told: learnt from what the venue holds less than the books do.

The books know of a merge only when its row has come; until then they count its sets as held. So what the venue holds
less of both tokens is what was merged. It is looked at again and again: the venue's balances are a memory that has to
be refreshed, and fills take their time to the chain.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.clock import Clock
from infra.ledger.booking import Booker
from infra.ledger.differences import DUST_MICROS
from infra.ledger.entries import TokenKey
from infra.ledger.ledger_book import LedgerBook
from infra.ledger.standings import SETTLED_NS, balance_at
from infra.venues.rest import NoAnswer, Rest
from state.events import EVENT, Kind, Source, Token
from state.orders import Reject
from state.units import MICROS, NS_PER_S

LOOK_NS: Final = 5 * NS_PER_S
PATIENCE_NS: Final = SETTLED_NS + 30 * NS_PER_S
"""After a merge can not be done any more its fate is looked for so long: young fills have settled by then."""

TokensOf = Callable[[str], Awaitable[Mapping[TokenKey, str]]]
"""Gives the token ids of a window."""


class Merges:
    """Looks for what became of merges.

    Args:
        book: What we hold by our own account.
        rest: The account at the venue.
        clock: The desk's.
        tokens_of: Names a window's tokens.
        halt: Told in one line when nobody can say what became of a merge.
    """

    def __init__(
        self, book: LedgerBook, rest: Rest, clock: Clock, tokens_of: TokensOf, halt: Callable[[str], None]
    ) -> None:
        self._book, self._rest, self._clock, self._tokens_of, self._halt = book, rest, clock, tokens_of, halt

    async def came_to(self, slug: str, amount_micros: int, until_ns: int, why: str) -> int:
        """Give what was merged of an amount, 0 for nothing; halts when that can not be told.

        Args:
            slug: The window.
            amount_micros: Sets that were to be merged, all or none.
            until_ns: It could be done until then: that it was not is known only after.
            why: What is known of it, in words.
        """
        while True:
            less = await self._less(slug)
            now_ns = self._clock.now_ns()
            if less is not None and min(less) >= amount_micros - DUST_MICROS:
                return amount_micros
            if less is not None and now_ns >= until_ns and max(less) <= DUST_MICROS:
                return 0
            if now_ns >= until_ns + PATIENCE_NS:
                sets = f"{amount_micros / MICROS:,.2f} sets"
                self._halt(f"{slug}: nobody can say whether {sets} were merged: {why}")
                return 0
            await self._clock.sleep(LOOK_NS)

    async def _less(self, slug: str) -> tuple[int, int] | None:
        """Give how much less of UP and DOWN the venue holds than the books; None when that says nothing now."""
        ours = self._ours(slug)
        if ours is None:
            return None
        try:
            tokens = await self._tokens_of(slug)
            if any(TokenKey(slug, token) not in tokens for token in Token):
                return None
            held = []
            for token in Token:
                token_id = tokens[TokenKey(slug, token)]
                await self._rest.refresh_balance(token_id)
                held.append(await balance_at(self._rest, f"CONDITIONAL&token_id={token_id}"))
        except NoAnswer:
            return None
        return (ours[0] - held[0], ours[1] - held[1]) if self._ours(slug) == ours else None

    def _ours(self, slug: str) -> tuple[int, int] | None:
        now_ns = self._clock.now_ns()
        return self._book.ask(lambda booker: _held(booker, slug, now_ns))


def _held(booker: Booker, slug: str, now_ns: int) -> tuple[int, int] | None:
    """Give what the books hold of a window; None while a fill in it may still be on its way to the chain.

    What a decided window has been paid for is held by nobody any more.
    """
    window = booker.windows.get(slug)
    if window is None or any(
        fill.window == slug and fill.seen_ns >= now_ns - SETTLED_NS for fill in booker.unsettled.values()
    ):
        return None
    return (0, 0) if window.outcome is not None and booker.owed[slug] <= 0 else window.held


def merged_row(slot: int, merge_id: int, amount_micros: int, now_ns: int) -> NDArray[Any]:
    """Give the row that says what came of a merge; an amount of 0 is a refusal."""
    row = np.zeros(1, EVENT)
    row["kind_code"], row["source_code"] = Kind.MERGED, Source.OURSELVES
    row["slot_id"], row["ref_id"], row["amount_micros"] = slot, merge_id, amount_micros
    row["flags_mask"] = Reject.NONE if amount_micros else Reject.FAILED
    row["at_ns"] = row["seen_ns"] = now_ns
    return row
