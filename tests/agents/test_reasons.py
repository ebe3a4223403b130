"""Each agent: for every reason it can give a small view that gives it, with words that fit."""

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from desk_views import SHARE, view_of

from agents import flow, lead_lag, liquidity, spread
from graph.sight import look
from state.desk import Opinion, Sight
from state.params import default_params
from state.reasons import Reason
from state.records import as_dict, one

AGENTS: dict[str, ModuleType] = {"spread": spread, "lead_lag": lead_lag, "flow": flow, "liquidity": liquidity}
LEADS = {"lag_z": 4.0, "lag_ns": 900_000_000, "lag_correlation_ratio": 0.5}
EVEN = {"bid_near_micros": [10**9, 10**9], "ask_near_micros": [10**9, 10**9]}
BUSY = {"flow_total_micros": 9e7, "flow_slow_micros": 9e7}

CASES: list[tuple[str, Reason, dict[str, Any]]] = [
    ("spread", Reason.FAIR_ABOVE_BOOK, {"p_fair": 0.7}),
    ("spread", Reason.FAIR_BELOW_BOOK, {"p_fair": 0.3}),
    ("spread", Reason.FAIR_AT_BOOK, {"p_fair": 0.5099}),
    ("spread", Reason.COMPLETE_SET_CHEAP, {"bid_bps": [4_300, 4_300], "ask_bps": [4_400, 4_400]}),
    ("spread", Reason.COMPLETE_SET_DEAR, {"bid_bps": [5_600, 5_600], "ask_bps": [5_700, 5_700]}),
    ("spread", Reason.NO_REFERENCE, {"nowcast_usd": 0.0}),
    ("spread", Reason.NO_REFERENCE, {"bid_bps": [-1, -1], "ask_bps": [-1, -1]}),
    ("lead_lag", Reason.LEADER_UP, {**LEADS, "lead_move_log": 1e-3}),
    ("lead_lag", Reason.LEADER_DOWN, {**LEADS, "lead_move_log": -1e-3}),
    ("lead_lag", Reason.LEADER_QUIET, {**LEADS, "lead_move_log": 1e-6}),
    ("lead_lag", Reason.LAG_UNKNOWN, {**LEADS, "lag_z": 1.99}),
    ("lead_lag", Reason.LAG_INSIDE_HOLD, {**LEADS, "lag_ns": 300_000_000}),
    ("lead_lag", Reason.NO_REFERENCE, {**LEADS, "close_sd_usd": 0.0}),
    ("lead_lag", Reason.NO_REFERENCE, {**LEADS, "strike_code": 0}),
    ("flow", Reason.FLOW_UP, {**BUSY, "flow_signed_micros": 3e7}),
    ("flow", Reason.FLOW_DOWN, {**BUSY, "flow_signed_micros": -3e7}),
    ("flow", Reason.FLOW_QUIET, {"flow_total_micros": 1.9e7, "flow_signed_micros": 1.9e7}),
    ("flow", Reason.FLOW_TOXIC, {"flow_total_micros": 9e8, "flow_signed_micros": 8e8, "flow_slow_micros": 1e8}),
    ("flow", Reason.FLOW_TOXIC, {"flow_total_micros": 9e8, "flow_signed_micros": -8e8, "flow_slow_micros": 1e8}),
    ("liquidity", Reason.DEPTH_EVEN, EVEN),
    ("liquidity", Reason.DEPTH_LEANS_UP, {**EVEN, "bid_near_micros": [10**10, 0]}),
    ("liquidity", Reason.DEPTH_LEANS_DOWN, {**EVEN, "bid_near_micros": [0, 10**10]}),
    ("liquidity", Reason.DEPTH_THIN, {**EVEN, "ask_near_micros": [99 * SHARE, 0], "bid_near_micros": [10**9, 0]}),
    ("liquidity", Reason.NO_BOOK, {"bid_bps": [-1, -1], "ask_bps": [5_200, -1]}),
]


def opinion_of(agent: str, view: Any) -> Any:
    params, sight, opinion = default_params(), one(Sight), one(Opinion)
    look(params, view, sight)
    getattr(AGENTS[agent], agent)(params, view, sight, opinion)
    return opinion


@pytest.mark.parametrize(
    ("agent", "reason", "changes"), CASES, ids=lambda value: str(getattr(value, "name", value))[:24]
)
def test_a_small_view_gives_the_reason_with_words_that_fit(agent: str, reason: Reason, changes: dict[str, Any]) -> None:
    opinion = opinion_of(agent, view_of(**changes))
    assert Reason(opinion.reason_code) is reason
    words = AGENTS[agent].WORDS[reason]
    said = words.format(**as_dict(opinion))
    assert said and "{" not in said and not re.search("nan|inf", said)
    if "{shift" in words and reason not in (Reason.DEPTH_EVEN,):
        assert (f"{opinion.shift_logodds:+.2f}") in said and opinion.shift_logodds != 0.0


@pytest.mark.parametrize("agent", AGENTS)
def test_words_cover_every_reason_that_the_agents_source_names_and_every_one_is_shown_here(agent: str) -> None:
    module = AGENTS[agent]
    source = Path(str(module.__file__)).read_text().split("@compiled", 1)[1]
    given = {Reason[name] for name in re.findall(r"Reason\.([A-Z_]+)", source)}
    assert given == set(module.WORDS) == {reason for name, reason, _ in CASES if name == agent}
    assert module.QUESTION.endswith("?")


@pytest.mark.parametrize(("agent", "up", "down"), [
    ("spread", {"p_fair": 0.7}, {"p_fair": 0.3}),
    ("lead_lag", {**LEADS, "lead_move_log": 2e-4}, {**LEADS, "lead_move_log": -2e-4}),
    ("flow", {**BUSY, "flow_signed_micros": 3e7}, {**BUSY, "flow_signed_micros": -3e7}),
    (
        "liquidity",
        {"bid_near_micros": [8 * 10**9, 0], "ask_near_micros": [10**9, 0]},
        {"bid_near_micros": [10**9, 0], "ask_near_micros": [8 * 10**9, 0]},
    ),
])  # fmt: skip
def test_what_pushes_up_pushes_as_far_down_when_turned_round(
    agent: str, up: dict[str, Any], down: dict[str, Any]
) -> None:
    high, low = opinion_of(agent, view_of(**up)), opinion_of(agent, view_of(**down))
    assert high.shift_logodds > 0.01
    assert high.shift_logodds == pytest.approx(-low.shift_logodds, rel=1e-12)
    assert (high.sd_logodds, high.cost_bps, high.cap_micros) == pytest.approx(
        (low.sd_logodds, low.cost_bps, low.cap_micros)
    )


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("sign", [1, -1])
def test_no_agent_pushes_further_than_the_parameters_allow(agent: str, sign: int) -> None:
    wild = view_of(
        **LEADS, lead_move_log=sign * 0.5, p_fair=0.5 + 0.499999 * sign, flow_total_micros=1e12,
        flow_signed_micros=sign * 1e12, flow_slow_micros=1.0,
        bid_near_micros=[10**15 if sign == 1 else 10**6, 0], ask_near_micros=[10**6 if sign == 1 else 10**15, 0],
    )  # fmt: skip
    assert opinion_of(agent, wild).shift_logodds == sign * default_params().shift_logodds_max


def test_the_complete_set_gain_is_after_both_fees_and_needs_both_books() -> None:
    cheap = {"bid_bps": [4_300, 4_300], "ask_bps": [4_400, 4_400]}
    # 1 - 2 * 0.44 - 2 * 0.07 * 0.44 * 0.56 = 0.0855 dollars.
    assert opinion_of("spread", view_of(**cheap)).cost_bps == pytest.approx(855.04)
    assert opinion_of("spread", view_of(**cheap, book_whole_mask=1)).cost_bps == 0.0


def test_liquidity_caps_an_order_at_its_share_of_the_fuller_touch() -> None:
    touches = {"bid_touch_micros": [100 * SHARE, 40 * SHARE], "ask_touch_micros": [80 * SHARE, 300 * SHARE]}
    assert opinion_of("liquidity", view_of(**touches)).cap_micros == 150 * SHARE
