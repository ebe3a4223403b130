"""PolyBolt, the venue's live-data socket of today: reference prices and the average that windows settle on.

Shapes: venue reference 4.4 (documentation as of 2026-11-22; no recorded session was to be had). The only socket of the
venue with sequence numbers: consecutive per connection and channel. `full_accuracy_value` is a decimal here.
"""

from typing import Any, Final

import msgspec

from infra.feeds.figures import accurate_usd, at_ns_of
from infra.feeds.frames import Parsed, Reading, Refused, offbeat, read_frame
from state.units import NS_PER_MS

PRICE: Final = "price.crypto"
AVERAGE: Final = "price.crypto.twap"


class Point(msgspec.Struct, gc=False):
    """One value at one observation time, in ms."""

    timestamp: int
    value: float
    full_accuracy_value: str = ""


class Payload(msgspec.Struct, gc=False):
    """One value, or in a snapshot the preceding two minutes of them in `data`."""

    symbol: str
    source: str = ""
    """Who observed it: chainlink or pyth; to be read in every payload, for it has changed before."""
    window_seconds: int = 0
    timestamp: int = 0
    value: float | None = None
    full_accuracy_value: str = ""
    data: list[Point] = []


class Update(msgspec.Struct, gc=False):
    """A price message with its place in the channel's sequence."""

    channel: str
    seq: int
    payload: Payload
    ts: int = 0
    v: int = 1
    snapshot: bool = False
    dropped: int = 0
    """Frames that the server gave up sending us before this one."""
    rid: str = ""


class Answer(msgspec.Struct, gc=False):
    """The answer to auth, subscribe, unsubscribe or ping; with `code` it is a refusal."""

    op: str
    rid: str = ""
    channel: str = ""
    code: str = ""
    message: str = ""
    msg: str = ""
    error: Any = None
    filter: dict[str, Any] | None = None


class Head(msgspec.Struct, gc=False):
    """As much of a message as tells its type."""

    op: str = ""
    channel: str = ""


_HEAD: Final = msgspec.json.Decoder(Head)
_UPDATE: Final = msgspec.json.Decoder(Update, strict=False)
_ANSWER: Final = msgspec.json.Decoder(Answer, strict=False)


def read_message(raw: bytes) -> Reading:
    """Read one message; raises as a `ReadOne` may."""
    head = _HEAD.decode(raw)
    if head.op:
        return Reading(_ANSWER.decode(raw), raw, Answer)
    if head.channel in (PRICE, AVERAGE):
        update = _UPDATE.decode(raw)
        points_of(update)
        return Reading(update, raw, Update)
    return offbeat(f"a type this feed does not read: {head.channel[:40]}" if head.channel else "of no known type")


def points_of(update: Update) -> list[tuple[int, float]]:
    """Give the values of a message as (observed at ns, dollars), oldest first as the venue sends them.

    Raises:
        Offbeat: a value that cannot be, two values that disagree, or an average without its look-back.
    """
    payload = update.payload
    if update.channel == AVERAGE and payload.window_seconds <= 0:
        offbeat("an average without its look-back")
    points = list(payload.data)
    if payload.value is not None:
        points.append(Point(payload.timestamp, payload.value, payload.full_accuracy_value))
    if not points and not update.snapshot:
        offbeat("an update without a value")
    return [
        (
            at_ns_of(point.timestamp, NS_PER_MS),
            accurate_usd(point.value, point.full_accuracy_value, scaled=False),
        )
        for point in points
    ]


def parse(raw: bytes, *, audit: bool = False) -> Parsed | Refused:
    """Say what a PolyBolt frame means, or why it is refused; never raises."""
    return read_frame(raw, read_message, audit=audit)
