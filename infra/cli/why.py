"""The commands `why` and `ask`: a decision explained by code, and any question of the record, without any model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from infra.cli.core import get_ready
from infra.cli.failures import Misuse
from infra.cli.speech import AsJson, answer, progress, records, say, table

if TYPE_CHECKING:
    from infra.record.record import Record

Of = Annotated[
    Path | None,
    typer.Option("--of", metavar="DIR", help="A session's journal or a run's folder; the newest in var/ if not said."),
]
ORDERS_ARE: Final = ("order", "decision", "at", "way", "token", "price_bps", "shares", "filled_shares", "state")


def why(
    decision: Annotated[int | None, typer.Argument(metavar="[DECISION]", help="Its number.")] = None,
    of: Of = None,
    as_json: AsJson = False,
) -> None:
    """Say why a decision came about, and what became of it.

    Each agent's contribution, the gates with their margins, the smallest change of each input that would have turned
    it, costs, and what happened afterwards: reckoned by code from the record. Without a number the newest decision
    that traded is explained, or else the newest.

    Example: updown why 17 --of var/demo/demo-6-windows-seed-1
    """
    from infra.record.answers import Answers

    record = opened(of)
    answers = Answers(record)
    told = answers.explanation(decision if decision is not None else _newest(record))
    _refuse(told)
    if as_json:
        answer(told)
        return
    say(told["words"])
    if told["afterwards"]["orders"]:
        rows = [{name: order[name] for name in ORDERS_ARE} for order in told["afterwards"]["orders"]]
        records(rows, "orders")
        for line in (line for order in told["afterwards"]["orders"] for line in order["story"]):
            say(f"  {line}")
    head = ("source", "log-odds", "weight", "feature", "why")
    given = [
        (each["source"], f"{each['contribution_logodds']:+.4f}", f"{each['weight_ratio']:.3f}",
         f"{each['feature_logodds']:+.4f}", each["words"])
        for each in told["contributions"]
    ]  # fmt: skip
    table(head, given, "contributions")
    margins = [(each["gate"], each["condition"], f"{each['margin']:,.4g}", each["unit"]) for each in told["margins"]]
    table(("gate", "condition", "margin", "unit"), margins, "gates (negative: closed)")
    turns = [
        (each["input"], f"{each['was']:,.6g}", f"{each['change']:+,.6g}" if each["turns"] else "no change found",
         each["unit"], each["becomes"])
        for each in told["flips"]
    ]  # fmt: skip
    table(("input", "was", "turns with", "unit", "becomes"), turns, "what would have turned it")


def ask(
    name: Annotated[str | None, typer.Argument(metavar="[QUESTION]", help="One of those listed without it.")] = None,
    words: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE...", help="What goes with it.")] = None,
    of: Of = None,
    as_json: AsJson = False,
) -> None:
    """Ask a record one of the questions that the chat asks it; without one, list them.

    Example: updown ask find_decisions outcome=traded most=5
    """
    from agents.questions import QUESTIONS, question

    if name is None:
        told = [{"question": each.name, "words": each.words, "with": ", ".join(each.arguments.model_fields)}
                for each in QUESTIONS]  # fmt: skip
        if as_json:
            answer({"questions": told})
        else:
            records(told)
        return
    if question(name) is None:
        raise Misuse(f"no question {name!r}; `updown ask` lists them")
    from infra.record.answers import Answers

    arguments = dict(_pair(word) for word in words or ())
    found = Answers(opened(of)).answer(name, arguments)
    _refuse(found)
    if as_json:
        answer(found)
        return
    import json

    say(json.dumps(found, indent=1, default=str))


def opened(of: Path | None) -> "Record":
    """Open the record that is meant."""
    from infra.record.opening import NothingRecorded, newest, open_record

    get_ready()
    try:
        folder = of or newest(Path("var"))
        with progress("reading the record") as told:
            return open_record(folder, told)
    except NothingRecorded as error:
        raise Misuse(str(error)) from None


def _newest(record: "Record") -> int:
    if record.traded:
        return max(record.traded)
    if not len(record.lines):
        raise Misuse(f"{record.folder}: no decision in it yet")
    return int(record.lines["mandate_id"][-1])


def _refuse(told: dict[str, Any]) -> None:
    if "cannot" in told:
        raise Misuse(str(told["cannot"]))


def _pair(word: str) -> tuple[str, Any]:
    name, sign, value = word.partition("=")
    if not sign:
        raise Misuse(f"{word}: write it as name=value")
    try:
        return name, int(value)
    except ValueError:
        pass
    try:
        return name, float(value)
    except ValueError:
        return name, value
