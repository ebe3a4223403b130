"""The catalogue and the CLOB's answers: windows are read by label and by slug, or refused."""

import json
from typing import Any

import pytest
from inline_snapshot import snapshot
from venue_frames import EVENT_OBJECT, MARKET, START_S

from infra.feeds import clob_rest, gamma, polymarket_market, polymarket_user
from infra.feeds.frames import Parsed, Refused
from infra.feeds.listings import Listing, listing_of, rules_of, rules_of_short, window_of_slug
from state.events import Asset, Token
from state.rules import NOT_WHOLE, Rule, Settlement


def wire(message: Any) -> bytes:
    return json.dumps(message).encode()


def only(parsed: Parsed | Refused) -> Any:
    assert isinstance(parsed, Parsed), parsed
    (message,) = parsed.messages
    assert parsed.refused == () and parsed.unknown_fields == ()
    return message


def market(**changes: Any) -> gamma.Market:
    message = only(gamma.parse(wire(MARKET | changes)))
    assert isinstance(message, gamma.Market)
    return message


def test_a_window_is_read_with_all_that_the_venue_states_of_it() -> None:
    event = only(gamma.parse(wire(EVENT_OBJECT), audit=True))
    ((its, around),) = gamma.windows_in(event)
    assert listing_of(its, around) == Listing(
        condition_id="0xc0",
        slug=MARKET["slug"],
        asset=Asset.BTC,
        open_ns=START_S * 10**9,
        span_s=300,
        up_token="111",
        down_token="222",
        tick_bps=100,
        min_micros=5_000_000,
        rules={
            Rule.SETTLEMENT: Settlement.TWAP,
            Rule.LOOKBACK_S: 60,
            Rule.FEE_RATE_PPM: 70_000,
            Rule.FEE_EXPONENT: 1,
            Rule.TAKER_ONLY: 1,
            Rule.REBATE_PPM: 200_000,
            Rule.TICK_BPS: 100,
            Rule.SHARES_MIN_MICROS: 5_000_000,
            Rule.ORDER_VERSION: 2,
        },
        accepting_orders=True,
        price_to_beat_usd=108123.4567,
        final_price_usd=108150.1,
    )


def test_labels_are_looked_up_and_never_taken_by_place() -> None:
    turned = listing_of(market(outcomes='["Down", "Up"]'))
    assert isinstance(turned, Listing) and (turned.up_token, turned.down_token) == ("222", "111")
    for prices, outcomes, winner in (
        ('["1", "0"]', '["Up", "Down"]', Token.UP), ('["1", "0"]', '["Down", "Up"]', Token.DOWN),
        ('["0", "1"]', '["Up", "Down"]', Token.DOWN), ('["0", "0"]', '["Up", "Down"]', None),
        ('["0.999", "0.001"]', '["Up", "Down"]', None),
    ):  # fmt: skip
        closed = listing_of(
            market(outcomes=outcomes, outcomePrices=prices, closed=True, closedTime="2026-10-22 03:06:01+00")
        )
        assert isinstance(closed, Listing) and closed.outcome is winner
        assert closed.closed_ns == (START_S + 361) * 10**9
    still_open = listing_of(market(outcomePrices='["1", "0"]'))
    assert isinstance(still_open, Listing) and still_open.outcome is None


def test_a_market_of_version_two_trades_its_positions() -> None:
    for ids in ('["333", "444"]', ["333", "444"]):
        listing = listing_of(market(version="v2", positionIds=ids))
        assert isinstance(listing, Listing) and (listing.up_token, listing.down_token) == ("333", "444")
        assert listing.rules[Rule.ORDER_VERSION] == 3
    assert rules_of(market(version="v9"))[Rule.ORDER_VERSION] == NOT_WHOLE


def test_a_market_that_contradicts_itself_is_refused() -> None:
    reasons = [
        listed.reason
        for changes in (
            {"slug": "will-it-rain"}, {"slug": "btc-updown-5m-1792638001"}, {"slug": "doge-updown-5m-1792638000"},
            {"eventStartTime": "2026-10-22T03:05:00Z"}, {"endDate": "2026-10-22T03:15:00Z"},
            {"outcomes": '["Yes", "No"]'}, {"outcomes": '["Up", "Up"]'}, {"clobTokenIds": '["111"]'},
            {"clobTokenIds": '["111", "111"]'}, {"clobTokenIds": None}, {"orderPriceMinTickSize": 0.0001},
            {"orderMinSize": None}, {"cryptoMarketConfig": {"asset": "ETH"}}, {"closedTime": "yesterday"},
        )
        if isinstance(listed := listing_of(market(**changes)), Refused)
    ]  # fmt: skip
    assert reasons == snapshot(
        [
            "not an up/down window that we know",
            "the start in the slug is not on the grid of windows",
            "not an up/down window that we know",
            "eventStartTime 2026-10-22T03:05:00Z is not the start in the slug",
            "endDate 2026-10-22T03:15:00Z is not the end by the slug",
            "outcomes are not one Up and one Down",
            "outcomes are not one Up and one Down",
            "not two different token ids",
            "not two different token ids",
            "clobTokenIds is no list in a string: ''",
            "tick 0.0001 is not a whole number of mills",
            "no tick or no minimum size",
            "the market's configuration is about ETH, its slug about BTC",
            "time 'yesterday' cannot be read",
        ]
    )


def test_what_a_window_settles_on_comes_from_its_own_data_and_a_contradiction_is_no_answer() -> None:
    def settles(**changes: Any) -> tuple[int | None, int | None]:
        rules = rules_of(market(**changes))
        return rules.get(Rule.SETTLEMENT), rules.get(Rule.LOOKBACK_S)

    plain = "https://data.chain.link/streams/btc-usd"
    point = {"twapEnabled": False}
    assert settles() == (Settlement.TWAP, 60)
    assert settles(cryptoMarketConfig=None) == (Settlement.TWAP, 60)
    assert settles(cryptoMarketConfig=None, resolutionSource=plain) == (None, None)
    assert settles(cryptoMarketConfig=point, resolutionSource=plain) == (Settlement.POINT, 0)
    assert settles(cryptoMarketConfig=point) == (Settlement.TWAP, NOT_WHOLE)
    assert settles(cryptoMarketConfig={"twapEnabled": True}) == (Settlement.TWAP, NOT_WHOLE)
    candle = "https://www.binance.com/en/trade/BTC_USDT"
    assert settles(cryptoMarketConfig=None, resolutionSource=candle) == (Settlement.CANDLE, 0)


def test_fees_are_whole_or_say_that_they_make_no_sense() -> None:
    assert rules_of(market(feeSchedule={"rate": 0.072, "exponent": 1.5}))[Rule.FEE_RATE_PPM] == 72_000
    assert rules_of(market(feeSchedule={"rate": 0.072, "exponent": 1.5}))[Rule.FEE_EXPONENT] == NOT_WHOLE
    assert rules_of(market(feeSchedule={"rate": -1}))[Rule.FEE_RATE_PPM] == NOT_WHOLE
    assert rules_of(market(feeSchedule=None, feesEnabled=False))[Rule.FEE_RATE_PPM] == 0
    assert Rule.FEE_RATE_PPM not in rules_of(market(feeSchedule=None))


def test_the_name_of_a_window_says_what_it_is_about() -> None:
    assert window_of_slug("sol-updown-4h-1792638000") == (Asset.SOL, START_S * 10**9, 14_400)
    assert window_of_slug("xrp-updown-15m-1792638000") == (Asset.XRP, START_S * 10**9, 900)


def test_lists_pages_and_events_hold_their_windows() -> None:
    alone = market()
    for message in ([MARKET], [EVENT_OBJECT], {"markets": [MARKET], "next_cursor": "x"},
                    {"events": [EVENT_OBJECT], "pagination": {"hasMore": False}}):  # fmt: skip
        (pair,) = gamma.windows_in(only(gamma.parse(wire(message), audit=True)))
        assert pair[0] == alone
    tag = {"id": "1", "label": "Crypto", "slug": "crypto"}
    assert only(gamma.parse(wire(tag), audit=True)) == gamma.Tag("1", "Crypto", "crypto")
    assert gamma.windows_in(only(gamma.parse(wire(tag)))) == []
    assert gamma.parse(b"[]") == Parsed(())


def test_lists_in_strings_that_are_none_are_refused() -> None:
    for changes in ({"outcomes": "Up, Down"}, {"clobTokenIds": "[1, "}, {"outcomePrices": "0.5"}):
        assert isinstance(gamma.parse(wire(MARKET | changes)), Refused)
    for message in ({}, {"id": 3}, 3, {"conditionId": "0xc0", "outcomes": 4}):
        assert isinstance(gamma.parse(wire(message)), Refused)


SHORT = {
    "c": "0xc0", "t": [{"t": "111", "o": "Up"}, {"t": "222", "o": "Down"}], "mts": 0.01, "mos": 5, "nr": False,
    "fd": {"r": 0.07, "e": 1, "to": True}, "mbf": 1000, "tbf": 1000, "ao": True, "sd": 0, "itode": True,
    "gst": None, "cbos": False, "aot": "2026-10-21T03:01:30Z", "rfqe": False, "ibce": False, "oas": 0,
    "r": {"mi": 50, "ma": 4.5, "moas": 0},
}  # fmt: skip


def test_the_short_market_states_its_rules() -> None:
    short = only(clob_rest.parse(wire(SHORT), audit=True))
    assert [(token.token_id, token.outcome) for token in short.tokens] == [("111", "Up"), ("222", "Down")]
    assert rules_of_short(short) == {
        Rule.TICK_BPS: 100, Rule.SHARES_MIN_MICROS: 5_000_000, Rule.FEE_RATE_PPM: 70_000, Rule.FEE_EXPONENT: 1,
        Rule.TAKER_ONLY: 1,
    }  # fmt: skip
    unheld = only(clob_rest.parse(wire(SHORT | {"itode": False})))
    assert rules_of_short(unheld)[Rule.TAKER_HOLD_NS] == 0


def test_the_clobs_other_answers_are_read() -> None:
    long = {"condition_id": "0xc0", "enable_order_book": True, "accepting_orders": True, "minimum_order_size": 5,
            "minimum_tick_size": 0.01, "seconds_delay": 0,
            "tokens": [{"token_id": "111", "outcome": "Up", "price": 0.5, "winner": False}]}  # fmt: skip
    assert only(clob_rest.parse(wire(long), audit=True)).tokens[0].outcome == "Up"
    book = {"market": "0xc0", "asset_id": "111", "hash": "h", "timestamp": "1792638001234",
            "bids": [{"price": "0.5", "size": "1"}], "asks": []}  # fmt: skip
    assert isinstance(only(clob_rest.parse(wire(book), audit=True)), polymarket_market.Book)
    assert only(clob_rest.parse(b'{"base_fee":"1000"}')).base_fee == 1000
    assert only(clob_rest.parse(b'{"balance":"1000000","allowance":"5"}')).balance == "1000000"
    assert only(clob_rest.parse(b'{"canceled":["0xa"],"not_canceled":{"0xb":"matched"}}')).canceled == ["0xa"]
    posted = only(clob_rest.parse(b'{"success":true,"orderID":"0xa","errorMsg":"","status":"delayed"}', audit=True))
    assert (posted.status, posted.order_id) == ("delayed", "0xa")
    assert only(clob_rest.parse(b'{"error":"Internal server error"}')).error.startswith("Internal")


def test_a_page_of_orders_is_read_order_by_order() -> None:
    order = {
        "id": "0xa",
        "asset_id": "111",
        "side": "BUY",
        "price": "0.5",
        "original_size": "20",
        "created_at": 1792638002,
    }
    page = only(clob_rest.parse(wire({"data": [order], "next_cursor": "LTE="}), audit=True))
    assert [type(each) for each in page.messages] == [polymarket_user.OrderUpdate]
    odd = order | {"price": "0.50001"}
    assert isinstance(clob_rest.parse(wire({"data": [odd], "next_cursor": "LTE="})), Refused)


@pytest.mark.parametrize("message", [{}, {"salt": 1}, {"condition_id": "0xc0"}, SHORT | {"mts": 0.0001}, [], 5])
def test_other_answers_of_the_clob_are_refused_or_empty(message: Any) -> None:
    assert clob_rest.parse(wire(message)) == Parsed(()) if message == [] else True
    assert message == [] or isinstance(clob_rest.parse(wire(message)), Refused)
