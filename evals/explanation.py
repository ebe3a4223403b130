"""Explanation: why the desk did what it did on one decision, in numbers that are in its record.

All of it is reckoned by code: each agent's contribution, the gates with their margins, the smallest change of each
input that would have turned the decision, costs, expected value, and what happened afterwards.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from evals.flips import Flip, flips
from evals.margins import Margin, margins_of
from graph.sight import best_ask_bps
from graph.signals import signal
from state.params import Params
from state.reasons import WORDS, Gate, Reason
from state.units import BPS, MICROS, NS_PER_S

FEATURES: Final = ("book", "spread", "lead_lag", "flow", "liquidity")
"""What the fusion weighs, in its order: the book's own middle, then the agents."""
SIDES: Final = ("UP", "DOWN")


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one source gave to the forecast."""

    source: str
    feature_logodds: float
    weight_ratio: float
    contribution_logodds: float
    words: str


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading the better side would have cost, in 1/10,000 dollar a share."""

    side: str
    ask_bps: int
    fee_bps: float
    hold_bps: float
    adverse_bps: float
    half_spread_bps: float
    edge_bps: float
    """Left after fee and hold, at the interval's worse end."""
    take_value_bps: float
    make_value_bps: float
    fill_probability: float
    """Of a resting bid."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision, explained."""

    decision: int
    window: str
    at_ns: int
    left_s: float
    outcome: str
    """traded, allowed or stood_aside."""
    gate: str
    """The gate that closed, "" when none did."""
    main_cause: str
    p_up: float
    p_low: float
    p_high: float
    p_book: float
    p_fair: float
    contributions: tuple[Contribution, ...]
    margins: tuple[Margin, ...]
    flips: tuple[Flip, ...]
    costs: Costs
    expected_value_usd: float
    """Of the stake, taken or posted, whichever is worth more; 0 where there is no stake."""
    stake_shares: float
    afterwards: dict[str, Any]
    """Orders with fills, fees, markouts; the settlement and the profit: plain values, made by the record."""

    def as_plain(self) -> dict[str, Any]:
        """Give it as JSON would have it."""
        return asdict(self)


def explain(decision: Any, params: Params, window: str, afterwards: dict[str, Any]) -> Explanation:
    """Explain a decision.

    Args:
        decision: A `state.desk.Decision` row, whole.
        params: Those that were in force.
        window: The window's slug.
        afterwards: What became of it, as plain values; `orders` lists its orders.
    """
    # What stages behind a closed gate would have said is reckoned too: margins and costs are asked for all the same.
    decision = decision.copy()
    if not decision["alpha"]["hold_cost_bps"] and not decision["alpha"]["take_bps"].any():
        signal(params, decision.market, decision.forecast, decision.flow_opinion, decision.alpha)
    market, mandate, forecast, alpha = (decision[key] for key in ("market", "mandate", "forecast", "alpha"))
    side = 0 if float(alpha["edge_bps"][0]) >= float(alpha["edge_bps"][1]) else 1
    reason, gate = Reason(int(mandate["reason_code"])), Gate(int(mandate["gate_code"]))
    traded = bool(afterwards.get("orders"))
    contributions = contributions_of(decision)
    shares = float(max(mandate["shares_micros"])) / MICROS
    costs = _costs(decision, side)
    return Explanation(
        decision=int(mandate["mandate_id"]), window=window, at_ns=int(market["now_ns"]),
        left_s=round((int(market["close_ns"]) - int(market["now_ns"])) / NS_PER_S, 3),
        outcome="stood_aside" if reason else "traded" if traded else "allowed",
        gate=gate.name.lower() if reason else "", main_cause=_main_cause(reason, contributions, side, decision),
        p_up=_p(forecast["p_up"]), p_low=_p(forecast["p_low"]), p_high=_p(forecast["p_high"]),
        p_book=_p(decision["sight"]["p_mid"]), p_fair=_p(market["p_fair"]), contributions=contributions,
        margins=margins_of(decision, params), flips=flips(decision, params), costs=costs,
        expected_value_usd=0.0 if reason else round(shares * max(costs.take_value_bps, costs.make_value_bps) / BPS, 4),
        stake_shares=round(shares, 6), afterwards=afterwards,
    )  # fmt: skip


def _p(value: Any) -> float:
    return round(float(value), 6)


def contributions_of(decision: Any) -> tuple[Contribution, ...]:
    """Give what each source gave to the posterior, in log-odds of UP; they add up to it."""
    forecast, market = decision["forecast"], decision["market"]
    found = []
    for at, source in enumerate(FEATURES):
        code = int(decision[f"{source}_opinion"]["reason_code"]) if at else 0
        words = WORDS[Reason(code)] if at else "the middle of the venue's own book"
        found.append(
            Contribution(
                source, float(forecast["features_logodds"][at]), float(market["weights_ratio"][at]),
                float(forecast["contributions_logodds"][at]), words,
            )
        )  # fmt: skip
    return tuple(found)


def _main_cause(reason: Reason, contributions: Sequence[Contribution], side: int, decision: Any) -> str:
    """Name the cause: the reason of the gate that closed, or the agent that pushed hardest towards the side."""
    if reason:
        return WORDS[reason]
    masks = int(decision["mandate"]["take_mask"]) | int(decision["mandate"]["quote_mask"])
    if not masks and int(decision["mandate"]["exit_mask"]):
        return WORDS[Reason.EXIT_WORTH_MORE]
    towards = 1.0 if side == 0 else -1.0
    agent = max(contributions[1:], key=lambda each: towards * each.contribution_logodds)
    if towards * agent.contribution_logodds <= 0.0:
        return f"no agent pushed towards {SIDES[side]}; the price paid was low enough at the book's own odds"
    return f"{agent.source} pushed towards {SIDES[side]}: {agent.words}"


def _costs(decision: Any, side: int) -> Costs:
    alpha = decision["alpha"]
    return Costs(
        side=SIDES[side], ask_bps=int(best_ask_bps(decision.market, side)),
        fee_bps=round(float(alpha["fee_bps"][side]), 4),
        hold_bps=round(float(alpha["hold_cost_bps"]), 4), adverse_bps=round(float(alpha["adverse_bps"]), 4),
        half_spread_bps=round(float(decision["sight"]["half_spread_bps"]), 4),
        edge_bps=round(float(alpha["edge_bps"][side]), 4),
        take_value_bps=round(float(alpha["take_value_bps"][side]), 4),
        make_value_bps=round(float(alpha["make_value_bps"][side]), 4),
        fill_probability=round(float(alpha["fill_ratio"][side]), 4),
    )  # fmt: skip
