"""The venue's side of the synthetic world: one UP book, its mirror, and the frames both are told in."""

import math
from typing import Any

from numpy.typing import NDArray

from evals.generator_records import LAYERS, MILLS, Crowd, Maker, Scene
from state.compiled import compiled
from state.events import LAST_IN_FRAME, Kind, Side, Source, Token
from state.records import Floats, Ints

ASK = 1
BID = 0

TOP = MILLS - 1
WHOLE_MS_NS = 1_000_000
ROAD_NS = 200e6
"""Memory of the road to us."""

_LEVEL, _TRADE, _CLEARED, _TICK = (
    int(Kind.LEVEL_SET),
    int(Kind.TRADE_SEEN),
    int(Kind.BOOK_CLEARED),
    int(Kind.TICK_CHANGED),
)
_TOUCH = int(Kind.TOUCH_CARRIED)
_BOOK = int(Source.POLYMARKET_BOOK)
_UP, _DOWN = int(Token.UP), int(Token.DOWN)
_BUY, _SELL = int(Side.BUY), int(Side.SELL)


@compiled
def draw_uniform(scene: Scene, uniforms: Floats) -> float:
    """Take the next number from the pool of uniform ones."""
    scene.uniform_count += 1
    return float(uniforms[scene.uniform_count % len(uniforms)])


@compiled
def draw_normal(scene: Scene, normals: Floats) -> float:
    """Take the next number from the pool of normal ones."""
    scene.normal_count += 1
    return float(normals[scene.normal_count % len(normals)])


@compiled
def draw_count(scene: Scene, uniforms: Floats, mean: float) -> int:
    """Draw how often something happens that does so `mean` times on average (Poisson, by multiplication)."""
    floor = math.exp(-mean)
    count, product = 0, draw_uniform(scene, uniforms)
    while product > floor:
        count += 1
        product *= draw_uniform(scene, uniforms)
    return count


@compiled
def pass_time(scene: Scene, uniforms: Floats, more: int) -> None:
    """Let some of the time that is left in the running grid step go by, so that `more` other things find room in it."""
    left_ns = scene.step_end_ns - scene.true_ns
    scene.true_ns += int(left_ns * 2.0 * draw_uniform(scene, uniforms) / (more + 2.0))


@compiled
def open_frame(scene: Scene, crowd: Crowd, normals: Floats) -> None:
    """Begin the next frame at the scene's moment: stamp it, and let it travel without overtaking the one before.

    How slow the road is lasts a while: frames a millisecond apart take nearly as long as one another.
    """
    keep = math.exp(-(scene.true_ns - scene.road_ns) / ROAD_NS)
    scene.road_log = keep * scene.road_log + math.sqrt(1.0 - keep * keep) * draw_normal(scene, normals)
    scene.road_ns = scene.true_ns
    travel_ns = crowd.travel_ns * math.exp(crowd.travel_log * scene.road_log)
    scene.frame_at_ns = scene.true_ns // WHOLE_MS_NS * WHOLE_MS_NS
    scene.frame_seen_ns = max(scene.frame_seen_ns + 1_000, scene.true_ns + int(travel_ns))


@compiled
def write_row(
    scene: Scene, rows: NDArray[Any], kind: int, token: int, side: int, mills: int, amount_micros: int, flags: int
) -> None:
    """Append one event of the running frame; without room, only remember that there was none."""
    if scene.rows_count >= len(rows):
        scene.full = True
        return
    row = rows[scene.rows_count]
    row.at_ns = scene.frame_at_ns
    row.seen_ns = scene.frame_seen_ns
    row.kind_code = kind
    row.source_code = _BOOK
    row.slot_id = scene.slot_id
    row.token_code = token
    row.side_code = side
    row.price_bps = mills * 10
    row.amount_micros = amount_micros
    row.flags_mask = flags
    scene.rows_count += 1


@compiled
def write_level(scene: Scene, rows: NDArray[Any], levels: Ints, side: int, mills: int) -> None:
    """Tell a level's new total on both tokens: a bid for UP at x is an ask for DOWN at 1 - x."""
    amount = int(levels[side, mills])
    for token in range(2):
        own_side, own_mills = (side, mills) if token == _UP else (1 - side, TOP - mills)
        write_row(scene, rows, _LEVEL, token, own_side, own_mills, amount, token * LAST_IN_FRAME)


@compiled
def change_level(scene: Scene, levels: Ints, side: int, mills: int, delta_micros: int) -> None:
    """Add to a level, or take from it, and keep the best prices right."""
    levels[side, mills] += delta_micros
    if levels[side, mills] > 0:
        if side == BID:
            scene.bid_mills = max(scene.bid_mills, mills)
        else:
            scene.ask_mills = min(scene.ask_mills, mills)
        return
    if side == BID and mills == scene.bid_mills:
        while scene.bid_mills > 0 and levels[BID, scene.bid_mills] == 0:
            scene.bid_mills -= 1
    elif side == ASK and mills == scene.ask_mills:
        while scene.ask_mills < TOP and levels[ASK, scene.ask_mills] == 0:
            scene.ask_mills += 1


@compiled
def write_snapshot(scene: Scene, rows: NDArray[Any], levels: Ints, token: int) -> None:
    """Tell one token's whole book as a frame of its own."""
    empty = scene.bid_mills == 0 and scene.ask_mills == TOP
    write_row(scene, rows, _CLEARED, token, 0, 0, 0, LAST_IN_FRAME if empty else 0)
    start = scene.rows_count
    for side in range(2):
        for mills in range(1, TOP):
            if levels[side, mills] > 0:
                own_side = side if token == _UP else 1 - side
                own_mills = mills if token == _UP else TOP - mills
                write_row(scene, rows, _LEVEL, token, own_side, own_mills, int(levels[side, mills]), 0)
    if scene.rows_count > start:
        rows[scene.rows_count - 1].flags_mask = LAST_IN_FRAME


@compiled
def write_snapshots(scene: Scene, rows: NDArray[Any], levels: Ints, crowd: Crowd, normals: Floats) -> None:
    """Tell both books, each a frame, as the venue does after a trade."""
    for token in range(2):
        open_frame(scene, crowd, normals)
        write_snapshot(scene, rows, levels, token)


@compiled
def write_touch(scene: Scene, rows: NDArray[Any]) -> None:
    """Tell the best prices of both tokens, as the venue's change frames carry them: a check for who keeps a book."""
    if scene.rows_count + 2 > len(rows):
        scene.full = True
        return
    bid, ask = scene.bid_mills, scene.ask_mills
    for token in range(2):
        best, other = (bid, ask % TOP) if token == _UP else (TOP - ask, (TOP - bid) % TOP)
        write_row(scene, rows, _TOUCH, token, 0, best, 0, token * LAST_IN_FRAME)
        rows[scene.rows_count - 1].span_s = other * 10


@compiled
def change_tick(scene: Scene, rows: NDArray[Any], crowd: Crowd, normals: Floats) -> None:
    """Go over to the fine tick once a price is above 0.96 or below 0.04; whether the venue goes back is unknown."""
    if scene.tick_mills == 1:
        return
    high = scene.bid_mills > 960 or (scene.ask_mills > 960 and scene.ask_mills < TOP)
    low = 0 < scene.bid_mills < 40 or scene.ask_mills < 40
    if high or low:
        scene.tick_mills = 1
        open_frame(scene, crowd, normals)
        for token in range(2):
            write_row(scene, rows, _TICK, token, 0, 1, 0, token * LAST_IN_FRAME)


@compiled
def take(
    scene: Scene, rows: NDArray[Any], levels: Ints, resting: Ints, makers: NDArray[Any], crowd: Crowd,
    uniforms: Floats, normals: Floats, buys_up: bool, limit_mills: int, want_micros: int,
) -> int:  # fmt: skip
    """Match a taker against the book up to its limit, oldest order first; answer the shares (micros) it got."""
    side = ASK if buys_up else BID
    got = 0
    while want_micros > 0:
        mills = scene.ask_mills if buys_up else scene.bid_mills
        if mills == 0 or mills == TOP or (buys_up and mills > limit_mills) or (not buys_up and mills < limit_mills):
            break
        fill = min(want_micros, int(levels[side, mills]))
        _fill_oldest(scene, makers, resting, side, mills, fill)
        change_level(scene, levels, side, mills, -fill)
        want_micros -= fill
        got += fill
        open_frame(scene, crowd, normals)
        # Most takers buy: who wants UP gone buys DOWN more often than he sells UP.
        plain = draw_uniform(scene, uniforms) < (0.8 if buys_up else 0.3)
        token, price = (_UP, mills) if plain else (_DOWN, TOP - mills)
        taker_side = _BUY if buys_up == plain else _SELL
        write_row(scene, rows, _TRADE, token, taker_side, price, fill, LAST_IN_FRAME)
        open_frame(scene, crowd, normals)
        write_level(scene, rows, levels, side, mills)
        scene.trades_count += 1
        if scene.trades_count % crowd.snapshot_count == 0:
            write_snapshots(scene, rows, levels, crowd, normals)
            write_touch_frame(scene, rows, crowd, normals)
    return got


@compiled
def write_touch_frame(scene: Scene, rows: NDArray[Any], crowd: Crowd, normals: Floats) -> None:
    """Tell the best prices in a frame of their own."""
    open_frame(scene, crowd, normals)
    write_touch(scene, rows)


@compiled
def _fill_oldest(
    scene: Scene, makers: NDArray[Any], resting: Ints, side: int, mills: int, fill_micros: int
) -> None:  # fmt: skip
    """Take shares from the orders at a price in the order they came; patient ones next, and a spoof goes last."""
    left = fill_micros
    while left > 0:
        oldest_seq, oldest_maker, oldest_layer = scene.order_seq + 1, -1, -1
        for index in range(len(makers)):
            maker = makers[index]
            for layer in range(side * LAYERS, (side + 1) * LAYERS):
                if maker.order_mills[layer] == mills and maker.order_seq[layer] < oldest_seq:
                    oldest_seq, oldest_maker, oldest_layer = int(maker.order_seq[layer]), index, layer
        if oldest_maker < 0:
            patient = min(left, int(resting[side, mills]))
            resting[side, mills] -= patient
            scene.spoof_micros -= left - patient
            if scene.spoof_micros <= 0:
                scene.spoof_mills = 0
            return
        left -= _reduce(makers[oldest_maker], oldest_layer, left)


@compiled
def _reduce(maker: Maker, layer: int, want_micros: int) -> int:
    used = min(want_micros, int(maker.order_micros[layer]))
    maker.order_micros[layer] -= used
    if maker.order_micros[layer] == 0:
        maker.order_mills[layer] = 0
    return used
