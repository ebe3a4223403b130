"""What a session's parameters may become: every refusal has its reason, and no order of requests finds a way round."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from state.params import BOUNDS, Change, Params, default_params, number_type
from state.records import as_dict
from tools.minimums import Minima
from tools.retuning import Refused, Retune, WhyNot, judge_change

DOLLAR = 1_000_000
BEGAN = default_params({"position_micros": 500 * DOLLAR, "liquidity_micros": 20_000 * DOLLAR, "take_edge_bps": 120.0})
STANDARD = Minima(5 * DOLLAR, DOLLAR, 100)


def judged(changes: dict[str, float], **more: Any) -> Params | Refused:
    terms: dict[str, Any] = {"allowed": Retune.ANY, "is_stopped": False, "minima": STANDARD} | more
    return judge_change(terms.pop("now", BEGAN), terms.pop("began", (BEGAN,)), changes, **terms)


def why(changes: dict[str, float], **more: Any) -> str:
    verdict = judged(changes, **more)
    return f"{verdict.why.name}: {verdict.words}" if isinstance(verdict, Refused) else "may be"


@pytest.mark.parametrize(
    ("changes", "more", "line"),
    [
        ({"take_edge_bps": 200.0}, {}, "may be"),
        ({"position_micros": 400 * DOLLAR}, {}, "may be"),
        (
            {"position_micros": 501 * DOLLAR},
            {},
            "LIMIT_RAISED: position_micros = 5.01e+08: the operator began with 5e+08",
        ),
        (
            {"liquidity_micros": 19_000 * DOLLAR},
            {},
            "LIMIT_RAISED: liquidity_micros = 1.9e+10: the operator began with 2e",
        ),
        ({"take_edge_bps": 5.0}, {}, "OUT_OF_BOUNDS: take_edge_bps = 5 is outside 10 .. 2000"),
        ({"take_edge_bps": float("nan")}, {}, "OUT_OF_BOUNDS: take_edge_bps = nan must be a finite number"),
        ({"concurrent_count": 2.5}, {}, "OUT_OF_BOUNDS: concurrent_count = 2.5 must be a whole number"),
        ({"take_edge": 50.0}, {}, "UNKNOWN: unknown parameter 'take_edge'; the nearest are take_edge_bps"),
        ({}, {}, "NOTHING_CHANGES"),
        ({"take_edge_bps": 120.0}, {}, "NOTHING_CHANGES"),
        (
            {"take_edge_bps": 200.0},
            {"allowed": Retune.NONE},
            "SETTING_FORBIDS: take_edge_bps = 200: this session lets nob",
        ),
        (
            {"take_edge_bps": 110.0},
            {"allowed": Retune.SAFER},
            "SETTING_FORBIDS: take_edge_bps = 110: this session allows",
        ),
        (
            {"sigma_prior_bps": 2.0},
            {"allowed": Retune.SAFER},
            "SETTING_FORBIDS: sigma_prior_bps = 2: this session allows",
        ),
        (
            {"take_edge_bps": 110.0},
            {"is_stopped": True},
            "ADDS_RISK_HALTED: take_edge_bps = 110: nothing that adds risk",
        ),
        ({"take_edge_bps": 130.0}, {"is_stopped": True}, "may be"),
        ({"take_edge_bps": 130.0, "kelly_ratio": 0.3}, {"is_stopped": True}, "ADDS_RISK_HALTED: kelly_ratio = 0.3"),
        ({"quote_edge_bps": 20.0}, {}, "UNHONOURABLE: keep_edge_bps pulls a quote at its least edge of 20 bps at once"),
        ({"may_take_count": 0, "may_quote_count": 0}, {}, "may be"),
        ({"order_micros": DOLLAR}, {}, "may be"),
    ],
)
def test_each_change_has_its_verdict(changes: dict[str, float], more: dict[str, Any], line: str) -> None:
    """Shrinking to nothing is always allowed: an order too small for the venue is one that is never placed."""
    assert why(changes, **more)[: len(line)] == line


def test_what_was_shrunk_may_be_put_back_to_where_the_operator_began_and_no_further() -> None:
    shrunk = judged({"take_edge_bps": 400.0, "position_micros": 100 * DOLLAR}, allowed=Retune.SAFER)
    assert not isinstance(shrunk, Refused)
    told = [
        why({"take_edge_bps": 120.0, "position_micros": 500 * DOLLAR}, now=shrunk, allowed=Retune.SAFER),
        why({"take_edge_bps": 119.0}, now=shrunk, allowed=Retune.SAFER),
        why({"take_edge_bps": 120.0}, now=shrunk, allowed=Retune.SAFER, is_stopped=True),
    ]
    assert told == snapshot(
        [
            "may be",
            "SETTING_FORBIDS: take_edge_bps = 119: this session allows steps away from risk only; it began with 120",
            "ADDS_RISK_HALTED: take_edge_bps = 120: nothing that adds risk (400 before) while the desk is stopped",
        ]
    )


def test_the_lower_of_two_ceilings_counts() -> None:
    """The session began with more than its operator says at this start."""
    lower = default_params({"position_micros": 300 * DOLLAR})
    now = default_params({"position_micros": 200 * DOLLAR})
    assert why({"position_micros": 301 * DOLLAR}, now=now, began=(BEGAN, lower)).startswith("LIMIT_RAISED")
    assert why({"position_micros": 300 * DOLLAR}, now=now, began=(BEGAN, lower)) == "may be"


VALUES = st.one_of(
    st.floats(allow_nan=True), st.integers(-(10**18), 10**18).map(float), st.sampled_from([0.0, 1.0, -1.0, 1e12])
)


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, float]:
    """Wishes as a hostile asker would make them: most within some bound, some anything at all, some not ours."""
    changes: dict[str, float] = {}
    for name in draw(st.lists(st.sampled_from([*BOUNDS, "no_such_bps"]), min_size=1, max_size=4, unique=True)):
        bound = BOUNDS.get(name)
        if bound is None or draw(st.integers(0, 9)) == 0:
            changes[name] = draw(VALUES)
        else:
            value = draw(st.floats(bound.low, bound.high))
            changes[name] = float(int(value)) if np.issubdtype(number_type(name), np.integer) else value
    return changes


@given(
    asked=st.lists(st.tuples(wishes(), st.booleans()), min_size=1, max_size=12),
    allowed=st.sampled_from(list(Retune)), began=wishes(),
)  # fmt: skip
def test_no_row_of_requests_raises_a_limit_leaves_a_bound_or_adds_risk_to_a_stopped_desk(
    asked: list[tuple[dict[str, float], bool]], allowed: Retune, began: dict[str, float]
) -> None:
    start = judge_change(default_params(), (default_params(),), began, allowed=Retune.ANY, is_stopped=False)
    first = default_params() if isinstance(start, Refused) else start
    now = first
    for changes, is_stopped in asked:
        after = judge_change(now, (first,), changes, allowed=allowed, is_stopped=is_stopped, minima=STANDARD)
        if isinstance(after, Refused):
            assert after.words
            continue
        values, befores, begins = as_dict(after), as_dict(now), as_dict(first)
        for name, bound in BOUNDS.items():
            assert bound.low <= values[name] <= bound.high
            assert not (bound.limit and Change(name, begins[name], values[name]).riskier)
            assert not (is_stopped and Change(name, befores[name], values[name]).riskier)
            if allowed is not Retune.ANY:
                assert not Change(name, begins[name], values[name]).riskier
            if allowed is Retune.NONE:
                assert values[name] == begins[name]
        now = after


def test_every_reason_is_told_in_words() -> None:
    assert all(each.value and each.name.isupper() for each in WhyNot)
