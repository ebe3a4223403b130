"""Room for one more order: a flat window frees its place, and no more is bought than the free cash pays."""

from desk_story import DOLLAR, Reason, Token
from desk_views import decided, view_of
from desk_windows import hold, out, several

from graph.exposure import carries_risk, day_pnl_micros, free_cash_micros, risky_windows, room_micros


def test_a_window_that_is_flat_again_frees_its_place_and_its_result_stays_the_days() -> None:
    story = several(2, position_micros=100 * DOLLAR, concurrent_count=1)
    hold(story, 0, Token.UP, 10, 50)
    hold(story, 0, Token.DOWN, 10, 45)
    assert risky_windows(story.world) == 1 and room_micros(story.world, 1, Token.UP) == 0
    story.merged(31, 0, 10)
    assert not carries_risk(story.world, 0) and risky_windows(story.world) == 0
    assert day_pnl_micros(story.world) == DOLLAR // 2, "what was banked counts before the settlement"
    assert room_micros(story.world, 1, Token.UP) == 100 * DOLLAR


def test_a_window_whose_shares_cost_nothing_in_all_still_carries_risk_and_has_its_place() -> None:
    story = several(2, concurrent_count=1)
    hold(story, 0, Token.UP, 10, 40)
    hold(story, 0, Token.DOWN, 20, 30)
    story.merged(31, 0, 10)
    assert story.market().position.spent_micros == 0 and carries_risk(story.world, 0)
    assert room_micros(story.world, 0, Token.DOWN) > 0 and room_micros(story.world, 1, Token.DOWN) == 0
    view = view_of(risky_windows_count=5, carries_risk=True, spent_micros=0)
    assert decided(view).mandate.reason_code == 0
    assert decided(view_of(risky_windows_count=5)).mandate.reason_code == Reason.CONCURRENT_FULL


def test_no_more_is_bought_than_the_cash_that_no_order_of_any_window_may_still_spend() -> None:
    story = several(2, correlation_ratio=1.0)
    story.world.money.cash_micros = 30 * DOLLAR
    assert room_micros(story.world, 0, Token.UP) == 30 * DOLLAR
    out(story, 0, Token.UP, 100, 20, slot=1)
    assert free_cash_micros(story.world) == room_micros(story.world, 0, Token.UP) == 10 * DOLLAR
    assert decided(view_of(cash_micros=10 * DOLLAR)).verdict.cap_micros == 10 * DOLLAR
    assert decided(view_of(cash_micros=-DOLLAR)).stake.reason_code == Reason.STAKE_BELOW_MINIMUM
