"""Recorded messages by type, and which message of the venue next door each is held against; rows of data.

Every type that was recorded stands here once: beside the type that we send, with what may differ and why, or with the
reason for which nothing here sends it. A type that stands nowhere is found and told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any, Final

NOT_READ: Final = "the desk asks for no such stream (reference 6: best prices and trades)"
PRIVATE: Final = "a private channel: the desk has no account at an exchange"
OTHER: Final = "another product: the desk reads spot and linear markets of BTC"
LATER: Final = "came with a later version of the protocol than the recording"
LATER_HERE: Final = "newer than the reference's form of this message"
OLDER: Final = "a test's own wording, older than the documented form (reference 5.1)"
SPORTS: Final = "the recorded market is one of sports, with its start and rewards"
ASKED: Final = "names what was asked for, and something else was"
CUT: Final = "the fixture is cut to what its test reads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One recorded type and the type of ours that must look like it."""

    file: str
    """Name of its file without `.jsonl.zst`."""
    kind: str
    ours: str
    but: Mapping[str, str] = field(default_factory=dict)
    """Place -> why it may differ there."""


def kind_of(told: Mapping[str, Any], message: Any) -> str:
    """Name the type of a recorded message: by its fixture's file where it is one, else by what it says of itself."""
    if "fixture" in told:
        return str(told["fixture"]).rpartition("/")[2].removesuffix(".json")
    if "name" in told:
        return str(told["name"])
    if not isinstance(message, dict):
        return "words"
    if "stream" in message:
        return str(message["stream"]).split("@")[1]
    if isinstance(message.get("arg"), dict) and "event" not in message:
        return str(message["arg"]["channel"])
    for name in ("event_type", "event", "type", "channel"):
        if isinstance(message.get(name), str):
            return str(message[name])
    return "snapshot" if "lastUpdateId" in message else "unknown"


def is_sent(told: Mapping[str, Any]) -> bool:
    """Say whether the recorder itself said this."""
    return told.get("dir") == "sent"


def _pair(file: str, kind: str, ours: str, why: str = "", *places: str) -> Pair:
    return Pair(file=file, kind=kind, ours=ours, but=dict.fromkeys(places, why))


_USM = "binance_usdm_btcusdt"
_OLD = "binance_usdm_ws_2021-07-22"
_CALLS = "polymarket_rest_fixtures"
_FIXTURES = "polymarket_ws_user_market_rtds_fixtures"
_CLOB = "polymarket_clob_market_2026-04-21"
_RTDS = "polymarket_rtds_2026-09-05"

_SUBSCRIBED = tuple(f".events[].subscriptions.{name}" for name in ("heartbeats", "ticker", "level2"))
_POSTED = (".makingAmount", ".status", ".takingAmount", ".tradeIDs", ".transactionsHashes")
_GAMMA_LATER = (
    ".cryptoMarketConfig", ".cryptoMarketConfigId", ".events[].eventMetadata", ".events[].tags", ".feeSchedule",
    ".liquidityAmm", ".version",
)  # fmt: skip

PAIRS: Final = (
    _pair("polymarket_clob_book_2026-04", "book", "market book"),
    _pair(_CLOB, "book", "market book"),
    _pair(_CLOB, "price_change", "market price_change"),
    _pair(_CLOB, "best_bid_ask", "market best_bid_ask"),
    _pair(_CLOB, "last_trade_price", "market last_trade_price"),
    _pair(_FIXTURES, "ws_market_best_bid_ask_msg", "market best_bid_ask"),
    _pair(_FIXTURES, "ws_market_new_market_msg", "market new_market"),
    _pair(_FIXTURES, "ws_market_resolved_msg", "market market_resolved"),
    _pair(_FIXTURES, "ws_market_tick_size_msg", "market tick_size_change"),
    _pair(_FIXTURES, "order_placement", "user order PLACEMENT"),
    _pair(_FIXTURES, "order_cancel", "user order CANCELLATION"),
    _pair(_FIXTURES, "user_trade3", "user trade"),
    _pair(_RTDS, "binance_update", "rtds crypto_prices update"),
    _pair(_RTDS, "chainlink_spot_update", "rtds crypto_prices_chainlink update"),
    _pair(_RTDS, "twap_sixty_update", "rtds crypto_prices_twap_sixty update"),
    _pair(_RTDS, "binance_snapshot_truncated_to_3_points", "rtds crypto_prices subscribe"),
    _pair(_RTDS, "twap_thirty_snapshot_truncated_to_3_points", "rtds crypto_prices_twap_sixty subscribe"),
    _pair(_RTDS, "rejected_subscription", "rtds refusal"),
    _pair(_RTDS, "empty_greeting", "rtds words "),
    _pair("binance_spot_btcusdt", "bookTicker", "binance_spot bookTicker"),
    _pair("binance_spot_btcusdt", "trade", "binance_spot trade"),
    _pair(_USM, "bookTicker", "binance_usdm bookTicker"),
    _pair(_USM, "trade", "binance_usdm trade"),
    _pair(_OLD, "bookTicker", "binance_usdm bookTicker"),
    _pair(_OLD, "aggTrade", "binance_usdm aggTrade"),
    _pair("binance_ws_fixtures", "book_ticker_stream", "binance_usdm bare bookTicker", LATER_HERE, ".ps", ".st"),
    _pair("binance_ws_fixtures", "trade_stream", "binance_spot bare trade", CUT, ".M"),
    _pair("bybit_v5_ws_fixtures", "ws_orderbook_snapshot", "bybit orderbook", LATER, ".cts"),
    _pair("bybit_v5_ws_fixtures", "ws_public_trade", "bybit publicTrade", LATER, ".data[].RPI", ".data[].seq"),
    _pair("bybit_v5_ws_fixtures", "ws_subscription_ack", "bybit subscribe"),
    _pair("bybit_v5_ws_fixtures", "ws_subscription_failure", "bybit subscribe refused", ASKED, ".req_id"),
    _pair("okx_v5_ws_2022-05-13", "tickers", "okx tickers"),
    _pair("okx_v5_ws_2022-05-13", "trades", "okx trades", LATER, ".data[].count"),
    _pair("okx_v5_ws_2022-05-13", "subscribe", "okx subscribe", LATER, ".connId"),
    _pair("okx_v5_ws_fixtures", "ws_bbo_tbt", "okx bbo-tbt"),
    _pair("okx_v5_ws_fixtures", "ws_tickers", "okx tickers"),
    _pair("okx_v5_ws_fixtures", "ws_trades", "okx trades"),
    _pair("coinbase_exchange_ws_2021-04-17", "subscriptions", "coinbase_exchange subscriptions"),
    _pair(
        "coinbase_exchange_ws_2021-04-17",
        "ticker",
        "coinbase_exchange ticker",
        LATER,
        ".best_ask_size",
        ".best_bid_size",
    ),
    _pair("coinbase_exchange_ws_2021-04-17", "match", "coinbase_exchange match"),
    _pair("coinbase_exchange_ws_2021-04-17", "last_match", "coinbase_exchange last_match"),
    _pair("coinbase_advanced_ws_fixtures", "ws_heartbeats", "coinbase heartbeats"),
    _pair("coinbase_advanced_ws_fixtures", "ws_market_trades", "coinbase market_trades"),
    _pair("coinbase_advanced_ws_fixtures", "ws_subscriptions", "coinbase subscriptions", ASKED, *_SUBSCRIBED),
    _pair("coinbase_advanced_ws_fixtures", "ws_ticker", "coinbase ticker"),
    _pair(
        _CALLS,
        "clob_book_response",
        "clob GET /book",
        OLDER,
        ".last_trade_price",
        ".min_order_size",
        ".neg_risk",
        ".tick_size",
    ),
    _pair(_CALLS, "clob_fee_rate_response_nonzero", "clob GET /fee-rate", OLDER, ".base_fee"),
    _pair(
        _CALLS,
        "clob_market_closed_binary_accepting_true",
        "clob GET /markets/{condition}",
        SPORTS,
        ".game_start_time",
        ".rewards.rates",
    ),
    _pair(_CALLS, "gamma_market", "gamma GET /markets/slug/{slug}", LATER, *_GAMMA_LATER),
    _pair(
        _CALLS, "http_balance_allowance_collateral", "clob GET /balance-allowance", OLDER, ".allowances", ".allowance"
    ),
    _pair(_CALLS, "http_batch_cancel_response", "clob DELETE /orders"),
    _pair(_CALLS, "http_cancel_response_ok", "clob DELETE /order"),
    _pair(_CALLS, "http_open_order", "clob GET /data/order/{id}"),
    _pair(_CALLS, "http_open_orders_page", "clob GET /data/orders", CUT, ".count", ".limit"),
    _pair(_CALLS, "http_order_response_ok", "clob POST /order", CUT, *_POSTED),
    _pair(_CALLS, "http_trades_page", "clob GET /data/trades", CUT, ".count", ".limit"),
)
"""Who is held against whom."""

NOT_SERVED: Final = (
    ("binance_coinm_btcusd_perp", "*", "coin-margined futures are not among the reference's feeds"),
    ("binance_*", "depth", NOT_READ),
    ("binance_*", "snapshot", "a REST answer about depth, which nobody here reads"),
    ("binance_*", "kline_1m", NOT_READ),
    ("binance_ws_fixtures", "agg_trade_stream", "of the linear market's later form; see the recording"),
    ("binance_ws_fixtures", "*_stream*", NOT_READ),
    ("bybit_v5_ws_fixtures", "ws_account_*", PRIVATE),
    ("bybit_v5_ws_fixtures", "ws_auth_*", PRIVATE),
    ("bybit_v5_ws_fixtures", "ws_order_response", PRIVATE),
    ("bybit_v5_ws_fixtures", "ws_kline", NOT_READ),
    ("bybit_v5_ws_fixtures", "ws_orderbook_delta", "orderbook.1 sends snapshots only (reference 6.2)"),
    ("bybit_v5_ws_fixtures", "ws_ticker_*", OTHER),
    ("okx_v5_ws_2022-05-13", "books", NOT_READ),
    ("okx_v5_ws_fixtures", "ws_account*", PRIVATE),
    ("okx_v5_ws_fixtures", "ws_orders*", PRIVATE),
    ("okx_v5_ws_fixtures", "ws_sprd_orders", PRIVATE),
    ("okx_v5_ws_fixtures", "ws_*", NOT_READ),
    ("coinbase_exchange_ws_2021-04-17", "l2update", NOT_READ),
    ("coinbase_exchange_ws_2021-04-17", "snapshot", NOT_READ),
    ("coinbase_advanced_ws_fixtures", "ws_user", PRIVATE),
    ("coinbase_advanced_ws_fixtures", "ws_*", NOT_READ),
    ("polymarket_rtds_2026-09-05", "twap_thirty_update", "the venue settles on 60 seconds; see twap_sixty_update"),
    (_FIXTURES, "rtds_equity_prices_*", "shares are no business of this desk"),
    (_FIXTURES, "rtds_crypto_prices_*", "a test's own wording of what is recorded in polymarket_rtds_2026-09-05"),
    (_FIXTURES, "ws_market_*", "a test's own wording of what is recorded in polymarket_clob_market_2026-04-21"),
    (_FIXTURES, "ws_*", "a test's own wording, older than the documented form"),
    (_FIXTURES, "user_trade*", "the same message as user_trade3 with keys of other dates"),
    (_FIXTURES, "*", "the form of 2023 to 2025 (reference 4.1), of which the later ones are held"),
    (_CALLS, "clob_fee_rate_response_zero", "the same form as the other"),
    (_CALLS, "clob_market_closed_binary_accepting_false", "the same form as the other"),
    (_CALLS, "data_api_*", "the data API's first version; the second is served (reference 5.1)"),
    (_CALLS, "gamma_event", "an event of another kind; `updown prove settlement` reads recorded ones of ours"),
    (_CALLS, "gamma_market_*", "markets of other kinds"),
    (_CALLS, "gamma_tags", "tags of other subjects"),
    (_CALLS, "http_balance_allowance_no_allowance", "the form before allowances came"),
    (_CALLS, "http_cancel_response_failed", "the same form as the other"),
    (_CALLS, "http_open_order_sell_fok", "the same form as the other"),
    (_CALLS, "http_order_response_*", "the same form as the other, or no form at all"),
    (_CALLS, "http_signed_order", "a request, not an answer"),
    (_CALLS, "http_trade_report", "the same form as a trade of the page"),
    (_CALLS, "search_response", "the desk searches for nothing"),
)
"""File and type, each as a pattern, and why the venue next door sends no such thing; the first that fits counts."""


def why_not(file: str, kind: str) -> str:
    """Give why a recorded type is not held against ours; empty when it should be."""
    if any(pair.file == file and pair.kind == kind for pair in PAIRS):
        return ""
    return next((why for files, kinds, why in NOT_SERVED if fnmatch(file, files) and fnmatch(kind, kinds)), "")
