"""Payouts of a session: who watches over them, put together from the session's parts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from infra.addresses import Addresses
from infra.clock import Clock
from infra.ledger.ledger_book import LedgerBook
from infra.shell.session import Session
from infra.shell.shell import Shell
from infra.venues.credentials import Secret
from infra.venues.relaying import relayer_of
from infra.venues.rest import Rest
from infra.venues.secrets import Identity
from infra.venues.settling import Settling
from infra.venues.signing import KeyHolder, LocalKey, SignatureType
from infra.venues.witness import Witness


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


def witness_of(session: Session, clock: Clock, shell: Callable[[], Shell]) -> Witness:
    """Give who holds the venue's outcomes against our own; a halt waits until the rows in hand have been heard."""

    def later(why: str) -> None:
        asyncio.get_running_loop().call_soon(shell().halt, why)

    return Witness(
        lambda note: session.note(note, clock.now_ns()),
        later,
    )
