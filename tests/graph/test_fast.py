"""Fused desk and stage table: equal, bit for bit, over thousands of views."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from desk_views import Witnessed, bent_views, bytes_of, decided, demo_events, folded
from recordings import recordings

from graph.stages import STAGES
from infra.recordings.importer import open_folder
from infra.recordings.recording import Terms
from infra.recordings.windows import assign_slots, window_rows
from state.params import Params, default_params
from state.reasons import Gate, Reason

BENT = 5_000
GATED = {reason for reason in Reason if 0 < reason < 60} - {Reason.NO_SIDE}
"""Every reason a gate can close with, except NO_SIDE, which `look` keeps the desk from ever reaching."""


@pytest.fixture(scope="module")
def recorded() -> list[Any]:
    witnessed = Witnessed(default_params({"fair_weight_ratio": 0.9, "weight_sd_ratio": 0.05}))
    witnessed.play(demo_events(windows=2), most=800)
    return witnessed.views


def _agree(view: Any, params: Params) -> tuple[Gate, int]:
    fused = decided(view, params)
    values, gate = folded(view, params)
    for stage in STAGES[:-1]:
        if stage.writes in values:
            assert bytes_of(fused[stage.writes]) == bytes_of(values[stage.writes]), (stage.name, gate)
    assert bytes_of(fused.mandate) == bytes_of(values["mandate"]), gate
    assert fused.mandate.gate_code == gate
    return gate, int(fused.mandate.reason_code)


def test_five_thousand_bent_views_end_alike_in_the_fused_desk_and_the_stage_table(recorded: list[Any]) -> None:
    params = default_params()
    ended = Counter(_agree(view, params) for view in bent_views(11, BENT, recorded))
    assert {gate for gate, _ in ended} == set(Gate)
    assert {Reason(reason) for _, reason in ended} >= GATED
    assert ended[Gate.NONE, 0] > BENT // 10


def test_every_view_of_a_generated_run_ends_alike(recorded: list[Any]) -> None:
    params = default_params()
    ended = Counter(_agree(view, params)[0] for view in recorded)
    assert len(recorded) == 800 and len(ended) >= 3 and ended[Gate.NONE] > 20, ended


@pytest.mark.parametrize("changes", [
    {"may_take_count": 0}, {"may_quote_count": 0}, {"kelly_ratio": 0.0}, {"interval_z": 4.0, "p_floor": 0.4},
    {"liquidity_micros": 10**15}, {"position_micros": 0}, {"fair_doubt_ratio": 1.0, "shift_logodds_max": 4.0},
])  # fmt: skip
def test_other_parameters_end_alike_too(changes: dict[str, float], recorded: list[Any]) -> None:
    params = default_params(changes)
    assert sum(1 for view in bent_views(12, 150, recorded) if _agree(view, params)) == 150


@pytest.mark.parametrize(("name", "rows_most"), [("pm_btc5m_l2_2026-04", 150_000), ("chainlink_btcusd_1hz", 20_000)])
def test_views_of_real_books_and_prices_end_alike(name: str, rows_most: int) -> None:
    opened = open_folder(recordings(name), Terms())
    slots = np.array(assign_slots(opened.windows))
    part = next(iter(opened.parts()))[:rows_most]
    if name.startswith("pm_"):
        part["slot_id"] = slots[part["slot_id"]]
    told = window_rows(opened.windows, slots.tolist())
    told = told[told["seen_ns"] <= part["seen_ns"][-1]]
    witnessed = Witnessed()
    both = np.concatenate([told, part])
    witnessed.play(both[np.argsort(both["seen_ns"], kind="stable")], most=400)
    params = default_params()
    assert sum(1 for view in witnessed.views if _agree(view, params)) == 400
