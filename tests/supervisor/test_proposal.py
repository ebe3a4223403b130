"""What a proposal may never do, whoever makes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agents.proposal import COOLDOWN_NS, Accepted, Context, Proposal, Refused, Step, Why, check, shrinks
from state.params import BOUNDS, default_params

NOW = Context(now_ns=10 * COOLDOWN_NS)
LIMITS = sorted(name for name, bound in BOUNDS.items() if bound.limit)


def proposal(*steps: tuple[str, float], halt: bool = False) -> Proposal:
    changes = tuple(Step(name=name, value=value) for name, value in steps)
    return Proposal(halt=halt, changes=changes, hypothesis="costs eat the edge", metric="pnl_usd")


def refusal(*steps: tuple[str, float], context: Context = NOW) -> Why:
    told = check(proposal(*steps), default_params(), context)
    assert isinstance(told, Refused), told
    assert told.words
    return told.reason


anything = st.floats(allow_nan=True, allow_infinity=True)


@st.composite
def steps(draw: st.DrawFn) -> tuple[str, float]:
    name = draw(st.sampled_from(sorted(BOUNDS)))
    bound = BOUNDS[name]
    inside = st.floats(bound.low, bound.high).map(lambda value: float(round(value)) if bound.high > 100 else value)
    return name, draw(st.one_of(anything, inside, st.sampled_from([bound.low, bound.high, bound.default])))


@given(st.lists(steps(), min_size=1, max_size=4), st.booleans(), st.booleans())
def test_nothing_out_of_bounds_or_limit_raising_ever_passes(
    said: list[tuple[str, float]], stale: bool, budget_left: bool
) -> None:
    context = Context(now_ns=0, stale=stale, budget_left=budget_left)
    told = check(proposal(*said), default_params(), context)
    if isinstance(told, Accepted):
        assert len({change.name for change in told.changes}) == len(said)
        for change in told.changes:
            bound = BOUNDS[change.name]
            assert bound.low <= change.after <= bound.high
            assert not (bound.limit and change.riskier)
            assert shrinks(change) or (budget_left and not stale)


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_moves_towards_safety_only(name: str) -> None:
    bound = BOUNDS[name]
    safer = bound.low if bound.riskier == "up" else bound.high
    shrunk = default_params({name: safer})
    assert isinstance(check(proposal((name, safer)), default_params(), NOW), Accepted)
    told = check(proposal((name, bound.default)), shrunk, NOW)
    assert isinstance(told, Refused)
    assert told.reason is Why.LIMIT_RAISED


def test_each_refusal_has_its_reason() -> None:
    assert refusal(("kelly_ratio", 0.2)) is Why.NO_CHANGES
    assert refusal(("kelly_ratio", 1.5)) is Why.BOUNDS
    assert refusal(("kelly_ratio", float("nan"))) is Why.BOUNDS
    assert refusal(("arm_bps", 200.5)) is Why.BOUNDS
    assert refusal(("kelly_ratio", 0.3), ("kelly_ratio", 0.1)) is Why.TWICE
    assert refusal(("kelly_ratio", 0.9)) is Why.STEP
    assert refusal(("kelly_ratio", 0.3), context=Context(now_ns=0, stale=True)) is Why.STALE
    assert refusal(("kelly_ratio", 0.3), context=Context(now_ns=0, budget_left=False)) is Why.BUDGET
    assert refusal(("kelly_ratio", 0.3), context=Context(now_ns=5, changed_ns={"kelly_ratio": 1})) is Why.COOLDOWN


def test_shrinking_and_halting_are_always_free() -> None:
    worst = Context(now_ns=5, changed_ns={"kelly_ratio": 1}, stale=True, budget_left=False)
    assert isinstance(check(proposal(("kelly_ratio", 0.0)), default_params(), worst), Accepted)
    assert check(proposal(("kelly_ratio", 9.0), halt=True), default_params(), worst) == Accepted((), halt=True)


def test_the_schema_takes_no_unknown_name_and_no_key_more_or_less() -> None:
    good = proposal(("kelly_ratio", 0.3)).model_dump()
    assert Proposal.model_validate(good).changes[0].name == "kelly_ratio"
    for bad in (
        good | {"changes": [{"name": "wallet_key", "value": 1.0}]},
        good | {"order": "buy"},
        good | {"changes": []},
        good | {"hypothesis": "x" * 401},
        {key: value for key, value in good.items() if key != "halt"},
    ):
        with pytest.raises(ValidationError):
            Proposal.model_validate(bad)
