"""Laws of the desk and of its money, under random views and random lives of orders."""

from typing import Any

import numpy as np
import pytest
from desk_story import CASH, SHARE, Kind, Liquidity, OrderState, Token, trading
from desk_views import OPEN_NS, SOUND, bent_views, decided, view_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graph.fusion import drift, learn, start_weights
from state.learner import Learner
from state.params import default_params
from state.records import one
from state.units import BPS, NS_PER_S

FEW = settings(max_examples=60)

inside = st.floats(0.001, 0.999)
cents = st.integers(2, 97)


def _random_view(draw: st.DrawFn) -> Any:
    bid = draw(cents) * 100
    ask = min(bid + 100 * draw(st.integers(1, 6)), 9_900)
    weights = draw(st.lists(st.floats(0.0, 1.2), min_size=5, max_size=5))
    total = draw(st.floats(0.0, 1e9))
    touch = [draw(st.integers(0, 2_000)) * SHARE, draw(st.integers(0, 2_000)) * SHARE]
    near = [draw(st.integers(0, 9_000)) * SHARE, draw(st.integers(0, 9_000)) * SHARE]
    return view_of(
        bid_bps=[bid, BPS - ask], ask_bps=[ask, BPS - bid], p_fair=draw(inside), weights_ratio=weights,
        weights_var=(np.diag(draw(st.lists(st.floats(1e-6, 0.05), min_size=5, max_size=5)))).tolist(),
        flow_total_micros=total, flow_signed_micros=total * draw(st.floats(-1, 1)),
        flow_slow_micros=draw(st.floats(0, 1e9)),
        lag_z=draw(st.floats(0, 8)), lag_ns=10**9, lag_correlation_ratio=draw(st.floats(0, 1)),
        lead_move_log=draw(st.floats(-1e-3, 1e-3)),
        bid_touch_micros=touch, ask_touch_micros=touch[::-1], bid_near_micros=near, ask_near_micros=near[::-1],
        held_micros=[draw(st.integers(0, 500)) * SHARE, draw(st.integers(0, 500)) * SHARE],
        p_hold_sd=draw(st.floats(0, 0.05)),
    )  # fmt: skip


views = st.composite(lambda draw: _random_view(draw))()


@FEW
@given(views, inside, inside)
def test_the_posterior_rises_with_fair_value(view: Any, first: float, second: float) -> None:
    assume(view.weights_ratio[1] > 0.0)
    low, high = view.copy(), view.copy()
    low.p_fair, high.p_fair = min(first, second), max(first, second)
    assert decided(low).forecast.p_up <= decided(high).forecast.p_up


@FEW
@given(views)
def test_the_interval_holds_the_forecast_and_both_stay_inside_zero_and_one(view: Any) -> None:
    forecast = decided(view).forecast
    assert 0.0 < forecast.p_low <= forecast.p_up <= forecast.p_high < 1.0
    assert forecast.half_width_logodds >= 0.0
    assert forecast.posterior_logodds == pytest.approx(sum(forecast.contributions_logodds))


def test_even_absurd_views_have_probabilities_and_no_masks_behind_a_closed_gate() -> None:
    allowed = 0
    for view in bent_views(31, 1_500, []):
        mandate = decided(view).mandate
        assert 0.0 < mandate.p_low <= mandate.p_high < 1.0 and 0.0 < mandate.p_up < 1.0
        if mandate.reason_code != 0:
            assert (mandate.take_mask, mandate.quote_mask, mandate.exit_mask, mandate.cap_micros) == (0, 0, 0, 0)
            assert list(mandate.shares_micros) == [0, 0] and mandate.gate_code != 0
        else:
            allowed += 1
            assert mandate.gate_code == 0 and mandate.take_mask | mandate.quote_mask | mandate.exit_mask
            assert mandate.reduce_code == 0 or (mandate.take_mask | mandate.quote_mask == 0 and mandate.exit_mask)
            assert all(mandate.exit_micros[token] > 0 for token in range(2) if int(mandate.exit_mask) >> token & 1)
            masks = int(mandate.take_mask) | int(mandate.quote_mask)
            assert all(mandate.shares_micros[token] > 0 for token in range(2) if masks >> token & 1)
    assert allowed > 100


def _turned(view: Any) -> Any:
    """The same market told from the other side: tokens swapped, every push the other way."""
    out = view.copy()
    names = ("bid_bps", "ask_bps", "bid_touch_micros", "ask_touch_micros", "bid_near_micros", "ask_near_micros")
    for name in (*names, "held_micros", "pending_micros"):
        out[name] = view[name][::-1]
    out.p_fair, out.p_point = 1.0 - view.p_fair, 1.0 - view.p_point
    out.flow_signed_micros, out.lead_move_log = -view.flow_signed_micros, -view.lead_move_log
    return out


@settings(max_examples=150)
@given(views)
def test_the_desk_has_no_favourite_token(view: Any) -> None:
    ours, theirs = decided(view), decided(_turned(view))
    assert ours.forecast.p_up == pytest.approx(1.0 - theirs.forecast.p_up, abs=1e-12)
    assert (ours.forecast.p_low, ours.forecast.p_high) == pytest.approx(
        (1.0 - theirs.forecast.p_high, 1.0 - theirs.forecast.p_low), abs=1e-12
    )
    one_way, other_way = ours.mandate, theirs.mandate
    assert one_way.reason_code == other_way.reason_code
    assert list(one_way.edge_bps) == pytest.approx(list(other_way.edge_bps)[::-1], abs=1e-6)
    for name in ("take_mask", "quote_mask", "exit_mask"):
        mask = int(other_way[name])
        assert int(one_way[name]) == (mask >> 1 & 1) | (mask & 1) << 1
    # A size is rounded down to the lot, so the last bits of a probability may move it by one.
    assert list(one_way.shares_micros) == pytest.approx(list(other_way.shares_micros)[::-1], abs=10_001)


@FEW
@given(views, st.integers(-100, 400_000), st.booleans())
def test_nothing_is_allowed_beyond_the_quiet_end_or_when_halted(view: Any, at_ms: int, halted: bool) -> None:
    params = default_params()
    view.now_ns = OPEN_NS + at_ms * (NS_PER_S // 1_000)
    view.book_seen_ns = view.nowcast_seen_ns = view.now_ns
    view.halted_code = int(halted)
    mandate = decided(view).mandate
    quiet_ns = int(SOUND["close_ns"]) - int(params.close_quiet_ns)
    assert mandate.until_ns <= quiet_ns and mandate.until_ns <= view.now_ns + params.mandate_ns
    if halted or view.now_ns >= quiet_ns or view.now_ns < OPEN_NS + params.open_quiet_ns:
        assert mandate.reason_code != 0 and mandate.take_mask == mandate.quote_mask == 0


deeds = st.tuples(
    st.sampled_from(("fill", "part", "reverse", "fee", "refund", "done", "other fill", "sale")),
    st.integers(1, 40_000), st.integers(1, 99),
)  # fmt: skip


@settings(max_examples=80)
@given(st.lists(deeds, max_size=25), st.sampled_from(Token))
def test_money_is_never_made_nor_lost_on_the_way(life: list[tuple[str, int, int]], outcome: Token) -> None:
    story = trading(may_quote_count=0, may_take_count=0)
    story.answers = False
    position, money = story.market().position, story.world.money
    shares = [0, 0]
    matched: list[dict[str, Any]] = []
    for number, (deed, hundredths, cent) in enumerate(life):
        micros, token, price = hundredths * 10_000, number % 2, cent * 100
        columns: dict[str, Any] = {"ref_id": number + 1, "amount_micros": micros}
        trade = columns | {"price_bps": price, "token_code": token}
        if deed in ("fill", "part", "other fill", "sale"):
            side = int(deed == "sale")
            story.tell(40, Kind.FILLED, **trade, side_code=side, code_id=Liquidity.TAKER)
            shares[token] += micros * (1 - 2 * side)
            matched.append({**trade, "side_code": side})
        elif deed == "reverse":
            story.tell(40, Kind.FILL_REVERSED, **trade)  # of a match that nobody has heard of
            if matched:
                failed = matched.pop(hundredths % len(matched))
                story.tell(40, Kind.FILL_REVERSED, **failed)
                story.tell(40, Kind.FILL_REVERSED, **failed)  # told twice, undone once
                shares[failed["token_code"]] -= failed["amount_micros"] * (1 - 2 * failed["side_code"])
        elif deed in ("fee", "refund"):
            story.tell(40, Kind.FEE_CHARGED, ref_id=number + 1, amount_micros=micros * (1 if deed == "fee" else -1))
        else:
            story.tell(40, Kind.ORDER_CHANGED, **columns, code_id=OrderState.DONE)
        assert money.cash_micros + story.cost_micros() == CASH
        assert [position.up_micros, position.down_micros] == shares
    story.settle(350, outcome)
    paid = shares[outcome] if position.fills_count else 0
    assert money.cash_micros == CASH - story.cost_micros() + paid
    assert money.cash_micros == CASH + money.day_realized_micros or not position.fills_count


@pytest.mark.parametrize(("good", "bad"), [(1, 3), (2, 4), (4, 2)])
def test_learning_moves_the_weights_towards_the_better_forecaster(good: int, bad: int) -> None:
    rng = np.random.default_rng(good)
    params, learner = default_params(), one(Learner)
    start_weights(learner, params)
    before = np.array(learner.weights_ratio)
    for _ in range(300):
        features = np.zeros(5)
        features[0] = rng.normal(0.0, 0.3)
        features[good], features[bad] = rng.normal(0.0, 1.0, 2)
        up = rng.random() < 1.0 / (1.0 + np.exp(-(features[0] + 1.2 * features[good] - 0.4 * features[bad])))
        drift(learner, params)
        learn(learner, features, bool(up), 1.0)
    after = np.array(learner.weights_ratio)
    assert after[good] > before[good] + 0.2 and after[bad] < before[bad]
    assert abs(after[0] - 1.0) < 0.15


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 200), st.floats(0.1, 1.0))
def test_the_weights_covariance_stays_symmetric_and_positive(seed: int, windows: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    params, learner = default_params(), one(Learner)
    start_weights(learner, params)
    for _ in range(windows):
        drift(learner, params)
        learn(learner, rng.normal(0.0, 3.0, 5), bool(rng.random() < 0.5), share)
    var = np.array(learner.weights_var)
    assert np.allclose(var, var.T, rtol=0.0, atol=1e-15)
    assert float(np.linalg.eigvalsh(var).min()) > 0.0
    assert np.isfinite(learner.weights_ratio).all()


@FEW
@given(st.floats(-10, 10), st.booleans())
def test_one_lesson_moves_the_forecast_towards_what_happened(strength: float, up: bool) -> None:
    params, learner = default_params(), one(Learner)
    start_weights(learner, params)
    features = np.array([strength, 0.5 * strength, 0.1, 0.0, -0.2])
    before = float(features @ np.array(learner.weights_ratio))
    learn(learner, features, up, 1.0)
    after = float(features @ np.array(learner.weights_ratio))
    assert after >= before if up else after <= before
