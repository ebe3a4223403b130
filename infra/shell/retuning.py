"""Retuning: the session's side of a change of parameters: hear it, judge it, wait for the boundary, judge it again.

Everything that must never happen is refused here, whoever asks: the session trusts no supervisor. A change takes effect
at a boundary of windows, the first moment after the window that is open has closed: no window is traded under two
settings. What is taken up is safe on disk before it is answered, so a restart takes it up again.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from infra.doctor.minima import minima_of
from infra.feeds.frames import READ_ERRORS
from infra.private_files import NotPrivate, read_private, write_private
from infra.shell.core import Core
from infra.shell.params_request import (
    ANSWER_FILE,
    ASKED,
    CHANGED,
    LOOK_S,
    RECEIPT_CHARS,
    REFUSED,
    REQUEST_BYTES,
    REQUEST_FILE,
    WHY_CHARS,
    Answer,
    News,
    Request,
    news_note,
    news_of,
    steps_words,
    waiting_of,
)
from infra.shell.shell import Shell
from state.events import Word
from state.params import Params, default_params, difference, params_hash
from state.world import Phase
from tools.retuning import Refused, Retune, WhyNot, judge_change

_REQUEST: Final = msgspec.json.Decoder(Request)
_LIVES: Final = (Phase.LISTED, Phase.OPEN)


class Limited(Protocol):
    """Who holds orders to limits of its own: the gate."""

    def follow(self, params: Params) -> None:
        """Take the limits of these parameters, never above those it began with."""


@dataclass(slots=True)
class Retuning:
    """Changes of one session's parameters while it runs.

    Args:
        shell: The session's; it has a core.
        allowed: How far the operator lets parameters move.
        start: What this start's settings say: a limit of theirs is a ceiling, too.
        notes: What the journal told before this start, with the session's first note; empty for a new session.
        gate: Holds orders to limits of its own, where orders leave.
        told: Is told in a line what happened, for people.
    """

    shell: Shell
    allowed: Retune
    start: Params
    notes: list[dict[str, Any]] = field(default_factory=list)
    gate: Limited | None = None
    told: Callable[[str], None] | None = None
    changes_count: int = 0
    _began: tuple[Params, ...] = ()
    _waiting: News | None = None
    _receipts: set[str] = field(default_factory=set)

    @property
    def folder(self) -> Path:
        """Give the session's folder."""
        return self.shell.session.journal.folder

    @property
    def core(self) -> Core:
        """Give the core whose parameters these are."""
        assert self.shell.core is not None, "a session without a core has no parameters to change"
        return self.shell.core

    @property
    def waiting(self) -> News | None:
        """Give the request that waits for its boundary."""
        return self._waiting

    def begin(self) -> None:
        """Take up what the journal left waiting; a request that nobody heard was for the start before."""
        for name in (REQUEST_FILE, ANSWER_FILE):
            (self.folder / name).unlink(missing_ok=True)
        first = next((note["params"] for note in self.notes if "params" in note), None)
        self._began = (self.start,) if first is None else (default_params(first), self.start)
        if self.gate is not None:
            self.gate.follow(self.core.params)
        news = news_of(self.notes)
        self._receipts = {each.receipt for each in news if each.what != REFUSED}
        self.changes_count = sum(each.what == CHANGED for each in news)
        waiting = waiting_of(news)
        if waiting is None:
            return
        if waiting.after == self.core.params_hash:  # the last start ended between the change and its note
            self._say_changed(waiting)
            return
        self._wait(waiting)

    async def run(self) -> None:
        """Look for requests until cancelled."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_S)
        finally:
            (self.folder / REQUEST_FILE).unlink(missing_ok=True)

    async def look(self) -> None:
        """Hear a request if there is one, and answer it once its fate is safe on disk."""
        file = self.folder / REQUEST_FILE
        if not file.exists():
            return
        try:
            request = _read_request(file)
        except _Unheard as error:
            with suppress(OSError):  # what cannot be taken away is refused again, and again
                file.unlink()
            self._refuse(Refused(error.why, str(error)), Request(nonce="", receipt="", before="", changes={}))
            return
        with suppress(OSError):
            file.unlink()
        answer = self._hear(request)
        await self.shell.session.all_safe()
        await asyncio.to_thread(write_private, self.folder / ANSWER_FILE, msgspec.json.encode(answer) + b"\n")

    # --- judging

    def _hear(self, request: Request) -> Answer:
        verdict = self._judged(request.receipt, request.before, request.changes)
        if isinstance(verdict, Refused):
            self._refuse(verdict, request)
            return Answer(nonce=request.nonce, code=verdict.why.name, words=verdict.words)
        now_ns = self.shell.clock.now_ns()
        steps = {each.name: (each.before, each.after) for each in difference(self.core.params, verdict)}
        asked = News(
            what=ASKED, receipt=request.receipt, at_ns=now_ns, before=self.core.params_hash,
            after=params_hash(verdict), changes=steps, why=request.why, due_ns=self._boundary(now_ns),
            undoes=request.undoes,
        )  # fmt: skip
        self._receipts.add(asked.receipt)
        self._note(asked)
        self._wait(asked)
        words = f"taken up: {steps_words(steps)}, at the next boundary of windows"
        self._tell(f"parameters, {asked.receipt}: {words}")
        return Answer(nonce=request.nonce, words=words, due_ns=asked.due_ns, after=asked.after)

    def _judged(self, receipt: str, before: str, changes: Mapping[str, float]) -> Params | Refused:
        if self._waiting is not None:
            return Refused(WhyNot.ANOTHER_WAITS, f"{self._waiting.receipt} waits for its boundary; ask after it")
        if receipt in self._receipts:
            return Refused(WhyNot.RECEIPT_USED, f"receipt {receipt!r} has been used; a change needs one of its own")
        return self._judge(before, changes)

    def _judge(self, before: str, changes: Mapping[str, float]) -> Params | Refused:
        if before != self.core.params_hash:
            words = f"it starts from parameters {before[:16]!r}, and {self.core.params_hash} are in force"
            return Refused(WhyNot.STALE, words)
        listing = next(iter(self.shell.listings.values()), None)
        return judge_change(
            self.core.params, self._began, changes, allowed=self.allowed,
            is_stopped=bool(self.core.world["halted_code"]),
            minima=minima_of(listing) if listing is not None else None,
        )  # fmt: skip

    def _boundary(self, now_ns: int) -> int:
        """Give the moment at which the first of the open windows closes; now, where none is open."""
        markets = self.core.worlds["markets"][0]
        closes = [
            int(market["close_ns"]) for market in markets
            if int(market["phase_code"]) in _LIVES and int(market["open_ns"]) <= now_ns < int(market["close_ns"])
        ]  # fmt: skip
        return min(closes, default=now_ns)

    # --- the boundary

    def _wait(self, asked: News) -> None:
        """Wait for the boundary; one that passed before this start has passed for good, so the next one counts."""
        self._waiting = asked
        now_ns = self.shell.clock.now_ns()
        due_ns = asked.due_ns if asked.due_ns > now_ns else self._boundary(now_ns)
        self.shell.boundary.wait(due_ns, self._come)

    def _come(self, due_ns: int) -> None:
        """Judge once more, and change the parameters; a session that is about to end leaves it to its next start."""
        asked = self._waiting
        if asked is None or int(self.core.world["stops_mask"]) >> int(Word.LEAVE) & 1:
            return
        self._waiting = None
        verdict = self._judge(asked.before, {name: after for name, (_, after) in asked.changes.items()})
        if isinstance(verdict, Refused):
            request = Request(
                nonce="", receipt=asked.receipt, before=asked.before, changes={}, why=asked.why, undoes=asked.undoes
            )
            self._refuse(verdict, request, asked.changes)
            return
        if self.gate is not None:
            self.gate.follow(verdict)
        self.shell.change_params(verdict, due_ns)
        self._say_changed(asked)

    def _say_changed(self, asked: News) -> None:
        self.changes_count += 1
        self._note(replace(asked, what=CHANGED, at_ns=self.shell.clock.now_ns()))
        self._tell(f"parameters changed, {asked.receipt}: {steps_words(asked.changes)}; now {self.core.params_hash}")

    def _refuse(
        self, refused: Refused, request: Request, steps: Mapping[str, tuple[float, float]] | None = None
    ) -> None:
        """Write down what was refused and why; what a request says is quoted, and no longer than it may be."""
        news = News(
            what=REFUSED, receipt=request.receipt[:RECEIPT_CHARS], at_ns=self.shell.clock.now_ns(),
            before=request.before[:16], after="", changes=dict(steps or {}), why=request.why[:WHY_CHARS],
            code=refused.why.name, words=refused.words[:WHY_CHARS], undoes=request.undoes[:RECEIPT_CHARS],
        )  # fmt: skip
        self._note(news)
        self._tell(f"parameters not changed, {news.receipt or 'no receipt'}: {refused.words}")

    def _note(self, news: News) -> None:
        self.shell.session.note(news_note(news), self.shell.clock.now_ns())

    def _tell(self, line: str) -> None:
        if self.told is not None:
            self.told(line)


class _Unheard(Exception):
    """A request that cannot be read, or trusted."""

    def __init__(self, why: WhyNot, words: str) -> None:
        super().__init__(words)
        self.why = why


def _read_request(file: Path) -> Request:
    try:
        raw = read_private(file, REQUEST_BYTES)
    except NotPrivate as error:
        raise _Unheard(WhyNot.NOT_OURS, f"a request that cannot be trusted: {error}") from None
    try:
        request = _REQUEST.decode(raw)
    except READ_ERRORS:
        raise _Unheard(WhyNot.UNREADABLE, WhyNot.UNREADABLE.value) from None
    if not 0 < len(request.receipt) <= RECEIPT_CHARS or not request.receipt.isprintable():
        raise _Unheard(WhyNot.UNREADABLE, f"a receipt has 1 to {RECEIPT_CHARS} printable characters")
    if len(request.why) > WHY_CHARS or len(request.undoes) > RECEIPT_CHARS:
        raise _Unheard(WhyNot.UNREADABLE, f"its reason is longer than {WHY_CHARS} characters")
    return request
