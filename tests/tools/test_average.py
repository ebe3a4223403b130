import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.prices import RING_S, Average, ObservationCode, Observations
from state.records import as_dict, one
from state.units import NS_PER_S
from tools.average import (
    QUICK,
    QUICK_KEEP,
    SLOW,
    SLOW_KEEP,
    catch_up_usd,
    coverage_ratio,
    follow_variance,
    give_average,
    is_complete,
    known_ratio,
    observe,
    open_average,
    refresh_average,
    strike_variance,
    value_at,
    value_before,
)

START_S = 1_780_876_800
law = settings(deadline=None, max_examples=60)
PRICES = st.floats(10_000.0, 200_000.0)


def fed(ticks: list[tuple[int, float]]) -> Observations:
    observations = one(Observations)
    for second_s, price_usd in ticks:
        observe(observations, (START_S + second_s) * NS_PER_S, price_usd)
    return observations


def averaged(observations: Observations, ends_s: int, lookback_s: int) -> Average:
    average = one(Average)
    open_average(average, START_S + ends_s, lookback_s)
    refresh_average(average, observations)
    return average


def ring(observations: Observations) -> dict[int, float]:
    return {
        int(second): float(value)
        for second, value in zip(observations.second_s, observations.value_usd, strict=True)
        if second > 0
    }


def told(row: Any) -> dict[str, Any]:
    return as_dict(row)


@law
@given(st.dictionaries(st.integers(0, 900), PRICES, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_ticks_in_any_order_leave_the_same_seconds_and_the_same_average(ticks: dict[int, float], chance: Any) -> None:
    straight = sorted(ticks.items())
    mixed = list(straight)
    chance.shuffle(mixed)
    first, second = fed(straight), fed(mixed)
    assert ring(first) == ring(second) == {START_S + s: p for s, p in ticks.items()}
    for lookback_s in (1, 30, 60):
        assert told(averaged(first, 500, lookback_s)) == told(averaged(second, 500, lookback_s))


@law
@given(st.dictionaries(st.integers(0, 300), PRICES, min_size=1, max_size=40))
def test_the_average_is_the_mean_of_its_seconds_each_filled_from_before(ticks: dict[int, float]) -> None:
    observations = fed(sorted(ticks.items()))
    ends_s, lookback_s = max(ticks), 60
    average = averaged(observations, ends_s, lookback_s)
    first = min(ticks)
    values = []
    for second_s in range(ends_s - lookback_s + 1, ends_s + 1):
        before = [at for at in ticks if at <= second_s]
        values.append(ticks[max(before)] if before else ticks[first])
    assert is_complete(average)
    assert average.base_usd == pytest.approx(sum(values) / lookback_s, rel=1e-12)
    assert average.pull_ratio == 0.0
    own = sum(1 for second_s in range(ends_s - lookback_s + 1, ends_s + 1) if second_s in ticks)
    assert coverage_ratio(average) == own / lookback_s
    assert (average.gap_var > 0.0) == (own < lookback_s)


def test_duplicates_change_nothing_and_conflicts_keep_the_first() -> None:
    observations = fed([(10, 100.0), (11, 101.0)])
    before = told(observations)
    assert observe(observations, (START_S + 11) * NS_PER_S, 101.0) == ObservationCode.REPEATED
    assert observe(observations, (START_S + 10) * NS_PER_S + 5, 99.0) == ObservationCode.CONFLICT
    after = told(observations)
    assert after.pop("repeats_count") == 1
    assert after.pop("conflicts_count") == 1
    assert all(after[name] == before[name] for name in after)


def test_a_late_tick_fills_its_second_and_the_average_follows() -> None:
    observations = fed([(58, 100.0), (60, 110.0)])
    assert averaged(observations, 60, 3).base_usd == pytest.approx((100.0 + 100.0 + 110.0) / 3)
    assert observe(observations, (START_S + 59) * NS_PER_S, 104.0) == ObservationCode.LATE
    average = averaged(observations, 60, 3)
    assert average.base_usd == pytest.approx((100.0 + 104.0 + 110.0) / 3)
    assert coverage_ratio(average) == 1.0
    assert average.gap_var == 0.0


def test_what_has_left_the_ring_is_counted_and_dropped() -> None:
    observations = fed([(0, 100.0), (1, 100.0), (RING_S + 5, 101.0), (RING_S + 6, 101.0)])
    assert observations.refused_count == 1
    assert observe(observations, (START_S + 1) * NS_PER_S, 99.0) == ObservationCode.TOO_OLD
    assert observations.dropped_count == 1


def test_one_mad_stamp_does_not_shut_the_door_on_true_ones() -> None:
    observations = fed([(0, 100.0), (1, 100.0)])
    assert observe(observations, (START_S + 10**7) * NS_PER_S, 100.0) == ObservationCode.REFUSED
    assert observe(observations, (START_S + 2) * NS_PER_S, 100.5) == ObservationCode.TAKEN
    assert observe(observations, (START_S + 10**7) * NS_PER_S, 100.0) == ObservationCode.REFUSED


def test_a_mad_first_stamp_does_not_either() -> None:
    observations = fed([(10**7, 100.0), (0, 101.0), (1, 102.0)])
    assert observations.newest_s == START_S + 1
    assert ring(observations) == {START_S: 101.0, START_S + 1: 102.0}
    assert observations.dropped_count == 0


def test_after_a_long_silence_the_second_stamp_is_believed() -> None:
    observations = fed([(0, 100.0)])
    assert observe(observations, (START_S + 9000) * NS_PER_S, 120.0) == ObservationCode.REFUSED
    assert observe(observations, (START_S + 9001) * NS_PER_S, 121.0) == ObservationCode.TAKEN
    assert value_at(observations, START_S + 9001) == 121.0
    assert math.isnan(value_at(observations, START_S))


@pytest.mark.parametrize("price_usd", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_price_is_refused(price_usd: float) -> None:
    observations = one(Observations)
    assert observe(observations, START_S * NS_PER_S, price_usd) == ObservationCode.REFUSED
    assert observations.count == 0


def test_the_point_rule_is_the_value_of_the_very_second() -> None:
    observations = fed([(9, 100.0), (10, 101.0), (11, 102.0)])
    assert averaged(observations, 10, 1).base_usd == 101.0
    assert value_before(observations, START_S + 10) == 101.0


@law
@given(st.integers(0, 130), st.sampled_from([1, 30, 60]))
def test_an_average_at_rest_expects_the_price_to_stay(left_s: int, lookback_s: int) -> None:
    observations = fed([(second_s, 64_000.0) for second_s in range(100)])
    average = averaged(observations, 99 + left_s, lookback_s)
    assert average.base_usd + average.pull_ratio * 64_000.0 == pytest.approx(64_000.0, rel=1e-12)
    unknown = min(left_s, lookback_s)
    assert known_ratio(average) == (lookback_s - unknown) / lookback_s
    assert 0.0 <= average.pull_ratio <= unknown / lookback_s + 1e-12


def response(steps: int) -> list[float]:
    """Give what a surprise of 1 adds to the stream in each later second, by stepping the two parts themselves."""
    quick, slow, moves = QUICK, SLOW, [1.0]
    for _ in range(steps):
        moves.append(quick + slow)
        quick *= QUICK_KEEP
        slow *= SLOW_KEEP
    return moves


def test_the_catch_up_after_a_surprise_is_the_sum_of_what_then_comes() -> None:
    rest = [(second_s, 60_000.0) for second_s in range(20)]
    observations = fed([*rest, (20, 60_000.0 * math.exp(1e-4))])
    expected = sum(response(200)[1:]) * 1e-4
    assert catch_up_usd(observations) / observations.newest_usd == pytest.approx(expected, rel=1e-9)
    # And when the stream then moves just so, nothing surprises, and what is left shrinks by what has come.
    level = math.log(60_000.0) + 1e-4
    for step, move in enumerate(response(5)[1:], start=1):
        level += move * 1e-4
        observe(observations, (START_S + 20 + step) * NS_PER_S, math.exp(level))
        left = sum(response(200)[1 + step :]) * 1e-4
        assert catch_up_usd(observations) / observations.newest_usd == pytest.approx(left, rel=1e-6)


def test_over_a_gap_less_is_left_to_catch_up_than_after_the_same_move_in_one_second() -> None:
    rest = [(second_s, 60_000.0) for second_s in range(20)]
    at_once = fed([*rest, (20, 60_060.0)])
    over_a_gap = fed([*rest, (27, 60_060.0)])
    assert 0.0 < catch_up_usd(over_a_gap) < 0.5 * catch_up_usd(at_once)


@pytest.mark.parametrize("lookback_s", [1, 30, 60])
@pytest.mark.parametrize("left_s", [1, 2, 7, 30, 60, 200])
def test_open_variance_is_the_sum_over_every_later_second_of_what_its_shock_moves(left_s: int, lookback_s: int) -> None:
    shown = np.cumsum(response(400)) / sum(response(2000))
    total = 0.0
    for shock_s in range(1, left_s + 1):
        weight = 0.0
        for value_s in range(max(shock_s, left_s - lookback_s + 1), left_s + 1):
            weight += shown[value_s - shock_s] / lookback_s
        total += weight * weight
    # Shocks before the look-back are taken at full weight there, as if the stream had caught up with them: a few
    # percent of a second.
    assert follow_variance(float(left_s), lookback_s) == pytest.approx(
        total, rel=0.02, abs=1.7 if left_s > lookback_s else 1e-9
    )


@law
@given(st.floats(0.0, 400.0), st.floats(0.0, 400.0), st.sampled_from([1, 30, 60]))
def test_more_time_never_leaves_less_open(a: float, b: float, lookback_s: int) -> None:
    near, far = min(a, b), max(a, b)
    assert 0.0 <= follow_variance(near, lookback_s) <= follow_variance(far, lookback_s) <= far
    assert 0.0 <= strike_variance(near, lookback_s) <= strike_variance(far, lookback_s) + 1e-12


@pytest.mark.parametrize("left_s", [20.0, 40.0, 59.0])
def test_inside_the_look_back_variance_falls_with_the_cube_of_the_time(left_s: float) -> None:
    # landscape: tau^3 / (3 L^2) for a continuous, unsmoothed price; smoothing takes about half a second off tau.
    assert follow_variance(left_s, 60) == pytest.approx((left_s - 0.55) ** 3 / (3 * 3600.0), rel=0.02)


def test_before_the_look_back_two_thirds_of_it_are_saved() -> None:
    assert follow_variance(240.0, 60) == pytest.approx(240.0 - 40.0, abs=2.0)


def test_a_told_value_stands_whatever_the_stream_says() -> None:
    observations = fed([(second_s, 100.0) for second_s in range(100)])
    average = one(Average)
    open_average(average, START_S + 60, 60)
    give_average(average, 123.0, 2.0)
    refresh_average(average, observations)
    assert average.base_usd == 123.0
    assert average.doubt_var == 4.0
    assert is_complete(average)


def test_a_stream_that_began_after_the_average_has_no_coverage_and_much_doubt() -> None:
    average = averaged(fed([(100, 64_000.0), (101, 64_001.0)]), 60, 60)
    assert coverage_ratio(average) == 0.0
    assert average.base_usd == pytest.approx(64_001.0)
    assert average.gap_var > 60.0


def test_an_average_that_leaves_the_ring_keeps_its_value() -> None:
    observations = fed([(second_s, 100.0 + second_s) for second_s in range(120)])
    average = averaged(observations, 110, 60)
    before = told(average)
    for second_s in range(120, 120 + RING_S):
        observe(observations, (START_S + second_s) * NS_PER_S, 500.0)
        refresh_average(average, observations)
    after = told(average)
    assert {**after, "newest_s": 0} == {**before, "newest_s": 0}
