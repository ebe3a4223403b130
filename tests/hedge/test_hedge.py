"""The hedge: it follows the delta inside its bound, pays only for what it is worth, and closes when nothing is open."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from venue_stage import HandClock

from infra.hedge.hedge import REFUSALS_MOST, Hedge
from infra.hedge.perp import Done, PaperPerp, PerpUnread, Traded
from infra.hedge.target import Exposure, HedgeTerms, Touch, order_coins, target_coins
from state.units import NS_PER_S

TERMS = HedgeTerms(coins_most=50.0, band_coins=2.0)
USD = 100_000.0
OPEN = 2_000.0
"""Variance of the coin's price over what is left of a window: 45 dollars squared."""


class Shaky(PaperPerp):
    """Paper at an exchange that does not always play along."""

    def __init__(self, *more: Any, **named: Any) -> None:
        super().__init__(*more, **named)
        self.says: list[Traded | PerpUnread] = []
        self.asked: list[tuple[float, bool]] = []

    async def position_coins(self) -> float:
        if self.says and isinstance(said := self.says[0], PerpUnread):
            self.says.pop(0)
            raise said
        return await super().position_coins()

    async def trade(self, coins: float, name: str, *, closes: bool, at_market: bool = False) -> Traded:
        self.asked.append((coins, closes))
        assert name.isalnum() and len(name) <= 32, "what every exchange takes"
        if self.says and isinstance(said := self.says[0], Traded):
            self.says.pop(0)
            if said.done is Done.UNKNOWN:  # it was done, and nobody said so
                await super().trade(coins, name, closes=closes)
            return said
        return await super().trade(coins, name, closes=closes)


@dataclass
class Desk:
    """A hedge on paper, and time by hand."""

    terms: HedgeTerms = TERMS
    coins: float = 0.0
    delta: float = 0.0
    variance: float = OPEN
    usd: float = USD
    notes: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock: Any = HandClock(1_792_638_000 * NS_PER_S)
        self.leg = Shaky(self.touch, self.terms.fee_bps, self.coins)
        self.quoted_ns = self.clock.at_ns
        self.start("one")

    def start(self, session: str) -> None:
        self.hedge = Hedge(
            self.leg, lambda: Exposure(self.delta, self.variance), self.terms, self.clock, self.notes.append, session
        )

    def touch(self) -> Touch:
        return Touch(self.usd - 0.05, self.usd + 0.05, self.quoted_ns)

    def live(self, seconds: int = 1) -> float:
        for _ in range(seconds):
            self.clock.at_ns += NS_PER_S
            self.quoted_ns = self.clock.at_ns
            asyncio.run(self.hedge.step())
        return self.leg.coins


def test_it_follows_the_delta_and_closes_when_the_window_is_settled() -> None:
    desk = Desk()
    positions = []
    for delta, variance in [(0.0, OPEN), (20.0, OPEN), (40.0, OPEN), (-30.0, OPEN), (0.0, 0.0)]:
        desk.delta, desk.variance = delta, variance
        positions.append(desk.live())
    assert positions == [0.0, -20.0, -40.0, 30.0, 0.0]
    assert desk.leg.asked[-1] == (-30.0, True)
    fees_usd = sum(note["fee_usd"] for note in desk.notes)
    assert fees_usd == pytest.approx((20.0 + 20.0 + 70.0 + 30.0) * USD * 0.0005, rel=1e-3)


def test_a_small_gap_a_dear_coin_and_a_calm_one_are_left_alone() -> None:
    desk = Desk(delta=20.0)
    desk.live()
    desk.delta = 21.5
    assert desk.live(5) == -20.0  # inside the band
    desk.delta, desk.variance = 30.0, 1.0
    assert desk.live(5) == -20.0  # so little variance is not worth fifty dollars a coin
    desk.variance = 1_000_000.0
    assert desk.live() == -30.0


def test_what_is_less_than_the_exchange_takes_is_not_asked_for_but_the_rest_can_be_closed() -> None:
    desk = Desk(delta=0.0009)
    assert desk.live(5) == 0.0 and not desk.leg.asked
    cheap = Desk(usd=10_000.0, delta=0.005, variance=1e9)
    assert cheap.live() == 0.0 and not cheap.leg.asked  # fifty dollars
    cheap.leg.coins, cheap.delta = -0.005, 0.0
    assert cheap.live() == 0.0 and cheap.leg.asked == [(0.005, True)]


def test_a_refused_order_is_tried_again_later_and_many_end_it_but_for_closing() -> None:
    desk = Desk(delta=20.0)
    desk.leg.says = [Traded(Done.REFUSED, why="margin is insufficient")]
    assert desk.live() == 0.0
    assert desk.live(5) == -20.0
    desk.delta = 40.0
    desk.leg.says = [Traded(Done.REFUSED, why="no")] * REFUSALS_MOST
    assert desk.live(600) == -20.0 and desk.hedge.is_stuck and not desk.leg.says
    desk.delta, desk.variance = 0.0, 0.0
    assert desk.live() == 0.0


def test_an_order_of_which_nothing_is_heard_is_not_sent_twice() -> None:
    """It was filled and nobody said so: the position that is read next says it."""
    desk = Desk(delta=30.0)
    desk.leg.says = [Traded(Done.UNKNOWN, why="RequestTimeout")]
    assert desk.live(30) == -30.0
    assert len(desk.leg.asked) == 1


def test_a_position_that_cannot_be_read_is_not_traded_on() -> None:
    desk = Desk(delta=30.0)
    desk.leg.says = [PerpUnread("binanceusdm: RequestTimeout")] * 3
    assert desk.live(2) == 0.0 and not desk.leg.asked
    assert desk.live(30) == -30.0 and not desk.hedge.is_stuck


def test_after_a_restart_the_position_is_read_back() -> None:
    desk = Desk(delta=30.0)
    desk.live()
    desk.start("two")
    assert desk.live(5) == -30.0 and len(desk.leg.asked) == 1
    desk.delta = 10.0
    assert desk.live() == -10.0


def test_an_old_touch_is_none_and_the_end_closes() -> None:
    desk = Desk(delta=30.0)
    desk.live()
    desk.clock.at_ns += 10 * NS_PER_S
    desk.delta = -30.0
    assert asyncio.run(desk.hedge.step()) is None and desk.leg.coins == -30.0
    desk.quoted_ns = desk.clock.at_ns
    asyncio.run(desk.hedge.close())
    assert desk.leg.coins == 0.0


def test_what_cannot_be_priced_is_not_held() -> None:
    """A feed that is silent for a moment is waited for; one that stays silent costs the position."""
    desk = Desk(delta=30.0)
    desk.live()
    for seconds, held in [(4, -30.0), (4, -30.0), (5, -30.0), (3, 0.0)]:
        desk.clock.at_ns += seconds * NS_PER_S
        asyncio.run(desk.hedge.step())
        assert desk.leg.coins == held
    assert desk.notes[-1]["why"] == "the touch is too old"
    assert desk.live() == -30.0  # and it is back


def test_what_a_bound_leaves_bare_makes_the_first_coins_worth_more() -> None:
    """Half a coin against a delta of half a coin is not worth its fee; against one of twenty it is."""
    desk = Desk(terms=HedgeTerms(notional_most_usd=50_000.0), delta=0.5)
    assert desk.live() == 0.0
    desk.delta = 20.0
    assert desk.live() == -0.5
    desk.usd = 125_000.0
    assert desk.live() == -0.4  # the coin is dearer, and the bound is in dollars


def test_a_position_that_is_found_too_large_is_cut() -> None:
    desk = Desk(coins=400.0, delta=-40.0)
    assert desk.live() == 40.0


deltas = st.floats(-10, 10) | st.sampled_from([float("nan"), float("inf"), -float("inf")])


@given(st.lists(st.tuples(deltas, st.floats(0, 1e7), st.floats(1_000, 500_000)), max_size=30), st.floats(0.001, 500))
def test_it_never_exceeds_its_bound(steps: list[tuple[float, float, float]], bound: float) -> None:
    terms = HedgeTerms(coins_most=bound)
    held = 0.0
    for delta, variance, usd in steps:
        held = round(held + order_coins(held, Exposure(delta, variance), Touch(usd, usd + 0.1, 0), terms), 9)
        assert abs(held) <= bound + 1e-9
    end = held + order_coins(held, Exposure(0.0, 0.0), Touch(USD, USD, 0), terms)
    assert end == pytest.approx(0.0, abs=1e-9)


@given(deltas)
def test_the_target_is_against_the_delta_and_never_more_than_it(delta: float) -> None:
    target = target_coins(Exposure(delta, 1.0), TERMS)
    assert abs(target) <= TERMS.coins_most
    if delta == delta and abs(delta) != float("inf"):
        assert target * delta <= 0.0 and abs(target) <= abs(delta) + 1e-6
