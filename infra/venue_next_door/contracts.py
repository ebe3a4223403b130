"""The chain's side of the venue: addresses of its contracts, and the calls that wallets make to them.

Addresses: venue reference 1.5; calls: venue reference 7.1, 7.2. Calls are found by the first four bytes of the hash of
their signature, and their arguments are words of 32 bytes.
"""

from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak

from infra.venue_next_door.typed_data import EXCHANGE_V2, EXCHANGE_V3
from infra.wallets import BEACON, FACTORY

COLLATERAL: Final = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
CONDITIONAL_TOKENS: Final = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
NEG_RISK_EXCHANGE: Final = "0xe2222d279d744050d28e00520010520000310F59"
ADAPTER: Final = "0xAdA100Db00Ca00073811820692005400218FcE1f"
NEG_RISK_ADAPTER: Final = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
ROUTER: Final = "0x12121212006e4CD160D18e3f00711DA5c3372600"
POSITION_MANAGER: Final = "0x006F54F7f9A22e0000CC2AB60031000000ae9fEF"
BINARY_MODULE: Final = "0x1000008dD9001B968442c1000017eaE6E0dA00Ba"
NEG_RISK_MODULE: Final = "0x200000900045e3B6259600682756002200028933"
PERPS_DEPOSIT: Final = "0xDCa4af75705dbB50f62437045afF9921947917d2"
AUTO_REDEEM: Final = "0xa1200000d0002264C9a1698e001292D00E1b00af"

MAX_UINT: Final = (1 << 256) - 1
BOOK_SPENDERS: Final = (EXCHANGE_V2, NEG_RISK_EXCHANGE, EXCHANGE_V3)
"""Whose allowances a balance is told with."""
ERC20_PAIRS: Final = tuple(
    (COLLATERAL, spender)
    for spender in (EXCHANGE_V2, NEG_RISK_EXCHANGE, ADAPTER, NEG_RISK_ADAPTER, ROUTER, EXCHANGE_V3, PERPS_DEPOSIT)
)
ERC1155_PAIRS: Final = tuple(
    (CONDITIONAL_TOKENS, operator)
    for operator in (
        EXCHANGE_V2, NEG_RISK_EXCHANGE, ADAPTER, NEG_RISK_ADAPTER, AUTO_REDEEM, BINARY_MODULE, NEG_RISK_MODULE,
    )
) + tuple((POSITION_MANAGER, operator) for operator in (ROUTER, EXCHANGE_V3, AUTO_REDEEM))  # fmt: skip
"""What the official client asks for before it trades (`relayer/approvals.py` of polymarket-client 0.14.0)."""
CODE_AT: Final = frozenset(
    address.lower()
    for address in (
        COLLATERAL, CONDITIONAL_TOKENS, EXCHANGE_V2, EXCHANGE_V3, NEG_RISK_EXCHANGE, ADAPTER, NEG_RISK_ADAPTER, ROUTER,
        POSITION_MANAGER, BINARY_MODULE, NEG_RISK_MODULE, FACTORY, BEACON,
    )
)  # fmt: skip


class Reverted(Exception):
    """A call cannot be made; the message says why."""


def selector(signature: str) -> bytes:
    """Give the four bytes by which a call is known.

    >>> selector("transfer(address,uint256)").hex()
    'a9059cbb'
    """
    return keccak(signature.encode())[:4]


@dataclass(frozen=True, slots=True)
class Approve:
    """Let a spender take collateral up to an amount, or move all tokens (any amount above 0)."""

    asset: str
    spender: str
    amount: int


@dataclass(frozen=True, slots=True)
class Split:
    """Turn collateral into pairs."""

    condition_id: str
    amount_micros: int


@dataclass(frozen=True, slots=True)
class Merge:
    """Turn pairs into collateral."""

    condition_id: str
    amount_micros: int


@dataclass(frozen=True, slots=True)
class Redeem:
    """Pay out what is decided."""

    condition_id: str


Deed = Approve | Split | Merge | Redeem

_APPROVE: Final = selector("approve(address,uint256)")
_APPROVE_ALL: Final = selector("setApprovalForAll(address,bool)")
_SPLIT: Final = selector("splitPosition(address,bytes32,bytes32,uint256[],uint256)")
_MERGE: Final = selector("mergePositions(address,bytes32,bytes32,uint256[],uint256)")
_REDEEM: Final = selector("redeemPositions(address,bytes32,bytes32,uint256[])")
_ROUTER_SPLIT: Final = selector("split(bytes31,uint256)")
_ROUTER_MERGE: Final = selector("merge(bytes31,uint256)")
_ROUTER_REDEEM: Final = selector("redeem(bytes31,uint256,uint256)")
_PARTITION: Final = (2, 1, 2)
"""An array of the two index sets 1 and 2, as words: its length first."""


def words_of(data: bytes) -> tuple[int, ...]:
    """Give the arguments of a call, word by word; raises Reverted when they are cut."""
    if len(data) % 32:
        raise Reverted("execution reverted: calldata is cut")
    return tuple(int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32))


def _hex(value: int, digits: int) -> str:
    return f"0x{value:0{digits}x}"


def _pair_call(kind: bytes, words: tuple[int, ...]) -> Deed:
    """Read split, merge or redeem of the adapter: collateral, parent, condition, where the partition stands, amount."""
    count = 4 if kind == _REDEEM else 5
    at = words[3] // 32
    if words[0] != int(COLLATERAL, 16) or words[1] or words[at : at + 3] != _PARTITION or at < count:
        raise Reverted("execution reverted: invalid partition")
    condition = _hex(words[2], 64)
    if kind == _REDEEM:
        return Redeem(condition)
    return Split(condition, words[4]) if kind == _SPLIT else Merge(condition, words[4])


def deed_of(target: str, data: bytes) -> Deed:
    """Read what a call does.

    Raises:
        Reverted: this chain knows no such call at that address.
    """
    kind, words, at = data[:4], words_of(data[4:]), target.lower()
    try:
        if kind == _APPROVE and at == COLLATERAL.lower():
            return Approve(COLLATERAL, _hex(words[0], 40), words[1])
        if kind == _APPROVE_ALL and at in (CONDITIONAL_TOKENS.lower(), POSITION_MANAGER.lower()):
            return Approve(at, _hex(words[0], 40), MAX_UINT if words[1] else 0)
        if kind in (_SPLIT, _MERGE, _REDEEM) and at == ADAPTER.lower():
            return _pair_call(kind, words)
        if at == ROUTER.lower() and kind in (_ROUTER_SPLIT, _ROUTER_MERGE, _ROUTER_REDEEM):
            # bytes31 stand at the left of their word; the byte that is missing is the outcome's, 0 for the pair.
            condition = _hex(words[0], 64)
            if kind == _ROUTER_REDEEM:
                return Redeem(condition)
            return Split(condition, words[1]) if kind == _ROUTER_SPLIT else Merge(condition, words[1])
    except IndexError as error:
        raise Reverted("execution reverted: calldata is cut") from error
    raise Reverted(f"execution reverted: no such call at {target}")
