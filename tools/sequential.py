"""Weigh evidence for an edge result by result, so that one may look at any time and stop at any time.

A testing martingale by betting (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting",
2024): a gambler who may stake at most what he has, on results whose expectation is not above zero, cannot expect to
gain; by Ville's inequality (1939) his wealth ever reaches 20 with chance at most 1/20. Nothing is assumed about the
results but their bounds: no normality, no independence, no fixed number of trades.

Which size of bet is best depends on the edge, so wealth is spread over a grid of sizes (a mixture; Robbins 1970). The
gamblers against the strategy also spread their start over all results to come, because an edge may have been real
and then die: mixing over the change point is valid for the same reason, and pays for it with a slower start.

What one result is, matters. Give one *window* (its trades share one outcome, so they are one result), and bounds that
were fixed before its first fill: the capital the window was allowed to lose, and what it could at best have won. Bounds
taken afterwards from the position actually held would be wrong: a strategy that doubles up after every adverse move
has no edge, yet shows one per dollar that it ended up risking.
"""

from math import exp, log, log1p
from typing import Any, Final

from state.compiled import compiled
from state.records import one
from state.sequential import BETS, EProcess

BET_SMALLEST: Final = 0.005
"""Share of its capital that the most careful gambler stakes; each next one stakes twice as much, the last 0.64."""

EVIDENCE_BAR_LOG: Final = log(20.0)


@compiled
def update_evidence(process: EProcess, x: float, low: float, high: float) -> bool:
    """Add one result to both sides' evidence.

    Args:
        process: changed in place.
        x: the result, after all costs; any unit, the same as the bounds.
        low: the worst it could have been, below zero; fixed before the result was begun.
        high: the best it could have been, above zero; fixed likewise.

    Returns:
        False when the result is refused: not within its bounds, or bounds that do not straddle zero.
    """
    if not (low < 0.0 < high and low <= x <= high):
        process.refused_count += 1
        return False
    count = int(process.results_count) + 1
    starting = -log(float(count)) - log(count + 1.0)
    gain = x / -low
    loss = -x / high
    bet = BET_SMALLEST
    for k in range(BETS):
        process.wealth_for_log[k] += log1p(bet * gain)
        staked = starting
        if count > 1:
            staked = _log_sum(process.wealth_against_log[k], starting)
        process.wealth_against_log[k] = staked + log1p(bet * loss)
        bet *= 2.0
    process.results_count = count
    process.for_log = _log_mean(process.wealth_for_log)
    process.against_log = _log_sum(_log_mean(process.wealth_against_log), -log(count + 1.0))
    process.for_peak_log = max(process.for_peak_log, process.for_log)
    process.against_peak_log = max(process.against_peak_log, process.against_log)
    return True


@compiled
def _log_sum(first: float, second: float) -> float:
    """Give log(exp(first) + exp(second)) without overflow."""
    if first < second:
        return second + log1p(exp(first - second))
    return first + log1p(exp(second - first))


@compiled
def _log_mean(logs: Any) -> float:
    """Give the log of the mean of exponentials, in a fixed order of addition."""
    top = logs[0]
    for k in range(1, BETS):
        top = max(top, logs[k])
    total = 0.0
    for k in range(BETS):
        total += exp(logs[k] - top)
    return float(top + log(total / BETS))


def evidence_curve(results: list[tuple[float, float, float]]) -> list[tuple[float, float]]:
    """Give log e-values for and against after each (x, low, high), for a report's curve; refused results add no point.

    >>> [round(point[0], 3) for point in evidence_curve([(1.0, -1.0, 1.0)] * 3)]
    [0.148, 0.327, 0.543]
    """
    process = one(EProcess)
    curve = []
    for x, low, high in results:
        if update_evidence(process, float(x), float(low), float(high)):
            curve.append((float(process.for_log), float(process.against_log)))
    return curve
