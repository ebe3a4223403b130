"""Laws of the gate: whatever is commanded and told, in any order, its worst case stays within the limits."""

from dataclasses import dataclass, field

import numpy as np
from gate_stage import GateStage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from infra.venues.gate import Gate, Limits
from infra.venues.gate_books import GateBooks
from state.events import Asset, Kind, Side, Token
from state.orders import TimeInForce
from state.params import default_params
from state.units import MICROS

SETTINGS = {"position_micros": 60 * MICROS, "concurrent_count": 2, "daily_loss_micros": 30 * MICROS}
SLOTS = 4


@dataclass
class Out:
    """An order that left, as the venue has it."""

    order_id: int
    slot: int
    token: Token
    side: Side
    price: float
    left: float
    matches: list[tuple[float, float]] = field(default_factory=list)


class Storm(RuleBasedStateMachine):
    """Orders of all sorts, news of them in any order: matches within what was sent, ends, failures, settlements."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = GateStage(dict(SETTINGS))
        self.limits = self.stage.gate.limits
        for slot in range(1, SLOTS):
            self.stage.list_window(slot, Asset(slot % 2))
        self.out: list[Out] = []
        self.settled_count = 0
        self.parted = False
        """A trade has FAILED that others counted on: what was within a limit may be beyond it, by nobody's order."""

    @rule(
        slot=st.integers(0, SLOTS - 1), token=st.sampled_from(Token), cents=st.integers(1, 99),
        shares=st.integers(1, 200), tif=st.sampled_from(TimeInForce), sell=st.booleans(), off=st.integers(-5, 5),
    )  # fmt: skip
    def order(self, slot: int, token: Token, cents: int, shares: int, tif: TimeInForce, sell: bool, off: int) -> None:
        price, side = cents / 100, Side.SELL if sell else Side.BUY
        fair = min(max(price + off / 100, 0.001), 0.999)
        p_up = fair if token is Token.UP else 1 - fair
        self.stage.now_s += 0.05
        before = self.at_risk(slot)
        if self.stage.place(price, shares, slot, token, side, tif, p_up=p_up) is None:
            self.out.append(Out(self.stage.orders_count, slot, token, side, price, shares))
            for now, was in zip(self.at_risk(slot), before, strict=True):
                assert now <= max(self.limits.position_micros, was), "no order that left made it worse than allowed"

    def at_risk(self, slot: int) -> tuple[int, int]:
        """What a window may lose, and what all of its coin may."""
        books = self.stage.gate.books
        window = books.slots[slot]
        return window.worst_micros(), sum(each.worst_micros() for each in books.risky if each.asset == window.asset)

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 999), share=st.floats(0.01, 1.0), better=st.integers(0, 3))
    def match(self, which: int, share: float, better: int) -> None:
        order = self.out[which % len(self.out)]
        amount = round(order.left * share, 2)
        step = better / 100 if order.side is Side.SELL else -better / 100
        price = min(max(order.price + step, 0.01), 0.99)
        if amount > 0:
            order.left -= amount
            order.matches.append((amount, price))
            self.stage.fill(order.order_id, amount, price, order.slot, order.token, order.side)

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 999))
    def end(self, which: int) -> None:
        order = self.out.pop(which % len(self.out))
        self.stage.over(order.order_id, order.slot)

    @precondition(lambda self: any(each.matches and each.side is Side.BUY for each in self.out))
    @rule(which=st.integers(0, 999))
    def fail(self, which: int) -> None:
        """A purchase that failed on chain; failing sales give shares back and are left to the stories."""
        matched = [each for each in self.out if each.matches and each.side is Side.BUY]
        self.parted = True
        order = matched[which % len(matched)]
        amount, price = order.matches.pop()
        self.stage.fill(order.order_id, amount, price, order.slot, order.token, order.side, Kind.FILL_REVERSED)

    @rule(
        slot=st.integers(0, SLOTS - 1),
        token=st.sampled_from(Token),
        cents=st.integers(1, 99),
        shares=st.integers(0, 50),
    )
    def bids(self, slot: int, token: Token, cents: int, shares: int) -> None:
        self.stage.bid(cents / 100, shares, slot, token)

    @rule(slot=st.integers(0, SLOTS - 1), winner=st.sampled_from(Token))
    def settle(self, slot: int, winner: Token) -> None:
        self.stage.settle(winner, slot)
        self.out = [each for each in self.out if each.slot != slot]
        self.settled_count += 1
        self.stage.list_window(slot, Asset(slot % 2), open_s=-self.settled_count % 90)

    @invariant()
    def never_beyond_its_limits(self) -> None:
        risky = self.stage.gate.books.risky
        assert len(risky) <= self.limits.concurrent_count
        if self.parted:
            return
        for window in risky:
            assert window.worst_micros() <= self.limits.position_micros
        for asset in (0, 1):
            together = sum(window.worst_micros() for window in risky if window.asset == asset)
            assert together <= self.limits.position_micros

    @invariant()
    def books_made_again_from_the_journal_are_the_same_books(self) -> None:
        if len(self.stage.written) % 7:
            return
        again = GateBooks()
        for each in self.stage.written:
            if isinstance(each, np.ndarray):
                again.hear(each, 1)
            else:
                again.send(each)
        ours = self.stage.gate.books
        assert again.slots == ours.slots and again.days_micros == ours.days_micros
        assert again.orders.keys() >= ours.orders.keys(), "those too that were refused"


TestStorm = Storm.TestCase


@given(
    position=st.integers(0, 10**12), count=st.integers(0, 9), loss=st.integers(0, 10**11),
    lower=st.integers(0, 50_000 * MICROS),
)  # fmt: skip
def test_settings_never_raise_a_limit(position: int, count: int, loss: int, lower: int) -> None:
    limits = Limits(position, count, loss)
    after = limits.with_settings(default_params({"position_micros": lower}))
    assert after.position_micros <= min(limits.position_micros, lower)
    assert after.concurrent_count <= limits.concurrent_count and after.daily_loss_micros <= limits.daily_loss_micros


@given(st.lists(st.tuples(st.floats(0, 0.3), st.integers(1, 4)), max_size=60))
def test_no_second_has_more_than_the_burst_and_its_share(steps: list[tuple[float, int]]) -> None:
    stage = GateStage()
    gate = Gate(default_params(), stage.now_ns)
    gate.books = stage.gate.books
    left: list[float] = []
    for pause_s, count in steps:
        stage.now_s += pause_s
        for _ in range(count):
            stage.orders_count += 1
            if gate.admit(stage.command(0.05, 6), stage.now_ns) is None:
                left.append(stage.now_s)
                stage.over(stage.orders_count)
    for at_s in left:
        assert sum(at_s <= other < at_s + 1 for other in left) <= 41
