"""Settling: what a decided window owes us becomes collateral, once, whoever sets it off, and whatever fails meanwhile.

What is owed is in the books of account, which a restart reads back; whether it has been paid is seen at the venue: the
winning tokens are gone and the collateral has grown. So nothing has to be remembered here. The venue sweeps winners by
itself where it was allowed to, some time later or never (venue reference 7.1, section 8 item 32); what it leaves is
redeemed through the relayer, once the CLOB has named the same winner (`second_word.py`). Redeeming twice pays nothing
twice, for tokens are burnt as they are paid; what must not happen twice is the booking, and that hangs on what is still
owed.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.clock import Clock
from infra.feeds.frames import Offbeat
from infra.feeds.listings import Listing, window_of_slug
from infra.ledger.booking import Booker
from infra.ledger.differences import DUST_MICROS, Standing
from infra.ledger.entries import TokenKey
from infra.ledger.ledger_book import REDEEMED, LedgerBook
from infra.ledger.standings import owed_standing, tokens_of, venue_standing
from infra.venues.merges import Merges
from infra.venues.relaying import Fate, Relayer
from infra.venues.rest import NoAnswer, Rest
from infra.venues.second_word import SecondWord
from infra.venues.wallet_calls import Pair
from state.events import Token
from state.rules import Rule
from state.units import MICROS, NS_PER_S

LOG: Final = logging.getLogger("updown.settling")

LOOK_S: Final = 5.0
"""Between two looks at what is owed (venue reference 10: resolution wait)."""
SWEEP_S: Final = 45.0
"""How long the venue is left to pay by itself. Ours; that it pays is documented, when is not."""
LATE_S: Final = (180.0, 600.0)
"""A payout that is owed for so long is a warning, and then an alarm."""
RETRY_S: Final = (10.0, 300.0)
"""Between two tries to redeem, at first and at most."""
HEARD_S: Final = 3_600.0
"""Of windows that ended longer ago and owe us nothing no second word is asked for any more."""
SEEN_NS: Final = 20 * NS_PER_S
"""What the chain has done may show at the venue so much later. Ours; how far its nodes lag is not published."""
ROUTED_VERSION: Final = 3
"""Orders of this version are for positions of the newer kind (venue reference 1.2)."""

Noted = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class _Wait:
    """What is known here of one window that owes us; after a restart it is learnt anew."""

    since_ns: int
    """When it was first seen to owe us."""
    next_ns: int
    span_s: float = RETRY_S[0]
    complaint: str = ""
    late_s: float = 0.0


class Settling:
    """Watches over payouts, and merges complete sets for the gateway.

    Args:
        book: What is owed, and where payments are booked by way of `note`.
        rest: The account at the venue.
        relayer: Redeems and merges; None where the account has none: then the venue's sweep is waited for.
        clock: The desk's.
        note: Writes into the journal; the books hear it.
        listings: Windows that are followed, by slug.
        slots: Slot -> slug, for merges.
        halt: Told in one line when the venue holds something that cannot be explained.
    """

    def __init__(
        self, book: LedgerBook, rest: Rest, relayer: Relayer | None, clock: Clock, *, note: Noted,
        listings: Callable[[], Mapping[str, Listing]], slug_of: Callable[[int], str], halt: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._book, self._rest, self._relayer, self._clock = book, rest, relayer, clock
        self._note, self._listings, self._slug_of, self._halt = note, listings, slug_of, halt
        self._waits: dict[str, _Wait] = {}
        self._second = SecondWord(rest, note, halt)

    async def run(self) -> None:
        """Look, until cancelled, after what is owed."""
        while True:
            await self._clock.sleep(round(LOOK_S * NS_PER_S))
            try:
                await self.look()
            except NoAnswer as error:
                LOG.info("payouts could not be looked at: %s", error)

    # Payouts.

    async def look(self) -> None:
        """Book what has been paid, and redeem what the venue leaves.

        Raises:
            NoAnswer: the venue does not tell what we hold.
        """
        await self._hear_second_words()
        before = self._standing()
        for slug in [slug for slug in self._waits if slug not in {key.window for key in before.owed}]:
            del self._waits[slug]
        owed = {key: micros for key, micros in before.owed.items() if micros > 0}
        if not owed:
            return
        venue = await self._venue(Standing("the books", 0, owed=owed))
        after = self._standing()
        # Of what the books say before and after the question, the one that explains more by itself.
        grown = venue.collateral_micros - max(
            each.collateral_micros + each.doubt_micros[1] for each in (before, after)
        )  # fmt: skip
        for key in sorted(owed, key=_end_of):
            if key not in venue.owed:
                self._complain(key, "nobody can name its tokens, so the venue cannot be asked about them")
                continue
            if after.owed.get(key) != owed[key]:
                continue
            held, micros = venue.owed[key], owed[key]
            self._warn_if_late(key, micros)
            if held <= DUST_MICROS and micros > DUST_MICROS:
                if grown >= micros - DUST_MICROS:
                    grown -= micros
                    self._paid(key, micros, "the venue", "")
                else:
                    self._complain(key, "the tokens are gone and the collateral has not grown")
            elif held == 0:
                self._paid(key, micros, "dust", "")  # nothing is left that could be redeemed
            elif self._is_due(key, held, micros):
                await self._redeem(key, held)

    async def _hear_second_words(self) -> None:
        """Hear who won by the CLOB, also where we hold the loser: what was settled wrongly owes us nothing."""
        least_ns = self._clock.now_ns() - round(HEARD_S * NS_PER_S)
        for slug, outcome in self._book.ask(lambda booker: _held_at_the_end(booker, least_ns)):
            pair = self._pair(slug)
            if pair is not None:
                await self._second.agrees(slug, pair.condition_id, outcome)

    def _standing(self) -> Standing:
        return self._book.ask(lambda booker: owed_standing(booker, self._clock.now_ns()))

    async def _venue(self, books: Standing) -> Standing:
        tokens: dict[TokenKey, str] = {}
        for slug, listing in self._listings().items():
            tokens[TokenKey(slug, Token.UP)], tokens[TokenKey(slug, Token.DOWN)] = listing.up_token, listing.down_token
        return await venue_standing(self._rest, books, tokens, dict(self._book.booker.conditions))

    def _is_due(self, key: TokenKey, held: int, micros: int) -> bool:
        """Say whether to redeem now: the venue had its time, and all has come that is on its way."""
        wait, now_ns = self._wait(key), self._clock.now_ns()
        if self._relayer is None or now_ns < wait.next_ns:
            return False
        on_its_way = held < micros and now_ns - wait.since_ns < round(LATE_S[0] * NS_PER_S)
        return not on_its_way

    def _wait(self, key: TokenKey) -> _Wait:
        now_ns = self._clock.now_ns()
        return self._waits.setdefault(key.window, _Wait(now_ns, now_ns + round(SWEEP_S * NS_PER_S)))

    async def _redeem(self, key: TokenKey, held: int) -> None:
        assert self._relayer is not None
        pair = self._pair(key.window)
        if pair is None:
            self._complain(key, "nobody has said what the chain calls it")
            return
        agrees = await self._second.agrees(key.window, pair.condition_id, key.token)
        if not agrees:
            self._complain(key, "the CLOB names no winner yet" if agrees is None else "the CLOB names another winner")
            return
        self._note({"redeeming": key.window, "shares_micros": held})
        relayed = await self._relayer.redeem(pair, key.token, held)
        if relayed.fate is Fate.CONFIRMED:
            self._paid(key, held, "the relayer", relayed.transaction_hash)
            await self._refresh()
            return
        # FAILED and REFUSED changed nothing; of UNKNOWN the next look sees by the tokens whether it was done.
        wait = self._wait(key)
        wait.next_ns = self._clock.now_ns() + round(wait.span_s * NS_PER_S)
        wait.span_s = min(2 * wait.span_s, RETRY_S[1])
        self._complain(key, f"not redeemed: {relayed.fate.value}: {relayed.why}")

    def _paid(self, key: TokenKey, micros: int, who: str, transaction_hash: str) -> None:
        self._note({REDEEMED: key.window, "amount_micros": micros, "by": who, "transaction": transaction_hash})
        self._waits.pop(key.window, None)

    def _pair(self, slug: str) -> Pair | None:
        listing = self._listings().get(slug)
        if listing is not None:
            return Pair(listing.condition_id, listing.rules.get(Rule.ORDER_VERSION) == ROUTED_VERSION)
        return self._book.ask(lambda booker: _booked_pair(booker, slug))

    async def _refresh(self) -> None:
        """Ask the venue to look at the chain, for what it shows of balances is a memory (venue reference 7.4)."""
        try:
            await self._rest.refresh_balance()
        except NoAnswer:
            return  # it looks by itself, later

    # Complaints.

    def _complain(self, key: TokenKey, words: str) -> None:
        """Say once what keeps a payout."""
        wait = self._wait(key)
        if wait.complaint != words:
            wait.complaint = words
            LOG.warning("%s: %s", key.commodity, words)
            self._note({"not redeemed": key.window, "why": words})

    def _warn_if_late(self, key: TokenKey, micros: int) -> None:
        wait, now_ns = self._wait(key), self._clock.now_ns()
        late_s = (now_ns - _end_of(key)) / NS_PER_S
        for limit_s, level in zip(LATE_S, (logging.WARNING, logging.ERROR), strict=True):
            if late_s >= limit_s > wait.late_s:
                wait.late_s = limit_s
                words = f"{micros / MICROS:,.2f} dollars not paid {late_s:.0f} s after its end"
                LOG.log(level, "%s: %s", key.commodity, words)
                self._note({"payout late": key.window, "amount_micros": micros, "seconds": round(late_s)})

    # Complete sets.

    async def merge(self, slot: int, amount_micros: int) -> int:
        """Turn complete sets of a window into collateral; gives what was merged, 0 when nothing was.

        When nobody can say whether it was done the desk halts: what we hold is not known.
        """
        slug = self._slug_of(slot)
        pair = self._pair(slug)
        if self._relayer is None or pair is None or amount_micros <= 0:
            return 0
        relayed = await self._relayer.merge(pair, amount_micros)
        if relayed.fate is Fate.CONFIRMED:
            await self._refresh()
            return amount_micros
        self._note({"not merged": slug, "fate": relayed.fate.value, "why": relayed.why})
        if relayed.fate is not Fate.UNKNOWN:
            return 0
        return await self.merged(slug, amount_micros, self._clock.now_ns() + SEEN_NS, relayed.why)

    async def merged(self, slug: str, amount_micros: int, until_ns: int, why: str) -> int:
        """Learn what came of a merge of which nothing was heard; as `Merges.came_to`."""
        merges = Merges(self._book, self._rest, self._clock, self._tokens, self._halt)
        return await merges.came_to(slug, amount_micros, until_ns, why)

    async def _tokens(self, slug: str) -> dict[TokenKey, str]:
        listing = self._listings().get(slug)
        if listing is not None:
            return {TokenKey(slug, Token.UP): listing.up_token, TokenKey(slug, Token.DOWN): listing.down_token}
        return await tokens_of(self._rest, slug, self._book.booker.conditions.get(slug, ""))


def _held_at_the_end(booker: Booker, least_ns: int) -> list[tuple[str, Token]]:
    """Name the decided windows of late in which we held something when they ended, with their outcomes."""
    return [
        (slug, window.outcome)
        for slug, window in booker.windows.items()
        if window.outcome is not None and any(window.held) and window.close_ns >= least_ns
    ]


def _booked_pair(booker: Booker, slug: str) -> Pair | None:
    condition, window = booker.conditions.get(slug, ""), booker.windows.get(slug)
    if not condition or window is None:
        return None
    return Pair(condition, int(window.rules.order_version_code) == ROUTED_VERSION)


def _end_of(key: TokenKey) -> int:
    """Give when a window ended; 0 for one whose name says nothing."""
    try:
        _, open_ns, span_s = window_of_slug(key.window)
    except Offbeat:
        return 0
    return open_ns + span_s * NS_PER_S
