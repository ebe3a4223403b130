"""What each named market has planted is there to be taken, and nothing is where nothing was planted."""

from dataclasses import replace

import numpy as np
import pytest

from evals.generator import (
    EFFICIENT,
    LATE_MAKERS,
    POINT_MAKERS,
    STALE_QUOTES,
    MarketSpec,
    World,
    begin_scene,
    begin_world,
    open_s,
)
from evals.generator_makers import believed_up
from evals.generator_path import STEPS_PER_S
from evals.realism_walk import ASK, BID, KNOWN, LOOK_COLUMNS, MILLS, TALLY_COLUMNS, walk
from state.events import Token
from state.records import Floats

S = 1_000_000_000
WINDOWS = 12
REACTION_STEPS = 15
"""The taker here decides on prices 0.3 s old: feed, thought, road and the taker hold."""

ASKED = 0.01
"""What it wants beside the fee, in dollars a share."""


def fee(price: float) -> float:
    return 0.07 * price * (1.0 - price)


def gains(world: World, index: int, from_s: int, to_s: int) -> list[float]:
    """Let someone who prices right but late look once a second and take a share wherever it pays.

    What it gains is measured against the fair value of that moment, so that the outcome's chance is left out.
    """
    scene = begin_scene(world.spec, world.path, index)
    start_s = open_s(world.spec, index)
    seconds = np.arange(from_s, to_s)
    looks = np.zeros((len(seconds), LOOK_COLUMNS))
    walk(
        world.book(index), int(Token.UP), np.zeros((2, MILLS), np.int64), (start_s + seconds) * S, looks,
        np.zeros(TALLY_COLUMNS, np.int64), 0, 0,
    )  # fmt: skip
    taken = []
    for second, look in zip(seconds.tolist(), looks, strict=True):
        step = int(scene.open_count) + second * STEPS_PER_S
        path = world.path
        thought, fair = (
            believed_up(scene, path.usd, path.oracle_sum, path.vol_seen, step, delay, 0.0, 1.0, False)
            for delay in (REACTION_STEPS, 0)
        )
        bid, ask = look[BID] / 1_000, look[ASK] / 1_000
        if look[KNOWN] and bid > 0.05 and ask < 0.95:
            if thought - ask > fee(ask) + ASKED:
                taken.append(fair - ask - fee(ask))
            if bid - thought > fee(bid) + ASKED:
                taken.append(bid - fair - fee(bid))
    return taken


def gain_a_window(spec: MarketSpec, from_s: int = 5, to_s: int = 295) -> Floats:
    world = begin_world(replace(spec, windows=WINDOWS), 7)
    return np.array([sum(gains(world, index, from_s, to_s)) for index in range(WINDOWS)])


@pytest.fixture(scope="module")
def efficient() -> Floats:
    return gain_a_window(EFFICIENT)


def test_nobody_slower_than_the_makers_finds_anything_in_the_efficient_market(efficient: Floats) -> None:
    assert efficient.mean() < 0.15


@pytest.mark.parametrize("spec", [LATE_MAKERS, STALE_QUOTES], ids=lambda spec: spec.name)
def test_late_makers_and_stale_quotes_pay_whoever_is_quicker(spec: MarketSpec, efficient: Floats) -> None:
    planted = gain_a_window(spec)
    assert planted.mean() > 0.5
    assert planted.mean() > 4.0 * max(efficient.mean(), 0.05)


def test_makers_on_the_point_rule_are_wrong_most_of_all_in_the_last_minute() -> None:
    honest = replace(POINT_MAKERS, point_rule_share=0.0)
    early, late = (
        (gain_a_window(POINT_MAKERS, *span).mean() - gain_a_window(honest, *span).mean()) / (span[1] - span[0])
        for span in ((5, 235), (240, 295))
    )
    assert late * 55 > 0.3
    assert late > 2.0 * early
