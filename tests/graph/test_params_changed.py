"""New parameters end what was allowed under the old ones: mandates and quotes go, and the desk is asked anew."""

from typing import Any

from desk_story import OPEN_NS, OrderState, Reason, Story, Token, trading
from inline_snapshot import snapshot

from graph.heart import receive_params
from state.orders import Act
from state.params import default_params, hash_number
from state.units import NS_PER_S
from state.world import Phase

BOLD = {"fair_weight_ratio": 0.9, "weight_sd_ratio": 0.02, "mid_sd_ratio": 0.01}


def change(story: Story, second: float, **params: float) -> None:
    """Put other parameters in force at a second of the story."""
    new: Any = default_params(params)
    at_ns = OPEN_NS + round(second * NS_PER_S)
    story._heard(receive_params(story.world, new, hash_number(new), at_ns, story.commands))


def test_a_quote_is_pulled_with_the_mandate_that_it_stood_under_and_the_desk_decides_anew() -> None:
    story = trading(**BOLD)
    (order,) = story.sent
    story.becomes(30, order, OrderState.RESTING)
    story.lines.clear()
    change(story, 30.3, **BOLD, quote_edge_bps=1_000.0)
    story.becomes(30.35, order, OrderState.DONE)
    story.book(30.6, 4_900, 5_100)
    assert story.lines == snapshot(
        ["30.3 s: cancel order 1: 966.18 UP at 0.50, MANDATE_ENDED", "30.3 s: desk allows take UP, quote -"]
    )
    assert story.sent[-1].act_code == Act.CANCEL and story.sent[-1].reason_code == Reason.MANDATE_ENDED
    assert int(story.market().mandate.params_hash) == int(story.world.params_hash)


def test_without_a_new_mandate_nothing_is_placed_after_a_change() -> None:
    story = trading(**BOLD, may_quote_count=0)
    story.answers = False
    change(story, 30.1, **BOLD, may_quote_count=0, take_edge_bps=10.0)
    story.price(30.2, 100_400.0)
    story.book(30.5, 4_900, 5_100)
    assert story.placed() == [] and story.asked, "an offer far below fair value, and nobody has said that it may be had"


def test_at_the_boundary_the_window_that_closed_is_looked_at_no_more_and_the_next_begins_under_the_new_ones() -> None:
    story = trading(**BOLD)
    story.list_market(1, opens_s=300, second=200.0)
    asked = len(story.asked)
    change(story, 300.0, **BOLD, kelly_ratio=0.1)
    assert [int(story.market(slot).phase_code) for slot in (0, 1)] == [Phase.CLOSED, Phase.OPEN]
    assert set(story.asked[asked:]) == {1}
    assert int(story.market(1).mandate.params_hash) == hash_number(default_params({**BOLD, "kelly_ratio": 0.1}))


def test_money_positions_and_what_was_learnt_stay() -> None:
    story = trading(**BOLD, may_quote_count=0)
    story.price(30.2, 100_200.0)
    (order,) = story.sent
    story.fill(30.3, order, 100.0)
    before = story.world.copy()
    change(story, 30.4, **BOLD, take_edge_bps=500.0)
    after = story.world
    assert int(after.money.cash_micros) == int(before.money.cash_micros)
    assert int(after.markets[0].position.up_micros) == int(before.markets[0].position.up_micros) > 0
    assert order.token_code == Token.UP
    assert (after.learner.weights_ratio == before.learner.weights_ratio).all()
    assert (after.learner.weights_var == before.learner.weights_var).all()
