"""RTDS, the venue's older live-data socket: Binance and Chainlink prices and the averages, until they are switched off.

Shapes: venue reference 4.3 (state of 2026-11-22) and eight recorded frames of 2026-09-05. For Chainlink and averages
`full_accuracy_value` is an integer scaled by 1e18; for Binance it is a decimal.
"""

from typing import Any, Final

import msgspec

from infra.feeds.figures import accurate_usd, at_ns_of
from infra.feeds.frames import Parsed, Reading, Refused, offbeat, read_frame
from state.units import NS_PER_MS

PRICES: Final = "crypto_prices"
CHAINLINK: Final = "crypto_prices_chainlink"
AVERAGE_S: Final = {"crypto_prices_twap_thirty": 30, "crypto_prices_twap_sixty": 60}
"""Topics of averages with their look-back; a payload that says another one is refused."""


class Point(msgspec.Struct, gc=False):
    """One value at one observation time, in ms."""

    timestamp: int
    value: float
    full_accuracy_value: str = ""


class Payload(msgspec.Struct, gc=False):
    """One value, or in the first message of a subscription the last minute of them in `data`."""

    symbol: str
    timestamp: int = 0
    value: float | None = None
    full_accuracy_value: str = ""
    window_s: int = 0
    data: list[Point] = []


class Update(msgspec.Struct, gc=False):
    """A price message; `type` is `update`, or `subscribe` for the replay."""

    topic: str
    type: str
    payload: Payload
    timestamp: int = 0
    connection_id: str = ""


class Rejection(msgspec.Struct, gc=False, rename="camel"):
    """A subscription was refused; the other topics of the same frame fall silent, too."""

    status_code: int
    body: dict[str, Any] | None = None


class Head(msgspec.Struct, gc=False):
    """As much of a message as tells its type."""

    topic: str = ""
    status: int | None = msgspec.field(name="statusCode", default=None)


WORDS: Final = frozenset({b"", b"PONG"})
"""The greeting, and at times the answer to a ping, is an empty frame."""

_HEAD: Final = msgspec.json.Decoder(Head)
_UPDATE: Final = msgspec.json.Decoder(Update, strict=False)
_REJECTION: Final = msgspec.json.Decoder(Rejection, strict=False)


def read_message(raw: bytes) -> Reading:
    """Read one message; raises as a `ReadOne` may."""
    head = _HEAD.decode(raw)
    if head.topic in (PRICES, CHAINLINK) or head.topic in AVERAGE_S:
        update = _UPDATE.decode(raw)
        points_of(update)
        return Reading(update, raw, Update)
    if head.status is not None:
        return Reading(_REJECTION.decode(raw), raw, Rejection)
    return offbeat(f"a type this feed does not read: {head.topic[:40]}" if head.topic else "of no known type")


def points_of(update: Update) -> list[tuple[int, float]]:
    """Give the values of a message as (observed at ns, dollars), oldest first as the venue sends them.

    Raises:
        Offbeat: a value that cannot be, two values that disagree, or a look-back other than the topic's.
    """
    payload = update.payload
    if payload.window_s and payload.window_s != AVERAGE_S.get(update.topic):
        offbeat(f"look-back of {payload.window_s} s in topic {update.topic}")
    points = list(payload.data)
    if payload.value is not None:
        points.append(Point(payload.timestamp, payload.value, payload.full_accuracy_value))
    if not points and update.type == "update":
        offbeat("an update without a value")
    scaled = update.topic != PRICES
    return [
        (
            at_ns_of(point.timestamp, NS_PER_MS),
            accurate_usd(point.value, point.full_accuracy_value, scaled=scaled),
        )
        for point in points
    ]


def parse(raw: bytes, *, audit: bool = False) -> Parsed | Refused:
    """Say what an RTDS frame means, or why it is refused; never raises."""
    return read_frame(raw, read_message, words=WORDS, audit=audit)
