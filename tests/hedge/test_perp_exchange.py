"""The perpetual by ccxt at the exchange next door: its own client unmodified, and our leg over it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import pytest
from venue_exchanges import Stage, served, touch

from infra.hedge.ccxt_perp import CcxtPerp, HedgeRefused
from infra.hedge.hedge import Hedge
from infra.hedge.perp import Done, PerpUnread
from infra.hedge.target import Exposure, HedgeTerms, Touch
from infra.venue_next_door.binance_perp import FEE_RATE, PerpAccount, binance_perp_app
from infra.venues.credentials import Secret
from state.events import Source

pytestmark = pytest.mark.rehearsal

OPTIONS = {"adjustForTimeDifference": True, "fetchCurrencies": False, "fetchMargins": False}
"""Lists of coins and margin pairs are of other servers than the futures'."""
BID, ASK = 108_000.0, 108_000.1
SECRET = "not a secret: it opens nothing but a test"


@asynccontextmanager
async def exchange() -> AsyncIterator[tuple[Stage, PerpAccount]]:
    account = PerpAccount(SECRET)
    async with served(lambda engine: binance_perp_app(engine, {"me": account}), speed_ratio=1.0) as stage:
        stage.crier.cry(touch(Source.BINANCE_PERP, stage.crier.clock.now_ns(), BID, ASK))
        yield stage, account


def leg_at(stage: Stage, *, host: str = "", secret: str = SECRET, armed: bool = False) -> CcxtPerp:
    clock = stage.crier.clock
    return CcxtPerp(
        "binance", "BTC", Secret("me"), Secret(secret), clock, quoted=lambda: Touch(BID, ASK, clock.now_ns()),
        armed=lambda: armed, host=host or f"http://{stage.host}",
    )  # fmt: skip


def lived(story: Callable[[Stage, PerpAccount], Any]) -> Any:
    async def run() -> Any:
        async with exchange() as (stage, account):
            return await story(stage, account)

    return asyncio.run(run())


def test_ccxt_unmodified_trades_here() -> None:
    """Told nothing but where the server is: a market order, its order read back, and the position closed."""

    async def story(stage: Stage, account: PerpAccount) -> None:
        client: Any = import_module("ccxt.async_support").binanceusdm(
            {"apiKey": "me", "secret": SECRET, "options": OPTIONS}
        )
        client.urls["api"] = {
            name: re.sub(r"^https://[^/]+", f"http://{stage.host}", url) if isinstance(url, str) else url
            for name, url in client.urls["api"].items()
        }
        try:
            bought = await client.create_order("BTC/USDT:USDT", "market", "buy", 0.02)
            assert (bought["status"], bought["filled"], bought["average"]) == ("closed", 0.02, ASK)
            (held,) = await client.fetch_positions(["BTC/USDT:USDT"])
            assert (held["side"], held["contracts"], held["entryPrice"]) == ("long", 0.02, ASK)
            sold = await client.create_order("BTC/USDT:USDT", "market", "sell", 0.02, None, {"reduceOnly": True})
            again = await client.fetch_order(None, "BTC/USDT:USDT", {"origClientOrderId": sold["clientOrderId"]})
            assert again["id"] == sold["id"] and not await client.fetch_positions(["BTC/USDT:USDT"])
            balance = (await client.fetch_balance())["USDT"]["total"]
            assert balance == pytest.approx(account.cash_usd) and account.cash_usd < 100_000.0
        finally:
            await client.close()

    lived(story)


def test_the_leg_buys_sells_short_and_reads_its_position() -> None:
    async def story(stage: Stage, account: PerpAccount) -> None:
        leg = leg_at(stage)
        try:
            assert await leg.position_coins() == 0.0
            sold = await leg.trade(-0.013, "a-1", closes=False)
            assert (sold.done, sold.coins, sold.price_usd) == (Done.FILLED, -0.013, BID)
            assert await leg.position_coins() == -0.013
            assert (await leg.trade(0.013, "a-2", closes=True)).coins == 0.013
            assert account.positions == {"BTCUSDT": 0.0}
            assert account.fees_usd == pytest.approx(0.013 * (BID + ASK) * FEE_RATE)
        finally:
            await leg.close()

    lived(story)


def test_refusals_lost_answers_and_wrong_keys_are_told_apart() -> None:
    async def story(stage: Stage, account: PerpAccount) -> None:
        leg, stranger = leg_at(stage), leg_at(stage, secret="wrong")
        try:
            account.refuse = [(-2019, "Margin is insufficient.")]
            told = await leg.trade(0.01, "b-1", closes=False)
            assert told.done is Done.REFUSED and "Margin is insufficient" in told.why
            account.lose_answers = 1
            told = await leg.trade(0.01, "b-2", closes=False)
            assert (told.done, told.coins, account.positions["BTCUSDT"]) == (Done.FILLED, 0.01, 0.01)
            assert (await leg.trade(0.02, "b-3", closes=True)).done is Done.REFUSED  # more than there is to close
            with pytest.raises(PerpUnread) as unread:
                await stranger.position_coins()
            assert SECRET not in str(unread.value) and "wrong" not in str(unread.value)
        finally:
            await leg.close()
            await stranger.close()

    lived(story)


def test_nothing_leaves_this_machine_unarmed() -> None:
    async def story(stage: Stage, account: PerpAccount) -> None:
        leg = CcxtPerp(
            "binance", "BTC", Secret("me"), Secret(SECRET), stage.crier.clock,
            quoted=lambda: Touch(BID, ASK, 0), armed=lambda: False,
        )  # fmt: skip
        try:
            told = await leg.trade(0.01, "c-1", closes=False)
            assert told.done is Done.HELD_BACK and "updown arm" in told.why
            assert SECRET not in repr(leg)
        finally:
            await leg.close()

    lived(story)
    with pytest.raises(HedgeRefused, match="no perpetual at 'kraken'"):
        CcxtPerp("kraken", "BTC", Secret(""), Secret(""), None, quoted=lambda: None, armed=bool)  # type: ignore[arg-type]


def test_a_hedge_lives_through_a_window_a_refusal_and_a_restart() -> None:
    async def story(stage: Stage, account: PerpAccount) -> None:
        notes: list[dict[str, Any]] = []
        now = Exposure(20.0, 5_000.0)

        def hedge(session: str, leg: CcxtPerp) -> Hedge:
            return Hedge(leg, lambda: now, HedgeTerms(coins_most=50.0), stage.crier.clock, notes.append, session)

        first, second = leg_at(stage), leg_at(stage)
        try:
            one = hedge("one", first)
            await one.step()
            assert account.positions["BTCUSDT"] == -20.0
            now = Exposure(500.0, 5_000.0)
            account.refuse = [(-1001, "Internal error; unable to process your request.")]
            await one.step()
            assert account.positions["BTCUSDT"] == -20.0
            two = hedge("two", second)  # the process ended; a new one reads what is held
            await two.step()
            assert account.positions["BTCUSDT"] == -50.0
            now = Exposure(0.0, 0.0)
            await two.step()
            assert account.positions["BTCUSDT"] == 0.0
            assert [note["done"] for note in notes] == ["filled", "refused", "filled", "filled"]
        finally:
            await first.close()
            await second.close()

    lived(story)
