"""The deterministic proposer: a seeded search on the windows before the cut, for a desk without a model.

A sweep first, one name after the other in a seeded order, each a whole step from the best so far and kept when it
helps: towards risk while the champion seldom trades or earns, towards safety while it loses, then the other way. What
is left of the rehearsals goes to Optuna's tree-structured estimator (TPE; Bergstra et al. 2011; seeded, ask and tell,
in memory) over the names that helped, inside the same steps. Nothing after the cut is ever looked at.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any, Final

import numpy as np

from agents.proposal import shrinks
from evals.rehearsal import WindowScore, fit_gain
from state.params import BOUNDS, Change, Params, number_type
from state.records import as_dict
from state.units import MICROS

STEP_RATIO: Final = 0.2
"""A round moves a parameter by at most so much of its range."""
NAMES_MOST: Final = 4
"""Names that one proposal may change: more than that nobody can explain."""
SWEEP_RATIO: Final = 0.75
"""Share of the rehearsals that the sweep may use."""
SELDOM_RATIO: Final = 0.5
"""A champion that trades in fewer of its windows than this is timid before it is anything else."""

Fitted = Callable[[Mapping[str, float]], Awaitable[Sequence[WindowScore]]]
"""Plays the champion with some parameters changed over the windows before the cut."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Tunable:
    """A parameter that the search may move."""

    name: str
    why: str
    """What moving it towards risk is thought to do: the hypothesis."""
    by_ratio: bool = False
    """Steps are ratios: its range spans orders of magnitude."""


TUNABLES: Final = (
    Tunable("fair_weight_ratio", "fair value is heard more beside the book"),
    Tunable("fair_doubt_ratio", "volatility is doubted less, so the forecast's interval is narrower"),
    Tunable("interval_z", "the edge is asked for at a less extreme end of the forecast's interval"),
    Tunable("take_edge_bps", "smaller edges are taken", by_ratio=True),
    Tunable("quote_edge_bps", "smaller edges are quoted for", by_ratio=True),
    Tunable("hold_sd_ratio", "the taker hold is thought to cost less"),
    Tunable("adverse_sd_ratio", "quotes are thought to be picked off less"),
    Tunable("lead_weight_ratio", "the exchange that leads is heard more"),
    Tunable("kelly_ratio", "a larger share of the full Kelly stake is wagered", by_ratio=True),
    Tunable("depth_share_ratio", "an order takes a larger share of what is displayed", by_ratio=True),
    Tunable("order_micros", "one order may cost more", by_ratio=True),
    Tunable("p_floor", "more of the unlikely outcomes are traded", by_ratio=True),
)
"""What the search moves: forecast, edges and sizes. No limit, no switch, and nothing that says when data is sound."""

_BY_NAME: Final = {each.name: each for each in TUNABLES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search came to."""

    changes: Mapping[str, float]
    """Empty: nothing helped."""
    gain_micros: float
    """Profit a window over the champion's on the windows before the cut, less half its standard error."""
    tried_count: int
    """Rehearsals used."""
    windows_count: int

    def proposal(self) -> dict[str, Any]:
        """Give it as a proposal: changes, a hypothesis, and the metric that it should move."""
        words = "; ".join(f"{_words(name)}" for name in self.changes) or "nothing tried did better"
        return {
            "changes": dict(self.changes),
            "hypothesis": (
                f"On {self.windows_count} earlier windows {self.tried_count} settings were tried; this one gained "
                f"{self.gain_micros / MICROS:+.2f} dollars a window after its doubt. Thought: {words}."
            ),
            "metric": "profit_micros per window, challenger less champion",
        }


def _words(name: str) -> str:
    return f"{name} is moved, by which {_BY_NAME[name].why}, or the reverse of it"


def step_box(name: str, value: float) -> tuple[float, float]:
    """Give how far a round may move a parameter: by a fifth of its range, and of the range's logarithm if by ratio."""
    bound = BOUNDS[name]
    reach = STEP_RATIO * (bound.high - bound.low) - _rounding(name)
    low, high = value - reach, value + reach
    if _BY_NAME[name].by_ratio:
        floor = max(bound.low, 1e-3 * bound.high)
        factor = exp(STEP_RATIO * log(bound.high / floor))
        at = max(value, floor)
        low, high = min(max(low, at / factor), value), min(high, at * factor)
    return max(bound.low, low), min(bound.high, high)


def _rounding(name: str) -> float:
    """Give how far `rounded` may move a value: a step that was rounded must still pass the check."""
    bound = BOUNDS[name]
    whole = np.issubdtype(number_type(name), np.integer)
    return 0.5 if whole else 5e-4 * max(abs(bound.low), abs(bound.high))


def rounded(name: str, value: float) -> float:
    """Give a value that may stand under a name: whole where it must be, and no more digits than anybody reads."""
    bound = BOUNDS[name]
    kept = float(round(value)) if np.issubdtype(number_type(name), np.integer) else float(f"{value:.4g}")
    return min(max(kept, bound.low), bound.high)


class Search:
    """One round of the search; ask, play, tell."""

    def __init__(
        self, champion: Params, base: Sequence[WindowScore], *, seed: int, rehearsals: int,
        braked: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        """Take the champion, what it made before the cut, a seed, how many rehearsals there are, and braked names."""
        assert rehearsals >= 1, "a search without a rehearsal finds nothing"
        self.base = base
        self.values: dict[str, float] = {name: float(as_dict(champion)[name]) for name in _BY_NAME}
        self.rehearsals = rehearsals
        self.best: dict[str, float] = {}
        self.gain = 0.0
        self.tried = 0
        self._helped: list[str] = []
        self._seed, self._braked = seed, braked
        self._sweep = self._order(np.random.default_rng(seed))
        self._study: Any = None
        self._trial: Any = None

    def _order(self, chance: np.random.Generator) -> list[tuple[str, bool]]:
        """List the probes: every name once in the direction that its champion's trouble asks for, then reversed."""
        traded = float(np.mean([score.traded_ratio for score in self.base])) if self.base else 0.0
        earned = float(np.sum([score.profit_micros for score in self.base])) if self.base else 0.0
        bolder = earned >= 0.0 or (traded < SELDOM_RATIO and earned > -1.0 * MICROS)
        names = [TUNABLES[at].name for at in chance.permutation(len(TUNABLES)).tolist()]
        return [(name, bolder) for name in names] + [(name, not bolder) for name in names]

    def ask(self) -> dict[str, float]:
        """Give the next changes to rehearse."""
        most = max(1, round(SWEEP_RATIO * self.rehearsals))
        while self._sweep and self.tried < most:
            name, bolder = self._sweep[0]
            moved = self._stepped(name, bolder)
            if moved is not None and (name in self.best or len(self.best) < NAMES_MOST):
                return {**self.best, name: moved}
            self._sweep.pop(0)
        return self._refined()

    def tell(self, changes: Mapping[str, float], scores: Sequence[WindowScore]) -> None:
        """Hear what they made."""
        gain = fit_gain(self.base, scores)
        self.tried += 1
        if self._trial is not None:
            self._study.tell(self._trial, gain / MICROS)
            self._trial = None
        elif self._sweep:
            name, _ = self._sweep.pop(0)
            if gain > self.gain:
                self._helped.append(name)
        if gain > self.gain:
            self.gain, self.best = gain, dict(changes)

    def _stepped(self, name: str, bolder: bool) -> float | None:
        """Give a name's value a whole step on; None where it is at its bound."""
        low, high = self._box(name)
        up = (BOUNDS[name].riskier != "down") == bolder
        moved = rounded(name, high if up else low)
        return moved if self._passes(name, moved) else None

    def _box(self, name: str) -> tuple[float, float]:
        """Give how far a name may move: a braked one towards safety alone, if anybody knows where that is."""
        value, riskier = self.values[name], BOUNDS[name].riskier
        low, high = step_box(name, value)
        if name in self._braked:
            low = low if riskier == "up" else value
            high = high if riskier == "down" else value
        return low, high

    def _passes(self, name: str, moved: float) -> bool:
        """Say whether the check lets a step pass: rounding may have turned it round."""
        change = Change(name, self.values[name], moved)
        return moved != self.values[name] and (name not in self._braked or shrinks(change))

    def _refined(self) -> dict[str, float]:
        """Ask Optuna for values of the names that helped; of some names, where none did."""
        if self._study is None:
            import optuna

            optuna.logging.set_verbosity(optuna.logging.WARNING)
            sampler = optuna.samplers.TPESampler(seed=self._seed, n_startup_trials=4, multivariate=False)
            self._study = optuna.create_study(direction="maximize", sampler=sampler)
            self._names = self._helped[-NAMES_MOST:] or [TUNABLES[k].name for k in range(NAMES_MOST)]
        self._trial = self._study.ask()
        asked = {}
        for name in self._names:
            low, high = self._box(name)
            asked[name] = rounded(
                name, self._trial.suggest_float(name, low, high, log=_BY_NAME[name].by_ratio and low > 0)
            )
        return {name: value for name, value in asked.items() if self._passes(name, value)}

    def found(self) -> Found:
        """Give the best so far."""
        return Found(
            changes=dict(self.best), gain_micros=self.gain, tried_count=self.tried, windows_count=len(self.base)
        )


def _quiet(_done: int, _total: int) -> None:
    """Hear no progress."""


async def search(
    fitted: Fitted, champion: Params, *, seed: int, rehearsals: int = 16, braked: frozenset[str] = frozenset(),
    progress: Progress = _quiet,
) -> Found:  # fmt: skip
    """Search one round for changes that would have earned more before the cut.

    Args:
        fitted: plays changes over the windows before the cut (`Rehearsal.fitted`).
        champion: the parameters in force.
        seed: of the order and of the estimator: the same seed and windows give the same proposal.
        rehearsals: how many settings may be tried, beside the champion's own.
        braked: names that may move towards safety only.
        progress: told settings tried, of how many.

    Raises:
        RehearsalFailed: as `fitted` does.
    """
    round_ = Search(champion, await fitted({}), seed=seed, rehearsals=rehearsals, braked=braked)
    for at in range(rehearsals):
        changes = round_.ask()
        round_.tell(changes, await fitted(changes))
        progress(at + 1, rehearsals)
    return round_.found()


async def random_proposal(
    fitted: Fitted, champion: Params, *, seed: int, rehearsals: int = 16, progress: Progress = _quiet
) -> Found:
    """Propose at random: the best of so many random changes, by the same measure, inside the same steps.

    This is what the search is held against: the same names, the same reach, the same number of rehearsals.
    """
    chance = np.random.default_rng(seed)
    round_ = Search(champion, await fitted({}), seed=seed, rehearsals=rehearsals)
    for at in range(rehearsals):
        changes = {}
        for pick in chance.permutation(len(TUNABLES))[: 1 + int(chance.integers(NAMES_MOST))].tolist():
            name = TUNABLES[pick].name
            changes[name] = rounded(name, float(chance.uniform(*step_box(name, round_.values[name]))))
        scores = await fitted(changes)
        gain = fit_gain(round_.base, scores)
        round_.tried += 1
        if gain > round_.gain:
            round_.gain, round_.best = gain, changes
        progress(at + 1, rehearsals)
    return round_.found()
