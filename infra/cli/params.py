"""The command `params`: the parameters in force in a session with their history, and an operator's wish for others."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.cli.failures import Misuse
from infra.cli.speech import AsJson, answer, records, say

Folder = Annotated[Path, typer.Option("--journal", metavar="DIR", help="The session's journal.")]


def params(
    journal: Folder = Path("var/live"),
    ask: Annotated[
        list[str] | None, typer.Option("--ask", metavar="NAME=VALUE", help="Ask for another value; may be repeated.")
    ] = None,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever reads the journal.")] = "",
    undo: Annotated[str, typer.Option(metavar="RECEIPT", help="Ask for the values before that change.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show a session's parameters and what became of requests to change them, or ask for a change.

    A request is judged by the session itself, against its bounds, the limits that it began with and its setting
    `--retune`, and takes effect at the next boundary of windows.

    Example: updown params --journal var/demo/x --ask take_edge_bps=150 --why "fees rose"
    """
    if ask and undo:
        raise Misuse("--ask and --undo are two requests: make one after the other")
    if ask or undo:
        _ask(journal, ask or [], why, undo, as_json)
        return
    told = params_told(journal)
    if as_json:
        answer(told)
        return
    say(f"{journal}: parameters {told['params_hash']}, begun with {told['began_hash']}")
    changed = [
        {"name": name, "value": value, "begun with": told["began"][name]}
        for name, value in told["params"].items()
        if value != told["began"][name]
    ]
    records(changed, "Changed since the beginning")
    for line in told["history_words"]:
        say(f"  {line}")
    if told["waiting"]:
        say(f"  {told['waiting']['receipt']} waits for its boundary")


def params_told(folder: Path) -> dict[str, Any]:
    """Give a session's parameters, and what became of every request, as plain values."""
    from infra.shell.params_request import news_of, news_words, params_of, waiting_of
    from state.params import default_params, params_hash
    from state.records import as_dict

    notes = _notes(folder)
    began, now = default_params(notes[0]["params"]), params_of(notes)
    news = news_of(notes)
    waiting = waiting_of(news)
    return {
        "session": str(folder),
        "params_hash": params_hash(now),
        "began_hash": params_hash(began),
        "params": as_dict(now),
        "began": as_dict(began),
        "history": [asdict(each) for each in news],
        "history_words": [news_words(each) for each in news],
        "waiting": asdict(waiting) if waiting is not None else None,
    }


def _notes(folder: Path) -> list[dict[str, Any]]:
    from infra.journal.reader import read_notes

    notes = read_notes(folder, torn_ok=True)
    if "session" not in next(iter(notes), {}):
        raise Misuse(f"{folder}: not the journal of a session with a desk (demo, paper, live)")
    return notes


def _ask(folder: Path, words: list[str], why: str, undo: str, as_json: bool) -> None:
    from infra.settings import of_change
    from infra.shell.params_request import ChangeRefused, ask_change, news_of, params_of, undo_of
    from state.params import params_hash

    notes = _notes(folder)
    news = news_of(notes)
    receipt = f"operator-{len(news) + 1}"
    try:
        changes = undo_of(news, undo) if undo else dict(of_change(word, "--ask") for word in words)
        asked = ask_change(
            folder, receipt=receipt, before=params_hash(params_of(notes)), changes=changes,
            why=why or "an operator's wish", undoes=undo,
        )  # fmt: skip
        told = asyncio.run(asked)
    except ChangeRefused as error:
        raise Misuse(f"{error} ({error.code})") from None
    if as_json:
        answer({"taken": True, "receipt": receipt, "words": told.words, "due_ns": told.due_ns, "after": told.after})
    else:
        say(f"{receipt}: {told.words}")
