"""polymarket-client, unmodified but for its environment, trades at the venue next door: both kinds of account."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from live_venue import LiveVenue, until, venue_of_now
from polymarket import SecureClient
from polymarket._internal.environment import PRODUCTION_CONFIG, create_environment
from polymarket.environments import Environment
from polymarket.errors import RequestRejectedError

from infra.venues.credentials import throwaway_key
from infra.venues.signing import Signer
from state.events import Token

pytestmark = pytest.mark.rehearsal

SETTLED = ("MINED", "CONFIRMED")


@pytest.fixture(scope="module")
def venue() -> Iterator[LiveVenue]:
    with venue_of_now() as live:
        yield live


def environment_of(venue: LiveVenue) -> Environment:
    """Their production environment with our addresses in it."""
    places = venue.addresses
    config = replace(
        PRODUCTION_CONFIG, clob_url=places.clob, gamma_url=places.gamma, relayer_url=places.relayer,
        rpc_url=places.polygon, clob_user_ws_url=places.user_ws,
    )  # fmt: skip
    return create_environment(name="next door", config=config)


@pytest.fixture(scope="module", params=["own account", "deposit wallet"])
def client(venue: LiveVenue, request: pytest.FixtureRequest) -> Iterator[SecureClient]:
    key = throwaway_key()
    wallet = Signer(key).address if request.param == "own account" else None
    with SecureClient.create(private_key="0x" + key.reveal(), wallet=wallet, environment=environment_of(venue)) as one:
        yield one
        one.cancel_all()


def up(venue: LiveVenue) -> str:
    return venue.window.tokens[Token.UP]


def test_it_finds_the_market_and_its_book(venue: LiveVenue, client: SecureClient) -> None:
    market = client.get_market(slug=venue.window.slug)
    assert str(market.condition_id) == venue.window.condition_id
    listed = client.list_markets(condition_ids=[venue.window.condition_id], page_size=5).first_page()
    assert [each.slug for each in listed.items] == [venue.window.slug]
    book = client.get_order_book(asset_id=up(venue))
    assert max(level.price for level in book.bids) == Decimal("0.48")
    assert min(level.price for level in book.asks) == Decimal("0.52")


def test_a_post_only_bid_rests_is_listed_and_cancelled(venue: LiveVenue, client: SecureClient) -> None:
    signed = client.create_limit_order(asset_id=up(venue), price="0.45", size="12", side="BUY", post_only=True)
    told = client.post_order(signed)
    assert told.ok and told.status == "live"
    listed = client.list_open_orders(market=venue.window.condition_id).first_page().items
    assert [(each.id, each.price, each.original_size) for each in listed] == [
        (told.order_id, Decimal("0.45"), Decimal(12))
    ]
    assert client.get_order(order_id=told.order_id).status == "LIVE"
    gone = client.cancel_order(order_id=told.order_id)
    assert tuple(gone.canceled) == (told.order_id,) and not gone.not_canceled
    assert not client.list_open_orders().first_page().items


def test_a_bid_is_filled_by_somebody_who_sells(venue: LiveVenue, client: SecureClient) -> None:
    signed = client.create_limit_order(asset_id=up(venue), price="0.49", size="6", side="BUY", post_only=True)
    told = client.post_order(signed)
    assert told.ok

    def filled() -> Decimal:
        trades = client.list_account_trades(market=venue.window.condition_id).first_page().items
        makers = [maker for trade in trades for maker in trade.maker_orders]
        return sum((maker.matched_amount for maker in makers if maker.order_id == told.order_id), Decimal(0))

    until(lambda: filled() == 6, "fills of six shares")


def test_a_market_purchase_is_held_filled_and_settled(venue: LiveVenue, client: SecureClient) -> None:
    def cash() -> int:
        return int(client.get_balance_allowance(asset_type="COLLATERAL").balance)

    def shares() -> int:
        return int(client.get_balance_allowance(asset_type="CONDITIONAL", asset_id=up(venue)).balance)

    older = client.list_account_trades
    until(lambda: all(each.status in SETTLED for each in older().first_page().items), "older trades are on the chain")
    before = cash(), shares()
    signed = client.create_market_order(asset_id=up(venue), side="BUY", amount="5.2", max_price="0.52")
    told = client.post_order(signed)
    assert told.ok and told.status in ("delayed", "matched")
    order_id = told.order_id

    def trades() -> list[Any]:
        mine = client.list_account_trades(market=venue.window.condition_id).first_page().items
        return [each for each in mine if each.taker_order_id == order_id]

    until(trades, "the trade")
    assert [(each.price, each.size) for each in trades()] == [(Decimal("0.52"), Decimal(10))]
    until(lambda: trades()[0].status in SETTLED, "the trade is on the chain")
    assert (before[0] - cash(), shares() - before[1]) == (5_200_000 + 174_720, 10_000_000)


def test_what_the_venue_refuses_is_understood(venue: LiveVenue, client: SecureClient) -> None:
    signed = client.create_limit_order(asset_id=up(venue), price="0.55", size="12", side="BUY", post_only=True)
    with pytest.raises(RequestRejectedError, match="order crosses book"):
        client.post_order(signed)
    market = client.create_market_order(asset_id=up(venue), side="BUY", amount="5", max_price="0.40")
    with pytest.raises(RequestRejectedError, match="no orders found to match"):
        client.post_order(market)


def test_heartbeats_and_cancels(venue: LiveVenue, client: SecureClient) -> None:
    beat = client.send_order_heartbeat()
    assert client.send_order_heartbeat(heartbeat_id=beat.heartbeat_id).heartbeat_id != beat.heartbeat_id
    ids = []
    for price in ("0.40", "0.41"):
        signed = client.create_limit_order(asset_id=up(venue), price=price, size="5", side="BUY", post_only=True)
        told = client.post_order(signed)
        assert told.ok
        ids.append(told.order_id)
    assert set(client.cancel_orders(order_ids=ids).canceled) == set(ids)
    assert not client.get_closed_only_mode()
