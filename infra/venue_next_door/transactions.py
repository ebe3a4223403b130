"""Transactions on their way to the chain: taken, sent, mined, final; what they do is done when they are mined.

One block is mined every two seconds; the spans are those of the venue's own settlements (2.2 s to be mined, venue
reference 7.5) and a guess for the rest.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from infra.clock import Clock
from infra.venue_next_door.chain_state import ChainState, Receipt
from infra.venue_next_door.contracts import Deed, Reverted
from state.units import NS_PER_MS, NS_PER_S

BLOCK_S: Final = 2
_FIRST_BLOCK: Final = 60_000_000
_FIRST_BLOCK_S: Final = 1_700_000_000
EXECUTED_NS: Final = 300 * NS_PER_MS
MINED_NS: Final = 1_900 * NS_PER_MS
CONFIRMED_NS: Final = 2 * NS_PER_S


def block_at(now_ns: int) -> int:
    """Give the number of the newest block at a time."""
    return _FIRST_BLOCK + (now_ns // NS_PER_S - _FIRST_BLOCK_S) // BLOCK_S


def block_time_s(number: int) -> int:
    """Give when a block was made, in seconds."""
    return _FIRST_BLOCK_S + (number - _FIRST_BLOCK) * BLOCK_S


class TransactionState(StrEnum):
    """How far a transaction has come (venue reference 7.3)."""

    NEW = "STATE_NEW"
    EXECUTED = "STATE_EXECUTED"
    MINED = "STATE_MINED"
    CONFIRMED = "STATE_CONFIRMED"
    FAILED = "STATE_FAILED"


_UNDER_WAY: Final = (TransactionState.NEW, TransactionState.EXECUTED)


@dataclass(slots=True)
class Transaction:
    """One transaction of a wallet or an EOA."""

    transaction_id: str
    transaction_hash: str
    sender: str
    """Whose nonce it uses."""
    wallet: str
    """Who does the deeds."""
    nonce: int
    created_ns: int
    deeds: tuple[Deed, ...] = ()
    deploys: str = ""
    """A wallet that it deploys."""
    state: TransactionState = TransactionState.NEW
    error: str = ""
    sort: str = "WALLET"
    is_shown: bool = False
    """Its hash is known to the world: from EXECUTED on."""


class Mempool:
    """Takes transactions and lives them through; each is a task of its own."""

    def __init__(self, chain: ChainState, clock: Clock) -> None:
        """Take what the transactions change, and the clock they live by."""
        self._chain = chain
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self.by_id: dict[str, Transaction] = {}

    def is_busy(self, sender: str) -> bool:
        """Say whether a sender's transaction is under way."""
        return any(sent.sender == sender and sent.state in _UNDER_WAY for sent in self.by_id.values())

    def send(self, sender: str, wallet: str, nonce: int, deeds: tuple[Deed, ...], deploys: str = "") -> Transaction:
        """Take a transaction; needs a running loop."""
        seed = f"{sender} {nonce} {len(self.by_id)} {self._clock.now_ns()}"
        digits = hashlib.sha256(seed.encode()).hexdigest()
        key = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))
        made_hash = "0x" + hashlib.sha256(f"hash {seed}".encode()).hexdigest()
        sent = Transaction(key, made_hash, sender, wallet, nonce, self._clock.now_ns(), deeds, deploys)
        self.start(sent)
        return sent

    def start(self, sent: Transaction, then: Callable[[], None] | None = None) -> None:
        """Let a transaction live; `then` is called when it is mined."""
        self.by_id[sent.transaction_id] = sent
        task = asyncio.get_running_loop().create_task(self._live(sent, then))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _live(self, sent: Transaction, then: Callable[[], None] | None) -> None:
        await self._clock.sleep(EXECUTED_NS)
        sent.state, sent.is_shown = TransactionState.EXECUTED, True
        await self._clock.sleep(MINED_NS)
        self._mine(sent)
        if then is not None:
            then()
        if sent.state is TransactionState.MINED:
            await self._clock.sleep(CONFIRMED_NS)
            sent.state = TransactionState.CONFIRMED

    def _mine(self, sent: Transaction) -> None:
        """Do the deeds in order; the first that cannot be done fails the transaction.

        A real batch is undone as a whole; here the deeds before the failing one stay done. The clients of this venue
        send one deed at a time, or approvals, which do not fail.
        """
        if sent.deploys:
            self._chain.deployed.add(sent.deploys.lower())
        self._chain.nonces[sent.sender] = max(self._chain.nonces.get(sent.sender, 0), sent.nonce + 1)
        sent.state = TransactionState.MINED
        try:
            for deed in sent.deeds:
                self._chain.do(sent.wallet, deed)
        except Reverted as error:
            sent.state, sent.error = TransactionState.FAILED, str(error)
        self._chain.receipts[sent.transaction_hash] = Receipt(
            sent.transaction_hash, sent.wallet, block_at(self._clock.now_ns()), sent.state is TransactionState.MINED
        )

    async def close(self) -> None:
        """End what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
