"""The perpetual by ccxt at the exchanges next door: their own clients unmodified, and our leg over each."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
from venue_exchanges import Stage, served, touch

from infra.hedge.ccxt_perp import EXCHANGES, CcxtPerp, HedgeKeys, HedgeRefused, hedge_keys_from
from infra.hedge.hedge import Hedge
from infra.hedge.perp import Done, PerpUnread
from infra.hedge.target import Exposure, HedgeTerms, Touch
from infra.venue_next_door import binance_perp, bybit_perp, okx_perp
from infra.venue_next_door.perp_account import PLAY_PASSWORD, PerpAccount, PerpCustomers, play_secret
from infra.venues.credentials import Secret
from state.events import Source

pytestmark = pytest.mark.rehearsal

OPTIONS = {"adjustForTimeDifference": True, "fetchCurrencies": False, "fetchMargins": False}
"""Lists of coins and margin pairs are of other servers than the futures'."""
BID, ASK = 108_000.0, 108_000.1
SECRET = "not a secret: it opens nothing but a test"
BTC = "BTC/USDT:USDT"


@dataclass(frozen=True)
class Place:
    """One exchange next door, and what of it the stories hold ours against."""

    name: str
    app: Any
    symbol: str
    fee_rate: float
    no_margin: tuple[int, str]
    out_of_order: tuple[int, str]


PLACES = (
    Place("binance", binance_perp.binance_perp_app, "BTCUSDT", binance_perp.FEE_RATE,
          (-2019, "Margin is insufficient."), (-1001, "Internal error; unable to process your request.")),
    Place("bybit", bybit_perp.bybit_perp_app, "BTCUSDT", bybit_perp.FEE_RATE,
          (110007, "ab not enough for new order"), (10016, "Internal system error")),
    Place("okx", okx_perp.okx_perp_app, "BTC-USDT-SWAP", okx_perp.FEE_RATE,
          (51008, "Order failed. Insufficient USDT margin in account"), (50026, "System error. Try again later.")),
)  # fmt: skip
everywhere = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)


@asynccontextmanager
async def exchange(place: Place) -> AsyncIterator[tuple[Stage, PerpAccount]]:
    account = PerpAccount(SECRET)
    customers = PerpCustomers({"me": account})
    async with served(lambda engine: place.app(engine, customers), speed_ratio=1.0) as stage:
        stage.crier.cry(touch(Source.BINANCE_PERP, stage.crier.clock.now_ns(), BID, ASK))
        yield stage, account


def leg_at(place: Place, stage: Stage, *, secret: str = SECRET, asks: bool = False) -> CcxtPerp:
    clock = stage.crier.clock
    keys = HedgeKeys(Secret("me"), Secret(secret), Secret(PLAY_PASSWORD))
    return CcxtPerp(
        place.name, "BTC", keys, clock, quoted=None if asks else lambda: Touch(BID, ASK, clock.now_ns()),
        armed=lambda: False, host=f"http://{stage.host}",
    )  # fmt: skip


def lived(place: Place, story: Callable[[Stage, PerpAccount], Any]) -> Any:
    async def run() -> Any:
        async with exchange(place) as (stage, account):
            return await story(stage, account)

    return asyncio.run(run())


def pointed(client: Any, stage: Stage) -> Any:
    client.urls["api"] = {
        name: re.sub(r"^https://[^/]+", f"http://{stage.host}", url) if isinstance(url, str) else url
        for name, url in client.urls["api"].items()
    }
    return client


@everywhere
def test_ccxt_unmodified_trades_here(place: Place) -> None:
    """Told nothing but where the server is: a market order, its order read back, and the position closed."""

    async def story(stage: Stage, account: PerpAccount) -> None:
        made = getattr(import_module("ccxt.async_support"), EXCHANGES[place.name])
        client = pointed(
            made({"apiKey": "me", "secret": SECRET, "password": PLAY_PASSWORD, "options": OPTIONS}), stage
        )  # fmt: skip
        try:
            await client.load_time_difference()
            await client.load_markets()
            coins = client.market(BTC)["contractSize"]
            book = await client.fetch_order_book(BTC, 5)
            assert (book["bids"][0][0], book["asks"][0][0]) == (BID, ASK)
            bought = await client.create_order(BTC, "market", "buy", 0.02 / coins, None, {"clientOrderId": "one"})
            bought = await read_back(client, place, bought)
            assert (bought["status"], bought["filled"] * coins, bought["average"]) == ("closed", 0.02, ASK)
            (held,) = await client.fetch_positions([BTC])
            assert (held["side"], held["contracts"] * coins, held["entryPrice"]) == ("long", 0.02, ASK)
            sold = await client.create_order(
                BTC, "market", "sell", 0.02 / coins, None, {"reduceOnly": True, "clientOrderId": "two"}
            )  # fmt: skip
            again = await read_back(client, place, sold)
            assert again["id"] == sold["id"] and again["clientOrderId"] == "two"
            assert not sum(each["contracts"] or 0.0 for each in await client.fetch_positions([BTC]))
            balance = (await client.fetch_balance({"type": "swap"}))["USDT"]["total"]
            assert balance == pytest.approx(account.cash_usd) and account.cash_usd < 100_000.0
            errors: Any = import_module("ccxt")
            with pytest.raises(errors.ExchangeError):  # it is done: there is nothing to cancel
                await client.cancel_order(sold["id"], BTC)
        finally:
            await client.close()

    lived(place, story)


async def read_back(client: Any, place: Place, order: Any) -> Any:
    if place.name == "bybit":
        return await client.fetch_order(order["id"], BTC, {"acknowledged": True})
    return await client.fetch_order(order["id"], BTC)


@everywhere
@pytest.mark.parametrize("asks", [False, True], ids=["by the feed", "by asking"])
def test_the_leg_buys_sells_short_and_reads_its_position(place: Place, asks: bool) -> None:
    async def story(stage: Stage, account: PerpAccount) -> None:
        leg = leg_at(place, stage, asks=asks)
        try:
            await leg.look()
            touched = leg.touch()
            assert touched is not None and (touched.bid_usd, touched.ask_usd) == (BID, ASK)
            assert await leg.position_coins() == 0.0
            sold = await leg.trade(-0.013, "a1", closes=False)
            assert (sold.done, sold.coins, sold.price_usd) == (Done.FILLED, -0.013, BID)
            assert await leg.position_coins() == -0.013
            assert (await leg.trade(0.003, "a2", closes=True)).coins == 0.003
            assert (await leg.trade(0.01, "a3", closes=True, at_market=True)).coins == 0.01
            assert account.positions == {place.symbol: 0.0}
            assert account.fees_usd == pytest.approx(0.013 * (BID + ASK) * place.fee_rate)
        finally:
            await leg.close()

    lived(place, story)


@everywhere
def test_refusals_lost_answers_and_wrong_keys_are_told_apart(place: Place) -> None:
    async def story(stage: Stage, account: PerpAccount) -> None:
        leg, stranger = leg_at(place, stage), leg_at(place, stage, secret="wrong")
        try:
            account.refuse = [place.no_margin]
            told = await leg.trade(0.01, "b1", closes=False)
            assert told.done is Done.REFUSED and place.no_margin[1] in told.why
            account.lose_answers = 1
            told = await leg.trade(0.01, "b2", closes=False)
            assert (told.done, told.coins, account.positions[place.symbol]) == (Done.FILLED, 0.01, 0.01)
            assert (await leg.trade(0.02, "b3", closes=True)).done is Done.REFUSED  # more than there is to close
            with pytest.raises(PerpUnread) as unread:
                await stranger.position_coins()
            assert SECRET not in str(unread.value) and "wrong" not in str(unread.value)
        finally:
            await leg.close()
            await stranger.close()

    lived(place, story)


@everywhere
def test_nothing_leaves_this_machine_unarmed(place: Place) -> None:
    async def story(stage: Stage, account: PerpAccount) -> None:
        keys = HedgeKeys(Secret("me"), Secret(SECRET))
        leg = CcxtPerp(
            place.name, "BTC", keys, stage.crier.clock, quoted=lambda: Touch(BID, ASK, 0), armed=lambda: False
        )
        try:
            for closes in (False, True):  # nothing of this leg's is open, so there is nothing to close either
                told = await leg.trade(0.01, "c1", closes=closes)
                assert told.done is Done.HELD_BACK and "updown arm" in told.why
            assert SECRET not in repr(leg) + repr(keys)
        finally:
            await leg.close()

    lived(place, story)


def test_what_cannot_be_opened_is_refused_in_a_line() -> None:
    with pytest.raises(HedgeRefused, match="no perpetual at 'kraken'"):
        CcxtPerp("kraken", "BTC", HedgeKeys(Secret(""), Secret("")), None, quoted=None, armed=bool)  # type: ignore[arg-type]
    with pytest.raises(HedgeRefused, match="set UPDOWN_HEDGE_KEY and UPDOWN_HEDGE_SECRET"):
        hedge_keys_from({"UPDOWN_HEDGE_KEY": "alone"})
    assert hedge_keys_from({"UPDOWN_HEDGE_KEY": "a", "UPDOWN_HEDGE_SECRET": "b"}).password is None


def test_next_door_every_key_is_a_customer_with_the_secret_that_belongs_to_it() -> None:
    customers = PerpCustomers(opens=True)
    one, other = customers.find("0xone"), customers.find("0xother")
    assert one is not None and other is not None and one is customers.find("0xone")
    assert one.secret == play_secret("0xone") != other.secret
    assert customers.find("") is None and PerpCustomers({}).find("0xone") is None


@everywhere
def test_a_hedge_lives_through_a_window_a_refusal_and_a_restart(place: Place) -> None:
    async def story(stage: Stage, account: PerpAccount) -> None:
        notes: list[dict[str, Any]] = []
        now = Exposure(20.0, 5_000.0)

        def hedge(session: str, leg: CcxtPerp) -> Hedge:
            return Hedge(leg, lambda: now, HedgeTerms(coins_most=50.0), stage.crier.clock, notes.append, session)

        first, second = leg_at(place, stage), leg_at(place, stage)
        try:
            one = hedge("one", first)
            await one.step()
            assert account.positions[place.symbol] == -20.0
            now = Exposure(500.0, 5_000.0)
            account.refuse = [place.out_of_order]
            await one.step()
            assert account.positions[place.symbol] == -20.0
            two = hedge("two", second)  # the process ended; a new one reads what is held
            await two.step()
            assert account.positions[place.symbol] == -50.0
            now = Exposure(0.0, 0.0)
            await two.step()
            assert account.positions[place.symbol] == 0.0
            assert [note["done"] for note in notes] == ["filled", "refused", "filled", "filled"]
        finally:
            await first.close()
            await second.close()

    lived(place, story)
