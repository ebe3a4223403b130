"""Views for tests of the desk: recorded from a run, bent at random up to the absurd, and the desk run by hand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.generator import DEMO, generate
from graph.execution import stand_aside
from graph.fast import decide
from graph.heart import receive_mandate, receive_rows
from graph.mandates import number_mandate
from graph.stages import RECORDS, STAGES, blank
from graph.views import take_view
from graph.worlds import new_world
from state.desk import Decision, View
from state.events import Event, Kind
from state.orders import Act, Command, Liquidity, OrderState, TimeInForce
from state.params import Params, default_params
from state.reasons import Gate
from state.records import fill, layout, one, rows
from state.rulebook import REGISTRY
from state.units import NS_PER_MS, NS_PER_S
from state.world import World

SHARE = DOLLAR = 1_000_000
OPEN_NS = 1_792_638_000 * NS_PER_S
"""A window of 2026-10-22: TWAP-60, fee 0.07, hold 150 ms."""

SOUND: dict[str, Any] = {
    "now_ns": OPEN_NS + 120 * NS_PER_S, "event_seq": 77, "slot_id": 3, "open_ns": OPEN_NS,
    "close_ns": OPEN_NS + 300 * NS_PER_S, "phase_code": 2, "settlement_code": 1, "fee_rate_ppm": 70_000,
    "fee_exponent_count": 1, "hold_ns": 150 * NS_PER_MS, "tick_bps": 100, "min_shares_micros": 5 * SHARE,
    "min_notional_micros": DOLLAR, "bid_bps": [4_800, 4_800], "ask_bps": [5_200, 5_200],
    "bid_touch_micros": [900 * SHARE] * 2, "ask_touch_micros": [900 * SHARE] * 2,
    "bid_near_micros": [3_000 * SHARE] * 2, "ask_near_micros": [3_000 * SHARE] * 2,
    "book_notional_micros": 20_000 * DOLLAR, "book_whole_mask": 3, "book_seen_ns": OPEN_NS + 119 * NS_PER_S,
    "nowcast_usd": 100_000.0, "nowcast_var": 1e-9, "nowcast_seen_ns": OPEN_NS + 119_900 * NS_PER_MS,
    "feeds_count": 5, "disagreement_bps": 0.5, "variance_per_s": 8.1e-9, "strike_usd": 99_900.0, "strike_code": 2,
    "strike_gap_bps": 0.1, "strike_coverage_ratio": 1.0, "close_coverage_ratio": 1.0, "close_mean_usd": 100_000.0,
    "close_sd_usd": 110.0, "p_fair": 0.82, "p_point": 0.8, "p_hold_sd": 0.001,
    "weights_ratio": [1.0, 0.8, 0.3, 0.1, 0.1], "weights_var": (np.eye(5) * 0.002).tolist(), "cash_micros": 10**11,
}  # fmt: skip
"""A book at 50 cents and a coin that says 82: the desk takes UP."""


def view_of(**changes: Any) -> Any:
    view: Any = one(View)
    for name, value in {**SOUND, **changes}.items():
        view[name] = value
    return view


def decided(view: Any, params: Params | None = None) -> Any:
    decision: Any = one(Decision)
    decision.market = view
    decide(params or default_params(), decision)
    return decision


def folded(view: Any, params: Params) -> tuple[dict[str, Any], Gate]:
    """Run the stage table by hand: the plain meaning of the desk, without either runner."""
    values: dict[str, Any] = {"market": view}
    for stage in STAGES:
        row = blank(stage.writes)
        stage.work(params, *(values[key] for key in stage.reads), row)
        values[stage.writes] = row
        reason = int(values[stage.gate_key].reason_code) if stage.gate is not Gate.NONE else 0
        if reason != 0:
            mandate = blank("mandate")
            alpha = values.get("alpha", blank("alpha"))
            stand_aside(params, view, values["sight"], values["forecast"], alpha, int(stage.gate), reason, mandate)
            return {**values, "mandate": mandate}, stage.gate
    return values, Gate.NONE


def bytes_of(row: Any) -> bytes:
    """A record's values without the padding between them, which nobody writes."""
    kind = row.dtype
    if kind.names is None:
        return bytes(np.asarray(row).tobytes())
    return b"".join(bytes_of(row[name]) for name in kind.names)


class Witnessed:
    """A world that plays events through the core and keeps the views that the desk was asked on."""

    def __init__(self, params: Params | None = None, cash_micros: int = 10**11) -> None:
        self.worlds: Any = rows(World, 1)
        self.worlds[0] = new_world(params or default_params(), cash_micros)
        self.world: Any = self.worlds[0]
        self.commands: Any = rows(Command, 256)
        self.views: list[Any] = []
        self.mandates: list[Any] = []

    def play(self, events: NDArray[Any], most: int = 10**9, keep: Callable[[Any], bool] = lambda _: True) -> None:
        at = 0
        while at < len(events) and len(self.views) < most:
            before = int(self.world.event_seq)
            chunk: Any = events[at : at + 4_096]
            count = receive_rows(self.worlds, chunk, len(chunk), REGISTRY, self.commands)
            at += int(self.world.event_seq) - before
            self._do(count, keep)

    def _do(self, count: int, keep: Callable[[Any], bool]) -> None:
        for command in self.commands[:count].copy():
            if command["act_code"] == Act.ASK:
                decision: Any = one(Decision)
                take_view(self.world, int(command["slot_id"]), decision.market)
                decide(self.world.params, decision)
                number_mandate(self.world, decision.market, decision.mandate)
                if keep(decision):
                    self.views.append(decision.market.copy())
                    self.mandates.append(decision.mandate.copy())
                written = receive_mandate(self.world, decision.mandate, int(self.world.now_ns), self.commands)
                self._do(written, keep)
            elif command["act_code"] == Act.PLACE:
                self._answer(command)
            else:
                self._tell(Kind.ORDER_CHANGED, command, code_id=int(OrderState.DONE), amount_micros=0)

    def _answer(self, command: Any) -> None:
        if command["tif_code"] == TimeInForce.FAK:
            half = int(command["amount_micros"]) // 2
            self._tell(
                Kind.FILLED, command, amount_micros=half, price_bps=int(command["price_bps"]),
                code_id=int(Liquidity.TAKER), token_code=int(command["token_code"]),
            )  # fmt: skip
            self._tell(Kind.ORDER_CHANGED, command, code_id=int(OrderState.DONE), amount_micros=0)
        else:
            self._tell(Kind.ORDER_CHANGED, command, code_id=int(OrderState.RESTING))

    def _tell(self, kind: Kind, command: Any, **columns: Any) -> None:
        told: Any = rows(Event, 1)
        seen = int(self.world.now_ns)
        head = {"kind_code": int(kind), "at_ns": seen, "seen_ns": seen, "slot_id": int(command["slot_id"])}
        for name, value in {**head, "ref_id": int(command["order_id"]), **columns}.items():
            told[0][name] = value
        count = receive_rows(self.worlds, told, 1, REGISTRY, self.commands)
        self._do(count, lambda _: False)


def demo_events(windows: int = 1, seed: int = 5) -> NDArray[Any]:
    return generate(replace(DEMO, windows=windows), seed)


ABSURD_INTS = (-(10**12), -1, 0, 1, 2, 3, 255, 10_000, 10**9, 2**53 + 1, 10**15)
ABSURD_FLOATS = (-1e12, -5.0, -1e-9, 0.0, 1e-300, 1e-9, 0.3, 0.97, 1.0, 7.5, 1e6, 1e12)
PRICES = (-1, -1, 0, 1, 100, 4_700, 4_900, 5_000, 5_100, 5_300, 9_900, 9_999, 10_000, 12_000)

_NOW = int(SOUND["now_ns"])


def _at(second: int) -> dict[str, int]:
    now = OPEN_NS + second * NS_PER_S
    return {"now_ns": now, "book_seen_ns": now, "nowcast_seen_ns": now}


FAULTS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"rules_refused_code": 4}, {"book_whole_mask": 0}, {"book_whole_mask": 1}, {"bid_bps": [-1, -1]},
    {"ask_bps": [-1, -1]}, {"bid_bps": [-1, 4_800], "ask_bps": [5_200, -1]}, {"bid_bps": [-1, -1], "ask_bps": [-1, -1]},
    {"bid_bps": [5_400, 4_800]}, {"complement_gap_bps": 400}, {"nowcast_usd": 0.0}, {"disagreement_bps": 9.0},
    {"strike_code": 0}, {"strike_gap_bps": -3.0}, {"close_coverage_ratio": 0.5}, {"strike_coverage_ratio": 0.2},
    {"book_seen_ns": 0}, {"nowcast_seen_ns": 0}, {"open_ns": 2**61}, {"close_ns": 0},
    {"p_fair": 0.5}, {"p_fair": 0.999999}, {"p_fair": 1e-9}, {"p_fair": 0.15},
    {"bid_bps": [100, 9_800], "ask_bps": [200, 9_900], "p_fair": 0.001},
    {"evidence_against_log": 3.5}, {"skill_windows_count": 50, "skill_logodds": -0.5},
    {"halted_code": 1}, {"platform_code": 2}, {"day_pnl_micros": -(2 * 10**9)}, {"book_notional_micros": 9 * 10**9},
    {"risky_windows_count": 5}, {"risky_windows_count": 5, "carries_risk": True},
    {"spent_micros": 5 * 10**10}, {"cost_micros": 5 * 10**10},
    {"other_cost_micros": 5 * 10**10}, {"tail_loss_micros": 10**10},
    {"armed_micros": 10**6, "risked_micros": 10**6}, {"cost_micros": 5 * 10**10 - 10**6},
    {"held_micros": [10**11, 0]}, {"held_micros": [0, 10**11]}, {"pending_micros": [10**9, 10**9]},
    {"bid_touch_micros": [0, 0], "ask_touch_micros": [0, 0]}, {"min_shares_micros": 10**12}, {"tick_bps": 0},
    {"lag_z": 5.0, "lag_ns": 10**9, "lag_correlation_ratio": 0.4, "lead_move_log": 1e-3},
    {"lag_z": 5.0, "lag_ns": 10**9, "lag_correlation_ratio": 0.4, "lead_move_log": -1e-3},
    {"lag_z": 5.0, "lag_ns": 10**8}, {"lag_z": 5.0, "lag_ns": 10**9},
    {"flow_total_micros": 9e8, "flow_signed_micros": 8.9e8, "flow_slow_micros": 1e8},
    {"flow_total_micros": 9e8, "flow_signed_micros": -8.9e8, "flow_slow_micros": 1e8},
    {"flow_total_micros": 9e7, "flow_signed_micros": 2e7, "flow_slow_micros": 9e7},
    {"flow_total_micros": 9e7, "flow_signed_micros": -2e7, "flow_slow_micros": 9e7},
    {"bid_bps": [4_800, 4_800], "ask_bps": [4_900, 4_900], "complement_gap_bps": 0},
    {"bid_near_micros": [10**10, 10**6], "ask_near_micros": [10**6, 10**6]},
    {"bid_near_micros": [10**9, 10**9], "ask_near_micros": [10**10, 10**8]},
    {"ask_near_micros": [10**9, 10**9], "bid_near_micros": [10**10, 10**8]},
    {"weights_ratio": [1.0, 0.0, 0.0, 0.0, 0.0]}, {"weights_ratio": [1.4, 1.4, -1.0, 2.0, 0.0]},
    {"fee_by_notional_code": 1}, {"fee_rate_ppm": 0}, _at(0), _at(4), _at(5), _at(296), _at(297), _at(299), _at(300),
    {**_at(4), "p_fair": 0.2}, {**_at(298), "p_fair": 0.2},
)  # fmt: skip


def bent(view: Any, rng: np.random.Generator) -> Any:
    """A view with a fault or two, and one time in four with values that no market can have."""
    out = view.copy()
    shift = int(out["now_ns"]) - _NOW
    for index in rng.integers(0, len(FAULTS), int(rng.integers(0, 3))):
        for name, value in FAULTS[index].items():
            out[name] = value
    if rng.random() < 0.25:
        seconds = (0, 1, 4, 5, 6, 60, 200, 296, 297, 298, 299, 300, 400)
        moved = int(rng.choice(seconds)) * NS_PER_S
        out["now_ns"] = int(out["open_ns"]) + moved if abs(int(out["open_ns"])) < 2**60 else _NOW + shift
        out["book_seen_ns"] = int(out["now_ns"]) - int(rng.choice((0, 1, 3, 4))) * NS_PER_S
        out["nowcast_seen_ns"] = int(out["now_ns"]) - int(rng.choice((0, 1, 5, 6))) * NS_PER_S
    if rng.random() < 0.25:
        for name in rng.choice(layout(View).names or (), int(rng.integers(1, 4))):
            _make_absurd(out, str(name), rng)
    return out


def _make_absurd(view: Any, name: str, rng: np.random.Generator) -> None:
    kind = layout(View)[name]
    size = int(np.prod(kind.shape)) if kind.shape else 1
    if name in ("bid_bps", "ask_bps"):
        chosen: Any = rng.choice(PRICES, size)
    elif np.issubdtype(kind.base, np.integer):
        chosen = rng.choice(ABSURD_INTS, size)
    else:
        chosen = rng.choice(ABSURD_FLOATS, size)
    view[name] = np.reshape(chosen, kind.shape) if kind.shape else chosen[0]


def bent_views(seed: int, count: int, recorded: list[Any]) -> list[Any]:
    rng = np.random.default_rng(seed)
    sound = view_of()
    first = [view_of(**fault) for fault in FAULTS]
    picked = [recorded[int(i)] for i in rng.integers(0, len(recorded), 40)] if recorded else []
    bases = [*[sound] * 40, *picked]
    return first + [bent(bases[int(rng.integers(len(bases)))], rng) for _ in range(count - len(first))]


def fill_view(values: dict[str, Any]) -> Any:
    view: Any = one(RECORDS["market"])
    fill(view, values)
    return view
