"""Many random orders at the venue next door: the ledger has what the matching has, whatever goes wrong."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from venue_customer import BUY, FAK, FOK, GTC, House
from venue_stage import OPEN_S

from evals.generator_spec import EFFICIENT
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.ledger import CROWD, FEES
from infra.venue_next_door.nouns import Account, NewOrder, TradeStatus
from infra.venue_next_door.source import generated
from state.events import Side, Token
from state.units import BPS, MICROS

SPEC = replace(EFFICIENT, warmup_s=60, quoted_before_s=60)


class Gambler:
    """Two customers who do anything at all."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.rng = np.random.default_rng(seed)
        self.accounts = [house.account, house.customer("0xB2")]
        self.count = 0

    def act(self) -> None:
        account = self.accounts[int(self.rng.integers(2))]
        what = self.rng.random()
        if what < 0.55:
            self.order(account)
        elif what < 0.85:
            live = [order.order_hash for order in account.orders.values() if order.is_open]
            if live:
                self.house.engine.cancel(account, live[int(self.rng.integers(len(live)))])
        else:
            deed = self.house.engine.split if what < 0.95 else self.house.engine.merge
            with suppress(ValueError):  # not covered, or the window is over
                deed(account, self.house.window.condition_id, int(self.rng.integers(1, 50)) * MICROS)

    def order(self, account: Account) -> None:
        token = Token(int(self.rng.integers(2)))
        side = Side(int(self.rng.integers(2)))
        book = self.house.engine.book(self.house.window.tokens[token])
        assert book is not None
        near = book.asks if side is BUY else book.bids
        middle = near[-1].price_bps if near else 5_000
        bps = int(np.clip(middle + 100 * int(self.rng.integers(-3, 4)), 100, 9_900)) // 100 * 100
        self.count += 1
        tif = (GTC, GTC, GTC, FAK, FOK)[int(self.rng.integers(5))]
        shares = int(self.rng.integers(500, 6_000)) * MICROS // 100
        self.house.engine.place(
            account,
            NewOrder(
                f"#{self.count}", "0x", self.house.window.tokens[token], side, bps, shares, tif,
                tif is GTC and bool(self.rng.random() < 0.4),
            ),
        )  # fmt: skip


@pytest.mark.parametrize(("seed", "failing"), [(1, 0.0), (2, 0.3), (3, 0.9)])
def test_the_ledger_has_what_the_models_have_at_every_step(seed: int, failing: float) -> None:
    house = House.over(generated(SPEC, seed, OPEN_S, 1), -60)
    if failing:
        house.on(Fault.FAILED_TRADE, failing)
        house.on(Fault.RETRYING_TRADE, 0.5)
    house.until(-40)
    gambler = Gambler(house, seed)
    for step in range(340 * 4):
        if step % 2:
            gambler.act()
            house.engine.check()
        house.until(-40 + step / 4, 0.25)
    house.until(500, 0.5)
    engine, window = house.engine, house.window
    trades = [trade for account in gambler.accounts for trade in account.trades.values()]
    assert len(trades) > 100 and {trade.is_maker for trade in trades} == {True, False}
    final = {TradeStatus.CONFIRMED, TradeStatus.FAILED}
    assert {trade.status for trade in trades} == (final if failing else {TradeStatus.CONFIRMED})
    for account in gambler.accounts:
        for order in account.orders.values():
            assert not order.is_open
            assert order.matched_micros == sum(account.trades[each].amount_micros for each in order.trade_ids)
        engine.redeem(account, window.condition_id)
        key = account.api_key
        stands = [trade for trade in account.trades.values() if trade.status is TradeStatus.CONFIRMED]
        flow = sum((1 if t.order.side is Side.SELL else -1) * t.price_bps * t.amount_micros // BPS for t in stands)
        fees = sum(trade.fee_micros for trade in stands)
        held = sum(
            (1 if t.order.side is BUY else -1) * t.amount_micros for t in stands if t.order.token is window.outcome
        )
        # A dollar a pair is paid for by either side of the outcome, so splits and merges change nothing in the end.
        assert engine.cash_micros(account) == 1_000 * MICROS + flow - fees + held
        assert engine.ledger.balance(key) == engine.cash_micros(account)
    assert engine.ledger.locked(window.condition_id) == 0
    holders = [*(account.api_key for account in gambler.accounts), CROWD, FEES]
    assert sum(engine.ledger.balance(holder) for holder in holders) == engine.ledger.deposited()
