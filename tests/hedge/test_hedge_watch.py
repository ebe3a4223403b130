"""The hedge of a session: what it may do while the desk is armed, halted, faulty or at its end, and its own books."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from venue_stage import HandClock

from infra.hedge.hedge_watch import FAULTS_MOST, HedgeWatch
from infra.hedge.perp import PaperPerp
from infra.hedge.settings import HedgeSettings, HedgeUnclear, hedge_from
from infra.hedge.target import Exposure, Touch
from state.units import NS_PER_S

SETTINGS = HedgeSettings(where="paper", notional_most_usd=1_000_000.0, funding_bps=1.0)
BID, ASK = 99_999.5, 100_000.5


class Counted(PaperPerp):
    """Paper that counts how often it is asked anything."""

    asked = 0

    async def position_coins(self) -> float:
        self.asked += 1
        return await super().position_coins()


@dataclass
class Desk:
    """A session by hand: a delta, an operator's word, and time."""

    delta: float = 3.0
    armed: bool = True
    fault: Exception | None = None
    usd: float = 100_000.0
    notes: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock: Any = HandClock(1_792_638_000 * NS_PER_S)
        self.leg = Counted(lambda: Touch(self.usd - 0.5, self.usd + 0.5, self.clock.at_ns), SETTINGS.fee_bps)
        self.watch = HedgeWatch(
            SETTINGS, "BTC", self.leg, self.exposure, lambda: self.armed, self.clock, self.notes.append, "one"
        )
        self.watch.tell = self.lines.append

    def exposure(self) -> Exposure:
        if self.fault is not None:
            raise self.fault
        return Exposure(self.delta, 10_000.0)

    def look(self, seconds: int = 1) -> float:
        self.clock.at_ns += seconds * NS_PER_S
        asyncio.run(self.watch.look())
        return self.leg.coins


def test_before_the_desk_is_armed_nobody_is_even_asked() -> None:
    desk = Desk(armed=False)
    assert desk.look() == 0.0
    asyncio.run(desk.watch.end())
    assert desk.leg.asked == 0 and desk.watch.is_flat and not desk.lines


def test_a_halt_closes_what_stands_and_opens_nothing_until_it_is_lifted() -> None:
    desk = Desk()
    assert desk.look() == -3.0
    desk.armed = False
    assert (desk.look(), desk.look()) == (0.0, 0.0)
    desk.armed = True
    assert desk.look() == -3.0


def test_the_end_is_flat_and_its_books_are_told_apart() -> None:
    desk = Desk()
    desk.look()
    desk.usd = 99_900.0
    desk.look(8 * 3_600)
    asyncio.run(desk.watch.end())
    told = desk.watch.told()
    fees = 3.0 * (BID + 99_900.5) * 0.0005
    assert desk.leg.coins == told["position_coins"] == 0.0 and told["orders_filled"] == 2
    assert told["fees_usd"] == pytest.approx(fees) and told["most_coins"] == 3.0
    assert told["funding_usd"] == pytest.approx(3.0 * 99_900.0 * 0.0001, rel=1e-6)
    assert told["profit_usd"] == pytest.approx(3.0 * (BID - 99_900.5) - fees - told["funding_usd"])
    assert desk.notes[-1]["hedge"] == "ended" and desk.notes[-1]["flat"]
    assert desk.lines[0].startswith("hedge    sold 3 BTC of the perpetual at 99,999.50 (on paper), holds -3")


def test_faults_of_ours_end_in_closing_and_take_nothing_along() -> None:
    desk = Desk()
    assert desk.look() == -3.0
    desk.fault = ZeroDivisionError("a slope")
    for _ in range(FAULTS_MOST):
        assert desk.look() == -3.0
    assert desk.look() == 0.0 and desk.watch.stopped
    assert [note["hedge"] for note in desk.notes].count("fault") == FAULTS_MOST


def test_settings_are_off_by_default_and_say_what_cannot_stand() -> None:
    assert not HedgeSettings().is_on and not hedge_from({}).is_on and hedge_from({}, "okx").where == "okx"
    with pytest.raises(HedgeUnclear, match="it can be off, paper, binance, bybit, okx"):
        hedge_from({"where": "kraken"})
    with pytest.raises(HedgeUnclear, match="hedge has no 'lever'"):
        hedge_from({"lever": 10})
    with pytest.raises(HedgeUnclear, match="band_usd = -1: a number from 0"):
        hedge_from({"band_usd": -1})
