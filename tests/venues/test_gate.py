"""The gate, told as stories: what leaves, what does not, and when the core is said to have erred."""

import pytest
from gate_stage import MIDDLE_S, GateStage, told
from inline_snapshot import snapshot

from infra.venues.gate import HARD, Bar, Limits
from infra.venues.gate_books import BookedWindow, Sent
from state.events import Asset, Kind, Side, Token, Word
from state.orders import OrderState, TimeInForce
from state.params import default_params
from state.units import MICROS, NS_PER_S

FAK = TimeInForce.FAK
WIDE = {"position_micros": 50_000 * MICROS}


def test_settings_lower_the_limits_and_never_raise_them() -> None:
    assert Limits(50_000 * MICROS, 5, 2_000 * MICROS) == HARD
    lower = default_params({"position_micros": 100 * MICROS, "concurrent_count": 2, "daily_loss_micros": 7 * MICROS})
    assert HARD.with_settings(lower) == Limits(100 * MICROS, 2, 7 * MICROS)
    stage = GateStage({"position_micros": 100 * MICROS})
    stage.gate.tighten(default_params())
    assert stage.gate.limits.position_micros == 100 * MICROS, "higher ones wait for the next start"
    stage.gate.tighten(default_params({"position_micros": 50 * MICROS}))
    assert stage.gate.limits.position_micros == 50 * MICROS


def test_a_core_that_sends_too_much_is_stopped_here() -> None:
    """A bent core sends twenty orders of ten dollars where the window may have a hundred."""
    stage = GateStage({"position_micros": 100 * MICROS})
    verdicts = [stage.place(0.5, 20) for _ in range(11)]
    assert [told(each) for each in verdicts] == ["leaves"] * 10 + ["POSITION, the core erred"]
    assert verdicts[-1] is not None and (verdicts[-1].came_to, verdicts[-1].allowed) == (110 * MICROS, 100 * MICROS)
    assert stage.gate.counts == {Bar.POSITION: 1}
    stage.over(1)
    assert told(stage.place(0.5, 20)) == "leaves", "what is over has room again"


def test_filled_resting_and_in_flight_count_alike_and_a_fill_makes_no_room() -> None:
    stage = GateStage({"position_micros": 100 * MICROS})
    for _ in range(10):
        stage.place(0.5, 20)
    stage.fill(1, 20)
    stage.fill(2, 5)
    assert told(stage.place(0.5, 5)) == "POSITION, the core erred"
    stage.hear(Kind.ORDER_CHANGED, ref_id=3, code_id=OrderState.UNKNOWN)
    assert told(stage.place(0.5, 5)) == "POSITION, the core erred", "an order without an answer is still out there"
    stage.fill(1, 20, kind=Kind.FILL_REVERSED)
    assert told(stage.place(0.5, 5)) == "leaves", "a match that failed gives the money back"


def test_the_fees_that_a_take_may_come_to_are_added_and_the_core_is_not_blamed_for_them() -> None:
    stage = GateStage({"position_micros": 100 * MICROS})
    assert told(stage.place(0.5, 200, tif=FAK)) == "POSITION", "100 dollars, and up to 3.50 of fees"
    assert told(stage.place(0.5, 200)) == "leaves", "a post-only order pays none"


def test_fees_that_were_charged_are_at_risk_like_the_price() -> None:
    stage = GateStage({"position_micros": 100 * MICROS})
    stage.place(0.5, 100, tif=FAK)
    stage.fill(1, 100)
    stage.hear(Kind.FEE_CHARGED, ref_id=1, amount_micros=1_750_000)
    stage.over(1)
    assert stage.gate.books.slots[0].worst_micros() == 51_750_000
    assert told(stage.place(0.5, 97)) == "POSITION", "51.75 and 48.50"
    assert told(stage.place(0.5, 96)) == "leaves"


def test_complete_sets_are_no_risk_and_an_exit_finds_room_that_more_of_the_same_does_not() -> None:
    stage = GateStage({"position_micros": 50 * MICROS})
    stage.place(0.5, 100)
    stage.fill(1, 100)
    window = stage.gate.books.slots[0]
    assert told(stage.place(0.5, 10)) == "POSITION, the core erred"
    assert told(stage.place(0.3, 100, token=Token.DOWN)) == "leaves", "it closes what is held"
    assert window.worst_micros() == 50 * MICROS, "it may match or not"
    stage.fill(3, 100, 0.3, token=Token.DOWN)
    assert window.worst_micros() == 0
    stage.place(0.5, 100)
    assert window.worst_micros() == 30 * MICROS, "the sets won twenty, whoever wins"
    stage.fill(3, 100, 0.3, token=Token.DOWN, kind=Kind.FILL_REVERSED)
    assert window.worst_micros() == 100 * MICROS, "a set that is parted is at risk again"
    assert told(stage.place(0.4, 10)) == "POSITION, the core erred"
    assert told(stage.place(0.4, 200, token=Token.DOWN)) == "leaves", "beyond the limit, and this makes it no worse"


def test_bids_for_both_tokens_count_as_the_dearer_one() -> None:
    stage = GateStage({"position_micros": 50 * MICROS})
    assert told(stage.place(0.5, 100)) == "leaves"
    assert told(stage.place(0.48, 100, token=Token.DOWN)) == "leaves", "not both can be lost"
    assert stage.gate.books.slots[0].worst_micros() == 50 * MICROS
    assert told(stage.place(0.48, 10, token=Token.DOWN)) == "POSITION, the core erred"


def test_windows_of_one_coin_share_one_limit_and_other_coins_have_their_own() -> None:
    stage = GateStage({"position_micros": 100 * MICROS})
    stage.list_window(1)
    stage.list_window(2, Asset.ETH)
    assert told(stage.place(0.5, 160)) == "leaves"
    assert told(stage.place(0.5, 60, slot=1)) == "TOGETHER"
    assert told(stage.place(0.5, 60, slot=2)) == "leaves"
    stage.settle(Token.UP)
    assert told(stage.place(0.5, 60, slot=1)) == "leaves", "the first window is over"


def test_a_sixth_window_at_once_is_refused() -> None:
    stage = GateStage()
    for slot in range(1, 6):
        stage.list_window(slot)
    assert [told(stage.place(slot=slot)) for slot in range(6)] == ["leaves"] * 5 + ["CONCURRENT, the core erred"]
    stage.over(1)
    assert told(stage.place(slot=5)) == "leaves"
    assert told(stage.place(slot=1)) == "leaves", "more in a window that carries risk already is no further window"


def test_the_days_loss_counts_what_is_settled_and_what_is_held_at_its_bids() -> None:
    stage = GateStage({"daily_loss_micros": 20 * MICROS})
    stage.place(0.5, 100)
    stage.fill(1, 100)
    stage.over(1)
    stage.bid(0.40, 500)
    assert told(stage.place()) == "leaves", "ten dollars down"
    stage.bid(0.40, 0)
    stage.bid(0.30, 500)
    assert told(stage.place()) == "DAILY_LOSS", "twenty down at the bid: the core may see it otherwise"
    stage.settle(Token.DOWN)
    stage.list_window(1)
    refused = stage.place(slot=1)
    assert told(refused) == "DAILY_LOSS, the core erred", "fifty dollars are gone for certain"
    assert refused is not None and (refused.came_to, refused.allowed) == (-50 * MICROS, -20 * MICROS)
    stage.now_s += 86_400
    stage.list_window(2, open_s=86_400)
    assert told(stage.place(slot=2)) == "leaves", "another day"


def test_where_nobody_bids_shares_are_worth_nothing() -> None:
    stage = GateStage({"daily_loss_micros": 40 * MICROS})
    stage.place(0.5, 100)
    stage.fill(1, 100)
    assert stage.gate.books.day_micros(stage.now_ns) == -50 * MICROS
    assert told(stage.place()) == "DAILY_LOSS"


def test_what_failed_after_the_end_is_taken_out_of_that_days_result() -> None:
    stage = GateStage()
    stage.place(0.4, 100)
    stage.fill(1, 100, 0.4)
    stage.hear(Kind.FEE_CHARGED, ref_id=1, amount_micros=2 * MICROS)
    stage.settle(Token.UP)
    stage.settle(Token.UP)
    assert stage.gate.books.day_micros(stage.now_ns) == 58 * MICROS
    stage.fill(1, 100, 0.4, kind=Kind.FILL_REVERSED)
    stage.hear(Kind.FEE_CHARGED, ref_id=1, amount_micros=-2 * MICROS)
    assert stage.gate.books.day_micros(stage.now_ns) == 0


def test_a_days_result_of_other_sessions_of_the_wallet_counts_once_and_for_its_day_alone() -> None:
    stage = GateStage()
    day = stage.now_ns // (86_400 * 10**9)
    stage.hear(Kind.DAY_CARRIED, ref_id=day, amount_micros=-1_990 * MICROS)
    assert told(stage.place()) == "leaves"
    stage.hear(Kind.DAY_CARRIED, ref_id=day, amount_micros=-2_001 * MICROS)
    assert stage.gate.books.day_micros(stage.now_ns) == -2_001 * MICROS, "said again it takes the first's place"
    assert told(stage.place()) == "DAILY_LOSS, the core erred"
    stage.now_s += 86_400
    stage.list_window(1, open_s=86_400)
    assert told(stage.place(slot=1)) == "leaves", "another day"


@pytest.mark.parametrize(
    ("price", "token", "side", "p_up", "verdict"),
    [
        (0.52, Token.UP, Side.BUY, 0.50, "leaves"),
        (0.53, Token.UP, Side.BUY, 0.50, "PRICE_BAND, the core erred"),
        (0.30, Token.DOWN, Side.BUY, 0.72, "leaves"),
        (0.31, Token.DOWN, Side.BUY, 0.72, "PRICE_BAND, the core erred"),
        (0.10, Token.UP, Side.BUY, 0.90, "leaves"),
        (0.50, Token.UP, Side.BUY, float("nan"), "PRICE_BAND, the core erred"),
        (0.50, Token.UP, Side.BUY, 0.0, "PRICE_BAND, the core erred"),
    ],
)
def test_a_price_is_held_to_the_cores_own_posterior(
    price: float, token: Token, side: Side, p_up: float, verdict: str
) -> None:
    assert told(GateStage().place(price, 10, token=token, side=side, p_up=p_up)) == verdict


def test_nothing_is_sold_that_is_not_held() -> None:
    stage = GateStage()
    assert told(stage.place(0.5, 10, side=Side.SELL)) == "NOT_HELD, the core erred"
    stage.place(0.5, 10)
    stage.fill(2, 10)
    assert told(stage.place(0.5, 6, side=Side.SELL)) == "leaves"
    assert told(stage.place(0.5, 6, side=Side.SELL)) == "NOT_HELD, the core erred", "six are promised already"
    stage.fill(3, 6, side=Side.SELL)
    assert stage.gate.books.slots[0].worst_micros() == 2 * MICROS


def test_a_purchase_closes_nothing_that_is_about_to_be_sold() -> None:
    """Twenty UP are held: as many DOWN complete sets, unless the UP may be gone first."""
    window = BookedWindow(0, 0, 0, 300 * NS_PER_S, 5 * MICROS)
    window.shares_micros[Token.UP] = 20 * MICROS
    purchase = Sent(Token.DOWN, Side.BUY, 5_000, 20 * MICROS, True)
    assert window.is_exit(purchase)
    window.orders[1] = Sent(Token.UP, Side.SELL, 5_000, 20 * MICROS, False)
    assert not window.is_exit(purchase)


@pytest.mark.parametrize(
    ("now_s", "at_s", "verdict"),
    [
        (-10, -10, "NOT_OPEN, the core erred"),
        (0.5, 0.5, "BOUNDARY"),
        (1.0, 1.0, "leaves"),
        (298.9, 298.9, "leaves"),
        (299.1, 299.1, "BOUNDARY"),
        (300.1, 299.9, "NOT_OPEN"),
        (300.1, 300.1, "NOT_OPEN, the core erred"),
    ],
)
def test_nothing_leaves_outside_its_window_or_near_a_boundary(now_s: float, at_s: float, verdict: str) -> None:
    """An order that was decided in time and comes too late is bad luck; one decided too late is an error."""
    stage = GateStage(now_s=now_s)
    assert told(stage.place(at_s=at_s)) == verdict


def test_the_venues_minimums_hold_here_too() -> None:
    stage = GateStage()
    assert told(stage.place(0.5, 4.99)) == "BELOW_MINIMUM"
    assert told(stage.place(0.5, 1.9, tif=FAK)) == "BELOW_MINIMUM"
    assert told(stage.place(0.5, 2, tif=FAK)) == "leaves"


def test_what_can_never_be_meant_is_an_error_of_the_core() -> None:
    stage = GateStage()
    odd = [
        stage.place(0.5, 0), stage.place(0.0, 10, p_up=0.5), stage.place(1.0, 10, p_up=0.5),
        stage.place(0.5, 10, order_id=-3),
    ]  # fmt: skip
    assert [told(each) for each in odd] == ["NONSENSE, the core erred"] * 4
    assert told(stage.place(0.5, 10, slot=7)) == "WINDOW_UNKNOWN"


def test_an_order_is_sent_once_also_after_its_end() -> None:
    stage = GateStage()
    assert told(stage.place(order_id=4)) == "leaves"
    assert told(stage.gate.check(stage.command(order_id=4), stage.now_ns)) == "SENT_BEFORE, the core erred"
    stage.over(4)
    assert told(stage.gate.check(stage.command(order_id=4), stage.now_ns)) == "SENT_BEFORE, the core erred"


def test_twenty_orders_leave_at_once_and_twenty_a_second_after() -> None:
    stage = GateStage()
    verdicts = [told(stage.place(0.1, 10)) for _ in range(22)]
    stage.now_s += 0.1
    verdicts += [told(stage.place(0.1, 10)) for _ in range(3)]
    assert verdicts == ["leaves"] * 20 + ["ORDER_RATE"] * 2 + ["leaves"] * 2 + ["ORDER_RATE"]


def test_words_stop_it_and_only_the_right_word_starts_it_again() -> None:
    stage = GateStage()
    gate = stage.gate
    story = []

    def then(what: str) -> None:
        story.append(f"{what}: {told(stage.gate.check(stage.command(), stage.now_ns))}")

    stage.say(Word.HALT)
    then("halted")
    stage.say(Word.RESUME)
    then("resumed")
    gate.disarm()
    then("disarmed")
    stage.say(Word.RESUME)
    then("resumed again")
    gate.arm(4 * MICROS)
    then("armed with 4 dollars")
    gate.arm(6 * MICROS)
    then("armed with 6 dollars")
    gate.kill("a story")
    then("killed")
    stage.say(Word.RESUME)
    then("resumed once more")
    gate.lift()
    then("lifted")
    gate.arm(6 * MICROS)
    then("armed anew")
    assert story == snapshot(
        [
            "halted: HALTED",
            "resumed: leaves",
            "disarmed: DISARMED",
            "resumed again: DISARMED",
            "armed with 4 dollars: ARMED_LIMIT, the core erred",
            "armed with 6 dollars: leaves",
            "killed: KILLED",
            "resumed once more: KILLED",
            "lifted: DISARMED",
            "armed anew: leaves",
        ]
    )


def test_a_window_whose_place_is_taken_still_counts_until_it_is_over() -> None:
    stage = GateStage({"position_micros": 100 * MICROS})
    stage.place(0.5, 100)
    stage.fill(1, 100)
    stage.list_window(0, open_s=300)
    stage.now_s = 300 + MIDDLE_S
    assert told(stage.place(0.5, 120)) == "TOGETHER"
    assert told(stage.place(0.5, 90)) == "leaves"
