"""Laws of orders: whatever is said of them in any order, exposure, shares and money add up, and steps are legal."""

from typing import Any

from desk_story import CASH, Liquidity, OrderState, Reject, Story, Token, Word, trading
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.order_life import MOVES
from state.orders import ORDERS, PAST_ORDERS, STEPS, StepFate

BOLD = {"fair_weight_ratio": 0.9, "weight_sd_ratio": 0.02, "mid_sd_ratio": 0.01}

deeds = st.lists(
    st.tuples(
        st.sampled_from(("told", "told", "told", "matched", "failed", "tick", "tick", "halt")),
        st.integers(0, 4), st.integers(0, 12), st.integers(1, 60_000), st.booleans(),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=60)
@given(deeds)
def test_whatever_is_said_in_whatever_order_the_books_of_the_orders_hold(script: list[Any]) -> None:
    story = trading(**BOLD, requote_ns=50_000_000)
    for turn, (deed, which, code, hundredths, refused) in enumerate(script):
        second = 30 + turn / 5
        orders = story.placed()
        order = orders[which % len(orders)]
        if deed == "told":
            story.becomes(second, order, code, Reject.NOT_CANCELLABLE if refused else Reject.NONE)
        elif deed == "matched":
            story.fill(second, order, hundredths / 100, Liquidity.MAKER)
        elif deed == "failed":
            story.reverse(second, order, hundredths / 100)
        elif deed == "halt":
            story.say(second, Word.HALT if refused else Word.RESUME)
        else:
            story.price(second, 99_990.0 + (hundredths % 300) - 150)
            story.book(second, 4_900, 5_100)
        _books_hold(story)
    _steps_are_legal(story)


def _books_hold(story: Story) -> None:
    world, market = story.world, story.market()
    table = [world.orders[row] for row in range(ORDERS) if world.orders[row].state_code != OrderState.NONE]
    past = [world.past_orders[row] for row in range(PAST_ORDERS) if world.past_orders[row].order_id != 0]
    assert market.orders_count == len(table)
    for token in Token:
        open_micros = sum(int(order.open_micros) for order in table if order.token_code == token)
        assert market.pending_micros[token] == open_micros >= 0
        mine = [each for each in table + past if each.token_code == token]
        matched = sum(int(each.filled_micros - each.reversed_micros) for each in mine)
        assert matched == (market.position.up_micros, market.position.down_micros)[token]
    cost = sum(int(order.open_micros) * int(order.price_bps) // 10_000 for order in table)
    assert abs(market.pending_cost_micros - cost) <= len(table)
    for order in table:
        assert order.open_micros + order.filled_micros == order.amount_micros and order.open_micros > 0
        assert OrderState.WANTED <= order.state_code <= OrderState.CANCEL_SENT or order.state_code == OrderState.UNKNOWN
    for order in table + past:
        assert 0 <= order.reversed_micros <= order.filled_micros <= order.amount_micros
    # One order a token at most, for the desk quotes one: never a second while the first may still match.
    assert len({int(order.token_code) for order in table}) == len(table)
    assert world.money.cash_micros + story.cost_micros() == CASH


def _steps_are_legal(story: Story) -> None:
    where: dict[int, OrderState] = {}
    world = story.world
    for turn in range(int(world.steps_count)):
        step = world.steps[turn % STEPS]
        before, after = OrderState(int(step.from_code)), int(step.to_code)
        number = int(step.order_id)
        assert before is where.get(number, OrderState.NONE)
        if step.fate_code == StepFate.TAKEN and before != after:
            assert after in MOVES[before]
            where[number] = OrderState.DONE if after == OrderState.NONE else OrderState(after)
