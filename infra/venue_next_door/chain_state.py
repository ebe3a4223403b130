"""What the chain remembers beside the ledger: allowances, deployed wallets, nonces and receipts.

Accounts come with play money and with every allowance given, so that a desk can trade at once; an allowance that is
taken back is missed by the book as well.
"""

from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary, proxy

from infra.venue_next_door.clob_auth import customers_of
from infra.venue_next_door.contracts import MAX_UINT, Approve, Deed, Merge, Reverted, Split
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.nouns import Account


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that was mined."""

    transaction_hash: str
    wallet: str
    block: int
    succeeded: bool


class ChainState:
    """What one venue's chain remembers."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine, whose ledger the deeds change."""
        self._engine: Engine = proxy(engine)
        self._customers = customers_of(engine)
        self._allowances: dict[tuple[str, str, str], int] = {}
        self.deployed: set[str] = set()
        """Wallets that were deployed by a call, in small letters; those of accounts stand there anyway."""
        self.nonces: dict[str, int] = {}
        """Next nonce: of wallet batches by their owner's address in small letters, of EOAs by "account" and address."""
        self.receipts: dict[str, Receipt] = {}
        self.touched: dict[str, set[str]] = {}
        """API key -> conditions in which it split, merged or redeemed."""

    def allowance(self, wallet: str, asset: str, spender: str) -> int:
        """Give how much a spender may take of an asset (tokens: all or nothing)."""
        if self._engine.faults.is_on(Fault.NO_ALLOWANCE):
            return 0
        return self._allowances.get((wallet.lower(), asset.lower(), spender.lower()), MAX_UINT)

    def is_deployed(self, wallet: str) -> bool:
        """Say whether there is a wallet at an address."""
        wanted = wallet.lower()
        if self._engine.faults.is_on(Fault.NOT_DEPLOYED):
            return False
        if wanted in self.deployed:
            return True
        account = self._customers.account_of_wallet(wanted)
        return account is not None and account.wallet_address.lower() == wanted

    def do(self, wallet: str, deed: Deed) -> None:
        """Do one deed of a wallet.

        Raises:
            Reverted: the ledger does not cover it.
        """
        if isinstance(deed, Approve):
            self._allowances[wallet.lower(), deed.asset.lower(), deed.spender.lower()] = deed.amount
            return
        account = self._customers.account_of_wallet(wallet)
        if account is None:
            raise Reverted("execution reverted: nothing is held there")
        self._touch(account, deed.condition_id)
        try:
            if isinstance(deed, Split):
                self._engine.split(account, deed.condition_id, deed.amount_micros)
            elif isinstance(deed, Merge):
                self._engine.merge(account, deed.condition_id, deed.amount_micros)
            else:
                self._engine.redeem(account, deed.condition_id)
        except ValueError as error:
            raise Reverted(f"execution reverted: {error}") from error

    def _touch(self, account: Account, condition_id: str) -> None:
        self.touched.setdefault(account.api_key, set()).add(condition_id)


_CHAINS: Final[WeakKeyDictionary[Any, ChainState]] = WeakKeyDictionary()


def chain_of(engine: Engine) -> ChainState:
    """Give the one chain of a venue: its servers share it."""
    known = _CHAINS.get(engine)
    if known is None:
        known = _CHAINS[engine] = ChainState(engine)
    return known
