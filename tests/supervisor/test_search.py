"""The proposer without a model: what it may move, how far, and that it finds what a made-up desk hides."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rehearsed_windows import scores

from agents.proposal import COOLDOWN_NS, Context, braked_names, shrinks
from evals.rehearsal import WindowScore
from evals.usefulness import MISTUNED, Attempt, usefulness_table
from infra.supervisor.search import NAMES_MOST, STEP_RATIO, TUNABLES, random_proposal, rounded, search, step_box
from state.params import BOUNDS, Change, checked, default_params
from state.records import as_dict
from state.units import MICROS

NAMES = [each.name for each in TUNABLES]


def desk_that_likes(name: str, wanted: float) -> "MadeUpDesk":
    return MadeUpDesk(name, wanted)


class MadeUpDesk:
    """Earns more a window, the nearer one parameter comes to what it likes."""

    def __init__(self, name: str, wanted: float) -> None:
        self.name, self.wanted = name, wanted
        self.asked: list[dict[str, float]] = []

    async def fitted(self, changes: Mapping[str, float]) -> Sequence[WindowScore]:
        self.asked.append(dict(changes))
        value = changes.get(self.name, BOUNDS[self.name].default)
        span = BOUNDS[self.name].high - BOUNDS[self.name].low
        earned = 10.0 - 40.0 * abs(value - self.wanted) / span
        return [replace(score, profit_micros=earned * MICROS) for score in scores([1.0] * 8)]


def test_no_limit_and_no_switch_can_be_searched_over() -> None:
    assert not any(BOUNDS[name].limit or name.startswith("may_") for name in NAMES)
    assert len(set(NAMES)) == len(NAMES)


@given(name=st.sampled_from(NAMES), at=st.floats(0.0, 1.0))
def test_a_step_stays_within_bounds_and_within_a_fifth_of_the_range(name: str, at: float) -> None:
    bound = BOUNDS[name]
    value = rounded(name, bound.low + at * (bound.high - bound.low))
    low, high = step_box(name, value)
    reach = STEP_RATIO * (bound.high - bound.low) * (1.0 + 1e-9)
    assert bound.low <= low <= value <= high <= bound.high
    assert value - low <= reach and high - value <= reach
    assert checked(name, rounded(name, low)) is not None and checked(name, rounded(name, high)) is not None


@pytest.mark.parametrize(("name", "wanted"), [("interval_z", 0.6), ("fair_weight_ratio", 0.6), ("p_floor", 0.1)])
def test_it_finds_the_one_parameter_that_matters(name: str, wanted: float) -> None:
    desk = desk_that_likes(name, wanted)
    found = asyncio.run(search(desk.fitted, default_params(), seed=3, rehearsals=32))
    before, after = abs(BOUNDS[name].default - wanted), abs(found.changes[name] - wanted)
    assert after < 0.5 * before and found.gain_micros > 0.0
    assert len(desk.asked) == 33 and found.tried_count == 32
    assert max(len(asked) for asked in desk.asked) <= NAMES_MOST


def test_the_same_seed_proposes_the_same_and_another_may_not() -> None:
    def once(seed: int) -> list[dict[str, float]]:
        desk = desk_that_likes("interval_z", 0.6)
        asyncio.run(search(desk.fitted, default_params(), seed=seed, rehearsals=16))
        return desk.asked

    assert once(5) == once(5) != once(6)


@given(seed=st.integers(0, 50), braked=st.sets(st.sampled_from(NAMES)))
@settings(max_examples=20, deadline=None)
def test_a_braked_name_is_only_ever_tried_towards_safety(seed: int, braked: set[str]) -> None:
    desk, now = desk_that_likes("take_edge_bps", 0.0), as_dict(default_params())
    asyncio.run(search(desk.fitted, default_params(), seed=seed, rehearsals=14, braked=frozenset(braked)))
    tried = [Change(name, now[name], value) for asked in desk.asked for name, value in asked.items()]
    assert all(shrinks(change) for change in tried if change.name in braked)
    assert any(not shrinks(change) for change in tried) or len(braked) > 6


def test_what_rests_after_a_change_or_cannot_be_judged_is_braked() -> None:
    hour_ns = COOLDOWN_NS
    fresh = Context(now_ns=10 * hour_ns, changed_ns={"kelly_ratio": 9 * hour_ns + 1, "interval_z": 9 * hour_ns})
    assert braked_names(fresh) == {"kelly_ratio"}
    assert braked_names(replace(fresh, stale=True)) == set(BOUNDS) == braked_names(replace(fresh, budget_left=False))


def test_what_cannot_be_bettered_is_left_alone() -> None:
    desk = desk_that_likes("interval_z", BOUNDS["interval_z"].default)
    found = asyncio.run(search(desk.fitted, default_params(), seed=1, rehearsals=12))
    assert found.changes == {} and found.gain_micros == 0.0
    assert "nothing tried did better" in found.proposal()["hypothesis"]


def test_a_proposal_says_what_it_thinks_and_what_should_move() -> None:
    desk = desk_that_likes("interval_z", 0.6)
    proposal = asyncio.run(search(desk.fitted, default_params(), seed=3, rehearsals=24)).proposal()
    assert set(proposal) == {"changes", "hypothesis", "metric"}
    assert "interval_z" in proposal["hypothesis"] and "profit" in proposal["metric"]


@given(seed=st.integers(0, 10_000))
def test_random_proposals_have_the_same_reach(seed: int) -> None:
    desk = desk_that_likes("interval_z", 0.6)
    found = asyncio.run(random_proposal(desk.fitted, default_params(), seed=seed, rehearsals=4))
    assert found.tried_count == 4 and len(desk.asked) == 5
    for asked in desk.asked:
        assert len(asked) <= NAMES_MOST
        for name, value in asked.items():
            low, high = step_box(name, BOUNDS[name].default)
            assert rounded(name, low) <= value <= rounded(name, high)


def test_every_planted_mistuning_could_be_mended_by_one_proposal() -> None:
    for planted in MISTUNED:
        assert len(planted.changes) <= NAMES_MOST
        for name, value in planted.changes.items():
            low, high = step_box(name, value)
            assert low <= checked(name, value) <= high
            assert abs(min(max(BOUNDS[name].default, low), high) - value) > 0.0


def attempt(seed: int, search_usd: float, random_usd: float, untouched_usd: float = 10.0) -> Attempt:
    return Attempt(
        mistuned="planted", seed=seed, untouched_micros=untouched_usd * MICROS, mistuned_micros=0.0,
        proposed_micros={"search": search_usd * MICROS, "random": random_usd * MICROS},
        changes={"search": {}, "random": {}}, tried_count={"search": 1, "random": 1},
    )  # fmt: skip


def test_the_table_counts_markets_and_leaves_out_what_cost_nothing() -> None:
    table = usefulness_table(
        [attempt(k, 30.0, 2.0) for k in range(5)] + [attempt(5, 9.0, 9.0), attempt(6, 5.0, 0.0, untouched_usd=1.0)],
        "search",
        "random",
    )
    assert (table["attempts_count"], table["without_cost_count"], table["markets_count"]) == (6, 1, 6)
    assert table["recovered"]["search"]["mean"] == 1.0
    assert table["share"]["random"]["mean"] == pytest.approx((5 * 0.2 + 0.9) / 6)
    assert table["better"]


def test_two_equal_proposers_are_not_told_apart() -> None:
    table = usefulness_table([attempt(k, float(k), float(k)) for k in range(9)], "search", "random")
    assert not table["better"] and table["recovered_difference"]["mean"] == 0.0
    assert not usefulness_table([], "search", "random")["better"]
