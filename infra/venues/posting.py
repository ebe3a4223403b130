"""Posting: the very bytes of an order's request, and what the venue's answer to it means."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final

import msgspec

from infra.feeds import clob_rest
from infra.feeds.figures import micros_of
from infra.feeds.frames import Offbeat
from infra.venues.amounts import Amounts, amounts_of
from infra.venues.columns import columns_of
from infra.venues.refusals import DUPLICATED, halting, reject_of
from infra.venues.rest import Reply
from infra.venues.signing import SignedTerms, Signer, Terms, salt_of
from state.events import Side
from state.orders import Reject, TimeInForce
from state.units import MILL_BPS, NS_PER_MS, NS_PER_S

BATCH_MOST: Final = 15
"""Orders in one request (venue reference 5.1)."""
_ZERO: Final = "0x" + "00" * 32
_POST_ONLY: Final = ',"postOnly":true'
_SIDES: Final = {int(side): side for side in Side}
_SIDE_NAMES: Final = {side: side.name for side in Side}
_TIFS: Final = {int(tif): tif for tif in TimeInForce}
_TIF_NAMES: Final = {int(tif): tif.name for tif in TimeInForce}


_TERMS: Final = columns_of("side_code", "tif_code", "price_bps", "amount_micros", "order_id", "at_ns")
_MANNER: Final = columns_of("tif_code", "expires_ns", "post_only")


def terms_of(command: Any, token_id: str) -> tuple[Terms, Amounts] | Reject:
    """Give what a PLACE command offers, or why no order can be made of it.

    Prices are held to the mills only: the core quotes on the tick that the book has, and knows it sooner than anybody
    here could. Salt and timestamp are the command's own, so that its id can always be reckoned again.
    """
    side_code, tif_code, price_bps, amount_micros, order_id, at_ns = _TERMS(command.item())
    side = _SIDES[side_code]
    amounts = amounts_of(side, price_bps, amount_micros, MILL_BPS, _TIFS[tif_code])
    if isinstance(amounts, Reject):
        return amounts
    terms = Terms(
        salt_of(order_id, at_ns), token_id, side, amounts.maker_micros, amounts.taker_micros, at_ns // NS_PER_MS
    )
    return terms, amounts


def body_of(command: Any, terms: Terms, signed: SignedTerms, signer: Signer, api_key: str) -> bytes:
    """Write the request's body (venue reference 5.3)."""
    tif_code, expires_ns, post_only = _MANNER(command.item())
    tif = _TIFS[tif_code]
    expires_s = expires_ns // NS_PER_S if tif is TimeInForce.GTD else 0
    form = _form(signer.wallet, signer.order_signer, int(signer.signature_type), terms.token_id, api_key)
    return (
        form
        % (
            terms.salt, terms.maker_micros, terms.taker_micros, _SIDE_NAMES[terms.side], expires_s, terms.timestamp_ms,
            signed.signature, _TIF_NAMES[tif_code], _POST_ONLY if post_only else "",
        )
    ).encode()  # fmt: skip


@lru_cache(maxsize=256)
def _form(wallet: str, order_signer: str, signature_type: int, token_id: str, api_key: str) -> str:
    """Write what the bodies of all orders for a token have in common, with gaps for the rest."""
    owner, maker, signer, token = (
        msgspec.json.encode(text).decode().replace("%", "%%") for text in (api_key, wallet, order_signer, token_id)
    )
    return (
        f'{{"deferExec":false,"order":{{"salt":%d,"maker":{maker},"signer":{signer},"tokenId":{token},'
        f'"makerAmount":"%d","takerAmount":"%d","side":"%s","expiration":"%d","timestamp":"%d","metadata":"{_ZERO}",'
        f'"builder":"{_ZERO}","signatureType":{signature_type},"signature":"%s"}},"orderType":"%s","owner":{owner}%s}}'
    )


def prepare(signer: Signer, token_id: str, api_key: str) -> None:
    """Reckon all that the orders for a token have in common, so that the first costs no more than the rest."""
    signer.prepare(token_id)
    _form(signer.wallet, signer.order_signer, int(signer.signature_type), token_id, api_key)


def batch_of(bodies: Sequence[bytes]) -> bytes:
    """Write the body of one request for several orders (`POST /orders`) from the bodies of each."""
    assert 1 <= len(bodies) <= BATCH_MOST, "a batch is of 1 to 15 orders"
    return b"[" + b",".join(bodies) + b"]"


class Fate(Enum):
    """What an answer says of an order."""

    RESTING = "resting"
    HELD = "held"
    MATCHED = "matched"
    UNMATCHED = "unmatched"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """It may have been taken: only asking by its hash can tell."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, understood."""

    fate: Fate
    order_hash: str = ""
    """As the venue names it; empty when it does not."""
    reject: Reject = Reject.NONE
    shares_micros: int = 0
    """Matched at once; 0 where it does not say."""
    pause_s: float = -1.0
    """Send no orders for so long, 0 for as long as is usual; below 0: go on."""
    halt_why: str = ""
    """Not empty: send no orders at all before a person has looked."""
    stranger: bool = False
    """The venue does not know our credentials: worth deriving them once more before a person is asked."""


_FATES: Final = {
    "live": Fate.RESTING, "delayed": Fate.HELD, "matched": Fate.MATCHED, "unmatched": Fate.UNMATCHED,
}  # fmt: skip
_PAUSING: Final = (Reject.RESTARTING, Reject.RATE_LIMITED, Reject.POST_ONLY_MODE)


def outcome_of(reply: Reply, side: Side) -> Outcome:
    """Say what the answer to a posted order means (venue reference 5.3 and 5.8).

    Accepted is only what says success, no error, an id, and a status that we know.
    """
    message = reply.message
    if 200 <= reply.status < 300 and isinstance(message, clob_rest.Posted):
        fate = _FATES.get(message.status.lower())
        if message.success and not message.error_msg and message.order_id and fate is not None:
            return Outcome(fate, message.order_id, shares_micros=_shares(message, side))
        if message.success and message.order_id and not message.error_msg:
            return Outcome(Fate.UNKNOWN, message.order_id)
    return _refusal(reply)


def outcomes_of(reply: Reply, sides: Sequence[Side]) -> tuple[Outcome, ...]:
    """Say what the answer to a request means for each of its orders, in their order; of one order it is not a list.

    A refusal of the request is one of every order, for a batch is admitted whole or not at all (venue reference 5.7).
    Within a batch no status tells a refusal from a fault of the venue's: words that mean nothing to us leave the order
    unknown, and so does an answer without legs, or with others than there were orders.
    """
    if len(sides) == 1 or not 200 <= reply.status < 300 or isinstance(reply.message, clob_rest.Fault):
        return tuple(outcome_of(reply, side) for side in sides)
    legs = reply.legs
    if legs is None:
        return (Outcome(Fate.UNKNOWN, halt_why=halting(reply.words)),) * len(sides)
    if len(legs) != len(sides):
        return (Outcome(Fate.UNKNOWN),) * len(sides)
    return tuple(_leg_outcome(leg, side) for leg, side in zip(legs, sides, strict=True))


def _leg_outcome(leg: Reply, side: Side) -> Outcome:
    outcome = outcome_of(leg, side)
    if outcome.fate is Fate.REFUSED and outcome.reject is Reject.FAILED and not outcome.halt_why:
        return Outcome(Fate.UNKNOWN)
    return outcome


def _refusal(reply: Reply) -> Outcome:
    words = reply.words
    reject = reject_of(words, reply.status)
    if 200 <= reply.status < 300 and not isinstance(reply.message, clob_rest.Posted | clob_rest.Fault):
        # Taken, by its status, and its body cannot be read: the order may live, whatever stands in the way of its news.
        return Outcome(Fate.UNKNOWN, halt_why=halting(words))
    unclear = reply.status >= 500 and reject not in (*_PAUSING, Reject.MARKET_CLOSED)
    if DUPLICATED in words.lower() or unclear:
        return Outcome(Fate.UNKNOWN)
    asked = reply.fields.get("retry_after_seconds")
    asked_s = float(asked) if isinstance(asked, int | float) else reply.retry_after_s
    pause_s = asked_s if reject in _PAUSING else -1.0
    return Outcome(
        Fate.REFUSED,
        reject=reject,
        pause_s=pause_s,
        halt_why=halting(words, reply.status),
        stranger=reply.status == 401,
    )


def _shares(message: clob_rest.Posted, side: Side) -> int:
    text = message.taking_amount if side is Side.BUY else message.making_amount
    try:
        return micros_of(float(text or 0))
    except (ValueError, Offbeat):
        return 0
