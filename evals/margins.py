"""Margins: how far each condition of each gate was from closing it, in the condition's own unit; negative: it closed.

A margin is reckoned from the same record by the same arithmetic as the gate's own (`graph.sight`, `graph.signals`,
`graph.risk`), a test holds the two to the same verdict. Conditions that are no distance (rules known or not, halted or
not) have no margin; the gate's reason names them.
"""

from dataclasses import dataclass
from typing import Any

from state.params import Params
from state.reasons import Reason
from state.units import MICROS, NS_PER_MS, NS_PER_S


@dataclass(frozen=True, slots=True)
class Margin:
    """How far one condition of a gate was from closing it."""

    gate: str
    condition: str
    margin: float
    unit: str
    reason_code: int
    """The reason that it would give."""

    @property
    def closes(self) -> bool:
        """Say whether this condition closes its gate."""
        return self.margin < 0


def margins_of(decision: Any, params: Params) -> tuple[Margin, ...]:
    """Give the margins of every gate that can be reckoned from a decision, in the desk's order.

    Args:
        decision: A `state.desk.Decision` row whose `alpha` has been reckoned, also where `look` had closed before.
        params: Those in force.
    """
    return (*_look(decision["market"], params), *_signal(decision, params), *_validate(decision["market"], params),
            *_risk(decision["market"], params))  # fmt: skip


def _look(view: Any, params: Any) -> tuple[Margin, ...]:
    now = int(view["now_ns"])

    def of(condition: str, margin: float, unit: str, reason: Reason) -> Margin:
        return Margin("look", condition, round(float(margin), 6), unit, int(reason))

    book_ms = (params["book_age_ns"] - (now - int(view["book_seen_ns"]))) / NS_PER_MS
    coverage = min(float(view["strike_coverage_ratio"]), float(view["close_coverage_ratio"]))
    return (
        of("book age", book_ms, "ms", Reason.BOOK_STALE),
        of("contradiction of the two books", params["complement_gap_bps"] - abs(int(view["complement_gap_bps"])), "bps",
           Reason.COMPLEMENT_BROKEN),
        of("age of the price", (params["reference_age_ns"] - (now - int(view["nowcast_seen_ns"]))) / NS_PER_MS, "ms",
           Reason.REFERENCE_STALE),
        of("disagreement of the feeds", params["disagreement_bps"] - float(view["disagreement_bps"]), "bps",
           Reason.FEEDS_DISAGREE),
        of("strike against our own average", params["strike_gap_bps"] - abs(float(view["strike_gap_bps"])), "bps",
           Reason.STRIKE_DISPUTED),
        of("seconds of the averages seen", coverage - float(params["coverage_ratio"]), "ratio", Reason.COVERAGE_THIN),
        of("time since the open", (now - int(view["open_ns"]) - int(params["open_quiet_ns"])) / NS_PER_S, "s",
           Reason.TOO_EARLY),
        of("time to the close", (int(view["close_ns"]) - now - int(params["close_quiet_ns"])) / NS_PER_S, "s",
           Reason.TOO_LATE),
    )  # fmt: skip


def _signal(decision: Any, params: Any) -> tuple[Margin, ...]:
    alpha, p_up = decision["alpha"], float(decision["forecast"]["p_up"])
    best = max(float(edge) for edge in alpha["edge_bps"])
    return (
        Margin("signal", "probability against the floor", round(min(p_up, 1.0 - p_up) - float(params["p_floor"]), 6),
               "probability", int(Reason.PRICE_EXTREME)),
        Margin("signal", "edge of taking against what is wanted", round(best - float(params["take_edge_bps"]), 4),
               "bps", int(Reason.EDGE_THIN)),
    )  # fmt: skip


def _validate(view: Any, params: Any) -> tuple[Margin, ...]:
    found = [
        Margin("validate", "evidence against the strategy",
               round(float(params["pause_e_log"]) - float(view["evidence_against_log"]), 6), "log e-value",
               int(Reason.EVIDENCE_AGAINST)),
    ]  # fmt: skip
    if int(view["skill_windows_count"]) >= int(params["skill_windows_count"]):
        skill = float(view["skill_logodds"]) - float(params["skill_floor_logodds"])
        found.append(
            Margin("validate", "skill against the book", round(skill, 6), "log loss", int(Reason.SKILL_BELOW_BOOK))
        )
    return tuple(found)


def _risk(view: Any, params: Any) -> tuple[Margin, ...]:
    def of(condition: str, micros: int, reason: Reason) -> Margin:
        return Margin("risk", condition, round(micros / MICROS, 6), "USD", int(reason))

    cost, shared = int(view["cost_micros"]), int(view["other_cost_micros"])
    found = [
        of("the day's loss", int(params["daily_loss_micros"]) + int(view["day_pnl_micros"]), Reason.DAILY_LOSS),
        of("the book's liquidity", int(view["book_notional_micros"]) - int(params["liquidity_micros"]),
           Reason.LIQUIDITY_LOW),
        of("the window's position", int(params["position_micros"]) - cost, Reason.POSITION_FULL),
        of("windows that move together", int(params["position_micros"]) - cost - shared, Reason.CORRELATED),
        of("loss in a jump", int(params["tail_loss_micros"]) - int(view["tail_loss_micros"]), Reason.TAIL_LOSS),
    ]  # fmt: skip
    if not view["carries_risk"]:
        windows = int(params["concurrent_count"]) - int(view["risky_windows_count"])
        found.append(
            Margin("risk", "windows with risk at once", float(windows), "windows", int(Reason.CONCURRENT_FULL))
        )
    if int(view["armed_micros"]):
        found.append(of("the armed limit", int(view["armed_micros"]) - int(view["risked_micros"]), Reason.ARMED_LIMIT))
    return tuple(found)
