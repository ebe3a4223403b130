"""Wallets: the addresses of the wallets that an account may own at the venue, reckoned as factories place them."""

from typing import Final

from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address

FACTORY: Final = "0x00000000000Fb5C9ADea0298D729A0CB3823Cc07"
BEACON: Final = "0x7A18EDfe055488A3128f01F563e5B479D92ffc3a"
"""Both from venue reference 1.5."""
PROXY_FACTORY: Final = "0xaB45c5A4B0c941a2F231C04C3f49182e1A254052"
SAFE_FACTORY: Final = "0xaacFeEa03eb1561C4e67d661e40682Bd20E3541b"
"""Both from venue reference 1.5; they make wallets of types 1 and 2, which no new account may use."""
_PROXY_BEHIND: Final = "0x44e999d5c2F66Ef0861317f9A4805AC2e90aEB4f"
_SAFE_CODE_HASH: Final = bytes.fromhex("2bce2127ff07fb632d16c8347c4ebf501f4841168bed00d9e6ef715ddb6fcecf")
"""What a proxy points to, and the hash of a safe's creation code (polymarket-client 0.14.0, `environments.py`)."""

# Creation code of an ERC-1967 beacon proxy with immutable arguments, in the parts between the numbers that vary
# (the venue's own client, `_internal/wallet.py` of polymarket-client 0.14.0).
_HEAD: Final = 0x6100523D8160233D3973
_AFTER_BEACON: Final = bytes.fromhex(
    "60195155f3363d3d373d3d363d602036600436635c60da"
    "1b60e01b36527fa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6c"
    "b3582b35133d50545afa5036515af43d6000803e604d573d6000fd5b3d6000f3"
)


def deposit_wallet_of(owner: str) -> str:
    """Give the checksummed address of an account's deposit wallet, whether it has been deployed or not.

    Doubt: accounts from before the factory had a beacon sit at another address; there the operator names the wallet.
    """
    factory = bytes.fromhex(FACTORY[2:])
    arguments = bytes(12) + factory + bytes(12) + bytes.fromhex(owner.removeprefix("0x"))
    head = (_HEAD + (len(arguments) << 56)).to_bytes(10, "big")
    code = keccak(head + bytes.fromhex(BEACON[2:]) + _AFTER_BEACON + arguments)
    return _placed(factory, keccak(arguments), code)


def proxy_wallet_of(owner: str) -> str:
    """Give the checksummed address of an account's proxy (type 1), whether it was ever deployed or not."""
    factory = bytes.fromhex(PROXY_FACTORY[2:])
    # A minimal proxy that is told whom to obey by its factory, and begins with no arguments.
    code = (
        bytes.fromhex("3d3d606380380380913d393d73") + factory
        + bytes.fromhex("5af4602a57600080fd5b602d8060366000396000f3363d3d373d3d3d363d73")
        + bytes.fromhex(_PROXY_BEHIND[2:]) + bytes.fromhex("5af43d82803e903d91602b57fd5bf352e831dd")
        + (32).to_bytes(32, "big") + bytes(32)
    )  # fmt: skip
    return _placed(factory, keccak(bytes.fromhex(owner.removeprefix("0x"))), keccak(code))


def safe_of(owner: str) -> str:
    """Give the checksummed address of an account's safe (type 2), whether it was ever deployed or not."""
    salt = keccak(bytes(12) + bytes.fromhex(owner.removeprefix("0x")))
    return _placed(bytes.fromhex(SAFE_FACTORY[2:]), salt, _SAFE_CODE_HASH)


def _placed(factory: bytes, salt: bytes, code_hash: bytes) -> str:
    """Give where a factory places what it makes (CREATE2)."""
    return str(to_checksum_address(keccak(b"\xff" + factory + salt + code_hash)[12:]))
