"""A request to change the parameters of a session that runs, left beside its journal, and what became of it.

Whoever wants other parameters (the supervisor in its own process, an operator) leaves a private file in the session's
folder; `infra.shell.retuning` is the session's side. The session answers at once with another file: refused, and why,
or taken up and due at a moment. What follows stands in the journal as notes, and only there: the parameters that were
asked for, the moment from which they are in force, or why they were refused when that moment came.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Final

import msgspec

from infra.clock import monotonic_ns
from infra.feeds.frames import READ_ERRORS
from infra.journal.folder import writer_of
from infra.journal.reader import read_notes
from infra.private_files import is_running, offer_private
from state.params import Params, default_params
from state.units import NS_PER_S

REQUEST_FILE: Final = "params-request.json"
ANSWER_FILE: Final = "params-answer.json"
LOOK_S: Final = 0.2
"""How often a session looks for a request, in real time."""
PATIENCE_S: Final = 10.0
"""How long an asker waits for the session's answer, in real time."""
RECEIPT_CHARS: Final = 80
WHY_CHARS: Final = 400
REQUEST_BYTES: Final = 16_384
ASKED: Final = "params asked"
REFUSED: Final = "params refused"
CHANGED: Final = "params changed"
"""Keys of the journal's notes."""


class ChangeRefused(Exception):
    """A change of parameters is not taken up; `code` names the reason as `tools.retuning.WhyNot` does, if it has one.

    NO_ANSWER is the one code under which it may have been taken up all the same: the journal knows (`read_news`).
    """

    def __init__(self, words: str, code: str) -> None:
        super().__init__(words)
        self.code = code


NOBODY: Final = "NOBODY_RUNS"
NO_ANSWER: Final = "NO_ANSWER"
ANOTHER_ASKS: Final = "ANOTHER_ASKS"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants of a session."""

    nonce: str
    receipt: str
    """Names the request for good: at most one change is ever made for it."""
    before: str
    """Hash of the parameters that the asker believes to be in force."""
    changes: dict[str, float]
    why: str = ""
    undoes: str = ""
    """The receipt of the change that this one takes back, if it does."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the session says to it at once."""

    nonce: str
    code: str = ""
    """Why it was refused; empty: it was taken up."""
    words: str
    due_ns: int = 0
    after: str = ""


_ANSWER: Final = msgspec.json.Decoder(Answer)


@dataclass(frozen=True, slots=True)
class News:
    """One thing that became of a request, as the journal tells it."""

    what: str
    """`ASKED`, `REFUSED` or `CHANGED`."""
    receipt: str
    at_ns: int
    """By the session's clock."""
    before: str
    after: str
    """Hashes of the parameters before and after; the second is empty where the request led to none."""
    changes: dict[str, tuple[float, float]]
    """Each parameter's value before and after."""
    why: str = ""
    """Why it was asked for, in the asker's words."""
    code: str = ""
    words: str = ""
    """Why it was refused."""
    due_ns: int = 0
    undoes: str = ""


def news_note(news: News) -> dict[str, Any]:
    """Give a piece of news as the journal's note."""
    told = {name: getattr(news, name) for name in News.__slots__ if name not in ("what", "changes")}
    kept = {name: value for name, value in told.items() if value not in ("", 0)}
    return {news.what: kept | {"changes": {name: list(step) for name, step in news.changes.items()}}}


def news_of(notes: Iterable[Mapping[str, Any]]) -> list[News]:
    """Give what became of requests, in order, out of a session's notes."""
    found = []
    for note in notes:
        for what in (ASKED, REFUSED, CHANGED):
            if what in note:
                found.append(_news(what, note[what]))
    return found


def _news(what: str, told: Mapping[str, Any]) -> News:
    steps = {name: (float(before), float(after)) for name, (before, after) in told["changes"].items()}
    words = {name: str(told.get(name, "")) for name in ("receipt", "before", "after", "why", "code", "words", "undoes")}
    return News(what=what, changes=steps, at_ns=int(told["at_ns"]), due_ns=int(told.get("due_ns", 0)), **words)


def read_news(folder: Path) -> list[News]:
    """Give what became of every request to a session, in order, from its journal; it may be running.

    Raises:
        JournalMissing, JournalForeign, JournalDamaged: there is no such journal.
    """
    return news_of(read_notes(folder, torn_ok=True))


def news_words(news: News) -> str:
    """Say a piece of news in a line."""
    if news.what == REFUSED:
        return f"parameters not changed, {news.receipt or 'no receipt'}: {news.words}"
    when = "changed" if news.what == CHANGED else "asked for"
    undoes = f", takes {news.undoes} back" if news.undoes else ""
    return f"parameters {when}, {news.receipt}: {steps_words(news.changes)}{undoes}; {news.before} to {news.after}"


def steps_words(steps: Mapping[str, tuple[float, float]]) -> str:
    """Say what changes by how much."""
    return ", ".join(f"{name} {before:g} to {after:g}" for name, (before, after) in steps.items())


def waiting_of(news: Iterable[News]) -> News | None:
    """Give the request that has been taken up and still waits for its boundary; None: none does."""
    waiting = None
    for each in news:
        if each.what == ASKED:
            waiting = each
        elif waiting is not None and each.receipt == waiting.receipt:
            waiting = None
    return waiting


def params_of(notes: Iterable[Mapping[str, Any]]) -> Params:
    """Give the parameters in force at the end of a session's notes: those it began with, and every change since."""
    notes = list(notes)
    values: dict[str, float] = dict(notes[0]["params"])
    for each in news_of(notes):
        if each.what == CHANGED:
            values |= {name: after for name, (_, after) in each.changes.items()}
    return default_params(values)


def undo_of(news: Iterable[News], receipt: str) -> dict[str, float]:
    """Give the changes that take a receipt's change back, to be asked for as any other.

    Raises:
        ChangeRefused: no change was made for that receipt.
    """
    for each in news:
        if each.what == CHANGED and each.receipt == receipt:
            return {name: before for name, (before, _) in each.changes.items()}
    raise ChangeRefused(f"no change was made for receipt {receipt!r}; `updown params` lists them", "UNKNOWN_RECEIPT")


async def ask_change(
    folder: Path, *, receipt: str, before: str, changes: Mapping[str, float], why: str, undoes: str = "",
    patience_s: float = PATIENCE_S,
) -> Answer:  # fmt: skip
    """Ask the session in a folder for other parameters; gives its answer when it has taken the request up.

    Taken up is not changed: at the answer's `due_ns` the request is judged once more, and `read_news` tells.

    Raises:
        ChangeRefused: nobody runs there, the session refuses, or it does not answer; the words say which and why.
    """
    pid = writer_of(folder)
    if pid is None or not is_running(pid):
        raise ChangeRefused(f"{folder}: no session runs here, so nobody hears a request", NOBODY)
    values = {name: float(value) for name, value in changes.items()}
    if not all(isfinite(value) for value in values.values()):
        raise ChangeRefused("a value is not finite", "OUT_OF_BOUNDS")
    request = Request(
        nonce=os.urandom(8).hex(), receipt=receipt[:RECEIPT_CHARS], before=before, changes=values,
        why=why[:WHY_CHARS], undoes=undoes[:RECEIPT_CHARS],
    )  # fmt: skip
    raw = msgspec.json.encode(request)
    if not await asyncio.to_thread(offer_private, folder / REQUEST_FILE, raw):
        raise ChangeRefused(f"{folder}: another request has not been heard yet; ask again in a second", ANOTHER_ASKS)
    until_ns = monotonic_ns() + int(patience_s * NS_PER_S)
    while monotonic_ns() < until_ns:
        answer = _read_answer(folder / ANSWER_FILE)
        if answer is not None and answer.nonce == request.nonce:
            if answer.code:
                raise ChangeRefused(answer.words, answer.code)
            return answer
        await asyncio.sleep(LOOK_S / 4)
    (folder / REQUEST_FILE).unlink(missing_ok=True)
    raise ChangeRefused(f"process {pid} does not answer, and the request was taken back; see its journal", NO_ANSWER)


def _read_answer(file: Path) -> Answer | None:
    try:
        return _ANSWER.decode(file.read_bytes())
    except (OSError, *READ_ERRORS):
        return None
