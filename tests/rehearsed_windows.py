"""Scores of windows that a test makes up, and small markets that it rehearses on."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from evals.generator import SPECS, generate
from evals.rehearsal import MOMENTS_S, Rehearsed, WindowScore, rehearsed
from state.units import MICROS

FIRST_S = 1_792_573_200


def scores(profits_usd: Sequence[float], p_up: float = 0.5) -> list[WindowScore]:
    """Give windows one after the other with these profits; UP wins every second one."""
    return [
        WindowScore(
            open_s=FIRST_S + 300 * k,
            slot_id=k % 8,
            up=k % 2 == 0,
            profit_micros=usd * MICROS,
            spent_micros=100.0 * MICROS,
            traded_ratio=float(usd != 0.0),
            p_up=(p_up,) * len(MOMENTS_S),
        )
        for k, usd in enumerate(profits_usd)
    ]


def held(champion_usd: Sequence[float], challenger_usd: Sequence[float], fit: int) -> Rehearsed:
    """Hold two rows of profits against each other; the first so many windows lie before the cut."""
    return rehearsed(scores(champion_usd), scores(challenger_usd), cut_s=FIRST_S + 300 * fit, seeds=(1,))


@lru_cache(maxsize=2)
def late_market(windows: int = 6, seed: int = 5) -> Any:
    """Give the demonstration's market, whose makers are late, as rows."""
    return generate(replace(SPECS["demo"], windows=windows), seed)
