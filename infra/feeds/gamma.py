"""Gamma, the venue's catalogue: events and markets as it writes them, lists hidden in text included.

Shapes: venue reference 2.3 (captures of 2026-05 to 2026-09), a whole day of recorded market objects (2026-06-08) and
fixtures back to 2020. What a market means to us is in `listings.py`.
"""

from typing import Any, Final

import msgspec

from infra.feeds.frames import Parsed, Reading, Refused, offbeat, read_frame, unread


class FeeSchedule(msgspec.Struct, gc=False, rename="camel"):
    """The fee curve of one market; the legacy base fees beside it mean nothing."""

    rate: float | None = None
    exponent: float | None = None
    taker_only: bool | None = None
    rebate_rate: float | None = None


class CryptoConfig(msgspec.Struct, gc=False, rename="camel"):
    """What a crypto window settles on."""

    id: str = ""
    asset: str = ""
    duration: str = ""
    twap_enabled: bool | None = None
    twap_lookback_seconds: int | None = None


class EventMetadata(msgspec.Struct, gc=False, rename="camel"):
    """The two published prices of a window."""

    price_to_beat: float | None = None
    final_price: float | None = None


class Market(msgspec.Struct, gc=False, rename="camel"):
    """One market object."""

    condition_id: str
    slug: str = ""
    id: str = ""
    question: str | None = None
    question_id: str | None = msgspec.field(name="questionID", default=None)
    version: str | None = None
    outcomes: str | None = None
    """JSON inside a string, like the next three; `listed` reads it."""
    outcome_prices: str | None = None
    clob_token_ids: str | None = None
    position_ids: str | list[str] | None = None
    resolution_source: str | None = None
    event_start_time: str | None = None
    start_date: str | None = None
    """When the row was made, about a day before the window; never the window's start."""
    end_date: str | None = None
    closed_time: str | None = None
    active: bool | None = None
    closed: bool | None = None
    accepting_orders: bool | None = None
    accepting_orders_timestamp: str | None = None
    enable_order_book: bool | None = None
    neg_risk: bool | None = None
    clear_book_on_start: bool | None = None
    order_price_min_tick_size: float | None = None
    order_min_size: float | None = None
    fees_enabled: bool | None = None
    fee_type: str | None = None
    fee_schedule: FeeSchedule | None = None
    maker_rebates_fee_share_bps: int | None = None
    rewards_min_size: float | None = None
    rewards_max_spread: float | None = None
    best_bid: float | None = None
    best_ask: float | None = None
    spread: float | None = None
    last_trade_price: float | None = None
    crypto_market_config_id: str | None = None
    crypto_market_config: CryptoConfig | None = None
    uma_resolution_status: str | None = None
    automatically_resolved: bool | None = None
    event_metadata: EventMetadata | None = None
    events: list["Event"] | None = None


class Event(msgspec.Struct, gc=False, rename="camel"):
    """One event object with its markets; for crypto windows there is exactly one."""

    id: str = ""
    slug: str = ""
    ticker: str | None = None
    title: str | None = None
    series_slug: str | None = None
    start_date: str | None = None
    start_time: str | None = None
    end_date: str | None = None
    closed_time: str | None = None
    active: bool | None = None
    closed: bool | None = None
    event_metadata: EventMetadata | None = None
    markets: list[Market] | None = None


class Page(msgspec.Struct, gc=False):
    """A page of a listing by keyset, or of a search."""

    events: list[Event] = []
    markets: list[Market] = []
    next_cursor: str | None = None
    pagination: dict[str, Any] | None = None


class Tag(msgspec.Struct, gc=False, rename="camel"):
    """A label of the catalogue."""

    id: str
    label: str
    slug: str
    created_at: str | None = None
    updated_at: str | None = None
    requires_translation: bool | None = None
    force_show: bool | None = None


_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DECODERS: Final[dict[type[msgspec.Struct], msgspec.json.Decoder[Any]]] = {
    shape: msgspec.json.Decoder(shape, strict=False) for shape in (Market, Event, Page, Tag)
}
_LIST: Final = msgspec.json.Decoder(list[str], strict=False)

_MARKET_UNREAD: Final = """
    approved archived automaticallyActive category clobRewards competitive createdAt creator customLiveness cyom
    deploying deployingTimestamp description endDateIso featured fpmmLive funded gameId gameStartTime
    groupItemThreshold groupItemTitle hasReviewedDates holdingRewardsEnabled icon image line liquidity liquidityAmm
    liquidityClob liquidityNum lowerBound mailchimpTag makerBaseFee manualActivation marketMakerAddress marketType
    negRiskMarketID negRiskOther negRiskRequestID new oneDayPriceChange oneHourPriceChange oneMonthPriceChange
    oneWeekPriceChange oneYearPriceChange pagerDutyNotificationEnabled pendingDeployment ready readyForCron
    requiresTranslation resolvedBy restricted rfqEnabled secondsDelay seriesColor showGmpOutcome showGmpSeries
    sportsMarketType startDateIso submitted_by takerBaseFee twitterCardImage umaBond umaEndDate umaResolutionStatuses
    umaReward updatedAt updatedBy upperBound volume volume1mo volume1moAmm volume1moClob volume1wk volume1wkAmm
    volume1wkClob volume1yr volume1yrAmm volume1yrClob volume24hr volume24hrClob volumeClob volumeNum
"""
_EVENT_UNREAD: Final = """
    archived automaticallyActive automaticallyResolved commentCount competitive countryName createdAt creationDate
    cumulativeMarkets cyom deploying deployingTimestamp description electionType enableNegRisk enableOrderBook ended
    estimateValue eventDate eventWeek featured gameId gmpChartMode icon image liquidity liquidityClob live negRisk
    negRiskAugmented negRiskMarketID new openInterest pendingDeployment period requiresTranslation resolutionSource
    restricted score series showAllOutcomes showMarketImages sortBy tags updatedAt volume volume1mo volume1wk volume1yr
    volume24hr
"""
UNREAD: Final = unread(Market=_MARKET_UNREAD, Event=_EVENT_UNREAD)
"""Catalogue fields that have been seen and are of no use to a window's trader."""


def listed(text: str | None, what: str) -> list[str]:
    """Read a list that Gamma hides in a string.

    Raises:
        Offbeat: there is none, or it is no list of texts.
    """
    try:
        return _LIST.decode(text or "")
    except (msgspec.MsgspecError, UnicodeError):
        return offbeat(f"{what} is no list in a string: {(text or '')[:40]!r}")


def read_message(raw: bytes) -> Reading:
    """Read one object of an answer; raises as a `ReadOne` may."""
    shape = _shape(_FIELDS.decode(raw).keys())
    message = _DECODERS[shape].decode(raw)
    for market, _ in windows_in(message):
        for text, what in (
            (market.outcomes, "outcomes"),
            (market.outcome_prices, "outcomePrices"),
            (market.clob_token_ids, "clobTokenIds"),
        ):
            if text is not None:
                listed(text, what)
    return Reading(message, raw, shape)


def _shape(names: Any) -> type[msgspec.Struct]:
    if "conditionId" in names and "outcomes" in names:
        return Market
    if "slug" in names and ("markets" in names or "ticker" in names):
        return Event
    if ("pagination" in names or "next_cursor" in names) and ("events" in names or "markets" in names):
        return Page
    if names >= {"id", "label", "slug"}:
        return Tag
    return offbeat("neither an event nor a market nor a page of them")


def windows_in(message: Any) -> list[tuple[Market, Event | None]]:
    """Give every market of a message with the event it belongs to, whichever way the message holds them."""
    if isinstance(message, Market):
        return [(message, message.events[0] if message.events else None)]
    if isinstance(message, Event):
        return [(market, message) for market in message.markets or ()]
    if isinstance(message, Page):
        within = [pair for event in message.events for pair in windows_in(event)]
        return [*within, *(pair for market in message.markets for pair in windows_in(market))]
    return []


def parse(raw: bytes, *, audit: bool = False) -> Parsed | Refused:
    """Say what an answer of Gamma holds, or why it is refused; never raises."""
    return read_frame(raw, read_message, audit=audit, known=UNREAD)
