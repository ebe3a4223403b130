"""What the CLOB tells everybody: books, prices, markets, in the shapes that readers of the venue know."""

import asyncio
import json
from typing import Any

import pytest
from py_clob_client_v2.utilities import (  # type: ignore[import-untyped]
    generate_orderbook_summary_hash,
    parse_raw_orderbook_summary,
)
from venue_counter import DOWN_BOOK, UP_BOOK, counter
from venue_stage import OPEN_S, change, tick, trade

from infra.feeds import clob_rest
from infra.feeds.frames import Parsed
from infra.venue_next_door.faults import Fault
from state.events import Side, Token

NO_BOOK = {"error": "No orderbook exists for the requested token id"}


def read_back(body: Any) -> None:
    """Read an answer with the desk's own feed, which refuses what the venue would not say."""
    parsed = clob_rest.parse(json.dumps(body).encode(), audit=True)
    assert isinstance(parsed, Parsed), parsed


def test_a_book_has_its_best_levels_last_and_a_hash_that_clients_can_reckon() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            up, down = stage.window.tokens
            status, book = await customer.ask("GET", f"/book?token_id={up}")
            assert status == 200
            best_bids = [level for level in book["bids"] if float(level["price"]) >= 0.47]
            assert best_bids == [{"price": "0.47", "size": "300"}, {"price": "0.48", "size": "100"}]
            assert book["asks"] == [{"price": "0.53", "size": "300"}, {"price": "0.52", "size": "100"}]
            assert (book["market"], book["asset_id"]) == (stage.window.condition_id, up)
            assert (book["min_order_size"], book["tick_size"], book["neg_risk"]) == ("5", "0.01", False)
            assert generate_orderbook_summary_hash(parse_raw_orderbook_summary(book)) == book["hash"]
            read_back(book)
            _, books = await customer.ask("POST", "/books", json.dumps([{"token_id": up}, {"token_id": down}]).encode())
            assert [one["asset_id"] for one in books] == [up, down]
            assert (await customer.ask("GET", f"/books?token_ids={up},{down}"))[1] == books
            assert await customer.ask("GET", "/book?token_id=1") == (404, NO_BOOK)
            assert (await customer.ask("POST", "/books", json.dumps([{"token_id": up}] * 501).encode()))[0] == 400

    assert len(UP_BOOK) == len(DOWN_BOOK)
    asyncio.run(story())


def test_prices_come_one_by_one_and_many_at_once() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            up, down = stage.window.tokens
            for path, told in {
                f"/price?token_id={up}&side=BUY": {"price": "0.48"},
                f"/price?token_id={up}&side=SELL": {"price": "0.52"},
                f"/midpoint?token_id={up}": {"mid": "0.5"},
                f"/spread?token_id={down}": {"spread": "0.04"},
                f"/tick-size?token_id={up}": {"minimum_tick_size": 0.01},
                f"/neg-risk?token_id={up}": {"neg_risk": False},
                f"/fee-rate?token_id={up}": {"base_fee": 1000},
                f"/midpoints?token_ids={up},{down}": {up: "0.5", down: "0.5"},
                f"/spreads?token_ids={up}": {up: "0.04"},
                f"/prices?token_ids={up},{down}&sides=BUY,SELL": {up: {"BUY": "0.48"}, down: {"SELL": "0.52"}},
            }.items():
                assert await customer.ask("GET", path) == (200, told)
            asked = json.dumps([{"token_id": up, "side": "SELL"}, {"token_id": "7", "side": "BUY"}]).encode()
            assert await customer.ask("POST", "/prices", asked) == (200, {up: {"SELL": "0.52"}})
            assert (await customer.ask("GET", f"/price?token_id={up}&side=UP"))[0] == 400

    asyncio.run(story())


def test_the_last_trade_is_told_with_the_taker_s_side() -> None:
    async def story() -> None:
        trades = (trade(-25, Token.UP, Side.BUY, 5200, 10), trade(40, Token.UP, Side.SELL, 4800, 3))
        async with counter(*trades) as (stage, customer):
            up = stage.window.tokens[0]
            last = f"/last-trade-price?token_id={up}"
            assert await customer.ask("GET", last) == (200, {"price": "0.5", "side": ""})
            stage.live_until(-20)
            assert await customer.ask("GET", last) == (200, {"price": "0.52", "side": "BUY"})
            stage.live_until(50)
            assert await customer.ask("GET", f"/last-trades-prices?token_ids={up}") == (
                200, [{"token_id": up, "price": "0.48", "side": "SELL"}],
            )  # fmt: skip
            _, book = await customer.ask("GET", f"/book?token_id={up}")
            assert book["last_trade_price"] == "0.48"
            _, told = await customer.ask("GET", f"/prices-history?market={up}&interval=1h&fidelity=1")
            assert told == {"history": [{"t": OPEN_S - 60, "p": 0.52}, {"t": OPEN_S, "p": 0.48}]}

    asyncio.run(story())


def test_the_tick_becomes_finer_and_everybody_says_so() -> None:
    async def story() -> None:
        fine = (tick(10, 10), change(11, Side.BUY, 4805, 20), change(11.5, Side.BUY, 4810, 20))
        async with counter(fine[0], fine[2]) as (stage, customer):
            stage.live_until(12)
            up = stage.window.tokens[0]
            assert await customer.ask("GET", f"/tick-size?token_id={up}") == (200, {"minimum_tick_size": 0.001})
            _, book = await customer.ask("GET", f"/book?token_id={up}")
            assert (book["tick_size"], book["bids"][-1]["price"]) == ("0.001", "0.481")
            assert (await customer.place(up, price="0.485", size="10"))[0] == 200

    asyncio.run(story())


def test_a_market_is_told_long_and_short() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            window = stage.window
            _, long = await customer.ask("GET", f"/markets/{window.condition_id}")
            assert long["tokens"] == [
                {"token_id": window.tokens[0], "outcome": "Up", "price": 0.5, "winner": False},
                {"token_id": window.tokens[1], "outcome": "Down", "price": 0.5, "winner": False},
            ]
            assert (long["minimum_tick_size"], long["minimum_order_size"], long["accepting_orders"]) == (0.01, 5, True)
            _, short = await customer.ask("GET", f"/clob-markets/{window.condition_id}")
            assert short["t"] == [{"t": window.tokens[0], "o": "Up"}, {"t": window.tokens[1], "o": "Down"}]
            assert (short["mts"], short["mos"], short["nr"], short["itode"]) == (0.01, 5, False, True)
            assert short["fd"] == {"r": 0.07, "e": 1, "to": True}
            for body in (long, short):
                read_back(body)
            _, named = await customer.ask("GET", f"/markets-by-token/{window.tokens[1]}")
            assert named["condition_id"] == window.condition_id
            for path in ("/markets", "/simplified-markets", "/sampling-markets", "/sampling-simplified-markets"):
                _, page = await customer.ask("GET", path + "?next_cursor=MA==")
                assert [row["condition_id"] for row in page["data"]] == [window.condition_id]
                assert page["next_cursor"] == "LTE="
            assert (await customer.ask("GET", "/markets/0x12"))[0] == 404
            assert await customer.ask("GET", "/nowhere") == (404, {"error": "Not Found"})

    asyncio.run(story())


def test_a_window_that_is_not_hydrated_has_no_tokens_and_takes_no_orders() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            window = stage.window
            hydrated_ns, window.hydrated_ns = window.hydrated_ns, stage.clock.now_ns() + 1
            _, long = await customer.ask("GET", f"/markets/{window.condition_id}")
            _, short = await customer.ask("GET", f"/clob-markets/{window.condition_id}")
            assert (long["tokens"], short["t"]) == ([], [])
            assert not long["accepting_orders"]
            assert not short["ao"]
            assert await customer.ask("GET", f"/book?token_id={window.tokens[0]}") == (404, NO_BOOK)
            words = "the market is not yet ready to process new orders"
            assert await customer.place(window.tokens[0]) == (400, {"error": words})
            window.hydrated_ns = hydrated_ns
            assert (await customer.place(window.tokens[0]))[0] == 200

    asyncio.run(story())


def test_the_venue_tells_its_time_and_generation() -> None:
    async def story() -> None:
        async with counter() as (stage, customer):
            assert await customer.ask("GET", "/ok") == (200, "OK")
            assert await customer.ask("GET", "/time") == (200, OPEN_S - 30)
            assert await customer.ask("GET", "/version") == (200, {"version": 2})
            stage.on(Fault.CLOCK_SKEW, 4000.0)
            stage.on(Fault.VERSION_MISMATCH, 3.0)
            assert await customer.ask("GET", "/time") == (200, OPEN_S - 26)
            assert await customer.ask("GET", "/version") == (200, {"version": 3})
            assert await customer.place(stage.window.tokens[0]) == (400, {"error": "order_version_mismatch"})

    asyncio.run(story())


@pytest.mark.parametrize("cursor", ["nonsense", "eA==", "MQ"])
def test_a_cursor_that_is_none_is_refused(cursor: str) -> None:
    async def story() -> None:
        async with counter() as (_, customer):
            assert await customer.ask("GET", f"/markets?next_cursor={cursor}") == (
                400, {"error": "Invalid next_cursor"},
            )  # fmt: skip

    asyncio.run(story())
