from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rehearsed_windows import FIRST_S, held

from evals.promotion import (
    Because,
    Context,
    LiveWindow,
    Promise,
    Rule,
    Ruling,
    alpha_of,
    bar_log,
    keep,
    promise_of,
    promote,
    shrinks,
)
from state.params import BOUNDS, Change, default_params, difference
from state.units import MICROS

FIRST = Context(number=1, age_s=600.0)
RISKIER = difference(default_params(), default_params({"take_edge_bps": 60.0}))
SAFER = difference(default_params(), default_params({"take_edge_bps": 150.0}))


def test_a_challenger_that_makes_more_in_window_after_window_is_promoted() -> None:
    champion = [1.0, -1.0] * 60
    told = held(champion, [usd + 1.0 for usd in champion], fit=20)
    verdict = promote(told, RISKIER, FIRST)
    assert (verdict.ruling, verdict.because) == (Ruling.PROMOTE, Because.EARNS_MORE)
    assert verdict.measured >= verdict.bar == pytest.approx(bar_log(0.05, 1))


def test_the_same_challenger_as_the_hundredth_proposal_must_show_more() -> None:
    champion = [1.0, -1.0] * 26
    told = held(champion, [usd + 1.0 for usd in champion], fit=10)
    first, hundredth = promote(told, RISKIER, FIRST), promote(told, RISKIER, Context(number=100, age_s=600.0))
    assert (first.ruling, hundredth.ruling) == (Ruling.PROMOTE, Ruling.WAIT)
    assert hundredth.windows_more_count > 0


def test_too_few_windows_wait_and_say_how_many_are_missing() -> None:
    told = held([1.0] * 20, [2.0] * 20, fit=8)
    verdict = promote(told, RISKIER, FIRST)
    assert (verdict.ruling, verdict.because, verdict.windows_more_count) == (Ruling.WAIT, Because.TOO_FEW, 12)
    unfit = promote(held([1.0] * 60, [2.0] * 60, fit=2), RISKIER, FIRST)
    assert (unfit.ruling, unfit.because) == (Ruling.WAIT, Because.TOO_FEW_FIT)


def test_where_nobody_traded_before_the_cut_the_bets_have_no_scale() -> None:
    told = held([0.0] * 60, [0.0] * 20 + [-3.0, 5.0] * 20, fit=20)
    assert told.bound_micros == 0.0 == told.evidence_log
    verdict = promote(told, RISKIER, FIRST)
    assert (verdict.ruling, verdict.because) == (Ruling.WAIT, Because.NO_SCALE)
    assert promote(told, SAFER, FIRST).ruling is Ruling.PROMOTE


def test_no_windows_at_all_wait() -> None:
    assert promote(held([], [], fit=0), RISKIER, FIRST).ruling is Ruling.WAIT


def test_windows_of_last_night_wait_for_new_ones() -> None:
    told = held([1.0, -1.0] * 60, [2.0, 0.0] * 60, fit=20)
    verdict = promote(told, RISKIER, Context(number=1, age_s=7 * 3600.0))
    assert (verdict.ruling, verdict.because) == (Ruling.WAIT, Because.STALE)


def test_shrinking_risk_needs_no_proof_that_it_earns_more() -> None:
    told = held([5.0, -4.0] * 20, [4.8, -3.9] * 20, fit=10)
    verdict = promote(told, SAFER, FIRST)
    assert (verdict.ruling, verdict.because) == (Ruling.PROMOTE, Because.SHRINKS)
    assert promote(told, RISKIER, FIRST).ruling is Ruling.WAIT


def test_shrinking_that_costs_more_than_the_margin_is_refused() -> None:
    told = held([5.0, 4.0] * 20, [1.0, 0.5] * 20, fit=10)
    verdict = promote(told, SAFER, FIRST)
    assert (verdict.ruling, verdict.because) == (Ruling.REFUSE, Because.WORSE)


def test_one_step_towards_risk_makes_the_whole_proposal_one_that_must_earn() -> None:
    both = difference(default_params(), default_params({"take_edge_bps": 150.0, "kelly_ratio": 0.3}))
    assert shrinks(SAFER) and not shrinks(RISKIER) and not shrinks(both)
    assert not shrinks(difference(default_params(), default_params({"sigma_prior_bps": 1.0})))
    assert not shrinks(())


@given(
    name=st.sampled_from([name for name, bound in BOUNDS.items() if bound.limit]),
    profit_usd=st.floats(0.0, 1e4),
)
def test_no_profit_ever_raises_a_limit(name: str, profit_usd: float) -> None:
    bound = BOUNDS[name]
    up = Change(name, bound.low, bound.high) if bound.riskier == "up" else Change(name, bound.high, bound.low)
    told = held([1.0, -1.0] * 60, [1.0 + profit_usd, -1.0 + profit_usd] * 60, fit=20)
    verdict = promote(told, (up, *SAFER), FIRST)
    assert (verdict.ruling, verdict.because, verdict.name) == (Ruling.REFUSE, Because.LIMIT_RAISED, name)


def test_a_limit_may_move_towards_safety() -> None:
    lower = difference(default_params(), default_params({"concurrent_count": 3}))
    assert promote(held([1.0, -1.0] * 20, [1.0, -1.0] * 20, fit=10), lower, FIRST).ruling is Ruling.PROMOTE


def test_many_small_gains_do_not_pay_for_a_loss_that_the_test_cannot_count() -> None:
    champion = [1.0, -1.0] * 100
    challenger = [usd + 1.0 for usd in champion]
    challenger[150] = -50.0
    verdict = promote(held(champion, challenger, fit=20), RISKIER, FIRST)
    assert (verdict.ruling, verdict.because) == (Ruling.REFUSE, Because.BEYOND_BOUND)


def test_more_profit_with_a_much_deeper_drawdown_is_refused() -> None:
    champion = [30.0, -1.0] * 60
    challenger = [62.0] * 20 + [62.0] * 60 + [-20.0] * 10 + [62.0] * 30
    verdict = promote(held(champion, challenger, fit=20), RISKIER, FIRST)
    assert (verdict.ruling, verdict.because) == (Ruling.REFUSE, Because.DRAWDOWN)


def test_the_shares_of_alpha_never_add_up_to_more_than_alpha() -> None:
    assert sum(alpha_of(0.05, k) for k in range(1, 100_000)) < 0.05


PROMISE = Promise(mean_micros=2.0 * MICROS, sd_micros=10.0 * MICROS, windows_count=60, bound_micros=60.0 * MICROS)


def live(usd: list[float], replayed_usd: list[float] | None = None) -> list[LiveWindow]:
    other = replayed_usd or usd
    return [
        LiveWindow(open_s=FIRST_S + 300 * k, live_micros=a * MICROS, replayed_micros=b * MICROS)
        for k, (a, b) in enumerate(zip(usd, other, strict=True))
    ]


def test_what_was_promoted_stays_while_it_does_as_rehearsed() -> None:
    assert keep(PROMISE, []).ruling is Ruling.KEEP
    assert keep(PROMISE, live([5.0, -9.0, 14.0, -6.0, 2.0, 4.0, -11.0])).ruling is Ruling.KEEP


@pytest.mark.parametrize(
    ("usd", "replayed_usd", "because"),
    [
        ([-61.0], None, Because.ONE_WINDOW),
        ([-15.0] * 8, None, Because.LOSS),
        ([0.0] * 40, [20.0] * 40, Because.DRIFT),
    ],
)
def test_it_is_rolled_back_by_rule(usd: list[float], replayed_usd: list[float] | None, because: Because) -> None:
    verdict = keep(PROMISE, live(usd, replayed_usd))
    assert (verdict.ruling, verdict.because) == (Ruling.ROLL_BACK, because)


def test_a_promise_is_what_the_challenger_made() -> None:
    promise = promise_of(held([1.0, -1.0] * 20, [2.0, 0.0] * 20, fit=10))
    assert promise.mean_micros == pytest.approx(1.0 * MICROS)
    assert promise.windows_count == 30 and promise.bound_micros == pytest.approx(25.0 * MICROS)
    assert keep(Promise(mean_micros=nan, sd_micros=nan, windows_count=1, bound_micros=1.0), live([0.0])).ruling is (
        Ruling.KEEP
    )


def test_every_number_of_the_rule_can_be_written_on_a_receipt() -> None:
    assert Rule().alpha == 0.05 and all(isinstance(word.value, str) and word.value for word in Because)
