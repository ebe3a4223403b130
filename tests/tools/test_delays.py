"""Keyed chance and spans of time."""

import numpy as np
import pytest
from venue_play import venue

from state.units import MICROS
from tools.delays import delay_at, draw_ppm, set_delay, set_lognormal, set_measured


def test_draws_are_even_and_do_not_know_of_each_other() -> None:
    draws = np.array(
        [[draw_ppm(seed, subject, purpose) for subject in range(3_000)] for seed in (0, 1) for purpose in (1, 2)]
    )
    assert draws.min() >= 0 and draws.max() < MICROS
    for lane in draws:
        counts, _ = np.histogram(lane, bins=10, range=(0, MICROS))
        assert ((counts - 300) ** 2 / 300).sum() < 35  # chi-square, 9 degrees of freedom
    off_diagonal = np.corrcoef(draws) - np.eye(4)
    assert abs(off_diagonal).max() < 0.08
    assert abs(np.corrcoef(draws[0][1:], draws[0][:-1])[0, 1]) < 0.08


def test_delays_follow_their_data() -> None:
    terms = venue().terms
    delay = terms.submit
    set_lognormal(delay, 10, 30, 90)
    assert (delay_at(delay, 500_000), delay_at(delay, 950_000)) == (30, 90)
    assert 10 <= delay_at(delay, 0) < delay_at(delay, 999_999)
    set_measured(delay, [step * 7 for step in range(1, 101)])
    assert (delay_at(delay, 0), delay_at(delay, 500_000), delay_at(delay, MICROS)) == (7, 350, 700)
    set_delay(delay, ((0, 100), (500_000, 200), (MICROS, 600)))
    assert [delay_at(delay, level) for level in (0, 250_000, 750_000, MICROS)] == [100, 150, 400, 600]
    for wrong in (((0, 5),), ((0, 5), (MICROS, 4)), ((1, 5), (MICROS, 6)), ((0, -1), (MICROS, 4))):
        with pytest.raises(ValueError, match="delay"):
            set_delay(delay, wrong)
    with pytest.raises(ValueError, match="too few"):
        set_measured(delay, [1, 2, 3])
    with pytest.raises(ValueError, match="least < median"):
        set_lognormal(delay, 10, 10, 20)
