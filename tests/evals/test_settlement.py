import numpy as np
import pytest
from recordings import recordings

from evals.settlement import Day, every_window, settle, settle_proof
from infra.recordings.chainlink_day import open_chainlink
from infra.recordings.recording import Terms
from state.events import Token
from state.units import NS_PER_S

START_S = 1_780_876_800


def made(seconds: list[int], prices: list[float], windows: list[tuple[int, float, int]], span_s: int = 300) -> Day:
    at_s = START_S + np.array(seconds, np.int64)
    open_s = START_S + np.array([window[0] for window in windows], np.int64)
    return Day(
        at_ns=at_s * NS_PER_S,
        seen_ns=at_s * NS_PER_S + NS_PER_S,
        price_usd=np.array(prices),
        open_s=open_s,
        close_s=open_s + span_s,
        strike_usd=np.array([window[1] for window in windows]),
        outcome_code=np.array([window[2] for window in windows], np.int64),
    )


@pytest.fixture(scope="module")
def real() -> Day:
    recording = open_chainlink(recordings("chainlink_btcusd_1hz"), Terms())
    ticks = np.concatenate(list(recording.parts()))
    windows = recording.windows
    open_s = np.array([window.open_s for window in windows], np.int64)
    return Day(
        at_ns=ticks["at_ns"].astype(np.int64),
        seen_ns=ticks["seen_ns"].astype(np.int64),
        price_usd=ticks["value_usd"].astype(np.float64),
        open_s=open_s,
        close_s=open_s + np.array([window.span_s for window in windows], np.int64),
        strike_usd=np.array([window.strike_usd for window in windows]),
        outcome_code=np.array([-1 if window.outcome is None else int(window.outcome) for window in windows], np.int64),
    )


def test_every_real_strike_and_outcome_follows_from_the_ticks(real: Day) -> None:
    proof = settle_proof(real)
    assert proof.holds
    assert [figure.measured for figure in proof.figures[:2]] == ["283 of 283", "279 of 279"]


def test_averages_name_another_winner_as_often_as_the_recording_says(real: Day) -> None:
    # data README: 11.5 % of windows under 60 s, 5.6 % under 30 s.
    for lookback_s, other in ((60, 33), (30, 16), (1, 0)):
        settled = settle(real, *every_window(real, 300, 300), lookback_s)
        assert bool(settled["complete"].all())
        assert len(settled) == 287
        assert int((settled["up"] != settled["last_up"]).sum()) == other


def test_a_wrong_outcome_or_strike_breaks_the_proof() -> None:
    seconds = list(range(601))
    prices = [64_000.0 + 0.01 * second for second in seconds]
    right = [(0, 64_000.0, int(Token.UP)), (300, 64_003.0, int(Token.UP))]
    assert settle_proof(made(seconds, prices, right)).holds
    assert not settle_proof(made(seconds, prices, [right[0], (300, 64_003.0, int(Token.DOWN))])).holds
    assert not settle_proof(made(seconds, prices, [right[0], (300, 64_003.5, int(Token.UP))])).holds


def test_nothing_to_compare_is_no_proof() -> None:
    assert not settle_proof(made([0, 1, 2, 700], [1.0, 1.0, 1.0, 1.0], [(300, float("nan"), -1)])).holds


def test_a_spike_at_the_close_wins_the_instant_but_not_the_average() -> None:
    seconds = list(range(361))
    prices = [64_000.0 if second < 240 else 63_990.0 for second in seconds]
    prices[300] = 64_500.0 - 490.0
    settled = settle(made(seconds, prices, [(0, 64_000.0, 0)]), START_S + np.array([0]), START_S + np.array([300]), 60)
    assert bool(settled["last_up"][0])
    assert not bool(settled["up"][0])
    assert float(settled["close_usd"][0]) == pytest.approx((59 * 63_990.0 + 64_010.0) / 60)


def test_a_late_tick_still_counts_and_a_missing_one_costs_coverage() -> None:
    seconds = [second for second in range(361) if second not in (290, 295)]
    seconds.insert(seconds.index(310), 295)
    prices = [64_000.0 + (1.0 if second == 295 else 0.0) for second in seconds]
    settled = settle(made(seconds, prices, [(0, 64_000.0, 0)]), START_S + np.array([0]), START_S + np.array([300]), 60)
    assert float(settled["close_usd"][0]) == pytest.approx(64_000.0 + 1.0 / 60)
    assert float(settled["close_ratio"][0]) == pytest.approx(59 / 60)
