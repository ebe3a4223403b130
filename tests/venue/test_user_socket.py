"""The user channel next door: who shows the right keys hears of its own orders and trades, and of nothing else."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest
import zstandard
from aiohttp import ClientWebSocketResponse, WSMsgType, web
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from recordings import recordings
from venue_stage import OPEN_S, SLUG, Stage, change, cleared, heard, listed, shape, told, trade

from infra.feeds import polymarket_user
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.nouns import Account, OrderStatus, PlacedOrder, Trade, TradeStatus, Window
from infra.venue_next_door.subscriptions import subscriptions_app
from infra.venue_next_door.user_frames import order_news, trade_news
from infra.venue_next_door.user_socket import UserChannel
from state.events import Asset, Side, Token
from state.orders import TimeInForce
from state.units import MICROS, NS_PER_S

OWNER, WALLET = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A", "0x" + "22" * 20
ROWS = [listed(), cleared(-100, Token.UP), cleared(-100, Token.DOWN)]
NOW_NS = OPEN_S * NS_PER_S + 123_000_000

WINDOW = Window(
    SLUG, Asset.BTC, OPEN_S, 300, 0, "0x" + "ab" * 32, "0x" + "cd" * 32, 2_000_000, ("1111", "2222"), hydrated_ns=1
)
ACCOUNT = Account(OWNER, WALLET, "6a1f0000-0000-0000-0000-000000000001", "c2VjcmV0", "word")


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 60))


def order(**changed: Any) -> PlacedOrder:
    told_of: dict[str, Any] = {
        "order_hash": "0x" + "ee" * 32, "order_id": 1, "owner": ACCOUNT.api_key, "maker_address": WALLET,
        "window": WINDOW, "token": Token.UP, "side": Side.BUY, "price_bps": 4900, "amount_micros": 20 * MICROS,
        "tif": TimeInForce.GTC, "post_only": True, "expiration_s": 0, "created_ns": NOW_NS,
    }  # fmt: skip
    return PlacedOrder(**(told_of | changed))


def fill(**changed: Any) -> Trade:
    told_of: dict[str, Any] = {
        "trade_id": "t-1", "order": order(), "is_maker": True, "price_bps": 4900, "amount_micros": 20 * MICROS,
        "fee_micros": 0, "matched_ns": NOW_NS, "changed_ns": NOW_NS,
    }  # fmt: skip
    return Trade(**(told_of | changed))


def auth(account: Account, **changed: str) -> dict[str, Any]:
    keys = {"apiKey": account.api_key, "secret": account.secret, "passphrase": account.passphrase}
    return {"type": "user", "auth": keys | changed}


async def enter(stage: Stage, account: Account, **more: Any) -> ClientWebSocketResponse:
    client = await stage.connect("/ws/user")
    await client.send_json(auth(account) | more)
    assert await heard(client) == [], "no snapshot, no replay"
    return client


# Messages.


def test_an_order_is_told_in_full() -> None:
    assert json.loads(order_news(ACCOUNT, order(), "PLACEMENT", NOW_NS)) == {
        "event_type": "order", "type": "PLACEMENT", "id": "0x" + "ee" * 32, "owner": ACCOUNT.api_key,
        "order_owner": ACCOUNT.api_key, "maker_address": WALLET, "market": WINDOW.condition_id, "asset_id": "1111",
        "outcome": "Up", "side": "BUY", "price": "0.49", "original_size": "20", "size_matched": "0",
        "order_type": "GTC", "status": "LIVE", "associate_trades": None, "created_at": str(OPEN_S),
        "expiration": "0", "timestamp": f"{OPEN_S}123",
    }  # fmt: skip


def test_an_order_that_could_not_be_filled_or_killed_says_so_in_its_status() -> None:
    reason = "order couldn't be fully filled. FOK orders are fully filled or killed."
    killed = order(tif=TimeInForce.FOK, status=OrderStatus.CANCELED, reason=reason)
    assert json.loads(order_news(ACCOUNT, killed, "CANCELLATION", NOW_NS))["status"] == f"CANCELED_{reason}"


def test_as_maker_the_top_of_a_trade_is_the_takers_and_ours_is_among_the_maker_orders() -> None:
    seen = set()
    for number in range(20):
        told_of = json.loads(trade_news(ACCOUNT, fill(trade_id=f"t-{number}"), NOW_NS))
        [ours] = told_of["maker_orders"]
        assert (ours["owner"], ours["order_id"]) == (ACCOUNT.api_key, "0x" + "ee" * 32)
        assert (ours["outcome"], ours["side"], ours["price"], ours["matched_amount"]) == ("Up", "BUY", "0.49", "20")
        assert told_of["trader_side"] == "MAKER"
        assert told_of["taker_order_id"] != ours["order_id"]
        seen.add((told_of["outcome"], told_of["side"], told_of["price"]))
    assert seen == {("Up", "SELL", "0.49"), ("Down", "BUY", "0.51")}, "he sold Up, or bought Down and a pair was minted"


def test_as_taker_the_top_of_a_trade_is_ours() -> None:
    told_of = json.loads(trade_news(ACCOUNT, fill(is_maker=False), NOW_NS))
    assert (told_of["outcome"], told_of["side"], told_of["price"]) == ("Up", "BUY", "0.49")
    assert (told_of["trader_side"], told_of["taker_order_id"]) == ("TAKER", "0x" + "ee" * 32)
    assert told_of["maker_orders"][0]["owner"] != ACCOUNT.api_key


@given(
    is_maker=st.booleans(), token=st.sampled_from(Token), side=st.sampled_from(Side), mills=st.integers(1, 999),
    micros=st.integers(1, 10**12), trade_id=st.text("0123456789abcdef", min_size=1),
    status=st.sampled_from(TradeStatus),
)  # fmt: skip
def test_our_own_parser_finds_the_same_fill_in_whatever_way_it_is_told(
    is_maker: bool, token: Token, side: Side, mills: int, micros: int, trade_id: str, status: TradeStatus
) -> None:
    placed = order(token=token, side=side, price_bps=mills * 10)
    trade = fill(
        order=placed, is_maker=is_maker, price_bps=mills * 10, amount_micros=micros, trade_id=trade_id, status=status
    )
    parsed = polymarket_user.parse(trade_news(ACCOUNT, trade, NOW_NS))
    assert isinstance(parsed.messages[0], polymarket_user.TradeUpdate)  # type: ignore[union-attr]
    update = parsed.messages[0]  # type: ignore[union-attr]
    mine: Any = next((maker for maker in update.maker_orders if maker.owner == ACCOUNT.api_key), update)
    assert (mine is not update) == is_maker
    assert (mine.asset_id, mine.side) == (WINDOW.tokens[token], side.name)
    assert round(mine.price * 1000) == mills
    amount = mine.matched_amount if is_maker else update.size
    assert round(amount * MICROS) == micros
    assert update.status == status


# The socket.


def test_wrong_keys_are_turned_away() -> None:
    async def story() -> None:
        async with Stage(ROWS, subscriptions_app).open() as stage:
            account = stage.engine.open_account(OWNER, WALLET, 0)
            for wrong in ({"secret": "no"}, {"passphrase": "no"}, {"apiKey": "nobody"}):
                client = await stage.connect("/ws/user")
                await client.send_json(auth(account, **wrong))
                end = await client.receive(timeout=10)
                assert (end.type, end.data, end.extra) == (WSMsgType.CLOSE, 1008, "invalid api credentials")

    play(story())


def test_each_account_hears_of_its_own_orders_only_and_of_the_markets_that_it_named() -> None:
    channels: list[UserChannel] = []

    def serve(engine: Engine) -> web.Application:
        channels.append(UserChannel(engine))
        app = web.Application()
        app.router.add_get("/ws/user", channels[0].serve)
        return app

    async def story() -> None:
        async with Stage(ROWS, serve).open() as stage:
            stage.live_until(0)
            window, channel = stage.window, channels[0]
            ours, theirs = (stage.engine.open_account(owner, WALLET, 0) for owner in (OWNER, WALLET))
            all_of_ours = await enter(stage, ours)
            named = await enter(stage, ours, markets=[window.condition_id.upper().replace("0X", "0x")])
            elsewhere = await enter(stage, ours, markets=["0x" + "00" * 32])
            stranger = await enter(stage, theirs)
            placed = order(window=window, owner=ours.api_key)
            channel.tell_order(ours, placed, "PLACEMENT")
            channel.tell_trade(ours, fill(order=placed))
            for client, kinds in (
                (all_of_ours, ["order", "trade"]), (named, ["order", "trade"]), (elsewhere, []), (stranger, []),
            ):  # fmt: skip
                assert [message["event_type"] for message in await told(client)] == kinds
            await elsewhere.send_json({"operation": "subscribe", "markets": [window.condition_id]})
            await named.send_json({"operation": "unsubscribe", "markets": [window.condition_id]})
            await elsewhere.send_str("junk")
            assert await heard(elsewhere) == await heard(named) == []
            channel.tell_order(ours, placed, "CANCELLATION")
            for client in (elsewhere, named):  # who names no market hears of all
                assert [message["type"] for message in await told(client)] == ["CANCELLATION"]

    play(story())


def brief(message: dict[str, Any]) -> str:
    """Say in a line what a message tells, with our own part of a trade."""
    if message["event_type"] == "order":
        return f"{message['type']} {message['status']} {message['size_matched']} of {message['original_size']}"
    ours = message["maker_orders"][0] if message["trader_side"] == "MAKER" else message
    amount = ours.get("matched_amount", message["size"])
    return f"{message['trader_side']} {message['status']} {ours['side']} {ours['outcome']} {amount} at {ours['price']}"


def test_the_life_of_two_orders_is_heard_over_the_socket_one_takes_and_one_is_taken() -> None:
    rows = [
        listed(),
        cleared(-100, Token.UP, (Side.BUY, 4900, 100), (Side.SELL, 5100, 50)),
        cleared(-100, Token.DOWN, (Side.BUY, 4900, 50), (Side.SELL, 5100, 100)),
        trade(10, Token.UP, Side.SELL, 4900, 100),
        change(10, Side.BUY, 4900, 0),
        trade(20, Token.DOWN, Side.BUY, 5100, 15),
    ]

    async def story() -> None:
        async with Stage(rows, subscriptions_app).open() as stage:
            stage.live_until(0)
            account = stage.engine.open_account(OWNER, WALLET, 0)
            client = await enter(stage, account)
            stage.place(account, "0xaa", Side.BUY, 5100, 20)
            stage.live_until(9)
            assert [brief(message) for message in await told(client)] == snapshot(
                [
                    "PLACEMENT DELAYED 0 of 20",
                    "TAKER MATCHED BUY Up 20 at 0.51",
                    "UPDATE MATCHED 20 of 20",
                    "TAKER MINED BUY Up 20 at 0.51",
                    "TAKER CONFIRMED BUY Up 20 at 0.51",
                ]
            )
            stage.place(account, "0xbb", Side.BUY, 4900, 20, post_only=True)
            stage.live_until(30)
            assert [brief(message) for message in await told(client)] == snapshot(
                [
                    "PLACEMENT LIVE 0 of 20",
                    "MAKER MATCHED BUY Up 15 at 0.49",
                    "UPDATE LIVE 15 of 20",
                    "MAKER MINED BUY Up 15 at 0.49",
                    "MAKER CONFIRMED BUY Up 15 at 0.49",
                ]
            )
            assert stage.engine.cancel(account, "0xbb") == ""
            assert [brief(message) for message in await told(client)] == snapshot(["CANCELLATION CANCELED 15 of 20"])

    play(story())


def test_a_match_that_fails_is_told_as_matched_first_and_a_late_one_as_it_was() -> None:
    rows = [
        listed(),
        cleared(-100, Token.UP, (Side.BUY, 4900, 100), (Side.SELL, 5100, 50)),
        cleared(-100, Token.DOWN, (Side.BUY, 4900, 50), (Side.SELL, 5100, 100)),
    ]

    async def story() -> None:
        async with Stage(rows, subscriptions_app).open() as stage:
            stage.live_until(0)
            account = stage.engine.open_account(OWNER, WALLET, 0)
            client = await enter(stage, account)
            stage.on(Fault.FAILED_TRADE)
            stage.place(account, "0xaa", Side.BUY, 5100, 20)
            stage.live_until(20)
            assert [brief(message) for message in await told(client)] == snapshot(
                [
                    "PLACEMENT DELAYED 0 of 20",
                    "TAKER MATCHED BUY Up 20 at 0.51",
                    "UPDATE MATCHED 20 of 20",
                    "TAKER FAILED BUY Up 20 at 0.51",
                ]
            )
            stage.faults.clear()
            stage.on(Fault.DELAYED_STATUS, 5_000)
            stage.place(account, "0xcc", Side.BUY, 4800, 20)
            stage.live_until(24)
            assert await told(client) == []
            stage.live_until(26)
            assert [brief(message) for message in await told(client)] == snapshot(["PLACEMENT LIVE 0 of 20"])

    play(story())


@pytest.mark.parametrize("wanted", ["order", "trade"])
def test_our_messages_have_the_keys_and_types_of_the_clients_own_fixtures(wanted: str) -> None:
    path = recordings("raw_frames") / "polymarket_ws_user_market_rtds_fixtures.jsonl.zst"
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        lines = [json.loads(line) for line in stream.read().splitlines()]
    name = {"order": "order_placement.json", "trade": "user_trade3.json"}[wanted]
    theirs = next(json.loads(line["raw"]) for line in lines if line["fixture"].endswith(f"/{name}"))
    if wanted == "order":
        ours = json.loads(order_news(ACCOUNT, order(), "PLACEMENT", NOW_NS))
    else:
        ours = json.loads(trade_news(ACCOUNT, fill(transaction_hash="0xaa"), NOW_NS))
    assert shape(ours) == shape(theirs)
