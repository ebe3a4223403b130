"""The proof of the storm: thousands of windows in bad weather, each from a seed, and no law is broken in any."""

import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Final

from evals.proof import Figure, Proof
from infra.compile_cache import prepare
from infra.proofs.rehearsals import Progress
from infra.proofs.storm_run import Told, play

NAME: Final = "storm"
CLAIM: Final = "in thousands of seeded runs with faults of venue, network and messages no law of orders or money breaks"
RUNS: Final = 2_000
RUNS_NAMED: Final = "UPDOWN_STORM_RUNS"
"""Environment variable that asks for another number of runs: at night, 20,000."""
CHUNK: Final = 10
LAWS: Final = (
    "what can be lost by all that is held and offered never exceeds the limit (by the venue's books, at every order)",
    "no order is sent while trading is halted, nor after the close",
    "the venue's ledger balances at every second, and at the end the core has its cash to the micro",
    "at the end no order is open on either side",
    "the journal replays to the same bytes",
)


def prove_storm(_: Path | None, progress: Progress, *, runs: int = 0) -> Proof:
    """Play so many runs on all cores, and count what broke."""
    runs = runs or int(os.environ.get(RUNS_NAMED, RUNS))
    told = list(_played(range(1, runs + 1), progress, runs))
    return judged(told)


def _played(seeds: range, progress: Progress, total: int) -> Iterable[Told]:
    prepare(show=False)
    pools = multiprocessing.get_context("spawn")
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    done = 0
    with ProcessPoolExecutor(os.cpu_count(), mp_context=pools) as pool:
        for future in as_completed([pool.submit(played, chunk) for chunk in chunks]):
            told = future.result()
            done += len(told)
            progress(done, total)
            yield from told


def played(seeds: Iterable[int]) -> list[Told]:
    """Play the runs of some seeds; a run that fails outright has broken the first law of all."""
    prepare(show=False)
    told = []
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="updown-storm-") as home:
            try:
                told.append(play(seed, Path(home) / "journal"))
            except Exception as error:  # boundary: one run that falls over is counted, and the others are played
                told.append(Told(seed, "", [f"the run fell over: {type(error).__name__}: {error}"]))
    return told


def judged(told: list[Told]) -> Proof:
    """Count runs and what happened in them; every broken law is named with its seed."""
    broken = [(each.seed, law) for each in told for law in each.broken]
    traded = sum(each.orders > 0 for each in told)
    seeds = sorted(each.seed for each in told)
    happened = {name: sum(getattr(each, name) for each in told) for name in ("orders", "fills", "reversed", "doubts")}
    figures = (
        Figure(name="runs played", measured=f"{len(told):,} (seeds {seeds[0]} to {seeds[-1]})", bar=">= 2,000",
               holds=len(told) >= RUNS),
        Figure(name="runs with a broken law", measured=len({seed for seed, _ in broken}), bar="0", holds=not broken),
        Figure(name="runs with orders", measured=f"{traded:,}", bar=">= a half", holds=2 * traded >= len(told)),
        Figure(name="orders that the venue took", measured=f"{happened['orders']:,}", bar="-"),
        Figure(name="trades, of which FAILED", measured=f"{happened['fills']:,}, {happened['reversed']:,}",
               bar="some failed", holds=happened["reversed"] > 0),
        Figure(name="requests without an answer", measured=f"{happened['doubts']:,}", bar="> 0",
               holds=happened["doubts"] > 0),
        Figure(name="halts by an operator", measured=sum(each.halts for each in told), bar="> 0",
               holds=any(each.halts for each in told)),
    )  # fmt: skip
    markets = Counter(each.market for each in told)
    return Proof(
        name=NAME, claim=CLAIM, figures=figures,
        tables={
            "laws": [{"law": law} for law in LAWS],
            "markets": [{"market": name, "runs": count} for name, count in sorted(markets.items())],
            "broken": [{"seed": seed, "law": law} for seed, law in broken[:50]],
        },
        notes=("time is moved by hand and sockets are calls: a seed gives the same run on every machine",),
    )  # fmt: skip
