import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recordings import recordings

from evals.pricing import DEVELOPMENT_S, LEFT_S, by_left, moments_of, pricing_proof, score_row
from evals.settlement import Day, every_window
from infra.recordings.chainlink_day import open_chainlink
from infra.recordings.recording import Terms
from state.units import NS_PER_S

START_S = 1_800_000_000


def walk(seconds: int, seed: int, sigma: float = 0.9e-4, delay_s: float = 1.3) -> Day:
    """Make a day of a plain random walk, a tick a second, with a window every five minutes."""
    generator = np.random.default_rng(seed)
    at_s = START_S + np.arange(seconds, dtype=np.int64)
    prices = 64_000.0 * np.exp(np.cumsum(generator.normal(0.0, sigma, seconds)))
    open_s = np.arange(START_S, START_S + seconds - 300, 300, dtype=np.int64)
    return Day(
        at_ns=at_s * NS_PER_S,
        seen_ns=at_s * NS_PER_S + int(delay_s * NS_PER_S),
        price_usd=prices,
        open_s=open_s,
        close_s=open_s + 300,
        strike_usd=np.full(len(open_s), np.nan),
        outcome_code=np.full(len(open_s), -1, np.int64),
    )


@pytest.fixture(scope="module")
def real() -> Day:
    recording = open_chainlink(recordings("chainlink_btcusd_1hz"), Terms())
    ticks = np.concatenate(list(recording.parts()))
    open_s = np.array([window.open_s for window in recording.windows], np.int64)
    return Day(
        at_ns=ticks["at_ns"].astype(np.int64),
        seen_ns=ticks["seen_ns"].astype(np.int64),
        price_usd=ticks["value_usd"].astype(np.float64),
        open_s=open_s,
        close_s=open_s + np.array([window.span_s for window in recording.windows], np.int64),
        strike_usd=np.array([window.strike_usd for window in recording.windows]),
        outcome_code=np.full(len(open_s), -1, np.int64),
    )


def test_fair_value_holds_its_bars_on_the_half_it_has_not_seen(real: Day) -> None:
    proof = pricing_proof(real)
    assert proof.holds, proof.figures
    moments = moments_of(real, real.open_s, real.close_s, 60)
    assert int(moments["window_s"].min()) - 60 >= DEVELOPMENT_S[1]
    assert len(np.unique(moments["window_s"])) > 100


def test_what_is_seen_later_cannot_change_an_earlier_price(real: Day) -> None:
    some = slice(180, 200)
    part = replace(real, open_s=real.open_s[some], close_s=real.close_s[some])
    whole = moments_of(part, part.open_s, part.close_s, 60)
    cut_ns = int(part.close_s[10]) * NS_PER_S - 30 * NS_PER_S
    later = part.seen_ns > cut_ns
    moved = moments_of(replace(part, price_usd=np.where(later, part.price_usd * 1.01, part.price_usd)),
                       part.open_s, part.close_s, 60)  # fmt: skip
    before = (whole["window_s"] + 300 - whole["left_s"]) * NS_PER_S <= cut_ns
    assert before.sum() > 50
    for name in ("p_fair", "p_still", "p_point"):
        assert (whole[name][before] == moved[name][before]).all()
        assert (whole[name][~before] != moved[name][~before]).any()


def test_windows_that_touch_the_development_ticks_are_never_scored() -> None:
    day = walk(7_200, 1)
    shift_s = DEVELOPMENT_S[0] + 3_600 - START_S
    inside = replace(
        day, at_ns=day.at_ns + shift_s * NS_PER_S, seen_ns=day.seen_ns + shift_s * NS_PER_S,
        open_s=day.open_s + shift_s, close_s=day.close_s + shift_s,
    )  # fmt: skip
    assert len(moments_of(inside, inside.open_s, inside.close_s, 60)) == 0
    assert len(moments_of(day, day.open_s, day.close_s, 60)) > 0
    assert not pricing_proof(inside).holds


def test_on_a_plain_walk_fair_value_beats_the_point_model_in_the_last_minute() -> None:
    day = walk(14_400, 2)
    rows = {row["to close"]: row for row in by_left(moments_of(day, *every_window(day, 60, 300), 60))}
    assert set(rows) == {f"{left_s} s" for left_s in LEFT_S} | {"<= 60 s", "all"}
    late = rows["<= 60 s"]
    assert late["log loss fair"] < 0.7 * late["log loss point"]
    assert rows["240 s"]["log loss fair"] < rows["240 s"]["log loss coin"] + 0.02


def test_thin_coverage_and_the_first_minutes_are_left_out() -> None:
    day = walk(7_200, 3)
    kept = np.ones(7_200, bool)
    kept[3_550:3_590] = False
    gappy = replace(day, at_ns=day.at_ns[kept], seen_ns=day.seen_ns[kept], price_usd=day.price_usd[kept])
    windows = set(moments_of(gappy, day.open_s, day.close_s, 60)["window_s"] - START_S)
    assert 3_300 not in windows
    assert 3_600 not in windows
    assert 3_000 in windows
    assert min(windows) >= 600


def fingerprint() -> str:
    """Hash every price of a small day, for comparing one way of running with another."""
    day = walk(1_800, 4)
    moments = moments_of(day, *every_window(day, 60, 300), 60)
    return hashlib.sha256(b"".join(moments[name].tobytes() for name in moments.dtype.names)).hexdigest()


def test_plain_python_gives_the_same_bits_as_compiled() -> None:
    here = Path(__file__)
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; "
        "import importlib.util as u; s = u.spec_from_file_location('plain', sys.argv[1]); "
        "m = u.module_from_spec(s); s.loader.exec_module(m); print(m.fingerprint())"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    paths = [str(here), str(here.parents[1]), str(here.parents[2])]
    ran = subprocess.run(
        [sys.executable, "-c", code, *paths], capture_output=True, text=True, env=environment, check=True
    )
    assert ran.stdout.strip() == fingerprint()


def test_a_row_of_scores_says_who_was_better_and_by_how_much() -> None:
    up = np.array([1.0, 1.0, 0.0, 0.0] * 5)
    good, bad = np.where(up > 0, 0.8, 0.2), np.where(up > 0, 0.4, 0.6)
    row = score_row({"good": good, "bad": bad}, up, np.arange(20), "good", "bad")
    assert row["log loss good"] == pytest.approx(-np.log(0.8), abs=1e-4)
    assert row["Brier bad"] == pytest.approx(0.36)
    assert row["log loss less"].startswith("-0.6931 ")
