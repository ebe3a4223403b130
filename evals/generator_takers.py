"""Those who take in the synthetic world: the uninformed, one by one and in bunches, and one who knows the price."""

import math
from typing import Any

from numpy.typing import NDArray

from evals.generator_book import TOP, draw_count, draw_normal, draw_uniform, pass_time, take
from evals.generator_path import STEPS_PER_S
from evals.generator_records import Crowd, Scene
from state.compiled import compiled
from state.records import Floats, Ints

SHARE = 1_000_000

FEE = 0.07


@compiled
def snipe(
    scene: Scene, rows: NDArray[Any], levels: Ints, resting: Ints, makers: NDArray[Any], crowd: Crowd,
    uniforms: Floats, normals: Floats, p_up: float,
) -> None:  # fmt: skip
    """Let the informed taker send an order when a quote is wrong by more than the fee, and match it after the hold."""
    if scene.sniper_mills > 0:
        if scene.true_ns >= scene.sniper_due_ns:
            take(
                scene, rows, levels, resting, makers, crowd, uniforms, normals, scene.sniper_buys,
                int(scene.sniper_mills), int(crowd.sniper_micros),
            )  # fmt: skip
            scene.sniper_mills = 0
        return
    ask, bid = scene.ask_mills / TOP, scene.bid_mills / TOP
    if scene.ask_mills < TOP and p_up - ask > FEE * ask * (1.0 - ask) + crowd.p_sniper_edge:
        scene.sniper_buys, scene.sniper_mills = True, scene.ask_mills
        scene.sniper_due_ns = scene.true_ns + crowd.hold_ns
    elif scene.bid_mills > 0 and bid - p_up > FEE * bid * (1.0 - bid) + crowd.p_sniper_edge:
        scene.sniper_buys, scene.sniper_mills = False, scene.bid_mills
        scene.sniper_due_ns = scene.true_ns + crowd.hold_ns


@compiled
def uninformed(
    scene: Scene, rows: NDArray[Any], levels: Ints, resting: Ints, makers: NDArray[Any], crowd: Crowd,
    uniforms: Floats, normals: Floats, step: int,
) -> None:  # fmt: skip
    """Let those trade who know nothing: either side at random, and the likely winner's buyers in the last minute."""
    last_minute = step > scene.close_count - 60 * STEPS_PER_S
    mid = 0.5 * (scene.bid_mills + scene.ask_mills) / TOP
    rate = crowd.taker_per_step_ratio * (1.0 - crowd.follow_ratio) + scene.excite_ratio
    scene.excite_ratio *= crowd.follow_keep_ratio
    for _ in range(draw_count(scene, uniforms, rate)):
        # One brings another, mostly the same way.
        if draw_uniform(scene, uniforms) < 0.6:
            scene.taker_buys = draw_uniform(scene, uniforms) < 0.5
        buys_up = scene.taker_buys
        scene.excite_ratio += crowd.follow_ratio * (1.0 - crowd.follow_keep_ratio)
        size = crowd.taker_micros * math.exp(crowd.taker_log * draw_normal(scene, normals))
        limit = scene.ask_mills + 10 if buys_up else scene.bid_mills - 10
        want = max(int(size) // 10_000, 100) * 10_000
        pass_time(scene, uniforms, 2)
        take(scene, rows, levels, resting, makers, crowd, uniforms, normals, buys_up, limit, want)
    if last_minute and abs(mid - 0.5) > 0.3 and draw_uniform(scene, uniforms) < crowd.favourite_per_step_ratio:
        buys_up = mid > 0.5
        size = 3.0 * crowd.taker_micros * math.exp(crowd.taker_log * draw_normal(scene, normals))
        limit = scene.ask_mills if buys_up else scene.bid_mills
        want = max(int(size) // SHARE, 1) * SHARE
        take(scene, rows, levels, resting, makers, crowd, uniforms, normals, buys_up, limit, want)
