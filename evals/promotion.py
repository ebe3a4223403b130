"""The rule that promotes, refuses, keeps and rolls back: written beforehand, the same for every proposer.

Several proposals are judged, so each next one meets a higher bar: proposal k must reach log(1 / alpha_k) with
alpha_k = alpha * 6 / (pi^2 k^2). The shares add up to alpha, so by the union bound the chance that any worthless
proposal is ever promoted stays below alpha, however many there are and however they depend on each other. (LORD and
e-LOND spend better where many discoveries are expected; a desk's parameters expect few.) That holds for proposals that
were made without looking at the windows that judge them. What a proposer hears of these windows is the ruling alone,
and until the first promotion there is but one sequence of refusals, so it learns nothing that it could fit on.

A step that shrinks risk needs no proof that it earns more, only that it does not cost more than a stated margin. A
limit moves towards safety or not at all. Neither is the way to halt: that asks nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, inf, isfinite, log, pi, sqrt
from typing import Final

import numpy as np

from evals.power import trades_needed_anytime
from evals.rehearsal import Rehearsed, bets
from state.params import BOUNDS, Change
from state.units import MICROS
from tools.intervals import student_quantile


class Ruling(StrEnum):
    """What the rule says of a proposal, or of what was promoted."""

    PROMOTE = "promote"
    REFUSE = "refuse"
    WAIT = "wait"
    KEEP = "keep"
    ROLL_BACK = "roll back"


class Because(StrEnum):
    """Why, in words."""

    NOTHING_CHANGES = "the proposal changes nothing"
    LIMIT_RAISED = "a limit may only move towards safety"
    STALE = "the rehearsed windows are too old"
    TOO_FEW_FIT = "too few windows before the cut to fix the scale of the bets"
    NO_SCALE = "neither side traded before the cut, so the bets have no scale"
    TOO_FEW = "too few windows to judge by"
    BEYOND_BOUND = "it lost more against the champion in one window than the test can count"
    DRAWDOWN = "its drawdown is deeper than the champion's allows"
    WORST_WINDOW = "its worst window is worse than the champion's allows"
    FORECAST_WORSE = "its forecasts are worse"
    WORSE = "it earns less"
    NOT_SHOWN = "more windows than enough, and still not shown to earn more"
    UNDECIDED = "not shown yet: more windows may show it"
    SHRINKS = "it shrinks risk and does not cost more than the margin"
    EARNS_MORE = "it is shown to earn more, at the bar of this proposal"
    NOTHING_AMISS = "live results lie within what was rehearsed"
    LOSS = "the loss is beyond the interval that its rehearsal promised"
    ONE_WINDOW = "one window lost more than its rehearsal's scale"
    DRIFT = "live earns less than the same windows replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A ruling with its reason, and the figures that it rests on."""

    ruling: Ruling
    because: Because
    name: str = ""
    """The parameter that it is about, where it is about one."""
    measured: float = 0.0
    """What was held against the bar; its unit is that of the bar."""
    bar: float = 0.0
    windows_more_count: int = 0
    """About how many more windows would settle it, if the rest is like what was seen; 0: none, or nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The numbers of the rule; fixed before the first proposal and written on every receipt."""

    alpha: float = 0.05
    """Chance that any worthless proposal is ever promoted."""
    fit_windows_least_count: int = 6
    windows_least_count: int = 24
    """Two hours of windows that judge."""
    shrink_windows_least_count: int = 6
    windows_most_count: int = 576
    """Two days: who has not shown it by then gives his place to another."""
    age_most_s: int = 6 * 3600
    """Oldest last window: the market of yesterday night says little of this afternoon."""
    margin_micros: float = 0.5 * MICROS
    margin_ratio: float = 0.1
    """A step that shrinks risk may cost so much a window: the dollars, or this share of what the champion makes, plus
    or minus; whichever is more."""
    slack_ratio: float = 1.25
    slack_micros: float = 10.0 * MICROS
    """Drawdown and worst window may be so much worse than the champion's, and not more."""
    log_loss_most: float = 0.005
    """Nats a forecast that a challenger may be worse; beyond it, with an interval that excludes zero, it is refused."""


DEFAULT_RULE: Final = Rule()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the rule must know beside the rehearsal."""

    number: int
    """Which proposal this is, from 1, over all proposals ever rehearsed: the bar rises with it."""
    age_s: float
    """Seconds since the last rehearsed window closed, by the clock of the market that is traded."""


def alpha_of(alpha: float, number: int) -> float:
    """Give the share of alpha that proposal `number` may spend; over all numbers the shares add up to alpha.

    >>> round(sum(alpha_of(0.05, k) for k in range(1, 10_000)), 4)
    0.05
    """
    assert number >= 1, "proposals are counted from one"
    return alpha * 6.0 / (pi * pi * number * number)


def bar_log(alpha: float, number: int) -> float:
    """Give the log e-value that proposal `number` must reach.

    >>> round(bar_log(0.05, 1), 2), round(bar_log(0.05, 10), 2)
    (3.49, 8.1)
    """
    return -log(alpha_of(alpha, number))


def shrinks(steps: Sequence[Change]) -> bool:
    """Say whether every step goes against its parameter's riskier direction; what has none is not known to shrink."""
    return bool(steps) and all(BOUNDS[step.name].riskier != "neither" and not step.riskier for step in steps)


def promote(told: Rehearsed, steps: Sequence[Change], context: Context, rule: Rule = DEFAULT_RULE) -> Verdict:
    """Rule on a proposal by its rehearsal.

    Args:
        told: champion against challenger.
        steps: what the challenger changes (`state.params.difference`).
        context: its number among all proposals, and how old the windows are.
        rule: the numbers.
    """
    shrinking = shrinks(steps)
    found = _unfit(steps) or _too_little(told, shrinking, context, rule) or _risk(told, rule)
    if found is not None:
        return found
    return _shrink(told, rule) if shrinking else _earn(told, context, rule)


def _unfit(steps: Sequence[Change]) -> Verdict | None:
    if not steps:
        return Verdict(ruling=Ruling.REFUSE, because=Because.NOTHING_CHANGES)
    for step in steps:
        if BOUNDS[step.name].limit and step.riskier:
            return Verdict(
                ruling=Ruling.REFUSE, because=Because.LIMIT_RAISED, name=step.name, measured=step.after, bar=step.before
            )
    return None


def _too_little(told: Rehearsed, shrinking: bool, context: Context, rule: Rule) -> Verdict | None:
    least = rule.shrink_windows_least_count if shrinking else rule.windows_least_count
    if told.fit_windows_count < rule.fit_windows_least_count:
        return _wait(Because.TOO_FEW_FIT, told.fit_windows_count, rule.fit_windows_least_count)
    if not shrinking and told.bound_micros <= 0.0:
        return Verdict(ruling=Ruling.WAIT, because=Because.NO_SCALE)
    if told.windows_count < least:
        return _wait(Because.TOO_FEW, told.windows_count, least)
    if context.age_s > rule.age_most_s:
        return Verdict(ruling=Ruling.WAIT, because=Because.STALE, measured=context.age_s, bar=rule.age_most_s)
    return None


def _wait(because: Because, have: int, need: int) -> Verdict:
    return Verdict(ruling=Ruling.WAIT, because=because, measured=have, bar=need, windows_more_count=need - have)


def _risk(told: Rehearsed, rule: Rule) -> Verdict | None:
    """Refuse what no profit makes good."""
    if told.beyond_count:
        return Verdict(ruling=Ruling.REFUSE, because=Because.BEYOND_BOUND, measured=told.beyond_count, bar=0)
    deep, bar = told.challenger.drawdown_micros, _slack(told.champion.drawdown_micros, rule)
    if deep > bar:
        return Verdict(ruling=Ruling.REFUSE, because=Because.DRAWDOWN, measured=deep, bar=bar)
    worst, bar = -told.challenger.worst_micros, _slack(-told.champion.worst_micros, rule)
    if worst > bar:
        return Verdict(ruling=Ruling.REFUSE, because=Because.WORST_WINDOW, measured=worst, bar=bar)
    if told.log_loss.known and told.log_loss.mean > rule.log_loss_most and told.log_loss.low > 0.0:
        return Verdict(
            ruling=Ruling.REFUSE, because=Because.FORECAST_WORSE, measured=told.log_loss.mean, bar=rule.log_loss_most
        )
    return None


def _slack(micros: float, rule: Rule) -> float:
    return micros * rule.slack_ratio + rule.slack_micros


def _shrink(told: Rehearsed, rule: Rule) -> Verdict:
    margin = max(rule.margin_micros, rule.margin_ratio * abs(told.champion.profit.mean))
    mean = told.profit.mean
    if mean >= -margin:
        return Verdict(ruling=Ruling.PROMOTE, because=Because.SHRINKS, measured=mean, bar=-margin)
    if told.profit.known and told.profit.high < -margin:
        return Verdict(ruling=Ruling.REFUSE, because=Because.WORSE, measured=told.profit.high, bar=-margin)
    if told.windows_count >= rule.windows_most_count:
        return Verdict(ruling=Ruling.REFUSE, because=Because.NOT_SHOWN, measured=mean, bar=-margin)
    return Verdict(ruling=Ruling.WAIT, because=Because.UNDECIDED, measured=mean, bar=-margin)


def _earn(told: Rehearsed, context: Context, rule: Rule) -> Verdict:
    bar, mean = bar_log(rule.alpha, context.number), told.profit.mean
    if told.evidence_log >= bar and mean > 0.0:
        return Verdict(ruling=Ruling.PROMOTE, because=Because.EARNS_MORE, measured=told.evidence_log, bar=bar)
    against = -log(rule.alpha)
    if told.against_log >= against or (told.profit.known and told.profit.high < 0.0):
        return Verdict(ruling=Ruling.REFUSE, because=Because.WORSE, measured=told.against_log, bar=against)
    if told.windows_count >= rule.windows_most_count:
        return Verdict(ruling=Ruling.REFUSE, because=Because.NOT_SHOWN, measured=told.evidence_log, bar=bar)
    return Verdict(
        ruling=Ruling.WAIT,
        because=Because.UNDECIDED,
        measured=told.evidence_log,
        bar=bar,
        windows_more_count=windows_more(told, bar),
    )


def windows_more(told: Rehearsed, bar: float) -> int:
    """Give about how many more windows would bring the evidence to the bar if they are like those seen; 0: unknown."""
    mean, sd = told.power.mean / told.bound_micros, told.power.sd / told.bound_micros
    needed = trades_needed_anytime(mean, sd, 1.0 - exp(-bar)) if isfinite(mean) and isfinite(sd) else inf
    return max(1, int(needed) - told.windows_count) if isfinite(needed) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a rehearsal promised of a promoted challenger: what its live windows are held against."""

    mean_micros: float
    """Profit a window."""
    sd_micros: float
    windows_count: int
    bound_micros: float
    """Scale of the drift's bets, and more than any one window may lose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWindow:
    """One settled window that the promoted parameters traded, beside the same window replayed with them."""

    open_s: int
    live_micros: float
    replayed_micros: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The numbers of the watch after a promotion; fixed with the rule."""

    windows_least_count: int = 6
    """Windows before the interval of the loss is asked; one terrible window is enough at once."""
    level: float = 0.998
    """Of the promise's interval: it is asked after every window, so it must be wide."""
    drift_e_log: float = 3.0
    """Log e-value of "live earns less than replay" that rolls back."""
    drift_micros: float = 0.5 * MICROS
    """What live may earn less a window and still count as the same: the replay's matching is a model."""


DEFAULT_WATCH: Final = Watch()
PROMISE_LEAST_MICROS: Final = 25.0 * MICROS
"""What one window may lose of a promotion that was rehearsed on windows in which hardly anything was traded."""


def promise_of(told: Rehearsed) -> Promise:
    """Give what a rehearsal promises of its challenger."""
    worst = max(told.bound_micros, 2.0 * -told.challenger.worst_micros, PROMISE_LEAST_MICROS)
    return Promise(
        mean_micros=told.challenger.profit.mean,
        sd_micros=told.challenger.profit_sd_micros,
        windows_count=told.windows_count,
        bound_micros=worst,
    )


def keep(promise: Promise, live: Sequence[LiveWindow], watch: Watch = DEFAULT_WATCH) -> Verdict:
    """Rule on promoted parameters by the windows that they have traded, in order; ask again after each.

    Rolling back is cheap and safe, for the old parameters have traded before: so the watch may be quicker to roll back
    than the rule is to promote.
    """
    sums, drift = 0.0, []
    for count, window in enumerate(sorted(live, key=lambda each: each.open_s), start=1):
        if window.live_micros < -promise.bound_micros:
            return _back(Because.ONE_WINDOW, window.live_micros, -promise.bound_micros)
        sums += window.live_micros
        drift.append(window.replayed_micros - window.live_micros - watch.drift_micros)
        low = _lowest_mean(promise, count, watch)
        if count >= watch.windows_least_count and sums / count < low:
            return _back(Because.LOSS, sums / count, low)
    e_log = float(bets(np.array(drift, float), promise.bound_micros).for_peak_log)
    if e_log >= watch.drift_e_log:
        return _back(Because.DRIFT, e_log, watch.drift_e_log)
    return Verdict(ruling=Ruling.KEEP, because=Because.NOTHING_AMISS, measured=e_log, bar=watch.drift_e_log)


def _lowest_mean(promise: Promise, count: int, watch: Watch) -> float:
    """Give the lowest mean of so many new windows that the rehearsed ones still explain (prediction interval)."""
    if promise.windows_count < 2 or not isfinite(promise.sd_micros):
        return -inf
    width = student_quantile(watch.level, promise.windows_count - 1) * promise.sd_micros
    return min(promise.mean_micros - width * sqrt(1.0 / count + 1.0 / promise.windows_count), 0.0)


def _back(because: Because, measured: float, bar: float) -> Verdict:
    return Verdict(ruling=Ruling.ROLL_BACK, because=because, measured=measured, bar=bar)
