"""What the venue next door promises: every endpoint and message of venue reference 4, 5 and 6, and what proves each.

Rows of data. `heard` names the message or the answer as the proof hears it from a running venue; `by` names tests as
`file::test` below `tests/venue`, those with an unmodified client of somebody else first.
"""

from dataclasses import dataclass
from typing import Final

CLIENTS: Final = {
    "test_clob_client.py": "py-clob-client-v2",
    "test_polymarket_client.py": "polymarket-client",
    "test_official_client_reads.py": "polymarket-client",
    "test_cex_clients.py": "ccxt",
}
"""Files of tests in which a client that we did not write talks to the servers."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One row: an endpoint or a message."""

    section: str
    what: str
    heard: tuple[str, ...]
    """All of these must have been heard; empty where only a test can tell."""
    by: tuple[str, ...]


def _row(section: str, what: str, heard: str = "", *by: str) -> Promise:
    return Promise(section, what, tuple(part.strip() for part in heard.split(";") if part.strip()), by)


_MARKET = "test_market_socket.py::"
_USER = "test_user_socket.py::"
_RTDS = "test_rtds.py::"
_BOLT = "test_polybolt.py::"
_PUBLIC = "test_clob_public.py::"
_ACCOUNT = "test_clob_account.py::"
_ORDERS = "test_clob_orders.py::"
_AUTH = "test_clob_auth.py::"
_FAULTS = "test_clob_faults.py::"
_V2 = "test_clob_client.py::"
_SDK = "test_official_client_reads.py::"
_CEX = "test_cex_servers.py::"
_CEX_RECORDED = "test_cex_recorded.py::"
_NEW = "test_polymarket_client.py::"
_DATA = "test_data_api.py::"
_CCXT = "test_cex_clients.py::"
_TRADES = _CCXT + "test_trades_are_read_with_their_size_their_side_and_their_time"
_TOUCH = _CCXT + "test_best_bids_and_asks_are_read"
_TICKERS = _CCXT + "test_tickers_are_read_from_rest_and_from_the_socket"
_LINES = "test_lines.py::"
_SAME = "test_our_frames_have_the_keys_their_order_and_the_types_of_recorded_ones"
_RTDS_SAME = _RTDS + "test_our_frames_have_the_keys_and_types_of_recorded_ones"
_READS = _V2 + "test_it_reads_the_market"

CHANNELS: Final = (
    _row("4.1", "market: book", "market book", _SDK + "test_it_reads_our_market_channel_with_all_custom_features",
         _MARKET + _SAME),
    _row("4.1", "market: price_change, both tokens", "market price_change",
         _SDK + "test_it_reads_our_market_channel_with_all_custom_features",
         _MARKET + "test_a_change_tells_of_both_tokens_and_a_trade_is_followed_by_whole_books"),
    _row("4.1", "market: last_trade_price", "market last_trade_price", _MARKET + _SAME),
    _row("4.1", "market: tick_size_change", "market tick_size_change",
         _MARKET + "test_a_finer_tick_is_told_once_for_each_token"),
    _row("4.1", "market: best_bid_ask", "market best_bid_ask",
         _SDK + "test_it_reads_our_market_channel_with_all_custom_features",
         _MARKET + "test_best_prices_come_only_to_who_asked_for_them_and_only_when_they_move"),
    _row("4.1", "market: new_market", "market new_market",
         _MARKET + "test_what_was_never_recorded_has_the_keys_of_the_clients_own_fixtures"),
    _row("4.1", "market: market_resolved", "market market_resolved",
         _MARKET + "test_new_and_resolved_markets_are_told_to_everybody_who_asked_for_news"),
    _row("4.1", "market: PING and PONG, subscribe and unsubscribe", "market words PONG",
         _MARKET + "test_words_are_words_and_a_subscription_can_grow_and_shrink"),
    _row("4.1", "market: an array of both books first", "market book",
         _MARKET + "test_a_subscriber_is_first_told_both_books_in_one_array"),
    _row("4.1", "market: 1013 for a slow consumer", "",
         _LINES + "test_a_client_that_really_does_not_read_is_closed_and_holds_no_more_than_the_buffer"),
    _row("4.2", "user: order PLACEMENT", "user order PLACEMENT", _USER + "test_an_order_is_told_in_full"),
    _row("4.2", "user: order UPDATE", "user order UPDATE", _USER + "test_an_order_is_told_in_full"),
    _row("4.2", "user: order CANCELLATION", "user order CANCELLATION", _USER + "test_an_order_is_told_in_full"),
    _row("4.2", "user: trade, as taker", "user trade", _USER + "test_as_taker_the_top_of_a_trade_is_ours"),
    _row("4.2", "user: trade, as maker", "",
         _USER + "test_as_maker_the_top_of_a_trade_is_the_takers_and_ours_is_among_the_maker_orders"),
    _row("4.2", "user: MATCHED, MINED, CONFIRMED", "user trade MATCHED; user trade MINED; user trade CONFIRMED",
         _V2 + "test_a_market_purchase_is_held_and_filled_and_pays_its_fee"),
    _row("4.2", "user: keys are checked", "", _USER + "test_wrong_keys_are_turned_away"),
    _row("4.2", "user: PING and PONG", "user words PONG",
         _USER + "test_each_account_hears_of_its_own_orders_only_and_of_the_markets_that_it_named"),
    _row("4.3", "RTDS: crypto_prices", "rtds crypto_prices update", _RTDS_SAME),
    _row("4.3", "RTDS: crypto_prices_chainlink", "rtds crypto_prices_chainlink update",
         _SDK + "test_it_follows_chainlink_on_our_rtds", _RTDS_SAME),
    _row("4.3", "RTDS: crypto_prices_twap_sixty", "rtds crypto_prices_twap_sixty update",
         _RTDS_SAME),
    _row("4.3", "RTDS: a replay of a minute first", "rtds crypto_prices_twap_sixty subscribe",
         _RTDS + "test_a_minute_is_replayed_as_a_list_and_then_every_second_comes"),
    _row("4.3", "RTDS: silence without PING, and after a bad topic", "",
         _RTDS + "test_six_minutes_without_a_ping_and_it_goes_quiet_without_a_word",
         _RTDS + "test_one_bad_topic_silences_the_whole_array"),
    _row("4.4", "PolyBolt: auth, authed", "polybolt authed",
         _SDK + "test_it_authenticates_at_our_polybolt_and_follows_the_settlement_average"),
    _row("4.4", "PolyBolt: subscribed", "polybolt subscribed",
         _BOLT + "test_who_subscribes_gets_two_minutes_at_once_and_then_each_second"),
    _row("4.4", "PolyBolt: price.crypto.twap", "polybolt price.crypto.twap snapshot; polybolt price.crypto.twap",
         _SDK + "test_it_authenticates_at_our_polybolt_and_follows_the_settlement_average"),
    _row("4.4", "PolyBolt: price.crypto", "polybolt price.crypto",
         _BOLT + "test_who_subscribes_gets_two_minutes_at_once_and_then_each_second"),
    _row("4.4", "PolyBolt: seq and dropped", "",
         _BOLT + "test_our_decoder_reads_the_stream_and_sees_a_gap_where_frames_were_dropped"),
    _row("4.4", "PolyBolt: error codes", "polybolt error", _BOLT + "test_what_cannot_be_is_refused_by_name"),
    _row("4.4", "PolyBolt: limits and close codes", "",
         _BOLT + "test_too_much_is_refused_too_many_subscriptions_too_many_frames_and_one_too_large",
         _BOLT + "test_who_does_not_answer_two_pings_is_closed_with_4002"),
)  # fmt: skip

ENDPOINTS: Final = (
    _row("5.1", "GET /ok, /time, /version", "clob GET /ok; clob GET /time; clob GET /version",
         _PUBLIC + "test_the_venue_tells_its_time_and_generation"),
    _row("5.1", "GET /book", "clob GET /book", _READS, _NEW + "test_it_finds_the_market_and_its_book",
         _PUBLIC + "test_a_book_has_its_best_levels_last_and_a_hash_that_clients_can_reckon"),
    _row("5.1", "POST /books", "clob POST /books",
         _PUBLIC + "test_a_book_has_its_best_levels_last_and_a_hash_that_clients_can_reckon"),
    _row("5.1", "GET /price, POST /prices", "clob GET /price; clob POST /prices", _READS,
         _PUBLIC + "test_prices_come_one_by_one_and_many_at_once"),
    _row("5.1", "GET /midpoint, POST /midpoints", "clob GET /midpoint; clob POST /midpoints", _READS,
         _PUBLIC + "test_prices_come_one_by_one_and_many_at_once"),
    _row("5.1", "GET /spread, POST /spreads", "clob GET /spread; clob POST /spreads",
         _PUBLIC + "test_prices_come_one_by_one_and_many_at_once"),
    _row("5.1", "GET /last-trade-price, POST /last-trades-prices",
         "clob GET /last-trade-price; clob POST /last-trades-prices",
         _PUBLIC + "test_the_last_trade_is_told_with_the_taker_s_side"),
    _row("5.1", "GET /tick-size", "clob GET /tick-size", _READS,
         _PUBLIC + "test_the_tick_becomes_finer_and_everybody_says_so"),
    _row("5.1", "GET /neg-risk", "clob GET /neg-risk", _READS,
         _PUBLIC + "test_prices_come_one_by_one_and_many_at_once"),
    _row("5.1", "GET /fee-rate", "clob GET /fee-rate", _PUBLIC + "test_prices_come_one_by_one_and_many_at_once"),
    _row("5.1", "GET /markets/{condition}, /markets", "clob GET /markets/{condition}; clob GET /markets", _READS,
         _PUBLIC + "test_a_market_is_told_long_and_short"),
    _row("5.1", "GET /clob-markets/{condition}", "clob GET /clob-markets/{condition}", _READS,
         _PUBLIC + "test_a_market_is_told_long_and_short"),
    _row("5.1", "GET /prices-history", "clob GET /prices-history",
         _PUBLIC + "test_the_last_trade_is_told_with_the_taker_s_side"),
    _row("5.1", "POST /auth/api-key, GET /auth/derive-api-key",
         "clob POST /auth/api-key; clob GET /auth/derive-api-key",
         _V2 + "test_credentials_are_the_same_when_derived_again",
         _AUTH + "test_the_same_signer_and_nonce_have_the_same_keys_made_or_derived"),
    _row("5.1", "GET /auth/api-keys", "clob GET /auth/api-keys",
         _V2 + "test_credentials_are_the_same_when_derived_again"),
    _row("5.1", "DELETE /auth/api-key", "clob DELETE /auth/api-key",
         _AUTH + "test_a_deleted_key_opens_nothing_until_its_owner_makes_it_again"),
    _row("5.1", "GET /auth/ban-status/closed-only", "clob GET /auth/ban-status/closed-only",
         _V2 + "test_credentials_are_the_same_when_derived_again"),
    _row("5.1", "POST /order", "clob POST /order", _V2 + "test_a_post_only_bid_rests_is_listed_and_cancelled",
         _NEW + "test_a_post_only_bid_rests_is_listed_and_cancelled",
         _ORDERS + "test_an_order_that_rests_is_live_under_the_id_that_its_signer_knew_before"),
    _row("5.1", "POST /orders", "clob POST /orders", _ORDERS + "test_a_batch_is_answered_leg_by_leg"),
    _row("5.1", "DELETE /order", "clob DELETE /order",
         _NEW + "test_a_post_only_bid_rests_is_listed_and_cancelled",
         _V2 + "test_a_post_only_bid_rests_is_listed_and_cancelled"),
    _row("5.1", "DELETE /orders", "clob DELETE /orders", _NEW + "test_heartbeats_and_cancels",
         _V2 + "test_cancels_of_every_kind"),
    _row("5.1", "DELETE /cancel-all", "clob DELETE /cancel-all", _V2 + "test_cancels_of_every_kind"),
    _row("5.1", "DELETE /cancel-market-orders", "clob DELETE /cancel-market-orders",
         _V2 + "test_cancels_of_every_kind"),
    _row("5.1", "GET /data/order/{id}", "clob GET /data/order/{id}",
         _V2 + "test_a_post_only_bid_rests_is_listed_and_cancelled"),
    _row("5.1", "GET /data/orders", "clob GET /data/orders",
         _NEW + "test_a_post_only_bid_rests_is_listed_and_cancelled",
         _V2 + "test_a_post_only_bid_rests_is_listed_and_cancelled", _ACCOUNT + "test_long_lists_come_in_pages"),
    _row("5.1", "GET /data/trades", "clob GET /data/trades", _NEW + "test_a_bid_is_filled_by_somebody_who_sells",
         _V2 + "test_a_bid_is_filled_by_somebody_who_sells",
         _ACCOUNT + "test_trades_are_told_as_the_user_channel_tells_them_and_can_be_looked_for"),
    _row("5.1", "GET /balance-allowance, /balance-allowance/update",
         "clob GET /balance-allowance; clob GET /balance-allowance/update",
         _V2 + "test_a_market_purchase_is_held_and_filled_and_pays_its_fee",
         _ACCOUNT + "test_what_was_bought_is_shares_only_after_it_is_on_chain"),
    _row("5.1", "data API /v2/positions, /v2/trades, /v2/approvals, /v2/resolutions",
         "data_api GET /v2/positions; data_api GET /v2/trades; data_api GET /v2/approvals; "
         "data_api GET /v2/resolutions", _DATA + "test_positions_are_a_minute_late",
         _DATA + "test_trades_are_told_some_seconds_after_they_are_on_chain",
         _DATA + "test_approvals_are_what_the_official_client_looks_for",
         _DATA + "test_a_resolution_is_told_with_its_payouts"),
    _row("5.2", "L1 login: EIP-712 recovered", "", _AUTH + "test_a_login_that_was_not_signed_so_opens_nothing"),
    _row("5.2", "L2: HMAC over time, method, path and body", "",
         _AUTH + "test_every_header_of_a_signed_request_is_checked",
         _AUTH + "test_what_is_signed_is_method_path_without_query_and_the_exact_body"),
    _row("5.3", "an order's signature recovered, types 0 and 3, both domains", "",
         _ORDERS + "test_who_signs_wrongly_is_told_how",
         "test_typed_data.py::test_an_order_has_the_id_that_its_exchange_gives_it"),
    _row("5.3", "the answer's form: live, matched, delayed, refused", "clob POST /order; clob POST /order refused",
         _V2 + "test_a_market_purchase_is_held_and_filled_and_pays_its_fee"),
    _row("5.4", "GTC, GTD, FOK, FAK, post-only", "",
         _V2 + "test_a_market_order_that_finds_nobody_is_an_error",
         _V2 + "test_a_post_only_bid_that_would_take_is_refused_in_the_documented_words",
         _ORDERS + "test_gtd_lives_when_it_has_a_minute_to_live"),
    _row("5.5", "rounding of prices, sizes and amounts", "",
         "test_clob_amounts.py::test_whatever_the_official_client_makes_of_a_limit_order_is_taken_at_its_price",
         _ORDERS + "test_prices_and_sizes_keep_to_the_market_s_rules"),
    _row("5.6", "POST /v1/heartbeats and its dead-man switch",
         "clob POST /v1/heartbeats; clob POST /v1/heartbeats refused",
         _V2 + "test_heartbeats_go_on_with_the_id_that_each_answer_names",
         _ACCOUNT + "test_when_heartbeats_stay_out_every_order_is_cancelled"),
    _row("5.7", "limits per signer, 429 with headers", "",
         _FAULTS + "test_too_many_orders_are_refused_and_cancels_go_on"),
    _row("5.8", "the documented texts of refusals", "", _ORDERS + "test_an_order_of_the_wrong_form_is_refused",
         _ORDERS + "test_the_same_order_twice_is_a_duplicate"),
    _row("5.8", "404: no orderbook", "clob GET /book refused",
         _PUBLIC + "test_a_book_has_its_best_levels_last_and_a_hash_that_clients_can_reckon"),
    _row("5.8", "425, then two minutes of post-only", "",
         _FAULTS + "test_after_a_restart_come_two_minutes_of_post_only"),
    _row("5.8", "403 page, 500, 503, answers that never come", "",
         _FAULTS + "test_faults_of_the_door_are_met_where_they_are_switched_on",
         _FAULTS + "test_an_answer_that_never_comes_may_belong_to_an_order_that_was_taken"),
    _row("5.9", "GET /api/geoblock", "geoblock GET /api/geoblock", _DATA + "test_trading_is_allowed_from_here"),
)  # fmt: skip

EXCHANGES: Final = (
    _row("6.1", "Binance spot: bookTicker, trade, aggTrade, wrapped and bare",
         "binance_spot bookTicker; binance_spot trade; binance_spot aggTrade; binance_spot bare bookTicker",
         _TOUCH, _TRADES, _CEX_RECORDED + "test_binance_frames_have_the_form_of_recorded_ones"),
    _row("6.1", "Binance USD-M: the same with event times",
         "binance_usdm bookTicker; binance_usdm trade; binance_usdm aggTrade; binance_usdm bare bookTicker",
         _TOUCH, _TRADES, _CEX_RECORDED + "test_binance_frames_have_the_form_of_recorded_ones"),
    _row("6.1", "Binance: SUBSCRIBE answered by id, too much talk sent away", "binance_spot answer",
         _CEX + "test_binance_answers_by_method_and_id_and_sends_away_who_talks_too_much"),
    _row("6.1", "Binance: pings, and the end after a day", "",
         _CEX + "test_binance_pings_and_after_a_day_says_so_and_closes"),
    _row("6.2", "Bybit: orderbook.1, publicTrade, tickers", "bybit orderbook; bybit publicTrade; bybit tickers",
         _TOUCH, _TRADES, _TICKERS, _CEX_RECORDED + "test_bybit_frames_have_the_form_of_the_fixtures",
         _CEX + "test_bybit_repeats_a_quiet_book_with_the_same_update_id"),
    _row("6.2", "Bybit: subscribe, ping, refusals", "bybit subscribe; bybit subscribe refused; bybit ping",
         _CEX + "test_bybit_refuses_in_its_own_words"),
    _row("6.3", "OKX: bbo-tbt, tickers, trades", "okx bbo-tbt; okx tickers; okx trades; okx subscribe",
         _TOUCH, _TRADES, _TICKERS, _CEX_RECORDED + "test_okx_frames_have_the_form_of_recorded_ones"),
    _row("6.3", "OKX: text ping and pong, silence is left", "okx words pong",
         _CEX + "test_okx_answers_ping_with_pong_and_leaves_who_says_nothing_for_half_a_minute"),
    _row("6.4", "Coinbase Exchange: ticker, matches, heartbeat, subscriptions",
         "coinbase_exchange ticker; coinbase_exchange match; coinbase_exchange heartbeat; "
         "coinbase_exchange subscriptions",
         _TICKERS, _TRADES, _CEX_RECORDED + "test_coinbase_exchange_frames_have_the_form_of_recorded_ones"),
    _row("6.4", "Coinbase Advanced: ticker, market_trades, heartbeats",
         "coinbase ticker; coinbase market_trades; coinbase heartbeats; coinbase subscriptions",
         _TICKERS, _TRADES, _CEX_RECORDED + "test_coinbase_advanced_frames_have_the_form_of_the_fixtures"),
)  # fmt: skip

ROWS: Final = (*CHANNELS, *ENDPOINTS, *EXCHANGES)
