"""py-clob-client-v2, unmodified, trades at the venue next door: both kinds of account, in real time."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from live_venue import LiveVenue, until, venue_of_now
from py_clob_client_v2.client import ClobClient  # type: ignore[import-untyped]
from py_clob_client_v2.clob_types import (  # type: ignore[import-untyped]
    AssetType,
    BalanceAllowanceParams,
    MarketOrderArgsV2,
    OpenOrderParams,
    OrderArgsV2,
    OrderMarketCancelParams,
    OrderPayload,
    OrderType,
    TradeParams,
)
from py_clob_client_v2.exceptions import PolyApiException  # type: ignore[import-untyped]

from infra.venues.credentials import throwaway_key
from infra.venues.signing import Signer
from infra.wallets import deposit_wallet_of
from state.events import Token

pytestmark = pytest.mark.rehearsal

SETTLED = ("MINED", "CONFIRMED")


@pytest.fixture(scope="module")
def venue() -> Iterator[LiveVenue]:
    with venue_of_now() as live:
        yield live


def client_of(venue: LiveVenue, signature_type: int) -> Any:
    """A client with a fresh key and the credentials that it derived itself."""
    key = throwaway_key()
    funder = deposit_wallet_of(Signer(key).address) if signature_type == 3 else None
    client = ClobClient(
        venue.addresses.clob, 137, key=key.reveal(), signature_type=signature_type, funder=funder, retry_on_error=False
    )
    client.set_api_creds(client.create_or_derive_api_key())
    return client


@pytest.fixture(scope="module", params=[0, 3], ids=["own account", "deposit wallet"])
def client(venue: LiveVenue, request: pytest.FixtureRequest) -> Iterator[Any]:
    one = client_of(venue, request.param)
    yield one
    one.cancel_all()


def up(venue: LiveVenue) -> str:
    return venue.window.tokens[Token.UP]


def test_it_reads_the_market(venue: LiveVenue, client: Any) -> None:
    assert client.get_ok() is not None and client.get_version() == 2
    assert abs(int(client.get_server_time()) - time.time()) < 5
    condition = venue.window.condition_id
    market = client.get_market(condition)
    assert {token["token_id"] for token in market["tokens"]} == set(venue.window.tokens)
    assert condition in [each["condition_id"] for each in client.get_markets()["data"]]
    info = client.get_clob_market_info(condition)
    assert {each["t"] for each in info["t"]} == set(venue.window.tokens) and info["fd"]["r"] == 0.07
    token = up(venue)
    assert (client.get_tick_size(token), client.get_neg_risk(token)) == ("0.01", False)
    book = client.get_order_book(token)
    assert (book["bids"][-1]["price"], book["asks"][-1]["price"]) == ("0.48", "0.52")
    assert client.get_price(token, "BUY")["price"] == "0.48" and client.get_midpoint(token)["mid"] == "0.5"


def test_credentials_are_the_same_when_derived_again(venue: LiveVenue, client: Any) -> None:
    again = client.derive_api_key()
    assert again.api_key == client.creds.api_key and again.api_secret == client.creds.api_secret
    assert client.get_api_keys()["apiKeys"] == [client.creds.api_key]
    assert client.get_closed_only_mode()["closed_only"] is False


def test_a_post_only_bid_rests_is_listed_and_cancelled(venue: LiveVenue, client: Any) -> None:
    signed = client.create_order(OrderArgsV2(token_id=up(venue), price=0.45, size=12, side="BUY"))
    told = client.post_order(signed, OrderType.GTC, post_only=True)
    assert (told["success"], told["status"], told["errorMsg"]) == (True, "live", "")
    order_id = told["orderID"]
    listed = client.get_open_orders(OpenOrderParams(market=venue.window.condition_id))
    assert [(each["id"], each["price"], each["original_size"]) for each in listed] == [(order_id, "0.45", "12")]
    assert client.get_order(order_id)["status"] == "LIVE"
    assert client.cancel_order(OrderPayload(orderID=order_id)) == {"canceled": [order_id], "not_canceled": {}}
    assert client.get_open_orders() == []


def test_a_post_only_bid_that_would_take_is_refused_in_the_documented_words(venue: LiveVenue, client: Any) -> None:
    signed = client.create_order(OrderArgsV2(token_id=up(venue), price=0.55, size=12, side="BUY"))
    with pytest.raises(PolyApiException, match="order crosses book"):
        client.post_order(signed, OrderType.GTC, post_only=True)


def test_a_bid_is_filled_by_somebody_who_sells(venue: LiveVenue, client: Any) -> None:
    signed = client.create_order(OrderArgsV2(token_id=up(venue), price=0.49, size=6, side="BUY"))
    order_id = client.post_order(signed, OrderType.GTC, post_only=True)["orderID"]

    def trades() -> list[Any]:
        told = client.get_trades(TradeParams(market=venue.window.condition_id))
        return [each for each in told if order_id in [maker["order_id"] for maker in each["maker_orders"]]]

    until(lambda: sum(float(each["size"]) for each in trades()) >= 6, "fills of six shares")
    ours = [maker for trade in trades() for maker in trade["maker_orders"] if maker["order_id"] == order_id]
    assert sum(float(each["matched_amount"]) for each in ours) == 6
    assert {(each["price"], each["side"], each["owner"]) for each in ours} == {("0.49", "BUY", client.creds.api_key)}
    assert {trade["trader_side"] for trade in trades()} == {"MAKER"}


def test_a_market_purchase_is_held_and_filled_and_pays_its_fee(venue: LiveVenue, client: Any) -> None:
    def held(**asset: Any) -> int:
        return int(client.get_balance_allowance(BalanceAllowanceParams(**asset))["balance"])

    def cash() -> int:
        return held(asset_type=AssetType.COLLATERAL)

    def shares() -> int:
        return held(asset_type=AssetType.CONDITIONAL, token_id=up(venue))

    def trades() -> list[Any]:
        mine = client.get_trades(TradeParams(market=venue.window.condition_id))
        return [each for each in mine if each["taker_order_id"] == told["orderID"]]

    until(lambda: all(each["status"] in SETTLED for each in client.get_trades()), "older trades are on the chain")
    before = cash(), shares()
    args = MarketOrderArgsV2(token_id=up(venue), amount=5.2, side="BUY", order_type=OrderType.FAK)
    told = client.post_order(client.create_market_order(args), OrderType.FAK)
    assert told["success"] and told["status"] in ("delayed", "matched")
    until(trades, "the trade")
    assert [(each["price"], each["size"], each["trader_side"]) for each in trades()] == [("0.52", "10", "TAKER")]
    until(lambda: trades()[0]["status"] in SETTLED, "the trade is on the chain")
    assert (before[0] - cash(), shares() - before[1]) == (5_200_000 + 174_720, 10_000_000)


def test_a_market_order_that_finds_nobody_is_an_error(venue: LiveVenue, client: Any) -> None:
    args = MarketOrderArgsV2(token_id=up(venue), amount=5, side="BUY", price=0.40, order_type=OrderType.FAK)
    with pytest.raises(PolyApiException, match="no orders found to match"):
        client.post_order(client.create_market_order(args), OrderType.FAK)


def test_cancels_of_every_kind(venue: LiveVenue, client: Any) -> None:
    def rest(price: float) -> str:
        signed = client.create_order(OrderArgsV2(token_id=up(venue), price=price, size=5, side="BUY"))
        return str(client.post_order(signed, OrderType.GTC, post_only=True)["orderID"])

    first, second, third, fourth = (rest(price) for price in (0.40, 0.41, 0.42, 0.43))
    told = client.cancel_orders([first, "0x" + "0" * 64])
    assert told["canceled"] == [first] and list(told["not_canceled"]) == ["0x" + "0" * 64]
    market = OrderMarketCancelParams(market=venue.window.condition_id, asset_id=up(venue))
    assert set(client.cancel_market_orders(market)["canceled"]) == {second, third, fourth}
    fifth = rest(0.44)
    assert client.cancel_all()["canceled"] == [fifth]


def test_heartbeats_go_on_with_the_id_that_each_answer_names(venue: LiveVenue, client: Any) -> None:
    first = client.post_heartbeat()["heartbeat_id"]
    second = client.post_heartbeat(first)["heartbeat_id"]
    assert first and second and first != second
    with pytest.raises(PolyApiException, match="Invalid Heartbeat ID"):
        client.post_heartbeat(first)
