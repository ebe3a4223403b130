"""The venue's own Python package, unmodified, reads our catalogue and our sockets; only its addresses are ours."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest
from polymarket._internal.streams.realtime.manager import RealtimeStreamManager
from polymarket.clients.async_public import AsyncPublicClient
from polymarket.environments import PRODUCTION, Environment, _create_environment
from polymarket.models import ApiKeyCreds
from polymarket.streams import (
    CryptoPricesSpec,
    CryptoTwapPriceSpec,
    MarketBestBidAskEvent,
    MarketBookEvent,
    MarketPriceChangeEvent,
    MarketSpec,
)
from venue_stage import OPEN_S, SLUG, Rows, Stage, average, change, cleared, listed, oracle

from infra.venue_next_door.gamma import gamma_app
from infra.venue_next_door.polybolt import polybolt_app
from infra.venue_next_door.rtds import rtds_app
from infra.venue_next_door.subscriptions import subscriptions_app
from state.events import Side, Token

OWNER = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
ROWS: list[Rows] = [
    listed(),
    cleared(-100, Token.UP, (Side.BUY, 5000, 20), (Side.SELL, 5100, 30)),
    cleared(-100, Token.DOWN, (Side.BUY, 4900, 30), (Side.SELL, 5000, 20)),
    change(1, Side.BUY, 5000, 0),
    *(part for at_s in range(-200, 20) for part in (oracle(at_s, 108_000.5 + at_s), average(at_s, 107_990.25))),
]


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 60))


def environment(url: str) -> Environment:
    socket = url.replace("http", "ws", 1)
    config = replace(
        PRODUCTION._config, gamma_url=url, clob_market_ws_url=f"{socket}/ws/market", rtds_ws_url=f"{socket}/",
        realtime_ws_url=f"{socket}/ws",
    )  # fmt: skip
    return _create_environment(name="next door", config=config)


def client_of(stage: Stage) -> AsyncPublicClient:
    return AsyncPublicClient(environment=environment(stage.url))


async def heard(handle: Any, *kinds: type) -> list[Any]:
    """Give the next events of a subscription, one of each kind, in the order named."""
    found = []
    for kind in kinds:
        event = await asyncio.wait_for(anext(handle), 10)
        assert isinstance(event, kind)
        found.append(event)
    return found


def test_it_gets_and_lists_our_markets_and_events() -> None:
    async def story() -> None:
        async with (
            Stage(ROWS, gamma_app).open() as stage,
            AsyncPublicClient(environment=environment(stage.url)) as client,
        ):
            stage.live_until(2)
            market = await client.get_market(slug=SLUG)
            window = stage.window
            assert market.condition_id == window.condition_id
            assert (market.outcomes.yes.label, market.outcomes.yes.token_id) == ("Up", window.tokens[0])
            assert (str(market.trading.minimum_tick_size), str(market.prices.best_ask)) == ("0.01", "0.51")
            event = await client.get_event(slug=SLUG)
            assert [each.slug for each in event.markets] == [SLUG]
            assert [each.slug for each in event.series] == ["btc-up-or-down-5m"]
            page = await client.list_markets(closed=False, order="startDate", page_size=1).first_page()
            assert [each.slug for each in page.items] == [SLUG]
            events = [each async for each in client.list_events(slug=SLUG).iter_items()]
            assert [each.title for each in events] == ["Bitcoin Up or Down - October 21, 11:00PM-11:05PM ET"]
            assert (await client.get_market(id=market.id)).slug == SLUG

    play(story())


def test_it_reads_our_market_channel_with_all_custom_features() -> None:
    async def story() -> None:
        async with Stage(ROWS, subscriptions_app).open() as stage, client_of(stage) as client:
            stage.live_until(0)
            up, down = stage.window.tokens
            async with await client.subscribe(MarketSpec(asset_ids=[up, down], custom_feature_enabled=True)) as handle:
                books = await heard(handle, MarketBookEvent, MarketBookEvent)
                best = {book.payload.asset_id: str(book.payload.bids[-1].price) for book in books}
                assert best == {up: "0.5", down: "0.49"}
                stage.live_until(1.5)
                changed, moved, _ = await heard(
                    handle, MarketPriceChangeEvent, MarketBestBidAskEvent, MarketBestBidAskEvent
                )
                assert [str(one.best_bid) for one in changed.payload.price_changes] == ["0", "0.49"]
                assert (moved.payload.asset_id, str(moved.payload.spread)) == (up, "0.51")

    play(story())


def test_it_authenticates_at_our_polybolt_and_follows_the_settlement_average() -> None:
    async def story() -> None:
        async with Stage(ROWS, polybolt_app).open() as stage:
            stage.live_until(0.5)
            account = stage.engine.open_account(OWNER, OWNER, 0)
            spoken = {"apiKey": account.api_key, "secret": account.secret, "passphrase": account.passphrase}
            keys = ApiKeyCreds(**spoken)
            manager = RealtimeStreamManager(url=environment(stage.url)._config.realtime_ws_url, credentials=keys)
            handle = await manager.subscribe(CryptoTwapPriceSpec(symbols=["btcusd"]))
            snapshot: Any = await asyncio.wait_for(anext(handle), 10)
            assert (snapshot.type, snapshot.seq, len(snapshot.payload.data)) == ("subscribe", 1, 120)
            stage.live_until(1.5)
            update: Any = await asyncio.wait_for(anext(handle), 10)
            assert (update.type, update.seq, str(update.payload.value)) == ("update", 2, "107990.25000000")
            await manager.close()

    play(story())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_follows_chainlink_on_our_rtds() -> None:
    async def story() -> None:
        async with (
            Stage(ROWS, rtds_app).open() as stage,
            AsyncPublicClient(environment=environment(stage.url)) as client,
        ):
            stage.live_until(0.5)
            spec = CryptoPricesSpec(topic="prices.crypto.chainlink", symbols=["btc/usd"])
            async with await client.subscribe(spec) as handle:
                coming = asyncio.ensure_future(anext(handle))
                for quarter in range(3, 80):  # it does not say when the server has heard it
                    stage.live_until(quarter / 4)
                    await asyncio.wait([coming], timeout=0.1)
                    if coming.done():
                        break
                payload = (await coming).payload
                second = payload.timestamp // 1000 - OPEN_S
                assert str(payload.value) == str(108_000.5 + second)

    play(story())
