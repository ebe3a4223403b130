"""Messages of the venue as written by hand after the venue reference: users do not have the recordings."""

from typing import Any

UP, DOWN, CONDITION = "1111", "2222", "0xc0"

BOOK: dict[str, Any] = {
    "event_type": "book", "asset_id": UP, "market": CONDITION, "timestamp": "1792638001234", "hash": "0xab",
    "bids": [{"price": "0.48", "size": "30"}, {"price": "0.5", "size": "15.25"}],
    "asks": [{"price": "0.55", "size": "25"}, {"price": "0.51", "size": "10"}],
    "min_order_size": "5", "tick_size": "0.01", "neg_risk": False, "last_trade_price": "",
}  # fmt: skip
CHANGE: dict[str, Any] = {
    "market": CONDITION,
    "price_changes": [
        {
            "asset_id": UP,
            "price": "0.50",
            "size": "200",
            "side": "BUY",
            "hash": "a",
            "best_bid": "0.50",
            "best_ask": "0.51",
        },
        {
            "asset_id": DOWN,
            "price": "0.50",
            "size": "200",
            "side": "SELL",
            "hash": "b",
            "best_bid": "0.49",
            "best_ask": "0.5",
        },
    ],
    "timestamp": "1792638001300",
    "event_type": "price_change",
}
TRADE: dict[str, Any] = {
    "event_type": "last_trade_price", "asset_id": UP, "market": CONDITION, "price": "0.51", "size": "12.5",
    "side": "BUY", "fee_rate_bps": "0", "timestamp": "1792638001350", "transaction_hash": "0xdd",
}  # fmt: skip
TICK: dict[str, Any] = {
    "event_type": "tick_size_change", "asset_id": UP, "market": CONDITION,
    "old_tick_size": "0.01", "new_tick_size": "0.001", "timestamp": "1792638200000",
}  # fmt: skip
BEST: dict[str, Any] = {
    "event_type": "best_bid_ask", "market": CONDITION, "asset_id": UP,
    "best_bid": "0.50", "best_ask": "0.51", "spread": "0.01", "timestamp": "1792638001400",
}  # fmt: skip
NEW: dict[str, Any] = {
    "event_type": "new_market", "id": "7", "question": "Bitcoin Up or Down?", "market": CONDITION,
    "slug": "btc-updown-5m-1792638300", "assets_ids": [UP, DOWN], "outcomes": ["Up", "Down"],
    "clob_token_ids": [UP, DOWN], "condition_id": CONDITION, "order_price_min_tick_size": "0.01", "active": True,
    "event_message": {"id": "8", "ticker": "t", "slug": "s", "title": "T"}, "tags": [], "timestamp": "1792638001400",
}  # fmt: skip
RESOLVED: dict[str, Any] = {
    "event_type": "market_resolved", "id": "7", "market": CONDITION, "assets_ids": [UP, DOWN],
    "winning_asset_id": UP, "winning_outcome": "Up", "timestamp": "1792638360000",
}  # fmt: skip


ORDER: dict[str, Any] = {
    "event_type": "order", "type": "PLACEMENT", "id": "0xaa", "owner": "k", "order_owner": "k", "maker_address": "0xff",
    "market": CONDITION, "asset_id": UP, "outcome": "Up", "side": "BUY", "price": "0.48", "original_size": "20",
    "size_matched": "0", "order_type": "GTC", "status": "LIVE", "associate_trades": None, "created_at": "1792638002",
    "expiration": "0", "timestamp": "1792638002123",
}  # fmt: skip
MATCH: dict[str, Any] = {
    "event_type": "trade", "type": "TRADE", "id": "t1", "status": "MATCHED", "market": CONDITION, "asset_id": UP,
    "outcome": "Up", "side": "BUY", "size": "20", "price": "0.51", "taker_order_id": "0xbb", "trader_side": "MAKER",
    "owner": "k", "trade_owner": "k", "maker_address": "0xff", "fee_rate_bps": "0", "bucket_index": 0,
    "match_time": "1792638003", "last_update": "1792638003", "timestamp": "1792638003456", "transaction_hash": "",
    "maker_orders": [
        {"order_id": "0xcc", "owner": "k", "maker_address": "0xff", "asset_id": DOWN, "outcome": "Down", "side": "BUY",
         "matched_amount": "20", "price": "0.49", "fee_rate_bps": "0"},
    ],
}  # fmt: skip


START_S = 1_792_638_000
MARKET: dict[str, Any] = {
    "id": "2345678", "slug": f"btc-updown-5m-{START_S}", "question": "Bitcoin Up or Down", "conditionId": "0xc0",
    "questionID": "0xq", "version": "v1", "resolutionSource": "https://data.chain.link/streams/btc-usd-twap-60s-streams",
    "startDate": "2026-10-21T03:01:10.000000Z", "eventStartTime": "2026-10-22T03:00:00Z",
    "endDate": "2026-10-22T03:05:00Z", "outcomes": '["Up", "Down"]', "outcomePrices": '["0.505", "0.495"]',
    "clobTokenIds": '["111", "222"]', "orderPriceMinTickSize": 0.01, "orderMinSize": 5, "feesEnabled": True,
    "feeType": "crypto_fees_v2", "feeSchedule": {"exponent": 1, "rate": 0.07, "takerOnly": True, "rebateRate": 0.2},
    "makerBaseFee": 1000, "takerBaseFee": 1000, "makerRebatesFeeShareBps": 10000, "rewardsMinSize": 50,
    "rewardsMaxSpread": 4.5, "enableOrderBook": True, "acceptingOrders": True, "negRisk": False, "active": True,
    "closed": False, "bestBid": 0.5, "bestAsk": 0.51, "spread": 0.01, "lastTradePrice": 0.5,
    "cryptoMarketConfigId": "btc-5m-twap-60",
    "cryptoMarketConfig": {"id": "btc-5m-twap-60", "asset": "BTC", "duration": "5m", "twapEnabled": True,
                           "twapLookbackSeconds": 60},
}  # fmt: skip
EVENT_OBJECT: dict[str, Any] = {
    "id": "1", "slug": MARKET["slug"], "ticker": MARKET["slug"], "title": "Bitcoin Up or Down", "closed": False,
    "seriesSlug": "btc-up-or-down-5m", "startTime": "2026-10-22T03:00:00Z", "endDate": "2026-10-22T03:05:00Z",
    "eventMetadata": {"priceToBeat": 108123.4567, "finalPrice": 108150.1}, "markets": [MARKET],
}  # fmt: skip
