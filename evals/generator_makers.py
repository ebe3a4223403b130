"""Those who quote in the synthetic world: makers with their own late and noisy view, and a spoofer.

They price by their own arithmetic, on purpose independent of the desk's tools: the world must not share our errors.
"""

import math
from typing import Any

from numpy.typing import NDArray

from evals.generator_book import BID, TOP, change_level, draw_normal, draw_uniform, open_frame, write_level
from evals.generator_path import STEP_NS, STEPS_PER_S
from evals.generator_records import LAYERS, Crowd, Maker, Scene
from state.compiled import compiled
from state.records import Floats, Ints

SHARE = 1_000_000
FEE = 0.07
CENT = 10
P_FINE = 0.015
"""Nearer to certainty than this the fine tick is used."""


@compiled
def believed_up(
    scene: Scene, usd: Floats, oracle_sum: Floats, vol_seen: Floats, step: int, delay: int, noise_log: float,
    vol_ratio: float, point: bool,
) -> float:  # fmt: skip
    """Price UP as one participant would at a grid step, with prices `delay` steps old.

    Gaussian in the price; the variance of an average of L seconds that begins in the future is that of L / 3 of them
    less, and one that is under way is the cube of what is left (landscape reference 7.6). `point` prices the last
    value instead of the average: the planted mistake.
    """
    seen = step - delay
    price = usd[seen] * (1.0 + noise_log)
    look_s = float(scene.lookback_s)
    look = scene.lookback_s * STEPS_PER_S
    left_s = max(scene.close_count - step, 0) / STEPS_PER_S
    strike = scene.strike_usd
    mean = price
    span_s = left_s
    if look > 0 and seen < scene.open_count:
        # Before the open the strike itself is an average under way; only what it does not share with the end counts.
        rest_s = min((scene.open_count - seen) / STEPS_PER_S, look_s)
        known = oracle_sum[seen] - oracle_sum[scene.open_count - look] if rest_s < look_s else 0.0
        strike = (known + rest_s * price) / look_s
        rest = 1.0 - rest_s / look_s
        open_s = (scene.close_count - scene.open_count) / STEPS_PER_S
        span_s = open_s - 2.0 * look_s / 3.0 + look_s / 3.0 * (1.0 - rest * rest * rest)
    elif look > 0 and not point:
        rest_s = (scene.close_count - seen) / STEPS_PER_S
        if rest_s >= look_s:
            span_s = left_s - 2.0 * look_s / 3.0
        else:
            known = oracle_sum[min(seen, scene.close_count)] - oracle_sum[scene.close_count - look]
            mean = (known + max(rest_s, 0.0) * price) / look_s
            span_s = left_s * left_s * left_s / (3.0 * look_s * look_s)
    elif seen < scene.open_count:
        strike = usd[seen]
    vol = vol_seen[seen // STEPS_PER_S] * vol_ratio
    # A tenth of a basis point stands for the oracle's own smoothing and rounding.
    spread = price * math.sqrt(vol * vol * max(span_s, 0.0) + 1e-10)
    return 0.5 * math.erfc(-(mean - strike) / spread * 0.7071067811865476)


@compiled
def _cancel(scene: Scene, rows: NDArray[Any], levels: Ints, maker: Maker, layer: int) -> None:
    side, mills = layer // LAYERS, int(maker.order_mills[layer])
    maker.order_mills[layer] = 0
    change_level(scene, levels, side, mills, -int(maker.order_micros[layer]))
    write_level(scene, rows, levels, side, mills)


@compiled
def order_micros(scene: Scene, maker: Maker, crowd: Crowd, layer: int, normals: Floats) -> int:
    """Draw the size of an order of a maker's: deeper ones are larger."""
    depth = 1.0 + crowd.deeper_ratio * (layer % LAYERS)
    size = maker.shares_micros * depth * math.exp(crowd.size_log * draw_normal(scene, normals))
    return max(int(size) // SHARE, 5) * SHARE


@compiled
def _place(
    scene: Scene, rows: NDArray[Any], levels: Ints, maker: Maker, crowd: Crowd, layer: int, mills: int,
    normals: Floats,
) -> None:  # fmt: skip
    side = layer // LAYERS
    amount = order_micros(scene, maker, crowd, layer, normals)
    scene.order_seq += 1
    maker.order_mills[layer] = mills
    maker.order_micros[layer] = amount
    maker.order_seq[layer] = scene.order_seq
    change_level(scene, levels, side, mills, amount)
    write_level(scene, rows, levels, side, mills)


@compiled
def requote(
    scene: Scene, rows: NDArray[Any], levels: Ints, maker: Maker, crowd: Crowd, normals: Floats, p_up: float,
    step: int,
) -> None:  # fmt: skip
    """Bring one maker's orders to its fair value: cancels first, then post-only orders behind the other side."""
    tick = CENT
    # Few follow the venue to the fine tick: recorded books stay on cents but at the very ends.
    if maker.uses_fine and scene.tick_mills == 1 and min(p_up, 1.0 - p_up) < P_FINE:
        tick = 1
    bid = int((p_up - maker.p_edge) * TOP / tick) * tick
    ask = TOP - int((1.0 - p_up - maker.p_edge) * TOP / tick) * tick
    leaves = (scene.close_count - step) * STEP_NS < maker.exit_ns
    quotes_bid = bid >= tick and not (leaves and p_up < 0.35)
    quotes_ask = ask <= TOP - tick and not (leaves and p_up > 0.65)
    bid = min(bid, scene.ask_mills - tick)
    ask = max(ask, scene.bid_mills + tick)
    reach = LAYERS * maker.gap_mills
    for layer in range(2 * LAYERS):
        # An order stays where it is while it is inside the new ladder; those that come nearer are placed anew.
        held = int(maker.order_mills[layer])
        below = bid - held if layer < LAYERS else held - ask
        quotes = quotes_bid if layer < LAYERS else quotes_ask
        if held > 0 and not (quotes and 0 <= below < reach):
            open_frame(scene, crowd, normals)
            _cancel(scene, rows, levels, maker, layer)
    # Cancels may have opened the touch, but a post-only order keeps to the price it was decided at.
    for rung in range(2 * LAYERS):
        side = rung % 2
        away = rung // 2 * maker.gap_mills
        if quotes_bid if side == BID else quotes_ask:
            mills = bid - away if side == BID else ask + away
            _fill_rung(scene, rows, levels, maker, crowd, normals, side, mills)


@compiled
def _fill_rung(
    scene: Scene, rows: NDArray[Any], levels: Ints, maker: Maker, crowd: Crowd, normals: Floats, side: int, mills: int
) -> None:
    if mills <= 0 or mills >= TOP:
        return
    free = -1
    for layer in range(side * LAYERS, (side + 1) * LAYERS):
        held = int(maker.order_mills[layer])
        below = mills - held if side == BID else held - mills
        if held > 0 and 0 <= below < maker.gap_mills:
            return
        if held == 0:
            free = layer
    if free >= 0:
        open_frame(scene, crowd, normals)
        _place(scene, rows, levels, maker, crowd, free, mills, normals)


@compiled
def flicker(
    scene: Scene, rows: NDArray[Any], levels: Ints, makers: NDArray[Any], crowd: Crowd, uniforms: Floats,
    normals: Floats,
) -> None:  # fmt: skip
    """Let one maker change the size of an order where it stands: the noise that most change frames are."""
    touch = draw_uniform(scene, uniforms) < crowd.flicker_touch_ratio
    side = int(draw_uniform(scene, uniforms) * 2.0)
    best = scene.bid_mills if side == BID else scene.ask_mills
    first = int(draw_uniform(scene, uniforms) * len(makers))
    layer = side * LAYERS + int(draw_uniform(scene, uniforms) * LAYERS)
    for number in range(len(makers)):
        maker = makers[(first + number) % len(makers)]
        if touch:
            for place in range(side * LAYERS, (side + 1) * LAYERS):
                if maker.order_mills[place] == best:
                    layer = place
        mills = int(maker.order_mills[layer])
        if mills > 0 and (mills == best or not touch):
            # A larger order would lose its place in time; that is let pass, as nobody here waits in the queue.
            amount = order_micros(scene, maker, crowd, layer, normals)
            if touch:
                amount = int(amount * crowd.touch_ratio) // SHARE * SHARE
            open_frame(scene, crowd, normals)
            change_level(scene, levels, side, mills, amount - int(maker.order_micros[layer]))
            maker.order_micros[layer] = amount
            write_level(scene, rows, levels, side, mills)
            return


@compiled
def spoof(scene: Scene, rows: NDArray[Any], levels: Ints, crowd: Crowd, uniforms: Floats, normals: Floats) -> None:
    """Show a large order behind the touch, and take it away again within two seconds."""
    if scene.spoof_mills > 0:
        if scene.true_ns >= scene.spoof_due_ns:
            side = int(scene.spoof_side_code)
            open_frame(scene, crowd, normals)
            change_level(scene, levels, side, int(scene.spoof_mills), -int(scene.spoof_micros))
            write_level(scene, rows, levels, side, int(scene.spoof_mills))
            scene.spoof_mills = 0
            scene.spoof_micros = 0
        return
    if draw_uniform(scene, uniforms) >= crowd.spoof_per_step_ratio:
        return
    side = int(draw_uniform(scene, uniforms) * 2.0)
    behind = (1 + int(draw_uniform(scene, uniforms) * 3.0)) * 10
    mills = scene.bid_mills - behind if side == BID else scene.ask_mills + behind
    if mills <= 0 or mills >= TOP or scene.bid_mills == 0 or scene.ask_mills == TOP:
        return
    scene.spoof_side_code = side
    scene.spoof_mills = mills
    scene.spoof_micros = (1_000 + int(draw_uniform(scene, uniforms) * 3_000.0)) * SHARE
    scene.spoof_due_ns = scene.true_ns + int((0.3 + 1.7 * draw_uniform(scene, uniforms)) * 1e9)
    open_frame(scene, crowd, normals)
    change_level(scene, levels, side, mills, int(scene.spoof_micros))
    write_level(scene, rows, levels, side, mills)
