import json
from dataclasses import replace
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rehearsed_windows import FIRST_S, held, scores

from evals.rehearsal import NO_FORECAST, as_plain, bets, fit_gain, rehearsed
from state.units import MICROS


def test_only_windows_after_the_cut_judge_and_those_before_it_fix_the_scale() -> None:
    told = held([10.0, -3.0, 1.0, 2.0], [10.0, -3.0, 3.0, 4.0], fit=2)
    assert (told.fit_windows_count, told.windows_count) == (2, 2)
    assert told.profit.mean == pytest.approx(2.0 * MICROS)
    assert told.bound_micros == pytest.approx(20.0 * MICROS)
    assert told.champion.total_micros == pytest.approx(3.0 * MICROS)


def test_a_side_shows_its_drawdown_and_its_worst_window() -> None:
    told = held([0.0] * 6, [5.0, -2.0, -4.0, 1.0, -3.0, 2.0], fit=0)
    assert told.challenger.drawdown_micros == pytest.approx(8.0 * MICROS)
    assert told.challenger.worst_micros == pytest.approx(-4.0 * MICROS)
    assert told.champion.drawdown_micros == 0.0 and told.champion.traded_ratio == 0.0


def test_what_only_one_side_has_is_no_pair() -> None:
    told = rehearsed(scores([1.0] * 5), scores([1.0] * 3), cut_s=FIRST_S)
    assert told.windows_count == 3


def test_better_forecasts_show_in_the_log_loss() -> None:
    unsure = scores([0.0] * 20)
    sharper = [replace(score, p_up=(0.7 if score.up else 0.3,) * 6) for score in unsure]
    told = rehearsed(unsure, sharper, cut_s=FIRST_S)
    assert told.log_loss.mean == pytest.approx(log(0.5) - log(0.7)) and told.log_loss.high < 0.0
    assert told.brier.mean == pytest.approx(0.09 - 0.25)
    assert told.forecasts_count == 120


def test_a_moment_at_which_one_side_was_silent_is_scored_for_neither() -> None:
    silent = [replace(score, p_up=(NO_FORECAST,) * 6) for score in scores([0.0] * 4)]
    told = rehearsed(scores([0.0] * 4), silent, cut_s=FIRST_S)
    assert told.forecasts_count == 0 and as_plain(told)["log_loss"]["mean"] is None


def test_a_rehearsal_without_a_window_is_still_a_value() -> None:
    told = held([], [], fit=0)
    assert told.windows_count == 0 and told.evidence_log == 0.0
    assert json.loads(json.dumps(as_plain(told), allow_nan=False))["profit"]["mean"] is None


def test_the_same_parameters_give_no_evidence_either_way() -> None:
    told = held([1.0, -2.0] * 30, [1.0, -2.0] * 30, fit=10)
    assert told.profit.mean == 0.0 and told.evidence_log == 0.0 and told.beyond_count == 0


DRAWN = st.lists(st.floats(-1e6, 1e6), max_size=40)


@given(drawn=DRAWN, gain=st.floats(0.0, 1e6), bound=st.floats(1.0, 1e6))
def test_one_more_window_that_the_challenger_won_never_weakens_it(
    drawn: list[float], gain: float, bound: float
) -> None:
    before, after = bets(np.array(drawn), bound), bets(np.array([*drawn, gain]), bound)
    assert after.for_log >= before.for_log - 1e-9


@given(drawn=DRAWN, bound=st.floats(1.0, 1e6))
def test_a_gain_beyond_the_bound_counts_as_the_bound(drawn: list[float], bound: float) -> None:
    cut = np.minimum(np.array(drawn, float), bound)
    assert bets(np.array(drawn), bound).for_peak_log == bets(cut, bound).for_peak_log


def test_windows_that_open_together_are_one_bet() -> None:
    won = scores([2.0, 2.0])
    flat = scores([0.0, 0.0])
    together = [[replace(score, open_s=FIRST_S) for score in side] for side in (flat, won)]
    before = [replace(score, open_s=FIRST_S - 300, slot_id=7) for score in scores([9.0])]
    apart = rehearsed(before + flat, before + won, cut_s=FIRST_S)
    one = rehearsed(before + together[0], before + together[1], cut_s=FIRST_S)
    assert (apart.profit.clusters, one.profit.clusters) == (2, 1)
    assert one.evidence_log == pytest.approx(float(bets(np.array([4.0 * MICROS]), one.bound_micros).for_log))


def test_a_proposer_climbs_by_the_mean_less_its_doubt() -> None:
    flat, steady, lucky = scores([0.0] * 10), scores([1.0] * 10), scores([0.0] * 9 + [10.0])
    assert fit_gain(flat, steady) == pytest.approx(1.0 * MICROS)
    assert 0.0 < fit_gain(flat, lucky) < fit_gain(flat, steady)
    assert fit_gain(flat, []) == 0.0
