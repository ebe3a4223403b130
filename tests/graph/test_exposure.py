"""What is at risk never passes its limits: in one window, over windows that share a cap, on the day, and in a jump."""

import pytest
from desk_story import (
    CASH,
    DOLLAR,
    OPEN_NS,
    SHARE,
    Kind,
    OrderState,
    Reason,
    Side,
    Story,
    StrikeSource,
    Token,
    trading,
)
from desk_views import decided, view_of
from desk_windows import hold, out, several
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.exposure import (
    committed_micros,
    day_pnl_micros,
    gross_micros,
    losses_micros,
    moves_with,
    risky_windows,
    room_micros,
    shared_cost_micros,
    tail_loss_micros,
    together_ratio,
)
from state.events import Source
from state.orders import Act
from state.units import NS_PER_S

BOLD = {
    "fair_weight_ratio": 0.9, "weight_sd_ratio": 0.02, "mid_sd_ratio": 0.005, "fair_doubt_ratio": 0.0,
    "quote_edge_bps": 50.0, "take_edge_bps": 20.0, "cooldown_ns": 0, "close_quiet_ns": 0,
}  # fmt: skip
DAY_NS = 86_400 * NS_PER_S


def test_windows_of_one_coin_at_one_time_share_a_cap_and_coins_do_until_they_are_known_to_part() -> None:
    story = several(2, (0, 1))
    assert together_ratio(story.world, 0, 1) == pytest.approx(0.87, abs=0.02) and moves_with(story.world, 0, 1)
    hold(story, 1, Token.UP, 100, 50)
    assert shared_cost_micros(story.world, 0) == 50 * DOLLAR
    # Two coins that go their own ways: every ten seconds the one moves, every twenty the other.
    for step in range(260):
        second = 31.0 + step
        story.price(second, 100_000.0 + 60.0 * (step // 10 % 2), 0)
        story.price(second + 0.1, 100_000.0 + 60.0 * (step // 20 % 2), 1)
    apart = story.world.comovement.cross_var[1]
    assert story.world.comovement.steps_ratio[1] > 20 and abs(apart) < 0.2 * story.world.comovement.own_var[1]
    comovement = story.world.comovement  # and so for an hour
    comovement.steps_ratio[:], comovement.own_var[:], comovement.cross_var[:] = 260.0, 1.0, 0.1
    assert together_ratio(story.world, 0, 1) < 0.4 and not moves_with(story.world, 0, 1)
    assert shared_cost_micros(story.world, 0) == 0


def test_the_fullest_group_that_a_window_is_in_is_what_binds() -> None:
    story = several(3, (0, 1, 2), position_micros=100 * DOLLAR)
    comovement = story.world.comovement
    comovement.steps_ratio[:], comovement.own_var[:] = 400.0, 1.0
    comovement.cross_var[:] = 0.1
    for first, second in ((0, 1), (1, 2)):
        for pair in (first * 4 + second, second * 4 + first):
            comovement.cross_var[pair] = 0.95
    assert moves_with(story.world, 0, 1) and moves_with(story.world, 1, 2) and not moves_with(story.world, 0, 2)
    hold(story, 1, Token.UP, 60, 50)
    hold(story, 2, Token.UP, 80, 50)
    # What is bought in 0 counts in the group around 1, and that holds 2 as well.
    assert shared_cost_micros(story.world, 0) == 70 * DOLLAR and room_micros(story.world, 0, 0) == 30 * DOLLAR


def test_a_jump_costs_what_is_left_of_fair_value_and_the_worse_direction_counts() -> None:
    story = several(1)
    assert tail_loss_micros(story.world) == 0
    hold(story, 0, Token.UP, 1_000, 50)
    near = tail_loss_micros(story.world)
    assert 400 * DOLLAR < near <= 500 * DOLLAR
    hold(story, 0, Token.DOWN, 1_000, 45)
    # Complete sets for 95 cents: no jump can hurt them.
    assert tail_loss_micros(story.world) <= 1


def test_what_is_far_from_its_strike_loses_little_in_a_jump() -> None:
    story = several(1)
    hold(story, 0, Token.UP, 1_000, 50)
    at_strike = tail_loss_micros(story.world)
    for second in range(31, 60):
        story.price(second, 101_000.0 + 20.0 * (second % 2))
    assert tail_loss_micros(story.world) < 0.5 * at_strike


def test_without_a_price_everything_is_lost_in_a_jump() -> None:
    story = Story()
    story.list_market(second=1)
    story.answers = False
    hold(story, 0, Token.UP, 100, 40, second=2)
    assert tail_loss_micros(story.world) == 40 * DOLLAR


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(Token), st.integers(1, 500), st.integers(5, 95)), max_size=8),
    st.floats(0.0001, 0.05),
)
def test_the_tail_is_no_more_than_everything_and_no_less_than_orders_could_add(
    held: list[tuple[int, Token, int, int]], jump: float
) -> None:
    story = several(4, (0, 1), tail_jump_ratio=jump)
    for slot, token, shares, cents in held:
        hold(story, slot, token, shares, cents)
    loss = tail_loss_micros(story.world)
    assert 0 <= loss <= sum(committed_micros(story.world, slot) for slot in range(4))
    row, market = story.world.orders[0], story.market(1)
    row.order_id, row.slot_id, row.state_code, row.token_code, row.price_bps = 9, 1, OrderState.RESTING, 0, 6_000
    row.amount_micros = row.open_micros = 200 * SHARE
    row.post_only = True
    market.orders_count, market.pending_cost_micros, market.pending_micros[0] = 1, 120 * DOLLAR, 200 * SHARE
    assert loss <= tail_loss_micros(story.world) <= loss + 120 * DOLLAR
    if jump > 0.01:
        assert tail_loss_micros(story.world) > 110 * DOLLAR  # the coin falls, the bid fills, and loses it all


class Rival:
    """Several windows whose mandates all stand at once, and a venue that answers as chance says."""

    def __init__(self, **params: float) -> None:
        self.story = trading(**{**BOLD, "may_take_count": 0, "may_quote_count": 0, **params})
        self.story.answers = False
        for slot in range(1, 7):
            self.story.list_market(slot, opens_s=0, second=29.92)
            self.story.strike(29.93, 100_000.0, slot=slot, source=StrikeSource.VENUE)
            self.story.book(29.94, 4_900, 5_100, slot=slot)
        self.story.world.params.may_take_count = self.story.world.params.may_quote_count = 1
        self.second = 30.0

    def mandate_all(self) -> None:
        """Ask for every window's mandate on the same exposure, and let them all stand only then."""
        for mandate in [self.story.desk(slot).copy() for slot in range(7)]:
            self.story.give(mandate)

    def answer(self, choice: int, share: float) -> None:
        live = [order for order in self.story.world.orders if order.state_code != OrderState.NONE]
        if not live:
            return
        order = live[choice % len(live)].copy()
        if share > 0.0:
            lots = max(int(order.open_micros * share) // 10_000, 1) * 10_000
            self.story.fill(self.second, order, min(lots, int(order.open_micros)) / SHARE)
        else:
            self.story.becomes(self.second, order, OrderState.DONE)

    def check(self, position: int, concurrent: int) -> None:
        world = self.story.world
        costs = [committed_micros(world, slot) for slot in range(7)]
        assert sum(costs) <= position, "seven windows of one coin share one cap"
        assert risky_windows(world) <= concurrent


moves = st.lists(
    st.tuples(st.sampled_from(("mandate", "book", "jump", "answer", "end")), st.integers(0, 63), st.floats(0.0, 1.0)),
    min_size=3, max_size=25,
)  # fmt: skip


@settings(max_examples=40)
@given(moves, st.integers(50, 2_000), st.integers(1, 5))
def test_filled_resting_and_in_flight_never_pass_the_shared_cap_nor_more_windows_than_allowed(
    life: list[tuple[str, int, float]], dollars: int, concurrent: int
) -> None:
    rival = Rival(position_micros=dollars * DOLLAR, concurrent_count=concurrent)
    rival.mandate_all()
    rival.check(dollars * DOLLAR, concurrent)
    for deed, choice, share in life:
        rival.second += 0.21
        if deed == "mandate":
            rival.mandate_all()
        elif deed == "book":
            middle = 3_000 + 100 * (choice % 40)
            rival.story.book(rival.second, middle - 100, middle + 100, slot=choice % 7)
        elif deed == "jump":
            rival.story.price(rival.second, 100_000.0 + 600.0 * (share - 0.5))
        elif deed == "answer":
            rival.answer(choice, share)
        else:
            rival.answer(choice, 0.0)
        rival.check(dollars * DOLLAR, concurrent)


def test_two_standing_mandates_cannot_spend_the_same_room_twice() -> None:
    rival = Rival(position_micros=300 * DOLLAR)
    mandates = [rival.story.desk(slot).copy() for slot in range(7)]
    allowed = [int(each.cap_micros) for each in mandates if each.reason_code == 0]
    assert sum(allowed) > 300 * DOLLAR, "each was given on its own"
    for mandate in mandates:
        rival.story.give(mandate)
    assert [each for each in rival.story.sent if each.act_code == Act.PLACE]
    rival.check(300 * DOLLAR, 5)


def test_two_standing_mandates_cannot_open_more_windows_than_allowed() -> None:
    rival = Rival(concurrent_count=2)
    rival.mandate_all()
    assert risky_windows(rival.story.world) == 2
    assert {int(each.slot_id) for each in rival.story.sent if each.act_code == Act.PLACE} <= {0, 1}


def test_the_days_loss_realised_and_marked_stops_new_risk_also_under_a_standing_mandate() -> None:
    story = trading(**BOLD, daily_loss_micros=100 * DOLLAR)
    story.answers = False
    standing = story.desk().copy()
    hold(story, 0, Token.UP, 400, 90)
    assert day_pnl_micros(story.world) < -100 * DOLLAR and room_micros(story.world, 0, 1) == 0
    sent = len(story.sent)
    story.give(standing)
    assert len(story.sent) == sent
    assert story.desk().reason_code == Reason.DAILY_LOSS


def test_a_new_utc_day_begins_its_loss_anew() -> None:
    story = trading(may_take_count=0, may_quote_count=0, daily_loss_micros=100 * DOLLAR)
    story.answers = False
    hold(story, 0, Token.UP, 400, 50)
    story.settle(350, Token.DOWN)
    assert day_pnl_micros(story.world) == -200 * DOLLAR and room_micros(story.world, 1, 0) == 0
    midnight_s = (DAY_NS - OPEN_NS % DAY_NS) / NS_PER_S
    story.price(midnight_s - 1, 100_000.0)
    assert day_pnl_micros(story.world) == -200 * DOLLAR
    story.price(midnight_s, 100_000.0)
    assert day_pnl_micros(story.world) == 0 and room_micros(story.world, 1, 0) == 100 * DOLLAR
    assert story.world.money.cash_micros == CASH - 200 * DOLLAR


def test_what_other_sessions_of_the_wallet_lost_today_counts_for_this_day_alone_and_is_not_our_cash() -> None:
    story = trading(may_take_count=0, may_quote_count=0, daily_loss_micros=100 * DOLLAR)
    story.answers = False
    today = OPEN_NS // DAY_NS
    for lost, day in ((40, today), (70, today), (999, today + 1)):
        story.tell(31, Kind.DAY_CARRIED, 0, Source.OURSELVES, ref_id=day, amount_micros=-lost * DOLLAR)
    assert day_pnl_micros(story.world) == -70 * DOLLAR and room_micros(story.world, 0, 0) == 30 * DOLLAR
    story.tell(32, Kind.DAY_CARRIED, 0, Source.OURSELVES, ref_id=today, amount_micros=-100 * DOLLAR)
    assert room_micros(story.world, 0, 0) == 0
    assert story.world.money.cash_micros == CASH and story.world.refused_count == 0
    story.price((DAY_NS - OPEN_NS % DAY_NS) / NS_PER_S, 100_000.0)
    assert day_pnl_micros(story.world) == 0


@given(st.integers(0, 255), st.sampled_from((0, 97, 98, 255)))
def test_no_desk_takes_new_risk_on_unsound_ground(platform: int, spot: int) -> None:
    mandate = decided(view_of(platform_code=platform, spot_code=spot)).mandate
    assert (mandate.reason_code == 0) == (platform == 0 and spot == 0)
    if platform or spot:
        assert (mandate.take_mask, mandate.quote_mask, mandate.cap_micros) == (0, 0, 0)
        Reason(int(mandate.reason_code))


def test_the_fee_of_a_take_in_flight_counts_before_it_is_charged() -> None:
    story = trading(**BOLD)
    story.answers = False
    row, market = story.world.orders[0], story.market()
    row.order_id, row.slot_id, row.state_code, row.price_bps, row.token_code = 9, 0, OrderState.SENT, 5_000, Side.BUY
    row.amount_micros = row.open_micros = 100 * SHARE
    row.post_only = False
    market.orders_count, market.pending_cost_micros, market.pending_micros[0] = 1, 50 * DOLLAR, 100 * SHARE
    # Seven per cent of a quarter of a dollar a share, rounded up to a whole hundredth of a cent.
    assert committed_micros(story.world, 0) == 50 * DOLLAR + 100 * SHARE * 176 // 10_000


# Complete sets.


def test_complete_sets_are_no_risk_and_what_they_cost_beyond_a_dollar_is() -> None:
    story = several(1, position_micros=100 * DOLLAR)
    hold(story, 0, Token.UP, 100, 50)
    assert committed_micros(story.world, 0) == 50 * DOLLAR
    hold(story, 0, Token.DOWN, 100, 45)
    assert committed_micros(story.world, 0) == 0 and losses_micros(story.world, 0) == (-5 * DOLLAR, -5 * DOLLAR)
    assert gross_micros(story.world, 0) == 95 * DOLLAR, "what they cost is not forgotten: a stake is reckoned with it"
    assert room_micros(story.world, 0, Token.UP) == 100 * DOLLAR, "a gain that is locked in is not lent to new risk"
    hold(story, 0, Token.UP, 100, 60)
    hold(story, 0, Token.DOWN, 100, 50)
    assert committed_micros(story.world, 0) == 5 * DOLLAR, "sets for a dollar ten lose a dime each, whoever wins"


def test_a_purchase_that_closes_a_position_finds_room_where_one_that_adds_to_it_finds_none() -> None:
    story = several(1, position_micros=50 * DOLLAR)
    hold(story, 0, Token.UP, 100, 50)
    assert room_micros(story.world, 0, Token.UP) == 0 and room_micros(story.world, 0, Token.DOWN) == 50 * DOLLAR
    out(story, 0, Token.DOWN, 100, 45)
    assert committed_micros(story.world, 0) == 50 * DOLLAR, "it may match or not: fifty are at risk either way"
    assert room_micros(story.world, 0, Token.UP) == 0, "and it makes no room before it has matched"


def test_bids_for_both_tokens_count_as_the_dearer_one_for_not_both_can_be_lost() -> None:
    story = several(1, position_micros=100 * DOLLAR)
    out(story, 0, Token.UP, 100, 48)
    out(story, 1, Token.DOWN, 100, 44)
    assert losses_micros(story.world, 0) == (44 * DOLLAR, 48 * DOLLAR)
    assert committed_micros(story.world, 0) == 48 * DOLLAR
    assert [room_micros(story.world, 0, token) for token in Token] == [52 * DOLLAR, 56 * DOLLAR]


def test_a_set_that_is_parted_by_a_failed_trade_is_at_risk_again() -> None:
    story = several(1, position_micros=50 * DOLLAR)
    hold(story, 0, Token.UP, 100, 50)
    hold(story, 0, Token.DOWN, 100, 45)
    story.tell(
        31, Kind.FILL_REVERSED, 0, Source.POLYMARKET_USER, ref_id=0, token_code=Token.DOWN, price_bps=4_500,
        amount_micros=100 * SHARE,
    )  # fmt: skip
    assert committed_micros(story.world, 0) == 50 * DOLLAR and room_micros(story.world, 0, Token.UP) == 0


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(Token), st.integers(1, 300), st.integers(2, 98)), max_size=4),
    st.lists(st.tuples(st.sampled_from(Token), st.integers(1, 300), st.integers(2, 98)), max_size=5),
    st.integers(0, 31),
    st.sampled_from(Token),
)
def test_whatever_matches_and_whoever_wins_no_more_is_lost_than_was_said_to_be_at_risk(
    held: list[tuple[Token, int, int]], bids: list[tuple[Token, int, int]], matched: int, winner: Token
) -> None:
    story = several(1)
    for token, shares, cents in held:
        hold(story, 0, token, shares, cents)
    for row, (token, shares, cents) in enumerate(bids):
        out(story, row, token, shares, cents)
    if_up, if_down = losses_micros(story.world, 0)
    taken = held + [bid for row, bid in enumerate(bids) if matched >> row & 1]
    lost = sum(shares * cents * DOLLAR // 100 - (shares * DOLLAR if token is winner else 0)
               for token, shares, cents in taken)  # fmt: skip
    assert lost <= (if_up if winner is Token.UP else if_down) <= committed_micros(story.world, 0)
    assert committed_micros(story.world, 0) <= gross_micros(story.world, 0), "never more than all that is paid"
