"""Who may: logins by a wallet's signature (L1), requests by HMAC (L2), and the keys that are known or withdrawn.

Choices, where the venue's are not documented: a timestamp may be off by 300 s on either level; a key that was deleted
comes back when its owner logs in for it again by `POST /auth/api-key`, while deriving it is refused until then.

Wallets: an account is opened with the deposit wallet that the factory of today would place for its owner. For
signature type 3 any other maker wallet is taken too, if the inner signature is the key owner's and no other owner uses
that wallet; it is the account's wallet from then on. (An operator may name a wallet of the factory's older kind.)
"""

import base64
import hashlib
import hmac
from typing import Any, Final
from weakref import WeakKeyDictionary, proxy

from aiohttp import web
from eth_utils.address import to_checksum_address

from infra.venue_next_door import typed_data
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.nouns import Account
from infra.venue_next_door.refusals import BAD_LOGIN, UNAUTHORIZED, WRONG_WALLET, Refusal
from infra.wallets import deposit_wallet_of
from state.units import NS_PER_S

SKEW_S: Final = 300


def bare_path(request: web.Request) -> str:
    """Give the path as it was sent, without the query: what an HMAC is made over."""
    return request.raw_path.partition("?")[0]


def hmac_of(secret: bytes, timestamp: str, method: str, path: str, body: bytes) -> str:
    """Give the signature of a request (venue reference 5.2): urlsafe base64 with its padding."""
    message = f"{timestamp}{method}{path}".encode() + body
    return base64.urlsafe_b64encode(hmac.digest(secret, message, "sha256")).decode()


class Customers:
    """What the REST servers of one venue know of its customers beside the engine's accounts."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine whose accounts these are."""
        self.engine: Engine = proxy(engine)
        """Held weakly: `customers_of` must not keep an engine alive that nobody serves any more."""
        self.withdrawn: set[str] = set()
        """API keys that were deleted."""
        self.builder_keys: dict[str, tuple[str, str, str]] = {}
        """Builder key -> its secret, its passphrase, and the API key of who made it."""
        self._secrets: dict[str, tuple[bytes, bytes, str]] = {}
        self._owner_of_wallet: dict[str, str] = {}

    def login(self, request: web.Request) -> tuple[str, int]:
        """Check the headers of a login; gives the owner's address and the nonce.

        Raises:
            Refusal: 401, and no more is said.
        """
        headers = request.headers
        try:
            address = typed_data.address_of(headers.get("POLY_ADDRESS", ""))
            signature = bytes.fromhex(headers.get("POLY_SIGNATURE", "").removeprefix("0x"))
            timestamp, nonce = headers.get("POLY_TIMESTAMP", ""), int(headers.get("POLY_NONCE", "0"))
            late_s = abs(int(timestamp) - self.engine.now_ns() // NS_PER_S)
            digest = typed_data.auth_digest(address, timestamp, nonce)
        except (ValueError, OverflowError) as error:
            raise Refusal(BAD_LOGIN, 401) from error
        if late_s > SKEW_S or typed_data.recover(digest, signature) != address:
            raise Refusal(BAD_LOGIN, 401)
        return to_checksum_address(address), nonce

    def open_account(self, owner: str, nonce: int) -> Account:
        """Give the account of an owner and a nonce: the same for the same, new or not."""
        account = self.engine.open_account(owner, deposit_wallet_of(owner), nonce)
        self._owner_of_wallet.setdefault(account.wallet_address.lower(), owner)
        return account

    def account_of(self, request: web.Request, body: bytes = b"") -> Account:
        """Give the account that a request is signed for.

        Raises:
            Refusal: 401, and no more is said.
        """
        headers = request.headers
        key = headers.get("POLY_API_KEY", "")
        account = self.engine.accounts.get(key)
        if account is None or key in self.withdrawn or self.engine.faults.is_on(Fault.UNAUTHORIZED, request.path):
            raise Refusal(UNAUTHORIZED, 401)
        secret, passphrase, owner = self._known(account)
        timestamp = headers.get("POLY_TIMESTAMP", "")
        signed = hmac_of(secret, timestamp, request.method, bare_path(request), body)
        if (
            not hmac.compare_digest(signed.encode(), headers.get("POLY_SIGNATURE", "").encode())
            or not hmac.compare_digest(passphrase, headers.get("POLY_PASSPHRASE", "").encode())
            or owner != headers.get("POLY_ADDRESS", "").lower()
            or not self._is_fresh(timestamp)
        ):
            raise Refusal(UNAUTHORIZED, 401)
        return account

    def _known(self, account: Account) -> tuple[bytes, bytes, str]:
        known = self._secrets.get(account.api_key)
        if known is None:
            secret = base64.urlsafe_b64decode(account.secret)
            known = secret, account.passphrase.encode(), account.owner_address.lower()
            self._secrets[account.api_key] = known
        return known

    def _is_fresh(self, timestamp: str) -> bool:
        try:
            return abs(int(timestamp) - self.engine.now_ns() // NS_PER_S) <= SKEW_S
        except ValueError:
            return False

    def take_wallet(self, account: Account, wallet: bytes) -> None:
        """Let an account trade for a deposit wallet that its owner has signed for; remembered as its wallet.

        Raises:
            Refusal: the wallet is another owner's.
        """
        address = "0x" + wallet.hex()
        if account.wallet_address.lower() == address:
            return
        if self._owner_of_wallet.setdefault(address, account.owner_address) != account.owner_address:
            raise Refusal(WRONG_WALLET)
        account.wallet_address = to_checksum_address(wallet)

    def account_of_wallet(self, address: str) -> Account | None:
        """Give the account that a wallet belongs to, the first opened if there are several; or None."""
        wanted = address.lower()
        for account in self.engine.accounts.values():
            if wanted in (account.wallet_address.lower(), account.owner_address.lower()):
                return account
        return None

    def new_builder_key(self, account: Account) -> tuple[str, str, str]:
        """Make a builder key for an account; gives key, secret and passphrase, the same in every run."""
        seed = f"{account.api_key} builder {len(self.builder_keys)}"
        digits = hashlib.sha256(seed.encode()).hexdigest()
        key = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))
        secret = base64.urlsafe_b64encode(hashlib.sha256(f"{seed} {account.secret}".encode()).digest()).decode()
        passphrase = hashlib.sha256(f"{seed} {account.passphrase}".encode()).hexdigest()
        self.builder_keys[key] = secret, passphrase, account.api_key
        return key, secret, passphrase

    def builder_of(self, request: web.Request, body: bytes = b"") -> str:
        """Give the builder key that a request is signed with (headers `POLY_BUILDER_*`); raises Refusal."""
        headers = request.headers
        key = headers.get("POLY_BUILDER_API_KEY", "")
        secret, passphrase, _ = self.builder_keys.get(key, ("", "", ""))
        timestamp = headers.get("POLY_BUILDER_TIMESTAMP", "")
        raw = base64.urlsafe_b64decode(secret)
        signed = hmac_of(raw, timestamp, request.method, bare_path(request), body)
        if (
            not secret
            or not hmac.compare_digest(signed.encode(), headers.get("POLY_BUILDER_SIGNATURE", "").encode())
            or passphrase != headers.get("POLY_BUILDER_PASSPHRASE", "")
            or not self._is_fresh(timestamp)
        ):
            raise Refusal(UNAUTHORIZED, 401)
        return key


_CUSTOMERS: Final[WeakKeyDictionary[Any, Customers]] = WeakKeyDictionary()


def customers_of(engine: Engine) -> Customers:
    """Give the one book of customers of a venue: its servers share it."""
    known = _CUSTOMERS.get(engine)
    if known is None:
        known = _CUSTOMERS[engine] = Customers(engine)
    return known
