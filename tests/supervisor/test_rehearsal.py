import json
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rehearsed_windows import FIRST_S, held, scores

from evals.rehearsal import NO_FORECAST, as_plain, bets, rehearsed
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
    better = [score for score in scores([0.0] * 20)]
    sharper = [type(score)(**{**_fields(score), "p_up": (0.7 if score.up else 0.3,) * 6}) for score in better]
    told = rehearsed(better, sharper, cut_s=FIRST_S)
    assert told.log_loss.mean == pytest.approx(log(0.5) - log(0.7)) and told.log_loss.high < 0.0
    assert told.brier.mean == pytest.approx(0.09 - 0.25)
    assert told.forecasts_count == 120


def test_a_moment_at_which_one_side_was_silent_is_scored_for_neither() -> None:
    silent = [type(score)(**{**_fields(score), "p_up": (NO_FORECAST,) * 6}) for score in scores([0.0] * 4)]
    told = rehearsed(scores([0.0] * 4), silent, cut_s=FIRST_S)
    assert told.forecasts_count == 0 and as_plain(told)["log_loss"]["mean"] is None


def test_a_rehearsal_without_a_window_is_still_a_value() -> None:
    told = held([], [], fit=0)
    assert told.windows_count == 0 and told.evidence_log == 0.0
    assert json.loads(json.dumps(as_plain(told), allow_nan=False))["profit"]["mean"] is None


def test_the_same_parameters_give_no_evidence_either_way() -> None:
    told = held([1.0, -2.0] * 30, [1.0, -2.0] * 30, fit=10)
    assert told.profit.mean == 0.0 and told.evidence_log == 0.0 and told.beyond_count == 0


@given(st.lists(st.floats(-1e6, 1e6), max_size=60), st.floats(1.0, 1e6))
def test_evidence_for_one_is_evidence_against_the_other(drawn: list[float], bound: float) -> None:
    both = bets(drawn, bound), bets([-x for x in drawn], bound)  # type: ignore[arg-type]
    assert both[0].wealth_for_log[3] <= sum(1.0 for _ in drawn) * log(1.0 + 0.04)
    assert not (both[0].for_log > 0.0 and both[1].for_log > 0.0 and len(drawn) == 1)


def test_windows_that_open_together_are_one_bet() -> None:
    pair = scores([2.0, 2.0])
    together = [type(score)(**{**_fields(score), "open_s": FIRST_S}) for score in pair]
    apart = rehearsed(scores([0.0, 0.0]), pair, cut_s=0)
    nothing = [type(score)(**{**_fields(score), "profit_micros": 0.0}) for score in together]
    one = rehearsed(nothing, together, cut_s=0)
    assert (one.profit.clusters, apart.profit.clusters) == (1, 2)


def _fields(score: object) -> dict[str, object]:
    return {name: getattr(score, name) for name in score.__dataclass_fields__}  # type: ignore[attr-defined]
