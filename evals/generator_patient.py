"""The patient of the synthetic world: orders at every cent far from the middle, quick to leave, slow to come.

Recorded books hold some fifty levels a side at all times, most of their money far away, the most of it at the ends.
"""

import math
from typing import Any

from numpy.typing import NDArray

from evals.generator_book import ASK, BID, TOP, change_level, draw_normal, draw_uniform, open_frame, write_level
from evals.generator_path import STEP_NS
from evals.generator_records import Crowd, Scene
from state.compiled import compiled
from state.records import Floats, Ints

SHARE = 1_000_000
CENT = 10
COMES = 0.05
"""Chance that an order that is missing is put in at one look."""


@compiled
def rest(
    scene: Scene, rows: NDArray[Any], levels: Ints, resting: Ints, crowd: Crowd, uniforms: Floats, normals: Floats,
    step: int,
) -> None:  # fmt: skip
    """Let the patient take away what the book has come near to, and put orders where it has gone from."""
    mid = (scene.bid_mills + scene.ask_mills) // 2
    leaves = (scene.close_count - step) * STEP_NS < crowd.patient_exit_ns
    first = step == scene.first_count
    for side in range(2):
        last = TOP - CENT if side == ASK else CENT
        stays = not leaves or (mid >= TOP // 3 if side == BID else mid <= TOP - TOP // 3)
        for mills in range(CENT, TOP, CENT):
            # The last cent is left last of all.
            away = CENT if mills == last else crowd.patient_away_mills
            far = mills <= mid - away if side == BID else mills >= mid + away
            held = int(resting[side, mills])
            if held > 0 and not (far and stays):
                _change(scene, rows, levels, resting, crowd, normals, side, mills, -held)
            elif held == 0 and far and stays and (first or draw_uniform(scene, uniforms) < COMES):
                from_end = mills if side == BID else TOP - mills
                amount = _size_micros(scene, crowd, normals, from_end)
                _change(scene, rows, levels, resting, crowd, normals, side, mills, amount)


@compiled
def _size_micros(scene: Scene, crowd: Crowd, normals: Floats, from_end: int) -> int:
    """Draw the size of an order: more at whole ten cents, most for those who bid a cent or two for the unlikely."""
    size = crowd.patient_micros * math.exp(0.5 * draw_normal(scene, normals))
    if from_end <= 2 * CENT:
        size *= 20.0 if from_end == CENT else 4.0
    elif from_end % 100 == 0:
        size *= 2.0
    return max(int(size) // SHARE, 5) * SHARE


@compiled
def _change(
    scene: Scene, rows: NDArray[Any], levels: Ints, resting: Ints, crowd: Crowd, normals: Floats, side: int,
    mills: int, delta_micros: int,
) -> None:  # fmt: skip
    open_frame(scene, crowd, normals)
    resting[side, mills] += delta_micros
    change_level(scene, levels, side, mills, delta_micros)
    write_level(scene, rows, levels, side, mills)
