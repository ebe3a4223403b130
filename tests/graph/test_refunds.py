"""What comes back: fees and failed matches, each once, to the order and the window that they belong to."""

from typing import Any

import pytest
from desk_story import CASH, DOLLAR, SHARE, Kind, Liquidity, OrderState, Story, Token, trading

from state.orders import StepFate

BOLD = {"fair_weight_ratio": 0.9, "weight_sd_ratio": 0.02, "mid_sd_ratio": 0.01}


def wanted() -> tuple[Story, Any]:
    """The desk wants some 960 UP at 0.50, and nobody has said anything of it yet."""
    story = trading(**BOLD)
    (order,) = story.sent
    return story, order


def test_a_failure_that_names_no_order_is_undone_as_it_is_told_and_written_down() -> None:
    """Nobody can tell it from another: the books undo it too, and what was held may have been sold since."""
    story, _ = wanted()
    story.answers = False
    trade: dict[str, Any] = {"amount_micros": 10 * SHARE, "price_bps": 4_000, "token_code": Token.DOWN}
    story.tell(30, Kind.FILLED, **trade, code_id=Liquidity.MAKER)
    story.tell(30.1, Kind.FILL_REVERSED, **trade)
    position = story.market().position
    assert (position.down_micros, position.spent_micros, position.reversed_count) == (0, 0, 1)
    assert story.world.money.cash_micros == CASH
    told = [
        step for step in story.world.steps if step.fate_code == StepFate.STRANGER and step.amount_micros == 10 * SHARE
    ]
    assert len(told) == 2


def test_a_fee_comes_back_once_and_never_more_than_its_order_was_charged() -> None:
    story, order = wanted()
    story.answers = False
    story.becomes(30, order, OrderState.RESTING)
    story.fill(30.1, order, 100, Liquidity.MAKER)
    for micros in (1_000, 500):
        story.fee(30.2, order, micros)
    for micros, left in ((-1_000, 500), (-1_000, 0), (-1_000, 0)):
        story.fee(30.3, order, micros)
        assert story.market().position.fees_micros == story.world.money.fees_micros == left
    assert story.world.money.cash_micros == CASH - 50 * DOLLAR
    story.tell(30.4, Kind.FEE_CHARGED, ref_id=999, amount_micros=-70)
    assert story.world.money.fees_micros == 0, "nobody remembers a charge"


@pytest.mark.parametrize("micros", [-1_000, 1_000])
def test_a_fee_of_a_window_that_has_gone_is_not_booked_to_the_next_one(micros: int) -> None:
    story, order = wanted()
    story.answers = False
    story.fill(30.1, order, 100)
    story.fee(30.2, order, 1_000)
    story.settle(320, Token.UP)
    story.list_market(0, opens_s=600, second=330)
    cash, refused = int(story.world.money.cash_micros), int(story.world.refused_count)
    story.fee(331, order, micros)
    assert (story.world.money.cash_micros, story.market().position.fees_micros) == (cash, 0)
    assert story.world.refused_count == refused + 1
