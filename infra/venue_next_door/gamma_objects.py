"""Gamma's objects: a window as an event and as a market, with everything the real catalogue writes of them.

Keys are those of recorded objects (five-minute windows of 2026-03 and 2026-06) and of the captures in venue reference
2.3; many mean nothing to a trader and are there because readers of the real thing meet them.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.nouns import BookShown, Window
from infra.venue_next_door.shown_books import price_text
from infra.venue_next_door.window_words import (
    description_of,
    event_id_of,
    iso_micros_of,
    iso_of,
    length_of,
    series_id_of,
    series_slug_of,
    source_of,
    title_of,
)
from state.events import Kind, Token
from state.units import BPS, MICROS, NS_PER_S

TAGS: Final = [
    {"id": "21", "label": "Crypto", "slug": "crypto"},
    {"id": "102127", "label": "Up or Down", "slug": "up-or-down"},
]
LEGACY_FEE: Final = 1000
"""Base fees that mean nothing (venue reference 2.3)."""
ACCEPTED_AFTER_NS: Final = 5 * NS_PER_S
"""Orders are still taken for some seconds after a window's end; how many is not known (venue reference 2.4)."""

MARKET_ALIKE: Final[dict[str, Any]] = {
    "image": "",
    "icon": "",
    "marketMakerAddress": "",
    "active": True,
    "new": False,
    "featured": False,
    "archived": False,
    "restricted": True,
    "groupItemThreshold": "0",
    "enableOrderBook": True,
    "hasReviewedDates": True,
    "negRisk": False,
    "ready": False,
    "funded": False,
    "cyom": False,
    "pagerDutyNotificationEnabled": False,
    "approved": True,
    "rewardsMinSize": 50,
    "rewardsMaxSpread": 4.5,
    "automaticallyActive": True,
    "clearBookOnStart": False,
    "showGmpSeries": False,
    "showGmpOutcome": False,
    "manualActivation": False,
    "negRiskOther": False,
    "umaResolutionStatuses": "[]",
    "pendingDeployment": False,
    "deploying": False,
    "rfqEnabled": False,
    "holdingRewardsEnabled": False,
    "requiresTranslation": False,
}
"""What every market says alike."""
EVENT_ALIKE: Final[dict[str, Any]] = {
    "image": "",
    "icon": "",
    "active": True,
    "archived": False,
    "new": False,
    "featured": False,
    "restricted": True,
    "openInterest": 0,
    "enableOrderBook": True,
    "negRisk": False,
    "commentCount": 0,
    "cyom": False,
    "showAllOutcomes": True,
    "showMarketImages": True,
    "enableNegRisk": False,
    "automaticallyActive": True,
    "negRiskAugmented": False,
    "pendingDeployment": False,
    "deploying": False,
    "requiresTranslation": False,
}
"""What every event says alike."""

_TRADE: Final = int(Kind.TRADE_SEEN)
_A_TRADE: Final = bytes((_TRADE,))


def is_closed(window: Window, now_ns: int) -> bool:
    """Say whether a window is resolved, as far as the catalogue knows."""
    return window.outcome is not None and 0 < window.resolved_ns <= now_ns


def listed_ns(window: Window) -> int:
    """Give when a window's row was made: about a day before it starts, where nothing else is known."""
    return window.listed_ns or window.open_ns - 86_400 * NS_PER_S


def json_text(parts: list[str]) -> str:
    """Write a list the way Gamma hides it in a string.

    >>> json_text(["Up", "Down"])
    '["Up", "Down"]'
    """
    return "[" + ", ".join(f'"{part}"' for part in parts) + "]"


class Catalogue:
    """Writes an engine's windows as Gamma shows them."""

    def __init__(self, engine: Engine) -> None:
        """Listen to an engine's trades from now on: volumes are counted here."""
        self._engine = engine
        self._volume_micros: dict[str, int] = {}
        """By slug: dollars traded."""
        engine.on_public(self.count)
        engine.on_window(self.forget)

    def count(self, rows: NDArray[Any]) -> None:
        """Add what was traded."""
        kinds = rows["kind_code"]
        if _A_TRADE not in kinds.tobytes():
            return
        for row in rows[kinds == _TRADE]:
            window = self._engine.window_of_slot(int(row["slot_id"]))
            if window is not None:
                spent = int(row["amount_micros"]) * int(row["price_bps"]) // BPS
                self._volume_micros[window.slug] = self._volume_micros.get(window.slug, 0) + spent

    def forget(self, window: Window, news: str) -> None:
        """Drop the volumes of windows that the engine has forgotten."""
        if news == "listed":
            self._volume_micros = {
                slug: micros for slug, micros in self._volume_micros.items() if slug in self._engine.windows
            }

    def volume_usd(self, window: Window) -> float:
        """Give the dollars traded in a window so far."""
        return self._volume_micros.get(window.slug, 0) / MICROS

    def market(self, window: Window, now_ns: int, *, in_event: bool = False) -> dict[str, Any]:
        """Give a window as a market; outside of its event it carries the event along."""
        window = self._as_told(window)
        closed = is_closed(window, now_ns)
        made_ns = listed_ns(window)
        title = title_of(window)
        market: dict[str, Any] = MARKET_ALIKE | {
            "id": str(window.gamma_id),
            "question": title,
            "conditionId": window.condition_id,
            "slug": window.slug,
            "resolutionSource": source_of(window),
            "endDate": iso_of(window.close_ns),
            "startDate": iso_micros_of(made_ns),
            "description": description_of(window),
            "outcomes": json_text(["Up", "Down"]),
            "createdAt": iso_micros_of(made_ns),
            "updatedAt": iso_micros_of(now_ns),
            "closed": closed,
            "questionID": window.question_id,
            "version": window.version,
            "orderPriceMinTickSize": window.tick_bps / BPS,
            "orderMinSize": window.min_shares,
            "endDateIso": iso_of(window.close_ns)[:10],
            "startDateIso": iso_of(made_ns)[:10],
            "acceptingOrders": not closed and now_ns < window.close_ns + ACCEPTED_AFTER_NS,
            "acceptingOrdersTimestamp": iso_of(made_ns),
            "eventStartTime": iso_of(window.open_ns),
        }
        ids = json_text(list(window.tokens))
        market |= {"positionIds": ids} if window.version == "v2" else {"clobTokenIds": ids}
        market |= _fees(window) | _config(window) | self._prices(window, closed=closed)
        market |= self._volumes(window)
        if closed:
            market |= _resolution(window)
        if self._engine.faults.is_on(Fault.SWAPPED_OUTCOMES):
            _swap(market)
        if not in_event:
            market["events"] = [self.event(window, now_ns, with_markets=False)]
        return market

    def _as_told(self, window: Window) -> Window:
        """Give a window as the catalogue tells it: otherwise than it is where a fault says so."""
        faults = self._engine.faults
        if not faults.switches:
            return window
        told = replace(window)
        told.fee_rate = faults.value(Fault.UNKNOWN_FEE) or window.fee_rate
        told.lookback_s = round(faults.value(Fault.UNKNOWN_LOOKBACK)) or window.lookback_s
        if version := round(faults.value(Fault.MARKET_VERSION)):
            told.version = f"v{version}"
        return told

    def _prices(self, window: Window, *, closed: bool) -> dict[str, Any]:
        book = self._engine.book(window.tokens[Token.UP])
        bid_bps = book.bids[-1].price_bps if book and book.bids else 0
        ask_bps = book.asks[-1].price_bps if book and book.asks else BPS
        up_bps = (bid_bps + ask_bps) / 2
        outcome_prices = [f"{up_bps / BPS:g}", f"{(BPS - up_bps) / BPS:g}"]
        if closed:
            outcome_prices = ["1", "0"] if window.outcome is Token.UP else ["0", "1"]
        liquidity = 0.0 if closed or book is None else _liquidity_usd(book)
        prices: dict[str, Any] = {
            "outcomePrices": json_text(outcome_prices),
            "bestAsk": float(price_text(ask_bps)),
            "spread": float(price_text(ask_bps - bid_bps)) if ask_bps >= bid_bps else 0.0,
            "lastTradePrice": (book.last_trade_bps if book else 0) / BPS,
            "competitive": 0 if closed else 1.0 / (1.0 + (up_bps / BPS - 0.5) ** 2),
            "liquidity": f"{liquidity:g}" if closed else f"{liquidity:.4f}",
            "liquidityNum": round(liquidity, 4),
            "liquidityClob": round(liquidity, 4),
            "liquidityAmm": 0,
        }
        return prices | ({"bestBid": float(price_text(bid_bps))} if bid_bps else {})

    def _volumes(self, window: Window) -> dict[str, Any]:
        volume = round(self.volume_usd(window), 6)
        spans = ("24hr", "1wk", "1mo", "1yr")
        told: dict[str, Any] = {"volume": f"{volume:f}", "volumeNum": volume, "volumeClob": volume}
        return told | {f"volume{span}{part}": volume for span in spans for part in ("", "Clob")}

    def event(self, window: Window, now_ns: int, *, with_markets: bool = True) -> dict[str, Any]:
        """Give a window as an event."""
        made_ns = listed_ns(window)
        closed = is_closed(window, now_ns)
        prices = self._prices(window, closed=closed)
        volume = round(self.volume_usd(window), 6)
        event: dict[str, Any] = EVENT_ALIKE | {
            "id": event_id_of(window),
            "ticker": window.slug,
            "slug": window.slug,
            "title": title_of(window),
            "description": description_of(window),
            "resolutionSource": source_of(window),
            "startDate": iso_micros_of(made_ns),
            "creationDate": iso_micros_of(made_ns),
            "endDate": iso_of(window.close_ns),
            "closed": closed,
            "liquidity": prices["liquidityNum"],
            "volume": volume,
            "createdAt": iso_micros_of(made_ns),
            "updatedAt": iso_micros_of(now_ns),
            "competitive": prices["competitive"],
            "volume24hr": volume,
            "volume1wk": volume,
            "volume1mo": volume,
            "volume1yr": volume,
            "liquidityClob": prices["liquidityClob"],
            "series": [series_object(window)],
            "tags": TAGS,
            "startTime": iso_of(window.open_ns),
            "seriesSlug": series_slug_of(window),
        }
        if closed:
            event |= {"closedTime": iso_of(window.resolved_ns), "automaticallyResolved": True}
        metadata = _metadata(window, now_ns)
        if metadata:
            event["eventMetadata"] = metadata
        if with_markets:
            event["markets"] = [self.market(window, now_ns, in_event=True)]
        return event


def _swap(market: dict[str, Any]) -> None:
    """Name Down before Up, in each of the lists that are hidden in strings."""
    for name in ("outcomes", "outcomePrices", "clobTokenIds", "positionIds"):
        if name in market:
            market[name] = json_text(list(reversed(msgspec.json.decode(market[name], type=list[str]))))


def _metadata(window: Window, now_ns: int) -> dict[str, float]:
    """Give the published prices: the strike about a minute late, the final price with the resolution."""
    metadata = {}
    if 0 < window.strike_published_ns <= now_ns:
        metadata["priceToBeat"] = window.strike_usd
    if is_closed(window, now_ns):
        metadata["finalPrice"] = window.final_usd
    return metadata


def series_object(window: Window) -> dict[str, Any]:
    """Give the series that a window belongs to."""
    slug, length = series_slug_of(window), length_of(window)
    return {
        "id": series_id_of(window),
        "ticker": slug,
        "slug": slug,
        "title": f"{window.asset.name} Up or Down {length}",
        "seriesType": "single",
        "recurrence": length,
        "image": "",
        "icon": "",
        "active": True,
        "closed": False,
        "archived": False,
        "featured": False,
        "restricted": True,
        "createdAt": "2025-11-21T21:46:22.201627Z",
        "updatedAt": "2025-11-21T21:46:22.201627Z",
        "volume24hr": 0,
        "volume": 0,
        "liquidity": 0,
        "commentCount": 0,
        "requiresTranslation": False,
    }


def _fees(window: Window) -> dict[str, Any]:
    return {
        "feesEnabled": window.fee_rate > 0,
        "feeType": "crypto_fees_v2",
        "feeSchedule": {"exponent": 1, "rate": window.fee_rate, "takerOnly": True, "rebateRate": 0.2},
        "makerBaseFee": LEGACY_FEE,
        "takerBaseFee": LEGACY_FEE,
        "makerRebatesFeeShareBps": 10_000,
    }


def _config(window: Window) -> dict[str, Any]:
    name, length = window.asset.name, length_of(window)
    named = f"{name.lower()}-{length}" + (f"-twap-{window.lookback_s}" if window.lookback_s else "")
    config: dict[str, Any] = {"id": named, "asset": name, "duration": length, "twapEnabled": window.lookback_s > 0}
    if window.lookback_s:
        config["twapLookbackSeconds"] = window.lookback_s
    return {"cryptoMarketConfigId": named, "cryptoMarketConfig": config}


def _resolution(window: Window) -> dict[str, Any]:
    moment = datetime.fromtimestamp(window.resolved_ns // NS_PER_S, UTC)
    return {
        "closedTime": f"{moment:%Y-%m-%d %H:%M:%S}+00",
        "umaEndDate": iso_of(window.resolved_ns),
        "umaResolutionStatus": "resolved",
        "automaticallyResolved": True,
    }


def _liquidity_usd(book: BookShown) -> float:
    """Give what rests on both sides, in dollars that it would cost."""
    bids = np.array([(level.price_bps, level.amount_micros) for level in book.bids], float).reshape(-1, 2)
    asks = np.array([(BPS - level.price_bps, level.amount_micros) for level in book.asks], float).reshape(-1, 2)
    return float((bids[:, 0] @ bids[:, 1] + asks[:, 0] @ asks[:, 1]) / (BPS * MICROS))


def encode(body: Any) -> bytes:
    """Write an answer."""
    return msgspec.json.encode(body)
