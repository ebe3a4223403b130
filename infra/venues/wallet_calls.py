"""Wallet calls: what a deposit wallet is told to do with complete sets and winners, encoded and signed.

Calls: venue reference 7.1; the batch that the owner signs: venue reference 7.3. A test holds each of them against
polymarket-client's own, byte for byte.
"""

from dataclasses import dataclass
from typing import Final

from infra.venues.signing import CHAIN_ID, DOMAIN_TYPE, KeyHolder, address_word, keccak, word
from infra.wallets import FACTORY
from state.events import Token

COLLATERAL: Final = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
ADAPTER: Final = "0xAdA100Db00Ca00073811820692005400218FcE1f"
"""Splits, merges and redeems tokens of markets whose Gamma `version` is "v1"."""
ROUTER: Final = "0x12121212006e4CD160D18e3f00711DA5c3372600"
"""The same for positions of "v2" (both: venue reference 1.5)."""
_PARTITION: Final = (2, 1, 2)
"""An array of the index sets 1 and 2, its length first."""


def _selector(signature: str) -> bytes:
    return keccak(signature.encode())[:4]


_SPLIT: Final = _selector("splitPosition(address,bytes32,bytes32,uint256[],uint256)")
_MERGE: Final = _selector("mergePositions(address,bytes32,bytes32,uint256[],uint256)")
_REDEEM: Final = _selector("redeemPositions(address,bytes32,bytes32,uint256[])")
_ROUTER_SPLIT: Final = _selector("split(bytes31,uint256)")
_ROUTER_MERGE: Final = _selector("merge(bytes31,uint256)")
_ROUTER_REDEEM: Final = _selector("redeem(bytes31,uint256,uint256)")
_BATCH_HASH: Final = keccak(
    b"Batch(address wallet,uint256 nonce,uint256 deadline,Call[] calls)Call(address target,uint256 value,bytes data)"
)
_CALL_HASH: Final = keccak(b"Call(address target,uint256 value,bytes data)")
_DOMAIN_HEAD: Final = keccak(DOMAIN_TYPE.encode()) + keccak(b"DepositWallet") + keccak(b"1") + word(CHAIN_ID)


@dataclass(frozen=True, slots=True)
class WalletCall:
    """One call that a wallet makes; it never sends value along."""

    target: str
    data: bytes

    @property
    def wire(self) -> dict[str, str]:
        """Give it as the relayer wants it."""
        return {"target": self.target, "value": "0", "data": "0x" + self.data.hex()}


@dataclass(frozen=True, slots=True)
class Pair:
    """The complete sets of one window, as the chain knows them."""

    condition_id: str
    routed: bool = False
    """They are positions of the newer kind ("v2"), which the router handles."""


def split_call(pair: Pair, amount_micros: int) -> WalletCall:
    """Turn collateral into so many pairs."""
    if pair.routed:
        return WalletCall(ROUTER, _ROUTER_SPLIT + _condition(pair, 31) + word(amount_micros))
    return WalletCall(ADAPTER, _SPLIT + _pair_words(pair, amount_micros))


def merge_call(pair: Pair, amount_micros: int) -> WalletCall:
    """Turn so many pairs into collateral."""
    if pair.routed:
        return WalletCall(ROUTER, _ROUTER_MERGE + _condition(pair, 31) + word(amount_micros))
    return WalletCall(ADAPTER, _MERGE + _pair_words(pair, amount_micros))


def redeem_call(pair: Pair, winner: Token, amount_micros: int) -> WalletCall:
    """Have winners paid: the older contract pays all that the wallet holds, the router a stated amount."""
    if pair.routed:
        return WalletCall(ROUTER, _ROUTER_REDEEM + _condition(pair, 31) + word(int(winner)) + word(amount_micros))
    return WalletCall(ADAPTER, _REDEEM + _pair_words(pair, None))


def _condition(pair: Pair, length: int) -> bytes:
    """Give a condition as a word; of the newer kind its first 31 bytes count."""
    return bytes.fromhex(pair.condition_id.removeprefix("0x"))[:length].ljust(32, b"\0")


def _pair_words(pair: Pair, amount_micros: int | None) -> bytes:
    """Give collateral, parent (none), condition, where the index sets stand, the amount if any, the index sets."""
    head = [address_word(COLLATERAL), bytes(32), _condition(pair, 32)]
    at = 32 * (4 if amount_micros is None else 5)
    head.append(word(at))
    if amount_micros is not None:
        head.append(word(amount_micros))
    return b"".join(head) + b"".join(word(each) for each in _PARTITION)


def batch_digest(wallet: str, nonce: int, deadline_s: int, calls: tuple[WalletCall, ...]) -> bytes:
    """Give what the owner of a deposit wallet signs to let it make calls."""
    hashed = b"".join(
        keccak(_CALL_HASH + address_word(call.target) + bytes(32) + keccak(call.data)) for call in calls
    )  # fmt: skip
    batch = keccak(_BATCH_HASH + address_word(wallet) + word(nonce) + word(deadline_s) + keccak(hashed))
    return keccak(b"\x19\x01" + keccak(_DOMAIN_HEAD + address_word(wallet)) + batch)


def signed_batch(
    holder: KeyHolder, wallet: str, nonce: int, deadline_s: int, calls: tuple[WalletCall, ...], words: str
) -> dict[str, object]:
    """Give the body of a submission of calls."""
    signature = holder.sign(batch_digest(wallet, nonce, deadline_s, calls))
    return {
        "type": "WALLET",
        "from": holder.address,
        "to": FACTORY,
        "nonce": str(nonce),
        "signature": "0x" + signature.hex(),
        "metadata": words,
        "depositWalletParams": {
            "depositWallet": wallet,
            "deadline": str(deadline_s),
            "calls": [call.wire for call in calls],
        },
    }
