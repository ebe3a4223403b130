"""A rehearsal: champion and challenger over the same frozen windows, paired window by window, judged by bets.

What two sets of parameters made of one window shares the window's luck, so only their difference is looked at. The
windows are split in time: those before the cut may have been fitted on and fix the scale of the bets, those after it
judge. The test is the betting e-process of `tools.sequential`, so one may look after any window.

The bound of a difference. A window's loss is bounded by the position limit alone, thousands of times what a window
usually makes, and on that scale no bet would ever be worth anything. So the scale is twice the largest difference or
profit among the windows before the cut: it is fixed before the first window that judges. Gains beyond it count as the
bound, which can only weaken the evidence. A difference below it cannot be counted honestly by any clipping; it is
counted as seen (`beyond_count`), and the rule of promotion then refuses, whatever else the challenger made.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evals.backtest import Ledgers
from evals.power import PowerReading, power_reading
from state.events import Token
from state.records import one
from state.sequential import EProcess
from state.units import NS_PER_S
from tools.intervals import Estimate, Values, cluster_sums, clustered_interval
from tools.scores import brier_losses, log_losses
from tools.sequential import update_evidence

MOMENTS_S: Final = (240, 180, 120, 60, 30, 10)
"""Seconds to the close at which forecasts are scored: both sides at the same moments, however often they ran."""

NO_FORECAST: Final = -1.0
BOUND_RATIO: Final = 2.0

Lines = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowScore:
    """What one set of parameters made of one settled window, averaged over the seeds of the exchange's draws."""

    open_s: int
    slot_id: int
    up: bool
    """Whether UP won."""
    profit_micros: float
    spent_micros: float
    traded_ratio: float
    """Share of the seeds with a fill."""
    p_up: tuple[float, ...]
    """The forecast that stood at each of `MOMENTS_S`; `NO_FORECAST` where there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side's own figures over the windows that judge."""

    profit: Estimate
    """Micros a window."""
    profit_sd_micros: float
    total_micros: float
    drawdown_micros: float
    """Deepest fall of its summed profit from a peak."""
    worst_micros: float
    """Profit of its worst window; 0 when none lost."""
    spent_micros: float
    traded_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """Champion against challenger; every difference is the challenger's less the champion's."""

    windows_count: int
    """Windows that judged."""
    fit_windows_count: int
    """Windows before the cut."""
    first_open_s: int
    last_open_s: int
    """Of the windows that judged; 0 without any."""
    champion: Side
    challenger: Side
    profit: Estimate
    """Micros a window; above zero is for the challenger."""
    log_loss: Estimate
    """Nats a forecast; below zero is for the challenger."""
    brier: Estimate
    forecasts_count: int
    bound_micros: float
    """Scale of the bets, fixed by the windows before the cut; 0: nothing happened there, so nothing can be bet."""
    beyond_count: int
    """Differences worse than the bound: what the test cannot count."""
    evidence_log: float
    """Largest log e-value so far of "the challenger makes more"; crossed once is crossed for good (Ville 1939)."""
    against_log: float
    """The same of "it makes less"."""
    power: PowerReading
    seeds: tuple[int, ...]
    frozen_digest: str = ""
    """Of the rows that were played."""
    champion_hash: str = ""
    """`params_hash` of each side."""
    challenger_hash: str = ""


def window_scores(runs: Sequence[Ledgers]) -> tuple[WindowScore, ...]:
    """Score every settled window of runs that differ in nothing but their seed, in order of time.

    A window that settled twice (told by the stream and by the venue) counts once, as it stood the last time.
    """
    assert runs, "a score needs a run"
    told = [{(int(w["open_s"]), int(w["slot_id"])): w for w in run.windows} for run in runs]
    said = [standing_forecasts(run.lines) for run in runs]
    found = []
    for key in sorted(set(told[0]).intersection(*told[1:])):
        lines = [windows[key] for windows in told]
        found.append(
            WindowScore(
                open_s=key[0],
                slot_id=key[1],
                up=int(lines[0]["outcome_code"]) == Token.UP,
                profit_micros=float(np.mean([float(line["realized_micros"]) for line in lines])),
                spent_micros=float(np.mean([float(line["spent_micros"]) for line in lines])),
                traded_ratio=float(np.mean([float(line["fills_count"] > 0) for line in lines])),
                p_up=_mean_forecast([forecasts.get(key, ()) for forecasts in said]),
            )
        )
    return tuple(found)


def standing_forecasts(lines: Lines) -> dict[tuple[int, int], tuple[float, ...]]:
    """Give the forecast that stood at each of `MOMENTS_S` of each window: that of the last run of the desk before it.

    Args:
        lines: decisions in a line each (`state.desk.DecisionLine`), oldest first.

    Returns:
        By opening second and slot.
    """
    found: dict[tuple[int, int], tuple[float, ...]] = {}
    keys = np.stack([lines["open_s"], lines["slot_id"].astype(np.int64)], axis=1) if len(lines) else np.zeros((0, 2))
    for key in np.unique(keys, axis=0).tolist():
        mine = lines[(keys == key).all(axis=1)]
        left_s = mine["left_ns"] / NS_PER_S
        stood = [np.flatnonzero(left_s >= moment_s) for moment_s in MOMENTS_S]
        found[(int(key[0]), int(key[1]))] = tuple(
            float(mine["p_up"][at[-1]]) if len(at) else NO_FORECAST for at in stood
        )
    return found


def _mean_forecast(said: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    table = np.array([each or (NO_FORECAST,) * len(MOMENTS_S) for each in said], float)
    known = table >= 0.0
    means = np.where(known, table, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return tuple(np.where(known.any(axis=0), means, NO_FORECAST).tolist())


def rehearsed(
    champion: Sequence[WindowScore],
    challenger: Sequence[WindowScore],
    *,
    cut_s: int,
    seeds: tuple[int, ...] = (),
    frozen_digest: str = "",
    champion_hash: str = "",
    challenger_hash: str = "",
) -> Rehearsed:
    """Pair two sides by window and judge the windows that opened at the cut or later.

    Args:
        champion: scores of the parameters in force.
        challenger: scores of the proposed ones over the same rows.
        cut_s: Unix second; windows that opened before it only fix the scale.
        seeds: of the exchange's draws, as they were run.
        frozen_digest: names the rows.
        champion_hash: `params_hash` of the parameters in force.
        challenger_hash: `params_hash` of the proposed ones.
    """
    pairs = _paired(champion, challenger)
    before = [pair for pair in pairs if pair[0].open_s < cut_s]
    judges = [pair for pair in pairs if pair[0].open_s >= cut_s]
    bound = _bound_micros(before)
    old, new = [pair[0] for pair in judges], [pair[1] for pair in judges]
    differences = np.array([b.profit_micros - a.profit_micros for a, b in judges], float)
    clusters = np.array([a.open_s for a in old], np.int64)
    sums, _ = cluster_sums(differences, clusters)  # windows that open together are one result
    process = bets(sums, bound) if bound > 0.0 else one(EProcess)
    log_loss, brier, count = _forecast_differences(judges)
    return Rehearsed(
        windows_count=len(judges),
        fit_windows_count=len(before),
        first_open_s=old[0].open_s if old else 0,
        last_open_s=old[-1].open_s if old else 0,
        champion=_side(old),
        challenger=_side(new),
        profit=clustered_interval(differences, clusters),
        log_loss=log_loss,
        brier=brier,
        forecasts_count=count,
        bound_micros=bound,
        beyond_count=int((sums < -bound).sum()) if bound > 0.0 else 0,
        evidence_log=float(process.for_peak_log),
        against_log=float(process.against_peak_log),
        power=power_reading(differences, clusters),
        seeds=seeds,
        frozen_digest=frozen_digest,
        champion_hash=champion_hash,
        challenger_hash=challenger_hash,
    )


def fit_gain(champion: Sequence[WindowScore], challenger: Sequence[WindowScore]) -> float:
    """Give what a proposer may climb by: micros a window over the champion, less half the standard error.

    Of two settings with the same mean the steadier one is better, and one lucky window is worth little.
    """
    pairs = _paired(champion, challenger)
    if not pairs:
        return 0.0
    mean = clustered_interval(
        np.array([b.profit_micros - a.profit_micros for a, b in pairs], float),
        np.array([a.open_s for a, _ in pairs], np.int64),
    )
    return mean.mean - 0.5 * mean.se if mean.known else 0.0


def bets(differences: Values, bound: float) -> EProcess:
    """Bet on and against differences in order, on a scale that was fixed before the first of them.

    What lies beyond the scale counts as the scale: a gain so cut only weakens the evidence for the challenger. A loss
    so cut would flatter it, so whoever promotes must refuse where there was one.
    """
    process = one(EProcess)
    for x in np.clip(np.asarray(differences, float), -bound, bound).tolist():
        update_evidence(process, x, -bound, bound)
    assert process.refused_count == 0, "a clipped difference lies within its bound"
    return process


def _paired(
    champion: Sequence[WindowScore], challenger: Sequence[WindowScore]
) -> list[tuple[WindowScore, WindowScore]]:
    other = {(score.open_s, score.slot_id): score for score in challenger}
    pairs = [
        (score, other[score.open_s, score.slot_id]) for score in champion if (score.open_s, score.slot_id) in other
    ]
    return sorted(pairs, key=lambda pair: (pair[0].open_s, pair[0].slot_id))


def _bound_micros(before: Sequence[tuple[WindowScore, WindowScore]]) -> float:
    opens = np.array([a.open_s for a, _ in before], np.int64)
    old = np.array([a.profit_micros for a, _ in before], float)
    new = np.array([b.profit_micros for _, b in before], float)
    seen = max(float(np.abs(cluster_sums(each, opens)[0]).max(initial=0.0)) for each in (old, new, new - old))
    return BOUND_RATIO * seen


def _side(scores: Sequence[WindowScore]) -> Side:
    profit = np.array([score.profit_micros for score in scores], float)
    clusters = np.array([score.open_s for score in scores], np.int64)
    sums = np.concatenate([[0.0], np.cumsum(profit)])
    fall = float((np.maximum.accumulate(sums) - sums).max())
    return Side(
        profit=clustered_interval(profit, clusters),
        profit_sd_micros=float(profit.std(ddof=1)) if len(profit) > 1 else nan,
        total_micros=float(profit.sum()),
        drawdown_micros=fall,
        worst_micros=float(min(profit.min(initial=0.0), 0.0)),
        spent_micros=float(sum(score.spent_micros for score in scores)),
        traded_ratio=float(np.mean([score.traded_ratio for score in scores])) if scores else nan,
    )


def _forecast_differences(judges: Sequence[tuple[WindowScore, WindowScore]]) -> tuple[Estimate, Estimate, int]:
    """Give the paired differences of log loss and Brier score, on the moments at which both sides spoke."""
    rows = [
        (p, q, float(a.up), a.open_s)
        for a, b in judges
        for p, q in zip(a.p_up, b.p_up, strict=True)
        if p != NO_FORECAST and q != NO_FORECAST
    ]
    if not rows:
        return Estimate(mean=nan), Estimate(mean=nan), 0
    old, new, up, windows = (np.array(column) for column in zip(*rows, strict=True))
    return (
        clustered_interval(log_losses(new, up) - log_losses(old, up), windows),
        clustered_interval(brier_losses(new, up) - brier_losses(old, up), windows),
        len(rows),
    )


def as_plain(told: Rehearsed) -> dict[str, Any]:
    """Give a rehearsal as plain values for receipts and JSON; what is not known is None."""
    plain: dict[str, Any] = _mended(asdict(told))
    return plain


def _mended(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mended(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mended(each) for each in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
