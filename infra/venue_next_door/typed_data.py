"""What was signed: EIP-712 digests of orders, logins and wallet batches, and who signed them.

The venue's own reckoning, made from the documented type strings (venue reference 1.2, 5.2, 7.3) and from no client's
code, so that a client that signs wrongly is found out. Addresses are 20 raw bytes in here: comparing them needs no
checksum, and a checksum costs a hash.
"""

from dataclasses import dataclass
from typing import Final

import coincurve
from eth_hash.auto import keccak

CHAIN_ID: Final = 137
EXCHANGE_V2: Final = "0xE111180000d2663C0091e4f400237545B87B996B"
EXCHANGE_V3: Final = "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa"

ORDER_TYPE: Final = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,"
    b"uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
_DOMAIN_TYPE: Final = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_BARE_DOMAIN_TYPE: Final = b"EIP712Domain(string name,string version,uint256 chainId)"
_WRAPPED_TYPE: Final = (
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    + ORDER_TYPE
)
_AUTH_TYPE: Final = b"ClobAuth(address address,string timestamp,uint256 nonce,string message)"
_CALL_TYPE: Final = b"Call(address target,uint256 value,bytes data)"
_BATCH_TYPE: Final = b"Batch(address wallet,uint256 nonce,uint256 deadline,Call[] calls)" + _CALL_TYPE
AUTH_MESSAGE: Final = "This message attests that I control the given wallet"

EOA_SIGNATURE_BYTES: Final = 65
WRAPPED_SIGNATURE_BYTES: Final = 317
_HALF_CURVE_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_V2_RESERVED_BITS: Final = ((1 << 64) - 1) << 40


def word(value: int) -> bytes:
    """Give a number as the 32 bytes that are hashed; raises OverflowError beyond 256 bits or below zero."""
    return value.to_bytes(32, "big")


def address_of(text: str) -> bytes:
    """Give an address as 20 bytes; raises ValueError when it is none."""
    raw = bytes.fromhex(text[2:]) if text.startswith(("0x", "0X")) else b""
    if len(raw) != 20:
        raise ValueError("not an address")
    return raw


def _domain(name: bytes, version: bytes, contract: bytes) -> bytes:
    return keccak(
        keccak(_DOMAIN_TYPE) + keccak(name) + keccak(version) + word(CHAIN_ID) + contract.rjust(32, b"\0")
    )  # fmt: skip


_ORDER_HASH: Final = keccak(ORDER_TYPE)
_WRAPPED_HASH: Final = keccak(_WRAPPED_TYPE)
_AUTH_HASH: Final = keccak(_AUTH_TYPE)
_CALL_HASH: Final = keccak(_CALL_TYPE)
_BATCH_HASH: Final = keccak(_BATCH_TYPE)
_AUTH_DOMAIN: Final = keccak(
    keccak(_BARE_DOMAIN_TYPE) + keccak(b"ClobAuthDomain") + keccak(b"1") + word(CHAIN_ID)
)  # fmt: skip
_AUTH_MESSAGE_HASH: Final = keccak(AUTH_MESSAGE.encode())
_WALLET_WORDS: Final = keccak(b"DepositWallet") + keccak(b"1") + word(CHAIN_ID)
_EXCHANGE: Final = b"Polymarket CTF Exchange"
EXCHANGES: Final = {"2": EXCHANGE_V2, "3": EXCHANGE_V3}
SEPARATORS: Final = {
    version: _domain(_EXCHANGE, version.encode(), address_of(contract)) for version, contract in EXCHANGES.items()
}
"""Domain separators of the two live exchanges by domain version (venue reference 1.2); neg-risk is not served."""
_TRAILER_END: Final = ORDER_TYPE + len(ORDER_TYPE).to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class SignedFields:
    """The eleven fields of an order that are signed, in their order (venue reference 1.2)."""

    salt: int
    maker: bytes
    signer: bytes
    token_id: int
    maker_amount: int
    taker_amount: int
    side: int
    signature_type: int
    timestamp: int
    metadata: bytes
    builder: bytes


def domain_version(token_id: int) -> str:
    """Say under which domain version orders for an asset are signed: "3" for position ids (venue reference 1.2)."""
    return "3" if token_id & _V2_RESERVED_BITS == 0 else "2"


def order_struct_hash(order: SignedFields) -> bytes:
    """Hash the fields of an order; raises OverflowError when a number is negative or too large."""
    return keccak(
        _ORDER_HASH
        + word(order.salt)
        + order.maker.rjust(32, b"\0")
        + order.signer.rjust(32, b"\0")
        + word(order.token_id)
        + word(order.maker_amount)
        + word(order.taker_amount)
        + word(order.side)
        + word(order.signature_type)
        + word(order.timestamp)
        + order.metadata
        + order.builder
    )


def digest_of(separator: bytes, struct_hash: bytes) -> bytes:
    """Give the 32 bytes that are signed: for an order under the exchange's domain, its id to the world."""
    return keccak(b"\x19\x01" + separator + struct_hash)


def wrapped_digest(separator: bytes, struct_hash: bytes, wallet: bytes) -> bytes:
    """Give what the owner of a deposit wallet signs: the order within `TypedDataSign` (ERC-7739)."""
    nested = keccak(_WRAPPED_HASH + struct_hash + _WALLET_WORDS + wallet.rjust(32, b"\0") + bytes(32))
    return digest_of(separator, nested)


def recover(digest: bytes, signature: bytes) -> bytes | None:
    """Give the address that signed a digest, or None when the signature is none.

    Only `v` of 27 and 28 and low `s` are taken, as the contracts do.
    """
    if len(signature) != EOA_SIGNATURE_BYTES or signature[64] not in (27, 28):
        return None
    if int.from_bytes(signature[32:64], "big") > _HALF_CURVE_ORDER:
        return None
    try:
        key = coincurve.PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - 27]), digest, hasher=None
        )
    except (ValueError, RuntimeError):  # the library says "failed to recover" as one or the other
        return None
    return keccak(key.format(compressed=False)[1:])[12:]


def order_signer(order: SignedFields, struct_hash: bytes, separator: bytes, signature: bytes) -> bytes | None:
    """Give the EOA whose key signed an order, or None when signature and order do not belong together.

    Type 0 is 65 bytes over the order's digest. Type 3 is 317: 65 over `TypedDataSign`, then the exchange's domain
    separator, the order's struct hash, the order's type string and its length (venue reference 1.2); each of these
    parts must be what this order and this domain make it, as the wallet's contract checks.
    """
    if order.signature_type == 0:
        return recover(digest_of(separator, struct_hash), signature)
    if order.signature_type != 3 or len(signature) != WRAPPED_SIGNATURE_BYTES:
        return None
    if signature[65:] != separator + struct_hash + _TRAILER_END:
        return None
    return recover(wrapped_digest(separator, struct_hash, order.signer), signature[:65])


def auth_digest(address: bytes, timestamp: str, nonce: int) -> bytes:
    """Give what a login signs: `ClobAuth` under a domain without a contract (venue reference 5.2)."""
    return digest_of(
        _AUTH_DOMAIN,
        keccak(
            _AUTH_HASH + address.rjust(32, b"\0") + keccak(timestamp.encode()) + word(nonce) + _AUTH_MESSAGE_HASH
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class WalletCall:
    """One call that a deposit wallet shall make."""

    target: bytes
    value: int
    data: bytes


def batch_digest(wallet: bytes, nonce: int, deadline_s: int, calls: tuple[WalletCall, ...]) -> bytes:
    """Give what the owner of a deposit wallet signs to let it make calls (venue reference 7.3)."""
    hashed = b"".join(
        keccak(_CALL_HASH + call.target.rjust(32, b"\0") + word(call.value) + keccak(call.data)) for call in calls
    )
    struct = keccak(_BATCH_HASH + wallet.rjust(32, b"\0") + word(nonce) + word(deadline_s) + keccak(hashed))
    return digest_of(_domain(b"DepositWallet", b"1", wallet), struct)
