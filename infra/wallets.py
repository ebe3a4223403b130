"""Wallets: the address of the deposit wallet that an account owns, reckoned as the venue's factory places it."""

from typing import Final

from eth_hash.auto import keccak
from eth_utils.address import to_checksum_address

FACTORY: Final = "0x00000000000Fb5C9ADea0298D729A0CB3823Cc07"
BEACON: Final = "0x7A18EDfe055488A3128f01F563e5B479D92ffc3a"
"""Both from venue reference 1.5."""

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
    return str(to_checksum_address(keccak(b"\xff" + factory + keccak(arguments) + code)[12:]))
