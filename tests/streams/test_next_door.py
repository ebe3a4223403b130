"""All streams against the whole venue next door, over real sockets, through a window: nothing it says is refused."""

import asyncio
import functools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import numpy as np
import pytest
from aiohttp import web
from numpy.typing import NDArray
from stream_play import ORIGIN_NS, Story, clock_at, serving
from venue_stage import HandClock, Rows, average, change, cleared, listed, oracle, quote, resolved, row, trade

from infra.addresses import Addresses
from infra.clock import Clock
from infra.feeds.decoder import Decoder
from infra.feeds.frames import Wire
from infra.streams.intake import Arrived, Intake, What
from infra.streams.life import Health
from infra.streams.streams import Streams
from infra.venue_next_door.binance import binance_spot_app, binance_usdm_app
from infra.venue_next_door.bybit import bybit_app
from infra.venue_next_door.clob import clob_app
from infra.venue_next_door.coinbase import coinbase_exchange_app
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.faults import Fault, Faults, Switch
from infra.venue_next_door.gamma import gamma_app
from infra.venue_next_door.okx import okx_app
from infra.venue_next_door.polybolt import polybolt_app
from infra.venue_next_door.polygon import polygon_app
from infra.venue_next_door.rtds import rtds_app
from infra.venue_next_door.subscriptions import subscriptions_app
from infra.venues.credentials import Credentials, Secret
from state.events import EVENT, FeedState, Kind, Side, Source, Token
from state.units import MICROS, NS_PER_S

pytestmark = pytest.mark.rehearsal

EXCHANGES = (Source.BINANCE, Source.BINANCE_PERP, Source.BYBIT, Source.OKX, Source.COINBASE)
FIRST_S, LAST_S = -90, 460


def a_second(number: int, second: int) -> list[Rows]:
    """Write what happens in one second."""
    usd = 108_000.0 + number % 7
    rows = [oracle(second, usd), average(second + 0.1, usd + 0.25)]
    for place, source in enumerate(EXCHANGES):
        columns = {"value_usd": usd, "amount_micros": MICROS // 10, "side_code": number % 2, "flags_mask": 1}
        rows.append(quote(second + 0.2 + place / 100, usd - 1 - number % 2, usd + 1, source))
        rows.append(row(Kind.CEX_TRADED, second + 0.3 + place / 100, source, **columns))
    side = Side(number % 2)
    rows += [change(second + 0.4, side, 4800 + 400 * side, 40 + number, slot) for slot in (0, 1)]
    if number % 5 == 0:
        rows.append(trade(second + 0.8, Token.UP, Side.BUY, 5200, 7.0))
    return rows


@functools.cache
def market() -> NDArray[np.void]:
    """Write a small market by hand: two windows, a book that breathes, five exchanges, the oracle and its average."""
    rows = [listed(FIRST_S - 10, 0), listed(FIRST_S - 10, 1, ORIGIN_NS // NS_PER_S + 300)]
    for slot in (0, 1):
        for token in (Token.UP, Token.DOWN):
            levels = [(Side.BUY, bps, 40.0) for bps in (4600, 4700, 4800)]
            levels += [(Side.SELL, bps, 30.0) for bps in (5200, 5300, 5400)]
            rows.append(cleared(FIRST_S - 9, token, *levels, slot=slot))
    for number, second in enumerate(range(FIRST_S, LAST_S)):
        rows += a_second(number, second)
    rows.append(resolved(354, Token.UP, 108_003.25, 0))
    whole = np.concatenate(rows)
    return whole[np.argsort(whole["seen_ns"], kind="stable")]


APPS: dict[str, Callable[[Engine], web.Application]] = {
    "gamma": gamma_app, "clob": clob_app, "ws": subscriptions_app, "polybolt": polybolt_app, "rtds": rtds_app,
    "binance_spot": binance_spot_app, "binance_usdm": binance_usdm_app, "bybit": bybit_app, "okx": okx_app,
    "coinbase_exchange": coinbase_exchange_app, "polygon": polygon_app,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """Load the matching model before any clock runs: at 60x the seconds that this takes are minutes."""
    engine = Engine(iter([market().copy()]), clock := HandClock(ORIGIN_NS - 101 * NS_PER_S), Faults(clock), seed=1)
    engine.open_account("0x" + "11" * 20, "0x" + "22" * 20, 0)
    for _ in range(20):
        clock.at_ns += NS_PER_S
        engine.step()


@asynccontextmanager
async def venue(clock: Clock) -> AsyncIterator[tuple[Engine, Addresses]]:
    """Open the venue: one engine, every server on a port of its own."""
    engine = Engine(iter([market().copy()]), clock, Faults(clock), seed=1)
    async with AsyncExitStack() as stack:
        at = {name: await stack.enter_async_context(serving(app(engine))) for name, app in APPS.items()}
        ws = {name: address.replace("http", "ws", 1) for name, address in at.items()}
        living = asyncio.create_task(engine.run())
        try:
            yield (
                engine,
                Addresses(
                    gamma=at["gamma"], clob=at["clob"], market_ws=f"{ws['ws']}/ws/market",
                    user_ws=f"{ws['ws']}/ws/user", polybolt=f"{ws['polybolt']}/ws", rtds=ws["rtds"],
                    binance_spot=ws["binance_spot"], binance_usdm=ws["binance_usdm"],
                    bybit=f"{ws['bybit']}/v5/public/spot", okx=f"{ws['okx']}/ws/v5/public",
                    coinbase_exchange=ws["coinbase_exchange"], polygon=at["polygon"],
                ),
            )  # fmt: skip
        finally:
            living.cancel()
            with suppress(asyncio.CancelledError):
                await living


class Read:
    """What the Decoder makes of a story, slots given as windows are listed."""

    def __init__(self, arrived: list[Arrived]) -> None:
        self.decoder = Decoder()
        self.rows: list[NDArray[np.void]] = []
        out, slots = np.zeros(4096, EVENT), iter(range(100))
        for each in arrived:
            count = 0
            if each.what is What.FRAME:
                count = self.decoder.decode(each.wire, each.raw, each.seen_ns, out)
            elif each.what is What.CONNECTED:
                count = self.decoder.connected(each.wire, each.seen_ns, out)
            elif each.what in (What.DISCONNECTED, What.GAP):
                count = self.decoder.disconnected(each.wire, each.seen_ns, out)
            elif each.what is What.LISTED:
                assert each.listing is not None
                count = self.decoder.list_window(next(slots), each.listing, each.seen_ns, out)
            self.rows.append(out[:count].copy())
        self.all = np.concatenate(self.rows)

    def kinds(self) -> Counter[tuple[Kind, Source]]:
        return Counter((Kind(row["kind_code"]), Source(row["source_code"])) for row in self.all)


async def stream(
    at_s: float, *ends: str, fault: Fault | None = None, with_keys: bool = True
) -> tuple[Story, list[Health]]:
    """Stream until lines of the story have come, one after the other; after the first, a fault is on for a while."""
    clock = clock_at(at_s, 40.0)
    intake = Intake(clock)
    story = Story(intake, clock)
    async with venue(clock) as (engine, addresses):
        keys = None
        if with_keys:
            account = engine.open_account("0x" + "11" * 20, "0x" + "22" * 20, 0)
            keys = Credentials(account.api_key, Secret(account.secret), Secret(account.passphrase))
        async with Streams(addresses, clock, intake, keys, ahead=1) as streams:
            for number, end in enumerate(ends):
                await story.until(end)
                if number == 0 and fault is not None:
                    now_ns = clock.now_ns()
                    engine.faults.add(Switch(fault, "polymarket_market", now_ns, now_ns + 45 * NS_PER_S))
            return story, streams.health()


def test_a_whole_window_next_door_is_heard_and_read_without_a_refusal() -> None:
    story, health = asyncio.run(stream(-30, "finalPrice"))
    read = Read(story.arrived)
    assert read.decoder.refusals.rows("wire", "type", "reason") == []
    assert {each["wire"] for each in read.decoder.strangers.rows("wire", "what", "which")} <= {"POLYMARKET_MARKET"}
    kinds = read.kinds()
    for source in EXCHANGES:
        assert kinds[Kind.PRICE_SEEN, source] > 50 and kinds[Kind.CEX_TRADED, source] > 50, source.name
    assert kinds[Kind.AVERAGE_SEEN, Source.CHAINLINK] > 300
    assert kinds[Kind.LEVEL_SET, Source.POLYMARKET_BOOK] > 500 and kinds[Kind.TRADE_SEEN, Source.POLYMARKET_BOOK] > 10
    assert kinds[Kind.BOOK_CLEARED, Source.POLYMARKET_BOOK] >= 4
    assert kinds[Kind.RULE_GIVEN, Source.POLYMARKET_BOOK] > 0, "the CLOB's own market object"
    assert kinds[Kind.STRIKE_SEEN, Source.GAMMA] >= 1 and kinds[Kind.SETTLED, Source.GAMMA] >= 1
    assert kinds[Kind.CHAIN_SEEN, Source.POLYGON] > 10
    assert {each.wire for each in health if not each.frames} <= {Wire.RTDS, Wire.POLYMARKET_USER}


def test_a_silent_market_socket_next_door_is_cut_and_its_books_come_anew() -> None:
    story, _ = asyncio.run(stream(0, "polymarket_market 1: [", "polymarket_market 2: [", fault=Fault.SILENT))
    read = Read(story.arrived)
    book = read.all[read.all["source_code"] == Source.POLYMARKET_BOOK]
    states = [FeedState(row["code_id"]) for row in book if row["kind_code"] == Kind.FEED_CHANGED]
    assert states[:3] == [FeedState.UP, FeedState.DOWN, FeedState.UP]
    assert any("polymarket_market 1: disconnected (silent for" in each for each in story.lines)


def test_without_keys_the_averages_come_by_rtds() -> None:
    story, _ = asyncio.run(stream(10, '"crypto_prices_twap_sixty","type":"update"', with_keys=False))
    kinds = Read(story.arrived).kinds()
    assert kinds[Kind.AVERAGE_SEEN, Source.CHAINLINK] > 0 and kinds[Kind.PRICE_SEEN, Source.CHAINLINK] > 0
