"""Evidence of a run: what the sequential test is told and makes of it, and the Sharpe ratio after counting tries."""

from dataclasses import dataclass

import numpy as np

from evals.results import UNKNOWN_OUTCOME, Fills, ReportInput
from state.events import Side
from state.units import MICROS
from tools.intervals import Estimate
from tools.returns import deflated_sharpe, sharpe_ratio
from tools.sequential import evidence_curve


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The sequential test's results, one a window, and its logs of wealth after each."""

    scale: str
    """What one result is and how its bounds were fixed, in words."""
    line: tuple[tuple[float, float], ...]
    """Log e-values for and against the edge, after each result."""
    refused_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """The Sharpe ratio of the traded windows, and what is left of it after counting how often one looked."""

    sharpe: Estimate
    """Per traded window, not annualized."""
    p_real: float
    """Chance that it is above what the best of `tries_count` worthless variants would show; NaN: cannot be said."""
    tries_count: int
    tries_sd: float


def ratio_of(run: ReportInput) -> Ratio:
    """Give the Sharpe ratio of the traded windows' profits and its deflation by the tries (`deflated_sharpe`)."""
    rows = (run.windows.usable == 1) & (run.windows.fills_count > 0)
    pnl = run.windows.pnl_micros[rows] / MICROS
    return Ratio(
        sharpe=sharpe_ratio(pnl),
        p_real=deflated_sharpe(pnl, run.tries_count, run.tries_sd),
        tries_count=run.tries_count,
        tries_sd=run.tries_sd,
    )


def evidence_of(run: ReportInput) -> Evidence:
    """Run the sequential test over the traded windows.

    Where the windows carry a scale fixed before their first fill, a result is the window's whole profit. Elsewhere it
    is the window's first fill, per share: its price bounds it before anything is known, while the window's profit per
    share or dollar would flatter a strategy that adds to what moves against it.
    """
    rows = (run.windows.usable == 1) & (run.windows.fills_count > 0)
    caps, most = run.windows.cap_micros[rows], run.windows.payout_micros[rows]
    if len(caps) and bool(((caps > 0) & (most > 0)).all()):
        pnl = run.windows.pnl_micros[rows].astype(float)
        results = list(zip(pnl.tolist(), (-caps).tolist(), most.tolist(), strict=True))
        scale = "One result is one window's profit, on a scale fixed before its first fill."
    else:
        results = _first_fills(run.fills)
        scale = "One result is the first fill of a window, per share: bounded by its own price before it is known."
    line = evidence_curve(results)
    return Evidence(scale=scale, line=tuple(line), refused_count=len(results) - len(line))


def _first_fills(fills: Fills) -> list[tuple[float, float, float]]:
    """Give each settled window's first fill per share: (profit, worst, best), in order; a failed match made nothing."""
    _, first = np.unique(fills.window_s, return_index=True)
    found = []
    for k in first.tolist():
        if fills.won_code[k] == UNKNOWN_OUTCOME:
            continue
        fee = float(fills.fee_micros[k]) / max(1.0, float(fills.amount_micros[k]))
        price, buys = float(fills.price_bps[k]) / 1e4, fills.side_code[k] == Side.BUY
        paid = price if buys else 1.0 - price
        won = (fills.won_code[k] == 1) == buys
        x = 0.0 if fills.reversed_code[k] == 1 else (1.0 if won else 0.0) - paid - fee
        found.append((x, -paid - fee, 1.0 - paid - fee))
    return found
