"""The story of an order as a person reads it: every step, also those that nobody took."""

from typing import Any

import numpy as np
from desk_story import Kind, Liquidity, OrderState, Reject, Story, Token, trading
from inline_snapshot import snapshot

from infra.terminal.order_story import order_story, overwritten_count, steps_of
from state.records import layout
from state.world import World

BOLD = {"fair_weight_ratio": 0.9, "weight_sd_ratio": 0.02, "mid_sd_ratio": 0.01}


def worlds_of(story: Story) -> Any:
    return np.frombuffer(story.world.tobytes(), layout(World))


def test_the_story_of_an_order_says_why_and_what_was_ignored() -> None:
    story = trading(**BOLD)
    (order,) = story.sent
    story.answers = False
    story.becomes(30, order, OrderState.SIGNED)
    story.becomes(30, order, OrderState.SENT)
    story.becomes(30.02, order, OrderState.UNKNOWN)
    story.becomes(30.5, order, OrderState.RESTING)
    story.becomes(30.6, order, OrderState.SENT)
    story.fill(30.7, order, 400, Liquidity.MAKER)
    story.reverse(30.8, order, 400)
    story.price(31, 99_600.0)
    story.becomes(31.2, order, OrderState.PARTLY, Reject.NOT_CANCELLABLE)
    story.fill(31.3, order, 800, Liquidity.MAKER)
    story.settle(320, Token.UP)
    told = "\n".join(order_story(worlds_of(story), int(order.order_id)))
    assert "\n" + told + "\n" == snapshot("""\

03:00:29.900 #189 order 1: none -> wanted, quoted: the price leaves the wanted edge at the posterior's worse end
03:00:30.000 #190 order 1: wanted -> signed
03:00:30.000 #191 order 1: signed -> sent
03:00:30.020 #192 order 1: sent -> unknown
03:00:30.500 #193 order 1: unknown -> resting
03:00:30.600 #194 order 1: resting -> sent [late: nothing changed]
03:00:30.700 #195 order 1: 400 matched, resting -> partly
03:00:30.800 #196 order 1: 400 failed on chain
03:00:31.000 #197 order 1: partly -> cancel sent, pulled: the mandate ended
03:00:31.200 #198 order 1: cancel sent -> partly, not cancellable
03:00:31.200 #198 order 1: partly -> cancel sent, pulled: the mandate ended
03:00:31.300 #199 order 1: 233.82 matched [more than was open: not booked]
03:00:31.300 #199 order 1: 566.18 matched, cancel sent -> done
""")


def test_of_all_steps_only_the_last_are_remembered_and_the_rest_is_counted() -> None:
    story = trading(**BOLD)
    story.answers = False
    for number in range(1, 601):
        story.tell(30, Kind.ORDER_CHANGED, ref_id=10_000 + number, code_id=OrderState.DONE)
    worlds = worlds_of(story)
    assert overwritten_count(worlds) == 601 - 512
    assert [int(step["order_id"]) for step in steps_of(worlds)] == list(range(10_089, 10_601))
    assert order_story(worlds, 1) == ()
