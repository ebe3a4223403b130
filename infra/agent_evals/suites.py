"""Suites of evaluations by name, and the record that they are asked about: one that is given, or a made-up run."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from evals.agent_scores import Row
from evals.backtest import Terms
from infra.agent_evals.safety import safety
from infra.agent_evals.speakers import Speaker, next_door
from infra.agent_evals.talk import coded, talked
from infra.generated import write_market
from infra.record.answers import Answers
from infra.record.opening import open_record
from infra.recordings.tape import open_tape
from infra.runs import about_run, play_tape, save_run
from state.params import default_params

Progress = Callable[[int, int], None]

SUITES: Final = ("explanations", "talk", "safety", "usefulness")
"""`talk` holds explanations in talk and questions; `usefulness` rehearses on generated markets and takes minutes."""
MARKET: Final = "demo"
WINDOWS: Final = 4
SEED: Final = 4
USEFUL_SEEDS: Final = (31, 32, 33, 34)
USEFUL_REHEARSALS: Final = 4


@contextmanager
def made_up() -> Iterator[Answers]:
    """Give the record of a run over a generated market."""
    with tempfile.TemporaryDirectory(prefix="updown-evals-") as home:
        folder = Path(home) / "run"
        write_market(folder / "journal", name=MARKET, windows=WINDOWS, seed=SEED)
        tape = open_tape([folder / "journal"])
        ledgers, took_s = play_tape(tape, default_params(), Terms(), lambda *_: None)
        save_run(folder, about_run("evals", [folder / "journal"], tape, ledgers, took_s), ledgers, {})
        yield Answers(open_record(folder))


def run_suites(
    names: Sequence[str], answers: Answers, tested: Speaker | None, progress: Progress, most: int | None = None
) -> tuple[Row, ...]:
    """Run suites; without a model under test, code alone and the four next door are held side by side.

    Args:
        names: of SUITES; `usefulness` is another's (`usefulness_rows`).
        answers: the record to be asked.
        tested: a real model.
        progress: told cases done, of how many.
        most: cases of each suite of talk; None: all.
    """
    found: list[Row] = list(coded(answers, progress)) if "explanations" in names else []
    return tuple(found) + asyncio.run(_spoken(names, answers, tested, progress, most))


async def _spoken(
    names: Sequence[str], answers: Answers, tested: Speaker | None, progress: Progress, most: int | None
) -> tuple[Row, ...]:
    found: list[Row] = []
    if "talk" in names:
        found += await talked(answers, None, progress, most)
        if tested is not None:
            found += await talked(answers, tested, progress, most)
        else:
            async with next_door() as speakers:
                for speaker in speakers:
                    found += await talked(answers, speaker, progress, most)
    if "safety" in names:
        found += await safety(tested)
    return tuple(found)


def as_rows(found: Sequence[Row]) -> list[dict[str, Any]]:
    """Give a table of scores as plain rows."""
    return [
        {"suite": each.suite, "by": each.who, "score": each.key, "hits": each.hits, "of": each.count,
         "rate": round(each.rate, 4), "low": round(each.low, 4), "high": round(each.high, 4)}
        for each in found
    ]  # fmt: skip


def usefulness_rows(progress: Progress) -> dict[str, Any]:
    """Hold the search against a random proposer at equal rehearsals."""
    from infra.supervisor.usefulness import usefulness

    return usefulness(USEFUL_SEEDS, USEFUL_REHEARSALS, progress)
