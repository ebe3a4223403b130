"""One window of the synthetic world from its first quotes to its end: who acts when, on the grid of time."""

from typing import Any

from numpy.typing import NDArray

from evals.generator_book import change_tick, draw_count, draw_normal, draw_uniform, pass_time, write_snapshots
from evals.generator_makers import FEE, believed_up, flicker, requote, spoof
from evals.generator_path import STEP_NS
from evals.generator_patient import rest
from evals.generator_records import Crowd, Maker, Scene
from evals.generator_takers import snipe, uninformed
from state.compiled import compiled
from state.records import Floats, Ints

PATIENT_STEPS = 5
"""The patient look at the book every tenth of a second."""


@compiled
def play(
    scene: Scene, rows: NDArray[Any], levels: Ints, resting: Ints, makers: NDArray[Any], crowd: Crowd, usd: Floats,
    oracle_sum: Floats, vol_seen: Floats, uniforms: Floats, normals: Floats,
) -> None:  # fmt: skip
    """Play one window on the grid, from its first quotes to its close, writing every frame.

    In each step makers act first, one after the other, then those who take; sizes change all the time.
    """
    for step in range(scene.first_count, scene.close_count):
        step_ns = scene.start_ns + step * STEP_NS
        scene.true_ns = step_ns
        scene.step_end_ns = step_ns + STEP_NS
        quiet = 1.0 if step >= scene.open_count else 0.2
        flickers = 0.5 * crowd.flicker_per_step_ratio * quiet
        for index in range(len(makers)):
            maker = makers[index]
            scene.true_ns = step_ns + (index + 1) * STEP_NS // (2 * len(makers) + 2)
            for _ in range(draw_count(scene, uniforms, flickers / len(makers))):
                flicker(scene, rows, levels, makers, crowd, uniforms, normals)
            if (step + maker.phase_count) % maker.poll_count == 0:
                _look(scene, rows, levels, maker, crowd, usd, oracle_sum, vol_seen, uniforms, normals, step)
        scene.true_ns = max(scene.true_ns, step_ns + STEP_NS // 2)
        if crowd.patient_micros > 0.0 and (step - scene.first_count) % PATIENT_STEPS == 0:
            rest(scene, rows, levels, resting, crowd, uniforms, normals, step)
        if step == scene.first_count:
            write_snapshots(scene, rows, levels, crowd, normals)
        change_tick(scene, rows, crowd, normals)
        count = draw_count(scene, uniforms, flickers)
        for number in range(count):
            pass_time(scene, uniforms, count - number)
            flicker(scene, rows, levels, makers, crowd, uniforms, normals)
        spoof(scene, rows, levels, crowd, uniforms, normals)
        if step >= scene.open_count:
            uninformed(scene, rows, levels, resting, makers, crowd, uniforms, normals, step)
            if crowd.sniper_micros > 0:
                p_up = believed_up(
                    scene, usd, oracle_sum, vol_seen, step, crowd.sniper_delay_count, crowd.sniper_noise_log,
                    crowd.sniper_vol_ratio, crowd.sniper_prices_point,
                )  # fmt: skip
                pass_time(scene, uniforms, 2)
                snipe(scene, rows, levels, resting, makers, crowd, uniforms, normals, p_up)


@compiled
def _look(
    scene: Scene, rows: NDArray[Any], levels: Ints, maker: Maker, crowd: Crowd, usd: Floats, oracle_sum: Floats,
    vol_seen: Floats, uniforms: Floats, normals: Floats, step: int,
) -> None:  # fmt: skip
    """Let one maker look at the price and move its quotes when they are too wrong, or fill what was taken."""
    maker.noise_log = crowd.noise_keep_ratio * maker.noise_log + crowd.noise_log * draw_normal(scene, normals)
    p_up = believed_up(
        scene, usd, oracle_sum, vol_seen, step, maker.delay_count, maker.noise_log, maker.vol_ratio,
        maker.prices_point,
    )  # fmt: skip
    # What the fee protects need not be followed; the fine tick is followed closer.
    fee = FEE * p_up * (1.0 - p_up)
    least = max(crowd.slack_ratio * fee, 0.003 if scene.tick_mills > 1 else 0.001)
    refill = draw_uniform(scene, uniforms) < 0.02
    wrong = p_up - maker.p_quoted
    if maker.p_quoted < 0.0:
        maker.p_quoted = p_up
    elif abs(wrong) > least:
        # It moves no further than it must, and no nearer to the fair value than the fee makes worth while.
        kept = crowd.give_ratio * least
        maker.p_quoted = p_up - kept if wrong > 0.0 else p_up + kept
    elif not refill:
        return
    requote(scene, rows, levels, maker, crowd, normals, maker.p_quoted, step)
