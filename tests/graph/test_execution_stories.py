"""Stories of execution: making or taking, sweeping, places in queues, churn, and leaving a position."""

from typing import Any

import desk_views as views
import pytest
from desk_story import DOLLAR, SHARE, OrderState, Reason, Side, Story, Token, Word, trading
from inline_snapshot import snapshot

from graph.deltas import asset_coins, window_coins, window_delta_per_usd
from graph.fast import decide
from graph.mandates import number_mandate
from graph.views import take_view
from state.desk import Decision
from state.events import Kind, Source
from state.orders import ORDERS, Act, Liquidity
from state.records import one
from state.units import NS_PER_S

BOLD = {"fair_weight_ratio": 0.9, "weight_sd_ratio": 0.02, "mid_sd_ratio": 0.01}


def decided(story: Story) -> Any:
    decision: Any = one(Decision)
    take_view(story.world, 0, decision.market)
    decide(story.world.params, decision)
    return decision


def quoting(**params: float) -> Story:
    """A quote for UP rests at 0.50 in a book of 49/51."""
    story = trading(**BOLD, **params)
    (order,) = story.sent
    story.becomes(30, order, OrderState.RESTING)
    story.lines.clear()
    return story


def holding(**params: float) -> Story:
    """The coin rose, UP was bought at 0.51, and the book has followed to 74/76."""
    story = trading(**BOLD, may_quote_count=0, **params)
    story.price(30.2, 100_200.0)
    (order,) = story.sent
    story.fill(30.3, order, order.amount_micros / SHARE)
    story.becomes(30.31, order, OrderState.DONE)
    story.book(30.5, 7_400, 7_600)
    story.lines.clear()
    return story


def resting(story: Story) -> Any:
    return next(row for row in (story.world.orders[i] for i in range(ORDERS)) if row.order_id != 0)


# Sweeping.


def test_a_take_goes_as_deep_as_each_level_still_deserves_its_part() -> None:
    story = trading(**BOLD, may_quote_count=0, order_micros=5_000 * DOLLAR)
    story.book(30.0, 4_900, 5_100, shares=3_000)
    story.lines.clear()
    story.price(30.5, 100_200.0)
    assert story.lines[0] == snapshot("30.5 s: place order 1: 2545.85 UP at 0.52 FAK, TAKE_EDGE")
    assert story.sent[0].edge_bps > story.world.params.take_edge_bps


def test_a_thin_book_bounds_the_size_and_the_price_is_the_worst_at_which_that_size_is_deserved() -> None:
    story = trading(**BOLD, may_quote_count=0, order_micros=5_000 * DOLLAR, depth_share_ratio=0.25)
    story.book(30.0, 4_900, 5_100, shares=200)
    story.lines.clear()
    story.price(30.5, 100_200.0)
    (order,) = story.sent
    # A quarter of three levels of 200 shares.
    assert order.amount_micros == 150 * SHARE and order.price_bps > 5_300
    mandate, market = story.market().mandate, story.market()
    assert market.pending_cost_micros == order.amount_micros * int(order.price_bps) // 10_000
    assert order.price_bps < mandate.p_high * 10_000


def test_a_swept_order_costs_no_more_than_the_limits_leave_even_at_its_worst_price() -> None:
    story = trading(**BOLD, may_quote_count=0, order_micros=5_000 * DOLLAR, position_micros=200 * DOLLAR)
    story.price(30.5, 100_200.0)
    (order,) = story.sent
    assert order.amount_micros * int(order.price_bps) // 10_000 <= 200 * DOLLAR


# Making or taking.


def test_a_quote_makes_way_for_an_offer_that_is_worth_more() -> None:
    story = quoting()
    story.price(30.2, 100_050.0)
    story.becomes(30.4, story.sent[0], OrderState.DONE)
    assert [line for line in story.lines if "desk" not in line] == snapshot(
        [
            "30.2 s: cancel order 1: 966.18 UP at 0.50, TAKE_WORTH_MORE",
            "30.4 s: place order 2: 947.87 UP at 0.51 FAK, TAKE_EDGE",
        ]
    )


def test_the_desk_says_why_it_takes_and_does_not_quote() -> None:
    story = trading(**BOLD, cooldown_ns=60_000_000_000)
    story.market().took_ns = story.world.now_ns
    story.answers = False
    story.price(30.2, 100_050.0)
    alpha = decided(story).alpha
    assert (int(alpha.take_mask) & 1, int(alpha.quote_mask) & 1) == (1, 0)
    assert alpha.way_code[0] == Reason.TAKE_WORTH_MORE
    assert alpha.take_value_bps[0] > alpha.make_value_bps[0] >= 0.0


def test_a_short_queue_with_many_takers_is_worth_more_than_a_small_edge_now() -> None:
    story = trading(**BOLD, quote_edge_bps=10, take_edge_bps=10)
    story.answers = False
    for tenth in range(60):
        story.trade(30.0 + tenth / 10, Side.SELL if tenth % 2 else Side.BUY, 4_900 if tenth % 2 else 5_100, 40)
    story.price(36.0, 100_020.0)
    story.book(36.1, 4_900, 5_100)
    alpha = decided(story).alpha
    assert alpha.edge_bps[0] >= 10 and alpha.make_value_bps[0] > alpha.take_value_bps[0] > 0.0
    assert alpha.way_code[0] == Reason.QUOTE_WORTH_MORE
    assert (int(alpha.take_mask) & 1, int(alpha.quote_mask) & 1) == (0, 1)


def test_nothing_is_quoted_where_news_outruns_the_edge() -> None:
    story = trading(**BOLD, adverse_sd_ratio=5.0)
    alpha = decided(story).alpha
    assert alpha.way_code[0] == Reason.QUOTE_ADVERSE and alpha.quote_mask == 0
    assert not [order for order in story.sent if order.post_only]


@pytest.mark.parametrize("adverse", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("toxic", [False, True])
def test_the_screen_places_the_very_quote_that_the_desk_has_sized(adverse: float, toxic: bool) -> None:
    placed = 0
    for usd in range(99_990, 100_120, 10):
        story = trading(**BOLD, may_take_count=0, quote_edge_bps=50, adverse_sd_ratio=adverse)
        story.say(30.0, Word.HALT)
        for number in range(40 if toxic else 0):
            story.trade(30.0 + number / 50, Side.BUY, 5_100, 60)
        for order in story.placed():
            story.becomes(31.0, order, OrderState.DONE)
        story.book(31.0, 4_700, 5_100)
        story.price(31.0, float(usd))
        story.say(31.1, Word.RESUME)
        story.answers = False
        story.sent.clear()
        decision = decided(story).copy()
        assert bool(decision.flow_opinion.reason_code == Reason.FLOW_TOXIC) is toxic
        number_mandate(story.world, decision.market, decision.mandate)
        story.give(decision.mandate)
        quotes = {int(each.token_code): int(each.price_bps) for each in story.placed()}
        wanted = {token for token in range(2) if int(decision.mandate.quote_mask) >> token & 1}
        assert quotes == {token: int(decision.alpha.quote_bps[token]) for token in wanted}
        placed += len(quotes)
    assert placed > 0


# Places in queues, and churn.


def test_our_place_moves_up_with_trades_and_never_behind_what_is_displayed() -> None:
    story = quoting()
    story.answers = False
    story.level(30.1, Side.BUY, 5_000, 0)
    order = resting(story)
    order.ahead_micros = 500 * SHARE  # as if we had joined behind 500 shares
    story.level(30.2, Side.BUY, 5_000, 800)
    story.trade(30.25, Side.SELL, 5_000, 120)
    assert order.ahead_micros == 380 * SHARE
    story.trade(30.26, Side.BUY, 5_000, 50)
    assert order.ahead_micros == 380 * SHARE
    story.level(30.3, Side.BUY, 5_000, 90)
    assert order.ahead_micros == 90 * SHARE
    story.trade(30.35, Side.SELL, 4_900, 5)
    assert order.ahead_micros == 0


def test_a_quote_joins_behind_all_that_is_displayed() -> None:
    story = trading(**BOLD)
    story.answers = False
    (order,) = story.sent
    assert resting(story).ahead_micros == 0 and order.price_bps == 5_000
    again = trading(**BOLD, quote_edge_bps=450)
    joined = [each for each in again.sent if each.act_code == Act.PLACE and each.post_only and each.price_bps == 4_900]
    assert len(joined) == 1 and resting(again).ahead_micros == 6_000 * SHARE


@pytest.mark.parametrize(("gain_bps", "moves"), [(0.0, True), (5.0, False)])
def test_a_quote_stays_where_a_better_queue_is_not_worth_its_place(gain_bps: float, moves: bool) -> None:
    story = quoting(place_gain_bps=gain_bps, may_take_count=0)
    story.answers = False
    story.level(30.5, Side.SELL, 5_100, 0)
    story.level(30.6, Side.BUY, 5_100, 900)
    # Nobody trades here, so neither place fills: nothing is gained by moving, unless nothing need be gained.
    assert [each.reason_code for each in story.sent[1:]] == ([Reason.REQUOTE] if moves else [])


def test_a_window_that_has_spent_its_cancels_quotes_no_more_and_still_pulls() -> None:
    story = quoting(cancels_per_min_count=1)
    story.price(30.2, 99_600.0)
    assert story.sent[-1].reason_code == Reason.EDGE_GONE
    story.becomes(30.3, story.sent[0], OrderState.DONE)
    for second in range(31, 60):
        story.price(second, 99_990.0)
        story.book(second + 0.5, 4_900, 5_100)
    quotes = [each for each in story.sent if each.act_code == Act.PLACE and each.post_only]
    assert len(quotes) == 1
    assert decided(story).market.cancels_left_count == 0


# Leaving.


def test_a_position_is_closed_where_that_is_worth_more_than_waiting() -> None:
    story = holding()
    story.price(31.6, 100_000.0)
    held = int(story.market().position.up_micros)
    order = story.sent[-1]
    assert story.lines[-1] == snapshot("31.6 s: place order 2: 966.18 DOWN at 0.52 FAK, EXIT_WORTH_MORE")
    assert (order.token_code, order.amount_micros) == (Token.DOWN, held)


def test_a_position_that_the_price_speaks_for_waits_for_its_settlement() -> None:
    story = holding()
    story.price(31.6, 100_210.0)
    decision = decided(story)
    assert decision.alpha.exit_mask == 0 and decision.alpha.exit_value_bps[1] < 0.0
    assert not [each for each in story.sent if each.reason_code == Reason.EXIT_WORTH_MORE]


def _limit(story: Story, why: Reason) -> None:
    world = story.world
    if why is Reason.DAILY_LOSS:
        world.money.day_realized_micros = -3_000 * DOLLAR
    elif why is Reason.POSITION_FULL:
        world.params.position_micros = 100 * DOLLAR
    elif why is Reason.TAIL_LOSS:
        world.params.tail_loss_micros = 1
    else:
        assert why is Reason.LIQUIDITY_LOW
        world.params.liquidity_micros = 10**15


@pytest.mark.parametrize("why", [Reason.DAILY_LOSS, Reason.POSITION_FULL, Reason.TAIL_LOSS, Reason.LIQUIDITY_LOW])
def test_leaving_is_allowed_where_a_limit_bars_new_risk(why: Reason) -> None:
    story = holding()
    _limit(story, why)
    held = int(story.market().position.up_micros)
    story.price(31.6, 100_000.0)
    mandate = story.market().mandate
    assert (mandate.reduce_code, mandate.take_mask, mandate.quote_mask, mandate.exit_mask) == (why, 0, 0, 2)
    (order,) = (each for each in story.sent if each.token_code == Token.DOWN)
    assert order.reason_code == Reason.EXIT_WORTH_MORE and order.amount_micros <= held
    story.fill(31.8, order, order.amount_micros / SHARE)
    story.becomes(31.81, order, OrderState.DONE)
    for second in range(33, 40):
        story.price(second, 100_000.0)
    position = story.market().position
    assert position.down_micros <= position.up_micros, "an exit never turns into a position of its own"


def test_nothing_is_left_on_unsound_ground_not_even_under_a_mandate_that_stands() -> None:
    story = holding()
    story.answers = False
    story.price(31.6, 100_000.0)
    standing = story.desk().copy()
    assert standing.exit_mask == 2
    stalled_ns = int(story.world.now_ns) - 600 * NS_PER_S
    story.tell(31.7, Kind.CHAIN_SEEN, 0, Source.POLYGON, value_usd=30.0, ref_id=stalled_ns)
    story.give(standing)
    assert not [each for each in story.sent if each.reason_code == Reason.EXIT_WORTH_MORE]
    assert story.desk().reason_code == Reason.CHAIN_BEHIND


@pytest.mark.parametrize("faults", [{}, *({"platform_code": code} for code in range(1, 8)), {"spot_code": 97}])
def test_an_exit_passes_no_fault_of_the_price_or_of_the_venue(faults: dict[str, int]) -> None:
    mandate = views.decided(views.view_of(held_micros=[500 * SHARE, 0], p_fair=0.2, **faults)).mandate
    assert (mandate.exit_mask != 0) == (not faults) and (mandate.reason_code != 0) == bool(faults)


def test_an_exit_is_bounded_by_the_cash_that_no_window_has_promised() -> None:
    story = holding()
    story.answers = False
    story.price(31.6, 100_000.0)
    standing = story.desk().copy()
    story.world.money.cash_micros = 60 * DOLLAR
    story.market(3).pending_cost_micros = 40 * DOLLAR
    story.give(standing)
    (order,) = (each for each in story.sent if each.reason_code == Reason.EXIT_WORTH_MORE)
    assert 15 * DOLLAR < order.amount_micros * int(order.price_bps) // 10_000 <= 20 * DOLLAR


def test_a_halted_desk_does_not_even_leave() -> None:
    story = holding()
    story.say(31.0, Word.HALT)
    story.price(31.6, 100_000.0)
    assert not [each for each in story.sent if each.reason_code == Reason.EXIT_WORTH_MORE]


def test_an_exit_is_never_larger_than_what_is_still_open_at_its_tick() -> None:
    story = holding()
    story.answers = False
    story.price(31.6, 100_000.0)
    mandate = story.desk()
    position = story.market().position
    position.down_micros += position.up_micros - 7 * SHARE
    story.give(mandate)
    (order,) = (each for each in story.sent if each.reason_code == Reason.EXIT_WORTH_MORE)
    assert order.amount_micros == 7 * SHARE


# Delta.


def test_what_is_held_moves_with_the_coin_as_its_delta_says() -> None:
    story = holding()
    story.answers = False
    story.price(40, 100_050.0)
    delta = window_delta_per_usd(story.world, 0)
    assert delta > 0.0 and window_coins(story.world, 0) == pytest.approx(
        int(story.market().position.up_micros) / SHARE * delta
    )
    assert asset_coins(story.world, 0) == window_coins(story.world, 0) and asset_coins(story.world, 1) == 0.0
    story.settle(352, Token.UP, 100_050.0)
    assert asset_coins(story.world, 0) == 0.0


def test_a_maker_fill_is_no_reason_to_think_the_queue_longer() -> None:
    story = quoting()
    order = resting(story)
    story.fill(30.3, story.sent[0], 100, Liquidity.MAKER)
    assert order.ahead_micros == 0 and order.open_micros == story.sent[0].amount_micros - 100 * SHARE
