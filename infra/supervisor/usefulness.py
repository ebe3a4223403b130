"""Usefulness, measured: the search against a random proposer on generated markets whose makers are late."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from evals.generator import SPECS, generate
from evals.usefulness import MISTUNED, Attempt, Mistuned, usefulness_table
from infra.supervisor.frozen import Frozen, frozen_rows
from infra.supervisor.rehearsal import Rehearsal
from infra.supervisor.search import random_proposal, search
from state.params import default_params

MARKET: Final = "demo"
WINDOWS: Final = 24
FIT_RATIO: Final = 0.4
DEADLINE_S: Final = 900.0
"""Nobody waits for a trade here: a run on a busy machine may take its time."""
PROPOSERS: Final = {"search": search, "random": random_proposal}

Progress = Callable[[int, int], None]


def usefulness(
    seeds: Sequence[int], rehearsals: int, progress: Progress, *, mistuned: Sequence[Mistuned] = MISTUNED
) -> dict[str, Any]:
    """Measure how often the search and a random proposer recover planted mis-tunings, at equal rehearsals.

    Args:
        seeds: one generated market each; both proposers draw from the same seed.
        rehearsals: settings that each proposer may try for its one proposal.
        progress: told attempts done, of how many.
        mistuned: what is planted.

    Returns:
        The table of `evals.usefulness.usefulness_table`, with the attempts behind it.

    Raises:
        RehearsalFailed: a run did not come to its end.
    """
    attempts = asyncio.run(_attempts(seeds, rehearsals, progress, mistuned))
    return {
        **usefulness_table(attempts, *PROPOSERS),
        "rehearsals_count": rehearsals,
        "attempts": [
            {
                "mistuned": each.mistuned,
                "seed": each.seed,
                "cost_micros": each.cost_micros,
                "proposed_micros": dict(each.proposed_micros),
                "changes": {name: dict(changes) for name, changes in each.changes.items()},
            }
            for each in attempts
        ],
    }


async def _attempts(
    seeds: Sequence[int], rehearsals: int, progress: Progress, mistuned: Sequence[Mistuned]
) -> list[Attempt]:
    found = []
    with tempfile.TemporaryDirectory(prefix="updown-usefulness-") as home:
        for seed in seeds:
            market = _market(seed)
            for number, planted in enumerate(mistuned):
                drawn = seed * 1_000 + number  # proposers draw anew for every attempt
                found.append(await _attempt(market, Path(home), planted, seed, drawn, rehearsals))
                progress(len(found), len(seeds) * len(mistuned))
    return found


def _market(seed: int) -> Frozen:
    spec = replace(SPECS[MARKET], windows=WINDOWS)
    return frozen_rows((f"{MARKET}, seed {seed}",), generate(spec, seed))


async def _attempt(market: Frozen, home: Path, planted: Mistuned, seed: int, drawn: int, rehearsals: int) -> Attempt:
    champion = default_params(planted.changes)
    untouched = {name: float(default_params()[name]) for name in planted.changes}  # type: ignore[index]
    proposed, changes, tried = {}, {}, {}
    rehearsal = Rehearsal([market], home, champion=champion, seeds=(seed,), fit_ratio=FIT_RATIO, deadline_s=DEADLINE_S)
    async with rehearsal:
        told = await rehearsal.rehearse(untouched)
        for name, proposer in PROPOSERS.items():
            came = await proposer(rehearsal.fitted, champion, seed=drawn, rehearsals=rehearsals)
            proposed[name] = _finite((await rehearsal.rehearse(came.changes)).challenger.profit.mean)
            changes[name], tried[name] = came.changes, came.tried_count
    return Attempt(
        mistuned=planted.name,
        seed=seed,
        untouched_micros=_finite(told.challenger.profit.mean),
        mistuned_micros=_finite(told.champion.profit.mean),
        proposed_micros=proposed,
        changes=changes,
        tried_count=tried,
    )


def _finite(mean: float) -> float:
    assert np.isfinite(mean), "a generated market has windows on both sides of the cut"
    return mean
