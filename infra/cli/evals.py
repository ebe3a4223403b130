"""The command `evals`: how faithful, how right and how safe what the agents say is, in a table with intervals."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from infra.cli.core import get_ready
from infra.cli.failures import Misuse
from infra.cli.speech import AsJson, answer, progress, records, say

if TYPE_CHECKING:
    from infra.agent_evals.speakers import Speaker

NAMES: Final = ("explanations", "talk", "safety", "usefulness")
USUAL: Final = NAMES[:3]


def evals(
    model: Annotated[str | None, typer.Option(metavar="NAME", help="A model to test; else $UPDOWN_MODEL.")] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Its server, if not OpenAI's; else $UPDOWN_MODEL_BASE_URL.")
    ] = None,
    suite: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"Which: {', '.join(NAMES)}; else the first three.")
    ] = None,
    of: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A run or a session to ask about; else a made-up run.")
    ] = None,
    most: Annotated[int | None, typer.Option(min=1, help="Cases of each suite in talk; else all of them.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score explanations, answers and proposals against what code knows to be right.

    With a model set, it is asked (its key in UPDOWN_MODEL_KEY or OPENAI_API_KEY, within the day's budget); without
    one, code alone and four made-up models show what the scores tell apart. Nothing is uploaded.

    Example: updown evals --suite safety
    """
    names = tuple(suite or USUAL)
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise Misuse(f"no suite {unknown[0]!r}; there are {', '.join(NAMES)}")
    tested = _tested(model, base_url)
    get_ready(whole=of is None)
    told: dict[str, Any] = {"by": tested.name if tested else "code and the models next door"}
    if set(names) & set(USUAL):
        told |= _scored(names, tested, of, most)
    if "usefulness" in names:
        from infra.agent_evals.suites import usefulness_rows

        with progress("usefulness") as bar:
            told["usefulness"] = usefulness_rows(bar)
    if as_json:
        answer(told)
        return
    records(told.get("rows", []), "Scores, with 95 % intervals (Wilson)")
    for line in told.get("missed", [])[:20]:
        say(f"  {line}")
    if "usefulness" in told:
        found = told["usefulness"]
        records([{"proposer": who, **row} for who, row in found["recovered"].items()], "Mis-tunings recovered")


def _scored(names: tuple[str, ...], tested: "Speaker | None", of: Path | None, most: int | None) -> dict[str, Any]:
    from contextlib import nullcontext

    from infra.agent_evals.suites import as_rows, made_up, run_suites
    from infra.cli.why import opened
    from infra.record.answers import Answers

    with nullcontext(Answers(opened(of))) if of is not None else made_up() as answers, progress("asking") as bar:
        found = run_suites(names, answers, tested, bar, most)
    missed = [f"{row.suite}, {row.who}, {row.key}: {each}" for row in found for each in row.missed]
    return {"rows": as_rows(found), "missed": missed}


def _tested(model: str | None, base_url: str | None) -> "Speaker | None":
    from infra.agent_evals.speakers import Speaker
    from infra.chat.conversation import open_model
    from infra.language_model.settings import BASE_URL, MODEL, NoModel, read_model

    said = {name: value for name, value in ((MODEL, model), (BASE_URL, base_url)) if value}
    settings = read_model({**os.environ, **said})
    if isinstance(settings, NoModel):
        if model is not None:
            raise Misuse(settings.words)
        return None
    client = open_model(settings)
    assert client is not None, "settings that name a model open it"
    return Speaker(settings.model, client)
