"""Other people's client reads the exchanges next door: ccxt, unmodified, told nothing but where the servers are.

What it cannot read here, and why:

* Order books of depth. Our rows carry best prices only, so there are no `depth`, `orderbook.50`, `books` or `level2`
  streams; of Binance, Bybit and OKX ccxt takes the book of one level that each has, or one that a test names.
* Coinbase: ccxt has no call for best bids and asks, and its book of Exchange wants a key; its tickers carry both.
* Binance's options and margin lists: it is told to read the spot market only, else it asks hosts that we have not.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest
from venue_exchanges import MS, START_NS, Factory, Stage, served, touch, trade

from infra.venue_next_door.binance import binance_spot_app, binance_usdm_app
from infra.venue_next_door.bybit import bybit_app
from infra.venue_next_door.coinbase import coinbase_app, coinbase_exchange_app
from infra.venue_next_door.okx import okx_app
from state.events import Side, Source

pytestmark = pytest.mark.rehearsal

CCXT: Any = import_module("ccxt.pro")  # it has no types
BID, ASK = 108_000.0, 108_000.1
SIZE_MICROS = 1_234_567


@dataclass(frozen=True)
class Client:
    """One of ccxt's exchanges, and which of its calls have something to read here."""

    name: str
    factory: Factory
    source: Source
    symbol: str
    options: dict[str, Any] = field(default_factory=dict)
    touches: str = "watch_bids_asks"
    books: bool = True


CLIENTS = (
    Client(
        "binance", binance_spot_app, Source.BINANCE, "BTC/USDT",
        {"fetchMarkets": {"types": ["spot"]}, "watchOrderBook": {"maxRetries": 0}}, books=False,
    ),
    Client("binanceusdm", binance_usdm_app, Source.BINANCE_PERP, "BTC/USDT:USDT", books=False),
    Client("bybit", bybit_app, Source.BYBIT, "BTC/USDT"),
    Client("okx", okx_app, Source.OKX, "BTC/USDT"),
    Client("coinbaseexchange", coinbase_exchange_app, Source.COINBASE, "BTC/USD", touches="", books=False),
    Client("coinbase", coinbase_app, Source.COINBASE, "BTC/USD", touches="", books=False),
)  # fmt: skip
every_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)


def pointed(urls: Any, host: str) -> Any:
    """Put our host into every address; schemes lose their s, paths stay as the exchange has them."""
    if isinstance(urls, dict):
        return {name: pointed(each, host) for name, each in urls.items()}
    return re.sub(r"^(http|ws)s?://[^/]+", rf"\1://{host}", urls) if isinstance(urls, str) else urls


async def cry(stage: Stage, client: Client) -> None:
    """Say the same touch and the same sale again and again, each with the time it is said."""
    while True:
        at_ns = stage.crier.clock.now_ns() // MS * MS
        sale = trade(client.source, at_ns, BID, SIZE_MICROS, Side.SELL)
        stage.crier.cry(touch(client.source, at_ns, BID, ASK), sale)
        await asyncio.sleep(0.05)


def read(client: Client, story: Callable[[Any], Any]) -> Any:
    async def run() -> Any:
        async with served(client.factory, speed_ratio=1.0) as stage:
            crying = asyncio.create_task(cry(stage, client))
            await asyncio.sleep(0)
            theirs = getattr(CCXT, client.name)({"options": client.options})
            theirs.urls["api"] = pointed(theirs.urls["api"], stage.host)
            try:
                return await asyncio.wait_for(story(theirs), 60)
            finally:
                await theirs.close()
                crying.cancel()

    return asyncio.run(run())


@every_client
def test_markets_and_time_are_read(client: Client) -> None:
    async def story(theirs: Any) -> tuple[list[str], int]:
        return list(await theirs.load_markets()), await theirs.fetch_time()

    symbols, now_ms = read(client, story)
    quote = client.symbol.partition("/")[2]
    assert symbols == [f"{asset}/{quote}" for asset in ("BTC", "ETH", "SOL", "XRP")]
    assert 0 <= now_ms - START_NS // MS < 60_000


@every_client
def test_tickers_are_read_from_rest_and_from_the_socket(client: Client) -> None:
    async def story(theirs: Any) -> tuple[Any, Any]:
        return await theirs.fetch_ticker(client.symbol), await theirs.watch_ticker(client.symbol)

    rest, live = read(client, story)
    assert (rest["symbol"], rest["bid"], rest["ask"], rest["last"]) == (client.symbol, BID, ASK, BID)
    assert (live["symbol"], live["last"]) == (client.symbol, BID)
    if client.name != "bybit":  # whose spot tickers have no best prices
        assert (live["bid"], live["ask"]) == (BID, ASK)


@every_client
def test_trades_are_read_with_their_size_their_side_and_their_time(client: Client) -> None:
    async def story(theirs: Any) -> tuple[Any, Any]:
        return await theirs.fetch_trades(client.symbol), await theirs.watch_trades(client.symbol)

    for trades in read(client, story):
        said = trades[-1]
        assert (said["symbol"], said["price"], said["side"]) == (client.symbol, BID, taken(client, trades))
        assert said["amount"] == pytest.approx(SIZE_MICROS / 1e6, abs=1e-9)
        assert 0 <= said["timestamp"] - START_NS // MS < 60_000


def taken(client: Client, trades: list[Any]) -> str:
    """Give the side of a sale in ccxt's words: of Advanced Trade it hands on the maker's."""
    return "buy" if client.name == "coinbase" else "sell"


@pytest.mark.parametrize("client", [c for c in CLIENTS if c.touches], ids=lambda client: client.name)
def test_best_bids_and_asks_are_read(client: Client) -> None:
    async def story(theirs: Any) -> Any:
        return (await getattr(theirs, client.touches)([client.symbol]))[client.symbol]

    said = read(client, story)
    assert (said["bid"], said["ask"]) == (BID, ASK)


@pytest.mark.parametrize("client", [c for c in CLIENTS if c.books], ids=lambda client: client.name)
def test_books_of_one_level_are_read(client: Client) -> None:
    async def story(theirs: Any) -> Any:
        return await theirs.watch_order_book(client.symbol, 1)

    book = read(client, story)
    assert (book["bids"][0][0], book["asks"][0][0], len(book["bids"]), len(book["asks"])) == (BID, ASK, 1, 1)
