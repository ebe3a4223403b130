"""Polygon by JSON-RPC: the head of the chain and its base fee, as a node answers `eth_getBlockByNumber`.

Shapes: the Ethereum JSON-RPC specification (quantities are hexadecimal text); what the figures are a sign of: venue
reference 7.5. No recorded answer was to be had.
"""

from typing import Any, Final

import msgspec

from infra.feeds.figures import at_ns_of
from infra.feeds.frames import Parsed, Reading, Refused, offbeat, read_frame, unread
from state.units import NS_PER_S

GWEI: Final = 10**9
"""Wei in one gwei."""

BASE_FEE_GWEI_MAX: Final = 1e9
"""A base fee of one coin for one unit of gas: beyond it somebody mistook a unit."""


class Head(msgspec.Struct, gc=False, rename="camel"):
    """As much of a block as we ask for; the other fields of a block are its hashes and transactions."""

    number: str
    timestamp: str
    base_fee_per_gas: str


class Block(msgspec.Struct, gc=False):
    """A block's number, time and base fee, as numbers."""

    number: int
    at_ns: int
    base_fee_gwei: float


class Fault(msgspec.Struct, gc=False):
    """The node refused the question."""

    error: dict[str, Any]
    id: int | str | None = None


class Answer(msgspec.Struct, gc=False):
    """The envelope of an answer; a node that does not know the block answers `null`."""

    jsonrpc: str
    result: Head | None = None
    id: int | str | None = None


_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANSWER: Final = msgspec.json.Decoder(Answer)
_FAULT: Final = msgspec.json.Decoder(Fault)

UNREAD: Final = unread(
    Head=(
        "hash parentHash nonce sha3Uncles logsBloom transactionsRoot stateRoot receiptsRoot miner difficulty "
        "totalDifficulty extraData size gasLimit gasUsed transactions uncles mixHash blobGasUsed excessBlobGas "
        "milliTimestamp withdrawals withdrawalsRoot parentBeaconBlockRoot requestsHash"
    )
)


def quantity(text: str) -> int:
    """Read a quantity: `0x` and hexadecimal digits.

    Raises:
        Offbeat: it is none.

    >>> quantity("0x68b4c380")
    1756676992
    """
    digits = text.removeprefix("0x")
    if digits == text or not digits or len(digits) > 32 or not digits.isascii() or not digits.isalnum():
        offbeat(f"{text[:40]!r} is no quantity")
    try:
        return int(digits, 16)
    except ValueError:
        return offbeat(f"{text[:40]!r} is no quantity")


def read_message(raw: bytes) -> Reading:
    """Read one answer; raises as a `ReadOne` may."""
    if "error" in _FIELDS.decode(raw):
        return Reading(_FAULT.decode(raw), raw, Fault)
    head = _ANSWER.decode(raw).result
    if head is None:
        offbeat("the node does not know its newest block")
    fee_gwei = quantity(head.base_fee_per_gas) / GWEI
    if fee_gwei > BASE_FEE_GWEI_MAX:
        offbeat(f"base fee of {fee_gwei:.3g} gwei")
    block = Block(quantity(head.number), at_ns_of(quantity(head.timestamp), NS_PER_S), fee_gwei)
    return Reading(block, raw, Answer)


def parse(raw: bytes, *, audit: bool = False) -> Parsed | Refused:
    """Say what a node's answer holds, or why it is refused; never raises."""
    return read_frame(raw, read_message, audit=audit, known=UNREAD)
