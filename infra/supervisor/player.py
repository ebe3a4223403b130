"""The player: a patient process that plays frozen rows under given parameters, so that the desk does not feel it.

Requests come in on standard input, a line of JSON each; answers leave on standard output: how far it is, then the
scores of the settled windows. It runs at the lowest priority, and ends when nobody listens any more.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

CHUNK: Final = 200_000
"""Rows played between two words of progress: a fraction of a second."""
NICE: Final = 19


def serve(asked: IO[str], told: IO[str]) -> None:
    """Play what is asked for, one request after the other, until the asker is gone."""
    os.nice(NICE)
    from infra.compile_cache import prepare

    prepare(show=False)
    answer: dict[str, Any]
    for line in asked:
        try:
            answer = {"scores": play(json.loads(line), lambda done, total: _say(told, {"done": [done, total]}))}
        except (OSError, ValueError) as error:
            answer = {"refused": " ".join(str(error).split())}
        _say(told, answer)


def play(request: dict[str, Any], progress: Any) -> list[dict[str, Any]]:
    """Play one file of rows under one set of parameters, once for each seed, and give the scores of its windows.

    Raises:
        OSError: the rows are gone.
        ValueError: a parameter is out of bounds, or the rows are no rows.
    """
    import numpy as np

    from evals.backtest import Backtest, Terms
    from evals.rehearsal import window_scores
    from state.events import EVENT
    from state.params import default_params

    rows = np.load(Path(request["rows"]), mmap_mode="r")
    if rows.dtype != EVENT:
        raise ValueError(f"{request['rows']}: rows of another layout; freeze them again")
    rows = rows.view(EVENT)  # the very type that the core was compiled for, not one that merely equals it
    params, seeds, runs = default_params(request["params"]), request["seeds"], []
    for at, seed in enumerate(seeds):
        terms = Terms(seed=seed, cash_micros=request["cash_micros"], trades_known=request["trades_known"])
        backtest = Backtest(params, terms)
        for start in range(0, len(rows), CHUNK):
            backtest.feed(np.array(rows[start : start + CHUNK]))
            progress(at * len(rows) + min(start + CHUNK, len(rows)), len(rows) * len(seeds))
        backtest.feed(np.zeros(0, EVENT), final=True)
        runs.append(backtest.ledgers())
    return [asdict(score) for score in window_scores(runs)]


def _say(told: IO[str], answer: dict[str, Any]) -> None:
    told.write(json.dumps(answer) + "\n")
    told.flush()


if __name__ == "__main__":
    try:
        serve(sys.stdin, sys.stdout)
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)  # nobody listens: nothing is left to say, and nothing to write
