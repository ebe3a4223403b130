"""Those who trade in the synthetic world: makers with their own late and noisy view, takers, a sniper, a spoofer.

They price by their own arithmetic, on purpose independent of the desk's tools: the world must not share our errors.
"""

import math
from typing import Any

from numpy.typing import NDArray

from evals.generator_book import (
    BID,
    TOP,
    change_level,
    change_tick,
    draw_normal,
    draw_uniform,
    open_frame,
    take,
    write_level,
    write_snapshots,
)
from evals.generator_path import STEP_NS, STEPS_PER_S
from evals.generator_records import LAYERS, Crowd, Maker, Scene
from state.compiled import compiled
from state.records import Floats, Ints

SHARE = 1_000_000
AFTER_S = 4
"""Quotes stand for some seconds after the close; nobody changes them."""

FEE = 0.07


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
    vol = vol_seen[seen] * vol_ratio
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
def _place(
    scene: Scene, rows: NDArray[Any], levels: Ints, maker: Maker, layer: int, mills: int, normals: Floats
) -> None:  # fmt: skip
    side = layer // LAYERS
    depth = 1.0 + 0.7 * (layer % LAYERS)
    size = maker.shares_micros * depth * math.exp(1.1 * draw_normal(scene, normals))
    amount = max(int(size) // SHARE, 5) * SHARE
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
    tick = scene.tick_mills
    p_half = maker.p_edge if tick > 1 else maker.p_edge * 0.3
    bid = int((p_up - p_half) * TOP / tick) * tick
    ask = TOP - int((1.0 - p_up - p_half) * TOP / tick) * tick
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
        _place(scene, rows, levels, maker, free, mills, normals)


@compiled
def flicker(
    scene: Scene, rows: NDArray[Any], levels: Ints, makers: NDArray[Any], crowd: Crowd, uniforms: Floats,
    normals: Floats,
) -> None:  # fmt: skip
    """Let one maker take an order out and put another size in: the noise that most change frames are."""
    maker = makers[int(draw_uniform(scene, uniforms) * len(makers))]
    layer = int(draw_uniform(scene, uniforms) * 2 * LAYERS)
    mills = int(maker.order_mills[layer])
    if mills > 0:
        open_frame(scene, crowd, normals)
        _cancel(scene, rows, levels, maker, layer)
        open_frame(scene, crowd, normals)
        _place(scene, rows, levels, maker, layer, mills, normals)


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


@compiled
def snipe(
    scene: Scene, rows: NDArray[Any], levels: Ints, makers: NDArray[Any], crowd: Crowd, uniforms: Floats,
    normals: Floats, p_up: float,
) -> None:  # fmt: skip
    """Let the informed taker send an order when a quote is wrong by more than the fee, and match it after the hold."""
    if scene.sniper_mills > 0:
        if scene.true_ns >= scene.sniper_due_ns:
            take(
                scene, rows, levels, makers, crowd, uniforms, normals, scene.sniper_buys, int(scene.sniper_mills),
                int(crowd.sniper_micros),
            )  # fmt: skip
            scene.sniper_mills = 0
        return
    ask, bid = scene.ask_mills / TOP, scene.bid_mills / TOP
    if scene.ask_mills < TOP and p_up - ask > FEE * ask * (1.0 - ask) + 0.005:
        scene.sniper_buys, scene.sniper_mills = True, scene.ask_mills
        scene.sniper_due_ns = scene.true_ns + crowd.hold_ns
    elif scene.bid_mills > 0 and bid - p_up > FEE * bid * (1.0 - bid) + 0.005:
        scene.sniper_buys, scene.sniper_mills = False, scene.bid_mills
        scene.sniper_due_ns = scene.true_ns + crowd.hold_ns


@compiled
def uninformed(
    scene: Scene, rows: NDArray[Any], levels: Ints, makers: NDArray[Any], crowd: Crowd, uniforms: Floats,
    normals: Floats, step: int,
) -> None:  # fmt: skip
    """Let those trade who know nothing: either side at random, and the likely winner's buyers in the last minute."""
    last_minute = step > scene.close_count - 60 * STEPS_PER_S
    mid = 0.5 * (scene.bid_mills + scene.ask_mills) / TOP
    if draw_uniform(scene, uniforms) < crowd.taker_per_step_ratio:
        buys_up = draw_uniform(scene, uniforms) < 0.5
        size = crowd.taker_micros * math.exp(1.4 * draw_normal(scene, normals))
        limit = scene.ask_mills + 10 if buys_up else scene.bid_mills - 10
        want = max(int(size) // 10_000, 100) * 10_000
        take(scene, rows, levels, makers, crowd, uniforms, normals, buys_up, limit, want)
    if last_minute and abs(mid - 0.5) > 0.3 and draw_uniform(scene, uniforms) < crowd.favourite_per_step_ratio:
        buys_up = mid > 0.5
        size = 3.0 * crowd.taker_micros * math.exp(1.2 * draw_normal(scene, normals))
        limit = scene.ask_mills if buys_up else scene.bid_mills
        want = max(int(size) // SHARE, 1) * SHARE
        take(scene, rows, levels, makers, crowd, uniforms, normals, buys_up, limit, want)


@compiled
def play(
    scene: Scene, rows: NDArray[Any], levels: Ints, makers: NDArray[Any], crowd: Crowd, usd: Floats,
    oracle_sum: Floats, vol_seen: Floats, uniforms: Floats, normals: Floats,
) -> None:  # fmt: skip
    """Play one window on the grid, from its first quotes to some seconds after its close, writing every frame."""
    for step in range(scene.first_count, scene.close_count + AFTER_S * STEPS_PER_S):
        step_ns = scene.start_ns + step * STEP_NS
        scene.true_ns = step_ns
        closed = step >= scene.close_count
        for index in range(len(makers)):
            maker = makers[index]
            if closed or (step + maker.phase_count) % maker.poll_count != 0:
                continue
            scene.true_ns = step_ns + (index + 1) * STEP_NS // (len(makers) + 2)
            maker.noise_log = crowd.noise_keep_ratio * maker.noise_log + crowd.noise_log * draw_normal(scene, normals)
            p_up = believed_up(
                scene, usd, oracle_sum, vol_seen, step, maker.delay_count, maker.noise_log, maker.vol_ratio,
                maker.prices_point,
            )  # fmt: skip
            # What the fee protects need not be followed; the fine tick is followed closer.
            fee = FEE * p_up * (1.0 - p_up)
            least = max(crowd.slack_ratio * fee, 0.003 if scene.tick_mills > 1 else 0.001)
            refill = draw_uniform(scene, uniforms) < 0.02
            if refill or abs(p_up - maker.p_quoted) > least:
                requote(scene, rows, levels, maker, crowd, normals, p_up, step)
                maker.p_quoted = p_up
        scene.true_ns = step_ns + STEP_NS - STEP_NS // (len(makers) + 2)
        if step == scene.first_count:
            write_snapshots(scene, rows, levels, crowd, normals)
        if closed:
            continue
        change_tick(scene, rows, crowd, normals)
        quiet = 1.0 if step >= scene.open_count else 0.2
        if draw_uniform(scene, uniforms) < crowd.flicker_per_step_ratio * quiet:
            flicker(scene, rows, levels, makers, crowd, uniforms, normals)
        spoof(scene, rows, levels, crowd, uniforms, normals)
        if step >= scene.open_count:
            uninformed(scene, rows, levels, makers, crowd, uniforms, normals, step)
            if crowd.sniper_micros > 0:
                p_up = believed_up(
                    scene, usd, oracle_sum, vol_seen, step, crowd.sniper_delay_count, crowd.sniper_noise_log,
                    crowd.sniper_vol_ratio, crowd.sniper_prices_point,
                )  # fmt: skip
                snipe(scene, rows, levels, makers, crowd, uniforms, normals, p_up)
