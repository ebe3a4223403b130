"""Signing: orders, the L1 attestation and the L2 seal of each request, byte for byte as the venue's own clients do.

Structs and domains: venue reference 1.2 and 5.2 (state of 2026-11-22), golden vectors 9. Everything that does not
change from order to order is reckoned once, so that an order costs two hashes (four for a deposit wallet) and one
signature; `updown prove order-speed` says what that comes to.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final, Protocol

import eth_hash.auto
import msgspec
from coincurve import PrivateKey
from eth_utils.address import to_checksum_address

from infra.venues.credentials import Credentials, Secret
from state.events import Side

CHAIN_ID: Final = 137
EXCHANGE_V2: Final = "0xE111180000d2663C0091e4f400237545B87B996B"
EXCHANGE_V3: Final = "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa"
"""Takes orders for position ids (markets whose Gamma `version` is "v2"). Neg-risk markets have a third; not ours."""

ORDER_TYPE: Final = (
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,"
    "uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
DOMAIN_TYPE: Final = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_WRAPPED_TYPE: Final = (
    "TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    + ORDER_TYPE
)
_AUTH_TYPE: Final = "ClobAuth(address address,string timestamp,uint256 nonce,string message)"
_AUTH_MESSAGE: Final = "This message attests that I control the given wallet"

_RESERVED_BITS: Final = ((1 << 64) - 1) << 40
"""A token id with none of these is a position id (venue reference 1.2)."""
TOKENS_KEPT: Final = 256
"""Tokens whose constants are kept: many times what is traded at once."""
_SALT_BITS: Final = 53
"""A salt must survive as a JSON number."""


def _quickest_keccak() -> Callable[[bytes], bytes]:
    """Give Ethereum's hash, which is not quite SHA3-256: 1 to 3 us each by safe-pysha3, 8 to 12 where it is missing."""
    try:
        from sha3 import keccak_256  # type: ignore[import-untyped]
    except ImportError:
        return eth_hash.auto.keccak
    return lambda data: keccak_256(data).digest()


keccak: Final = _quickest_keccak()


def _hash_text(text: str) -> bytes:
    return keccak(text.encode())


def word(number: int) -> bytes:
    """Give a number as the chain's word of 32 bytes."""
    return number.to_bytes(32, "big")


def address_word(address: str) -> bytes:
    """Give an address as a word."""
    return bytes(12) + bytes.fromhex(address.removeprefix("0x"))


ORDER_TYPE_HASH: Final = _hash_text(ORDER_TYPE)
_ORDER_TYPE_TAIL_HEX: Final = (ORDER_TYPE.encode() + len(ORDER_TYPE).to_bytes(2, "big")).hex()
_ZERO_WORD: Final = bytes(32)
_TWO_ZERO_WORDS: Final = bytes(64)
"""Metadata and builder, which we do not use."""
_WRAPPED_TYPE_HASH: Final = _hash_text(_WRAPPED_TYPE)


def domain_separator(version: str, contract: str) -> bytes:
    """Give the separator of an exchange's domain."""
    return keccak(
        _hash_text(DOMAIN_TYPE) + _hash_text("Polymarket CTF Exchange") + _hash_text(version)
        + word(CHAIN_ID) + address_word(contract)
    )  # fmt: skip


DOMAIN_V2: Final = domain_separator("2", EXCHANGE_V2)
DOMAIN_V3: Final = domain_separator("3", EXCHANGE_V3)

_AUTH_DOMAIN: Final = keccak(
    _hash_text("EIP712Domain(string name,string version,uint256 chainId)")
    + _hash_text("ClobAuthDomain") + _hash_text("1") + word(CHAIN_ID)
)  # fmt: skip
_AUTH_TYPE_HASH: Final = _hash_text(_AUTH_TYPE)
_AUTH_MESSAGE_HASH: Final = _hash_text(_AUTH_MESSAGE)


class SignatureType(IntEnum):
    """Whose account an order spends (venue reference 1.3)."""

    EOA = 0
    """The key's own; only of accounts from before deposit wallets."""
    PROXY = 1
    """A proxy's, made for a login by mail; only of accounts from before deposit wallets."""
    SAFE = 2
    """A Gnosis safe's, made for a browser wallet; only of accounts from before deposit wallets."""
    DEPOSIT_WALLET = 3
    """A contract wallet's, which the key owns: the only kind that new accounts may use."""


@lru_cache(maxsize=256)
def domain_of(token_id: str) -> tuple[bytes, bytes]:
    """Give the domain separator that a token's orders are signed under, and the token id as a word."""
    number = int(token_id)
    return (DOMAIN_V2 if number & _RESERVED_BITS else DOMAIN_V3), word(number)


@dataclass(frozen=True, slots=True)
class _Constant:
    """What all orders of one signer for one token have in common."""

    prefix: bytes
    """What a digest begins with: the mark of typed data, and the domain."""
    named: bytes
    """Maker, signer and token, as words."""
    domain_hex: str
    """The domain once more, as a deposit wallet's signature carries it."""


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What one order offers: the fields that change from order to order."""

    salt: int
    token_id: str
    side: Side
    maker_micros: int
    """What we give: collateral for a purchase, shares for a sale."""
    taker_micros: int
    """What we want for it."""
    timestamp_ms: int


class SignedTerms(msgspec.Struct, frozen=True, gc=False):
    """An order's id, known before anybody else hears of it, and the signature to send."""

    order_hash: str
    signature: str


def salt_of(order_id: int, at_ns: int) -> int:
    """Give the salt of an order: a function of the command, so that the same command has the same id for ever.

    Sent twice by mistake it is refused as a duplicate; after a crash the id can be reckoned again from the journal.
    """
    digest = hashlib.blake2b(order_id.to_bytes(8, "big", signed=True) + at_ns.to_bytes(8, "big"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") >> (64 - _SALT_BITS)


class SignerFailed(Exception):
    """Whoever holds the key does not sign; one line: what it said, and never what was to be signed."""


class KeyHolder(Protocol):
    """Holds a key and signs digests with it: in this process, or elsewhere."""

    @property
    def address(self) -> str:
        """Give the checksummed address of the account that the key controls."""

    def sign(self, digest: bytes) -> bytes:
        """Sign 32 bytes; gives r, s and v (27 or 28), 65 bytes.

        Raises:
            SignerFailed: it is held elsewhere, and is not answered for.
        """


class LocalKey:
    """A key in this process's memory.

    Args:
        key: 64 hex digits.
    """

    def __init__(self, key: Secret) -> None:
        self._key = PrivateKey.from_hex(key.reveal().removeprefix("0x").zfill(64))
        public = self._key.public_key.format(compressed=False)[1:]
        self._address: str = to_checksum_address(keccak(public)[12:])

    def __repr__(self) -> str:
        return f"LocalKey({self._address})"

    @property
    def address(self) -> str:
        """Give the account's address."""
        return self._address

    def sign(self, digest: bytes) -> bytes:
        """Sign 32 bytes."""
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes((signature[64] + 27,))


class Signer:
    """Signs orders and log-ins with a key; what it shows of itself is its addresses.

    Args:
        key: 64 hex digits, or who holds them.
        wallet: Address of the wallet whose money is spent; empty when the key's own account trades.
        signature_type: What kind of wallet that is. By itself an own account is type 0, and any other a deposit
            wallet; a proxy or a safe must be named as such, for nothing in an address tells.
    """

    def __init__(self, key: Secret | KeyHolder, wallet: str = "", signature_type: SignatureType | None = None) -> None:
        holder = LocalKey(key) if isinstance(key, Secret) else key
        self._sign = holder.sign
        self.is_local: bool = isinstance(holder, LocalKey)
        """Signing is a matter of microseconds, and nobody else hears of it."""
        self.address: str = holder.address
        """Of the account that the key itself controls: what authentication names."""
        self.wallet: str = to_checksum_address(wallet) if wallet else self.address
        """Maker of the orders: whose money it is."""
        own = self.wallet == self.address
        if signature_type is None:
            signature_type = SignatureType.EOA if own else SignatureType.DEPOSIT_WALLET
        assert own or signature_type is not SignatureType.EOA, "type 0 spends the key's own account"
        self.signature_type = signature_type
        wrapped = signature_type is SignatureType.DEPOSIT_WALLET
        self.order_signer: str = self.wallet if wrapped else self.address
        """Whom an order names as its signer: a deposit wallet speaks for itself, a proxy or a safe does not."""
        maker = address_word(self.wallet)
        self._parties = maker + address_word(self.order_signer)
        self._side_and_type = tuple(word(side) + word(signature_type) for side in (Side.BUY, Side.SELL))
        self._wrapped = wrapped
        self._wallet_tail = (
            _hash_text("DepositWallet") + _hash_text("1") + word(CHAIN_ID) + maker + _ZERO_WORD
        )  # fmt: skip
        self._constants: dict[str, _Constant] = {}

    def __repr__(self) -> str:
        return f"Signer(address={self.address}, wallet={self.wallet})"

    def prepare(self, token_id: str) -> None:
        """Reckon what all orders for a token have in common, so that its first order costs no more than the rest."""
        self._constant(token_id)

    def _constant(self, token_id: str) -> _Constant:
        found = self._constants.get(token_id)
        if found is None:
            domain, named = domain_of(token_id)
            if len(self._constants) >= TOKENS_KEPT:
                self._constants.clear()
            found = _Constant(b"\x19\x01" + domain, self._parties + named, domain.hex())
            self._constants[token_id] = found
        return found

    def struct_hash(self, terms: Terms) -> bytes:
        """Give the hash of the order's struct, without the domain."""
        return keccak(
            b"".join(
                (
                    ORDER_TYPE_HASH, terms.salt.to_bytes(32, "big"), self._constant(terms.token_id).named,
                    terms.maker_micros.to_bytes(32, "big"), terms.taker_micros.to_bytes(32, "big"),
                    self._side_and_type[terms.side], terms.timestamp_ms.to_bytes(32, "big"), _TWO_ZERO_WORDS,
                )
            )
        )  # fmt: skip

    def hash_of(self, terms: Terms) -> str:
        """Give an order's id, which nobody has to sign for."""
        return "0x" + keccak(self._constant(terms.token_id).prefix + self.struct_hash(terms)).hex()

    def sign(self, terms: Terms) -> SignedTerms:
        """Sign an order; its id is the standard digest for every kind of account (venue reference 1.2).

        Raises:
            SignerFailed: the key is held elsewhere, and is not answered for.
        """
        constant = self._constant(terms.token_id)
        contents = self.struct_hash(terms)
        digest = keccak(constant.prefix + contents)
        if not self._wrapped:
            return SignedTerms("0x" + digest.hex(), "0x" + self._sign(digest).hex())
        wrapped = keccak(_WRAPPED_TYPE_HASH + contents + self._wallet_tail)
        inner = self._sign(keccak(constant.prefix + wrapped))
        return SignedTerms(
            "0x" + digest.hex(), f"0x{inner.hex()}{constant.domain_hex}{contents.hex()}{_ORDER_TYPE_TAIL_HEX}"
        )

    def attestation(self, timestamp_s: int, nonce: int = 0) -> dict[str, str]:
        """Give the L1 headers: the proof that we hold the key, for asking the venue for credentials."""
        struct = keccak(
            _AUTH_TYPE_HASH + address_word(self.address) + _hash_text(str(timestamp_s)) + word(nonce)
            + _AUTH_MESSAGE_HASH
        )  # fmt: skip
        signature = self._sign(keccak(b"\x19\x01" + _AUTH_DOMAIN + struct))
        return {
            "POLY_ADDRESS": self.address,
            "POLY_SIGNATURE": "0x" + signature.hex(),
            "POLY_TIMESTAMP": str(timestamp_s),
            "POLY_NONCE": str(nonce),
        }


class Seal:
    """Seals requests with the credentials' secret: the L2 headers.

    Args:
        address: The signer's own address, also where a deposit wallet trades.
        credentials: What the venue gave that signer.
    """

    def __init__(self, address: str, credentials: Credentials) -> None:
        self._address = address
        self._api_key = credentials.api_key
        self._passphrase = credentials.passphrase
        text = credentials.secret.reveal()
        self._mac = hmac.new(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), digestmod=hashlib.sha256)

    def __repr__(self) -> str:
        return f"Seal(address={self._address})"

    def signature(self, timestamp_s: int, method: str, path: str, body: bytes = b"") -> str:
        """Give the seal of one request; the path goes without its query, the body as the very bytes that are sent."""
        mac = self._mac.copy()
        mac.update(f"{timestamp_s}{method}{path}".encode() + body)
        return base64.urlsafe_b64encode(mac.digest()).decode()

    def headers(self, timestamp_s: int, method: str, path: str, body: bytes = b"") -> dict[str, str]:
        """Give the L2 headers of one request."""
        return {
            "POLY_ADDRESS": self._address,
            "POLY_SIGNATURE": self.signature(timestamp_s, method, path, body),
            "POLY_TIMESTAMP": str(timestamp_s),
            "POLY_API_KEY": self._api_key,
            "POLY_PASSPHRASE": self._passphrase.reveal(),
        }
