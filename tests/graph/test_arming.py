"""What an operator's word allows: observing, arming up to a limit, halting, killing, and what lifts which."""

from typing import Any

import pytest
from desk_story import CASH, DOLLAR, Liquidity, OrderState, Reason, Story, Token, Word, trading
from inline_snapshot import snapshot

from graph.exposure import risked_micros

BOLD = {"fair_weight_ratio": 0.9, "weight_sd_ratio": 0.02, "mid_sd_ratio": 0.01}


def observing() -> Story:
    """A live desk before it is armed: told to observe before anything else happens."""
    story = trading(**BOLD, may_take_count=0, may_quote_count=0)
    story.say(29.91, Word.DISARM)
    story.world.params.may_take_count = story.world.params.may_quote_count = 1
    return story


def test_a_desk_that_observes_decides_and_sends_nothing_until_it_is_armed() -> None:
    story = observing()
    story.lines.clear()
    story.book(30.5, 4_900, 5_100)
    story.say(30.6, Word.RESUME)
    story.note("a halt is lifted, an order to observe is not")
    story.book(31, 4_900, 5_100)
    story.say(31.1, Word.ARM, 20 * DOLLAR)
    story.note("armed up to 20 dollars")
    story.book(32.1, 4_900, 5_100)
    assert story.lines == snapshot(
        [
            "30.6 s: a halt is lifted, an order to observe is not",
            "31 s: desk stands aside: HALTED",
            "31.1 s: armed up to 20 dollars",
            "32.1 s: desk allows take UP, quote UP",
            "32.1 s: place order 1: 38.64 UP at 0.50 GTC, QUOTE_EDGE",
        ]
    )
    assert 0 < risked_micros(story.world) <= 20 * DOLLAR == story.world.armed_micros


def test_no_more_is_at_risk_than_the_desk_was_armed_with_over_all_windows() -> None:
    story = observing()
    story.say(30, Word.ARM, 30 * DOLLAR)
    story.book(31, 4_900, 5_100)
    (order,) = story.placed()
    story.fill(31.1, order, order.amount_micros / 1_000_000, Liquidity.MAKER)
    story.list_market(1, opens_s=0, second=31.2)
    story.strike(31.3, 100_000.0, slot=1)
    story.lines.clear()
    for tenth in range(20):
        story.book(31.5 + tenth / 10, 4_900, 5_100)
        story.book(31.55 + tenth / 10, 4_900, 5_100, slot=1)
        assert risked_micros(story.world) <= 30 * DOLLAR
    assert len(story.placed()) >= 1
    mandate = story.desk(1)
    assert mandate.reason_code in (Reason.ARMED_LIMIT, Reason.STAKE_BELOW_MINIMUM)
    story.say(34, Word.ARM, 60 * DOLLAR)
    for tenth in range(20):
        story.book(34.1 + tenth / 10, 4_900, 5_100, slot=1)
    assert 30 * DOLLAR < risked_micros(story.world) <= 60 * DOLLAR


def test_the_fee_that_a_take_will_cost_counts_before_it_is_charged() -> None:
    story = trading(**BOLD, may_quote_count=0)
    story.say(30, Word.ARM, 100 * DOLLAR)
    story.price(30.4, 100_200.0)
    (order,) = story.placed()
    cost = order.amount_micros * order.price_bps // 10_000
    assert cost + order.amount_micros * 170 // 10_000 < risked_micros(story.world) <= 100 * DOLLAR


@pytest.mark.parametrize("limit", [0, -5])
def test_arming_without_a_limit_arms_nothing(limit: int) -> None:
    story = observing()
    story.say(30, Word.ARM, limit)
    assert story.world.halted_code == Word.DISARM and story.world.armed_micros == 0 and story.world.refused_count == 1


def _after(*words: Any) -> tuple[Word | int, int]:
    story = Story()
    for word in words:
        story.say(0, word, 7 * DOLLAR if word is Word.ARM else 0)
    code = int(story.world.halted_code)
    return Word(code) if code else 0, int(story.world.armed_micros) // DOLLAR


def test_each_word_lifts_only_what_it_may_lift() -> None:
    told = {
        " ".join(getattr(word, "name", str(word)) for word in words): _after(*words)
        for words in (
            (),
            (Word.HALT,),
            (Word.HALT, Word.RESUME),
            (Word.PULL_ALL, Word.HALT, Word.RESUME),
            (Word.HALT, Word.ARM),
            (Word.DISARM, Word.RESUME),
            (Word.DISARM, Word.ARM),
            (Word.DISARM, Word.HALT, Word.ARM),
            (Word.DISARM, Word.HALT, Word.ARM, Word.RESUME),
            (Word.ARM, Word.DISARM),
            (Word.ARM, Word.KILL),
            (Word.ARM, Word.KILL, Word.RESUME),
            (Word.KILL, Word.ARM),
            (Word.KILL, Word.DISARM),
            (Word.LEAVE,),
            (Word.LEAVE, Word.RETURN),
            (Word.HALT, Word.LEAVE, Word.RETURN),
            (Word.PULL_ALL, Word.LEAVE, Word.RETURN),
            (Word.KILL, Word.LEAVE, Word.RETURN),
            (Word.LEAVE, Word.RESUME, Word.ARM),
            (77,),
        )
    }
    assert told == snapshot(
        {
            "": (0, 0),
            "HALT": (Word.HALT, 0),
            "HALT RESUME": (0, 0),
            "PULL_ALL HALT RESUME": (0, 0),
            "HALT ARM": (Word.HALT, 7),
            "DISARM RESUME": (Word.DISARM, 0),
            "DISARM ARM": (0, 7),
            "DISARM HALT ARM": (Word.HALT, 7),
            "DISARM HALT ARM RESUME": (0, 7),
            "ARM DISARM": (Word.DISARM, 0),
            "ARM KILL": (Word.KILL, 0),
            "ARM KILL RESUME": (Word.KILL, 0),
            "KILL ARM": (0, 7),
            "KILL DISARM": (Word.KILL, 0),
            "LEAVE": (Word.LEAVE, 0),
            "LEAVE RETURN": (0, 0),
            "HALT LEAVE RETURN": (Word.HALT, 0),
            "PULL_ALL LEAVE RETURN": (Word.PULL_ALL, 0),
            "KILL LEAVE RETURN": (Word.KILL, 0),
            "LEAVE RESUME ARM": (Word.LEAVE, 7),
            "77": (0, 0),
        }
    )


def test_a_kill_pulls_what_rests_and_forgets_the_limit() -> None:
    story = trading(**BOLD)
    story.say(29.95, Word.ARM, 1_000_000 * DOLLAR)
    (order,) = story.placed()
    story.becomes(30, order, OrderState.RESTING)
    story.lines.clear()
    story.say(30.1, Word.KILL)
    story.becomes(30.2, order, OrderState.DONE)
    story.say(30.3, Word.RESUME)
    story.book(31, 4_900, 5_100)
    assert story.lines == snapshot(
        ["30.1 s: cancel order 1: 966.18 UP at 0.50, OPERATOR_PULLED", "31 s: desk stands aside: HALTED"]
    )
    assert story.world.armed_micros == 0 and story.world.money.cash_micros == CASH
    story.settle(320, Token.UP)
    assert risked_micros(story.world) == 0
