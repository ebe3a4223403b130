"""Frames of price feeds written by hand, and what they become as rows."""

import json
from typing import Any

import numpy as np

from infra.feeds import polybolt
from infra.feeds.decoder import Decoder
from infra.feeds.frames import Parsed, Refused, Wire
from state.events import EVENT, Asset, Kind, Side, Source

MS = 1_000_000
T_MS = 1_792_638_000_000
SEEN_NS = (T_MS + 900) * MS
ISO, ISO_NS = "2026-10-22T03:00:00.123456Z", T_MS * MS + 123_456_000


def wire(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def only(parsed: Parsed | Refused) -> Any:
    assert isinstance(parsed, Parsed), parsed
    (message,) = parsed.messages
    assert parsed.refused == () and parsed.unknown_fields == ()
    return message


def told(source: Wire, message: Any, decoder: Decoder | None = None) -> list[tuple[Any, ...]]:
    """Rows as (kind, source, at_ns, value, other, amount, span, code, side), all of one frame."""
    out = np.zeros(64, EVENT)
    raw = message if isinstance(message, bytes) else wire(message)
    rows = out[: (decoder or Decoder()).decode(source, raw, SEEN_NS, out)]
    assert (rows["seen_ns"] == SEEN_NS).all()
    assert rows["flags_mask"].tolist() == [0] * (len(rows) - 1) + [1] * (len(rows) > 0)
    names = ["kind_code", "source_code", "at_ns", "value_usd", "other_usd", "amount_micros", "span_s", "code_id"]
    return [tuple(row[name].item() for name in [*names, "side_code"]) for row in rows]


def price(source: Source, at_ns: int, bid: float, ask: float, asset: Asset = Asset.BTC) -> tuple[Any, ...]:
    return (Kind.PRICE_SEEN, source, at_ns, bid, ask, 0, 0, asset, 0)


def trade(source: Source, at_ns: int, usd: float, micros: int, taker: Side) -> tuple[Any, ...]:
    return (Kind.CEX_TRADED, source, at_ns, usd, 0.0, micros, 0, Asset.BTC, taker)


def bolt(seq: int, channel: str = polybolt.PRICE, source: str = "chainlink", **more: Any) -> dict[str, Any]:
    payload = {"symbol": "btcusd", "source": source, "timestamp": T_MS, "value": 64000.5}
    payload |= {"full_accuracy_value": "64000.50000000"} | more.pop("payload", {})
    return {"v": 1, "channel": channel, "seq": seq, "ts": T_MS, "payload": payload, **more}
