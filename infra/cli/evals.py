"""The command `evals`: what the agents say, scored on a record; with a model of yours, or with scripted ones."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated, Any, Final

import typer

from infra.cli.core import get_ready
from infra.cli.failures import Misuse
from infra.cli.speech import AsJson, answer, progress, records, say
from infra.cli.why import Of

SUITES: Final = ("explanations", "questions", "safety")
MOST: Final = 2_000


def evals(
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", metavar="NAME", help="explanations, questions, safety; may be repeated."),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help="Instead of UPDOWN_MODEL.")] = "",
    base_url: Annotated[str, typer.Option(metavar="URL", help="Instead of UPDOWN_MODEL_BASE_URL.")] = "",
    count: Annotated[int, typer.Option(min=1, max=MOST, help="Explanations to score.")] = 500,
    of: Of = None,
    as_json: AsJson = False,
) -> None:
    """Score what the agents say: explanations, answers to questions, and what hostile proposals get through.

    Every reference is reckoned from the record, a session's or a run's (made up for the purpose when none is named).
    Code alone is scored first. Then the model that is named, which costs what it costs; without one, scripted models of
    known character speak over real HTTP, to show what the scores can tell apart. Nothing is uploaded.

    Example: updown evals --model gpt-5-mini --suite questions --of var/demo/today
    """
    wanted = tuple(suite or SUITES)
    if odd := [name for name in wanted if name not in SUITES]:
        raise Misuse(f"no suite {odd[0]!r}; there are {', '.join(SUITES)}")
    get_ready()
    from infra.agent_evals.evidence import evidence_run
    from infra.agent_evals.suites import everything
    from infra.language_model.settings import BASE_URL, MODEL, NoModel, read_model

    named = {name: value for name, value in ((MODEL, model), (BASE_URL, base_url)) if value}
    settings = read_model({**os.environ, **named})
    if named and isinstance(settings, NoModel):
        raise Misuse(settings.words)
    with ExitStack() as stack:
        folder = of if of is not None else stack.enter_context(evidence_run())
        bars = _bars(stack, as_json)
        rows, _ = everything(folder, None if isinstance(settings, NoModel) else settings, wanted, count, bars)
    if as_json:
        answer({"rows": rows})
        return
    if isinstance(settings, NoModel):
        say(f"Scripted models speak: {settings.words}.")
    records(rows, "scores, 95 % intervals")


def _bars(stack: ExitStack, as_json: bool) -> Callable[[str], Callable[[int, int], None]]:
    """Give each suite its progress bar."""

    def bar(name: str) -> Callable[[int, int], None]:
        told: Any = stack.enter_context(progress(name))

        def show(done: int, total: int) -> None:
            told(done, total)

        return show

    return bar
