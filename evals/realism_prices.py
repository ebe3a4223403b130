"""What price streams are like: how often they tell, how their moves are spread, and who follows whom."""

import numpy as np

from evals.generator_feeds import Events
from evals.realism_books import gather
from state.events import Kind
from state.records import Floats, Ints
from state.units import NS_PER_MS, NS_PER_S

STREAM_HOUR_S = 3_600
LEAST_SHARE = 0.5
"""A stretch with fewer of its seconds than this is left out."""

BLOCK_S = 10
LAG_STEP_NS = 500 * NS_PER_MS


def autocorrelation(moves: Floats, whole: "np.ndarray[tuple[int], np.dtype[np.bool_]]", lag: int) -> float:
    """Correlate one-second moves with those `lag` seconds later, of those that are whole seconds all between."""
    usable = whole.copy()
    for step in range(1, lag + 1):
        usable = usable[:-1] & whole[step:]
    first, later = moves[: len(moves) - lag][usable], moves[lag:][usable]
    return float(np.corrcoef(first, later)[0, 1]) if len(first) > 2 else float("nan")


def stream_figures(rows: Events) -> dict[str, Floats]:
    """Measure the settlement stream by the hour: PRICE_SEEN of the oracle."""
    stamps, first = np.unique(rows["at_ns"], return_index=True)
    values, delays_ms = rows["value_usd"][first], (rows["seen_ns"] - rows["at_ns"])[first] / NS_PER_MS
    seconds = stamps // NS_PER_S
    hours = []
    for hour in np.unique(seconds // STREAM_HOUR_S):
        mine = seconds // STREAM_HOUR_S == hour
        if mine.sum() < LEAST_SHARE * STREAM_HOUR_S:
            continue
        moves = np.diff(np.log(values[mine]))
        whole = np.diff(seconds[mine]) == 1
        still = moves[whole] - moves[whole].mean()
        hours.append(
            {
                "stream 1 s moves, sd bps": float(still.std() * 1e4),
                "stream 1 s moves, kurtosis": float((still**4).mean() / still.var() ** 2),
                "stream autocorrelation, 1 s": autocorrelation(moves, whole, 1),
                "stream autocorrelation, 2 s": autocorrelation(moves, whole, 2),
                "stream seconds present": float(mine.sum()) / STREAM_HOUR_S,
                "stream delay, p50 ms": float(np.median(delays_ms[mine])),
                "stream delay, p95 ms": float(np.percentile(delays_ms[mine], 95)),
            }
        )
    return gather(hours) | {"window move, median bps": _moves_bps(seconds, values)}


def _moves_bps(seconds: Ints, values: Floats) -> Floats:
    """Give the size of each five minutes' move; every twelve of them make one value, their median."""
    by_second = dict(zip(seconds.tolist(), np.log(values).tolist(), strict=True))
    starts = [second for second in by_second if second % 300 == 0 and second + 300 in by_second]
    moves = np.array([abs(by_second[start + 300] - by_second[start]) * 1e4 for start in sorted(starts)])
    return np.array([np.median(moves[at : at + 12]) for at in range(0, len(moves) - 11, 12)])


def exchange_figures(rows: Events, name: str) -> dict[str, Floats]:
    """Measure one exchange's best prices and trades, in the order they were seen, by blocks of ten seconds."""
    seen_ns = rows["seen_ns"]
    if not len(rows):
        return {}
    block = (seen_ns - seen_ns[0]) // (BLOCK_S * NS_PER_S)
    tops = rows["kind_code"] == Kind.PRICE_SEEN
    whole = int(block[-1])
    rates = np.bincount(block[tops], minlength=whole)[:whole] / BLOCK_S
    trades = np.bincount(block[~tops], minlength=whole)[:whole] / BLOCK_S
    bursts = []
    for start in range(0, whole, 3):
        gaps = np.diff(seen_ns[tops & (block >= start) & (block < start + 3)]).astype(float)
        if len(gaps) > 20 and gaps.mean() > 0:
            bursts.append(float(np.percentile(gaps, 95) / gaps.mean()))
    return {
        f"exchange messages a second, {name}": rates,
        f"exchange trades a second, {name}": trades,
        f"exchange gaps, p95 to mean, {name}": np.array(bursts),
    }


def lag_s(lead_ns: Ints, lead: Floats, follow_ns: Ints, follow: Floats, *, furthest: int = 10) -> float:
    """Say how many seconds one series follows another: the middle of their correlations at lags from -1 s on.

    Both are sampled every half second, as last seen. Squares weigh the correlations, so that noise weighs little.
    """
    grid = np.arange(max(lead_ns[0], follow_ns[0]), min(lead_ns[-1], follow_ns[-1]), LAG_STEP_NS)
    if len(grid) < 60:
        return float("nan")
    first = np.diff(np.log(lead[np.searchsorted(lead_ns, grid, side="right") - 1]))
    second = np.diff(follow[np.searchsorted(follow_ns, grid, side="right") - 1])
    total = weighed = 0.0
    for lag in range(-2, furthest + 1):
        ahead = first[max(-lag, 0) : len(first) - max(lag, 0)]
        behind = second[max(lag, 0) : len(second) - max(-lag, 0)]
        if ahead.std() == 0.0 or behind.std() == 0.0:
            return float("nan")
        correlation = max(float(np.corrcoef(ahead, behind)[0, 1]), 0.0)
        total += correlation**2
        weighed += correlation**2 * lag * LAG_STEP_NS / NS_PER_S
    return weighed / total if total > 0.0 else float("nan")
