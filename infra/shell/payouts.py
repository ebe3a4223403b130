"""Payouts of a session: who watches over them, put together from the session's parts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np

from infra.addresses import Addresses
from infra.clock import Clock
from infra.ledger.ledger_book import LedgerBook
from infra.plain_memory import slug_of
from infra.shell.restart import Start
from infra.shell.session import Session
from infra.shell.shell import Shell
from infra.venues.credentials import Secret
from infra.venues.gateway import Gateway
from infra.venues.relaying import DEADLINE_S, MARGIN_S, relayer_of
from infra.venues.rest import Rest
from infra.venues.secrets import Identity
from infra.venues.settling import Settling
from infra.venues.signing import KeyHolder, LocalKey, SignatureType
from infra.venues.witness import Witness
from state.units import NS_PER_S


@asynccontextmanager
async def payouts(
    addresses: Addresses, shell: Shell, books: LedgerBook, rest: Rest, who: Identity | Secret, wallet: str
) -> AsyncIterator[Settling]:
    """Open the way to the relayer, where the account has one, and give who watches over payouts.

    Args:
        addresses: Where the relayer is.
        shell: The session's.
        books: Of the same session.
        rest: The account at the venue, opened.
        who: Who signs.
        wallet: The deposit wallet's address; unused where `who` names it.
    """
    if isinstance(who, Identity):
        holder: KeyHolder = who.holder
        kind, wallet = who.signature_type, who.wallet
    else:
        holder, kind = LocalKey(who), SignatureType(int(rest.signature_type))
    clock = shell.clock
    relayer = relayer_of(addresses.relayer, clock, holder, wallet, kind, rest)
    if relayer is None:
        shell.session.note({"no relayer": f"wallets of type {int(kind)} wait for the venue's sweep"}, clock.now_ns())

    def slug_of(slot: int) -> str:
        return next((slug for slug, taken in shell.slots.taken.items() if taken == slot), "")

    try:
        yield Settling(
            books, rest, relayer, clock, note=lambda note: shell.session.note(note, clock.now_ns()),
            listings=lambda: shell.listings, slug_of=slug_of, halt=shell.halt,
        )  # fmt: skip
    finally:
        if relayer is not None:
            await relayer.close()


def resume_merges(settling: Settling, gateway: Gateway, start: Start) -> None:
    """Have it found out what came of merges that were under way when the session ended, and told to the core.

    Their batches may be done for a while after they were signed, and nobody knows their numbers any more: so what the
    venue holds is looked at, and that nothing was done is believed only when nothing can be done any more.
    """
    if start.played is None:
        return
    until_ns = start.played.last_seen_ns + (DEADLINE_S + MARGIN_S) * NS_PER_S
    markets = start.core.worlds["markets"][0]
    for slot in np.flatnonzero(markets["merge_id"]).tolist():
        merge_id, micros = int(markets["merge_id"][slot]), int(markets["merge_micros"][slot])
        found = settling.merged(slug_of(markets[slot]), micros, until_ns, "the session ended while it was under way")
        gateway.resume_merge(slot, merge_id, found)


def witness_of(session: Session, clock: Clock, shell: Callable[[], Shell]) -> Witness:
    """Give who holds the venue's outcomes against our own; a halt waits until the rows in hand have been heard."""

    def later(why: str) -> None:
        asyncio.get_running_loop().call_soon(shell().halt, why)

    return Witness(
        lambda note: session.note(note, clock.now_ns()),
        later,
    )
