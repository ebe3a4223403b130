"""Arming: a live session sees everything and orders nothing until a person has armed it, with a limit, for this start.

The operator's words come as a file in the session's folder, written by `updown arm` and `updown disarm` for the
session's own user alone; the session answers with another. A request names the session that it is for, so that one
meant for an earlier start arms no later one. Files, because they need no port, no token, and a folder has one owner.
"""

import asyncio
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from infra.clock import monotonic_ns
from infra.feeds.frames import READ_ERRORS
from infra.private_files import NotPrivate, is_running, read_private, write_private
from infra.shell.kill import KILL_FILE
from infra.shell.restart import BEFORE
from infra.shell.shell import Shell
from infra.venues.gateway import Gateway
from state.events import EVENT, Kind, Source, Word
from state.units import MICROS, NS_PER_S

LIVE_FILE: Final = "live.json"
REQUEST_FILE: Final = "arm-request.json"
ANSWER_FILE: Final = "arm-answer.json"
LOOK_S: Final = 0.1
"""How often the session looks for a word, in real time."""
PATIENCE_S: Final = 5.0
"""How long an operator waits for the session's answer, in real time."""
HOURS: Final = 12.0
"""How long an arming lasts unless said otherwise, by the session's clock."""
OBSERVING: Final = "observe"
DISARMED: Final = "disarmed"
RAN_OUT: Final = "the arming ran out"
UNARMED: Final = (OBSERVING, DISARMED, RAN_OUT)
"""Why a session orders nothing though no halt stands."""

Rows = NDArray[Any]


class ArmingRefused(Exception):
    """A session is not armed or disarmed; one line: why, and what to do."""


@dataclass(frozen=True, slots=True)
class Armed:
    """What an operator has allowed."""

    limit_micros: int
    """The most that may be at risk over all windows."""
    until_ns: int
    """By the session's clock."""


class LiveSession(msgspec.Struct, frozen=True, kw_only=True):
    """What a live session says of itself in its folder."""

    session_id: str
    pid: int
    address: str
    """Of the account that signs."""
    venue: str
    """Where its orders go, in words."""
    least_micros: int
    """What the venue's smallest order costs."""
    most_micros: int
    """What the account had at the start."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator wants of a session."""

    nonce: str
    session_id: str
    arm: bool
    """False: disarm."""
    limit_usd: float = 0.0
    for_s: float = 0.0
    resume: bool = False
    """Also lift a halt of before."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the session says to it."""

    nonce: str
    taken: bool
    words: str


_SESSION: Final = msgspec.json.Decoder(LiveSession)
_REQUEST: Final = msgspec.json.Decoder(Request)
_ANSWER: Final = msgspec.json.Decoder(Answer)


def words_for(arm: bool, limit_micros: int, *, resume: bool = False) -> Rows:
    """Give the words that the core hears: ARM with its limit, or DISARM; before them RESUME where that is wanted."""
    words = [Word.RESUME] if resume else []
    words.append(Word.ARM if arm else Word.DISARM)
    rows = np.zeros(len(words), EVENT)
    rows["kind_code"], rows["source_code"], rows["code_id"] = Kind.OPERATOR_SAID, Source.OURSELVES, words
    rows["ref_id"][-1] = limit_micros if arm else 0
    return rows


@dataclass(slots=True)
class Arming:
    """The arming of one session: observes first, then does as the operator says.

    Args:
        folder: The session's; for its own user alone.
        address: Of the account that signs.
        venue: Where orders go, in words for the operator.
        least_micros: What the venue's smallest order costs: a limit below it could never be used.
        most_micros: What the account has: a limit above it means that somebody mistook a unit.
    """

    folder: Path
    address: str
    venue: str
    least_micros: int
    most_micros: int
    session_id: str = field(default_factory=lambda: os.urandom(8).hex())
    armed: Armed | None = None
    told: Callable[[str], None] | None = None
    """Is told in a line what happened, for people."""
    _shell: Shell | None = None
    _gateway: Gateway | None = None
    _halt_before: str = ""
    """Why the core stands halted, other than by an arming; no arming or disarming makes it forgotten."""

    def observe(self, shell: Shell, gateway: Gateway | None) -> None:
        """Begin disarmed, whatever stood before this start, and say in the folder that we can be armed."""
        self._shell, self._gateway = shell, gateway
        self._disarm(OBSERVING)
        for name in (REQUEST_FILE, ANSWER_FILE):
            (self.folder / name).unlink(missing_ok=True)
        told = LiveSession(
            session_id=self.session_id, pid=os.getpid(), address=self.address, venue=self.venue,
            least_micros=self.least_micros, most_micros=self.most_micros,
        )  # fmt: skip
        write_private(self.folder / LIVE_FILE, _line(told))

    async def run(self) -> None:
        """Look for the operator's words, until cancelled; then take back what says that we can be armed."""
        try:
            while True:
                self.look()
                await asyncio.sleep(LOOK_S)
        finally:
            for name in (LIVE_FILE, REQUEST_FILE):
                (self.folder / name).unlink(missing_ok=True)

    def look(self) -> None:
        """Take the operator's word if there is one, and let an arming end whose time has come."""
        shell = self._shell
        assert shell is not None, "observe comes first"
        if self.armed is not None and shell.clock.now_ns() >= self.armed.until_ns:
            self._disarm(RAN_OUT)
        file = self.folder / REQUEST_FILE
        if not file.exists():
            return
        try:
            request = _read_request(file)
            words = self._do(request)
            answer = Answer(nonce=request.nonce, taken=True, words=words)
        except ArmingRefused as error:
            answer = Answer(nonce=error.args[1] if len(error.args) > 1 else "", taken=False, words=str(error.args[0]))
        with suppress(OSError):  # what cannot be taken away is refused again, and again
            file.unlink()
        write_private(self.folder / ANSWER_FILE, _line(answer))

    def _do(self, request: Request) -> str:
        shell = self._shell
        assert shell is not None
        if request.session_id != self.session_id:
            raise ArmingRefused("that word was for an earlier start of this session: say it again", request.nonce)
        if not request.arm:
            self._disarm(DISARMED)
            return "disarmed: nothing but cancels leaves"
        if (self.folder / KILL_FILE).exists():
            raise ArmingRefused(_killed(self.folder), request.nonce)
        if self._gateway is not None and self._gateway.halt_why:
            why = f"the gateway has stopped for good: {self._gateway.halt_why}; mend that and start again"
            raise ArmingRefused(why, request.nonce)
        limit_micros = self._judged(request)
        halted = self._halt_stands()
        if halted and not request.resume:
            raise ArmingRefused(f"halted: {halted}; look into it, then arm with --resume", request.nonce)
        until_ns = shell.clock.now_ns() + round(request.for_s * NS_PER_S)
        self.armed = Armed(limit_micros, until_ns)
        self._halt_before = shell.halted_why = ""
        if self._gateway is not None and self._gateway.gate is not None:
            self._gateway.gate.arm(limit_micros, until_ns)
        self._say({"armed": limit_micros, "until_ns": until_ns, "lifted": halted})
        shell.tell(words_for(True, limit_micros, resume=bool(halted)))
        return f"armed: at most ${limit_micros / MICROS:,.2f} at risk, for {request.for_s / 3600:g} h, at {self.venue}"

    def _judged(self, request: Request) -> int:
        """Give the limit in micros if it makes sense."""
        limit = request.limit_usd
        if not math.isfinite(limit) or not math.isfinite(request.for_s) or request.for_s <= 0.0:
            raise ArmingRefused("a limit and a time are finite and above 0", request.nonce)
        if limit * MICROS < self.least_micros:
            least = f"${self.least_micros / MICROS:,.2f}"
            raise ArmingRefused(f"${limit:,.2f} is below the venue's smallest order ({least})", request.nonce)
        if limit * MICROS > self.most_micros:
            most = f"${self.most_micros / MICROS:,.2f}"
            raise ArmingRefused(f"${limit:,.2f} is more than the account had at the start ({most})", request.nonce)
        return int(limit * MICROS)

    def _disarm(self, why: str) -> None:
        shell = self._shell
        assert shell is not None
        self.armed = None
        if self._gateway is not None and self._gateway.gate is not None:
            self._gateway.gate.disarm()
        self._halt_before = self._halt_stands()
        shell.halted_why = self._halt_before or why
        self._say({"disarmed": why})
        shell.tell(words_for(False, 0))

    def _halt_stands(self) -> str:
        """Say why the core is halted for more than want of an arming; empty when it is not."""
        assert self._shell is not None
        why = self._shell.halted_why.removesuffix(BEFORE)
        return self._halt_before if why in ("", *UNARMED) else why

    def _say(self, note: dict[str, Any]) -> None:
        shell = self._shell
        assert shell is not None
        shell.session.note(note, shell.clock.now_ns())
        if self.told is not None:
            self.told(", ".join(f"{name} {value}" for name, value in note.items() if value))


def _killed(folder: Path) -> str:
    return f"{folder / KILL_FILE}: killed; look into it, then lift that with `updown kill --lift --journal {folder}`"


# Files.


def _line(told: msgspec.Struct) -> bytes:
    return msgspec.json.encode(told) + b"\n"


def _read_request(file: Path) -> Request:
    """Read a request, if nobody but our own user can have written it."""
    try:
        raw = read_private(file)
    except NotPrivate as error:
        raise ArmingRefused(
            f"a request that this session cannot read ({error}); use `updown arm` as its user"
        ) from None
    try:
        return _REQUEST.decode(raw)
    except READ_ERRORS:
        raise ArmingRefused("a request that cannot be read; use `updown arm`") from None


# The operator's side.


def session_in(folder: Path) -> LiveSession:
    """Give the live session that runs in a folder.

    Raises:
        ArmingRefused: none does.
    """
    try:
        told: LiveSession | None = _SESSION.decode((folder / LIVE_FILE).read_bytes())
    except (OSError, *READ_ERRORS):
        told = None
    if told is None or not is_running(told.pid):
        raise ArmingRefused(f"{folder}: no live session runs here; start one with `updown live --journal {folder}`")
    return told


async def ask_session(
    folder: Path, *, arm: bool, limit_usd: float = 0.0, hours: float = HOURS, resume: bool = False,
    patience_s: float = PATIENCE_S,
) -> str:  # fmt: skip
    """Hand a word to the session in a folder and give its answer.

    Raises:
        ArmingRefused: the file KILL lies there, no session runs there, it refuses, or it does not answer; then the
            word is taken back.
    """
    if arm and (folder / KILL_FILE).exists():
        raise ArmingRefused(_killed(folder))  # also where nobody runs: a session that starts here stays dead
    session = session_in(folder)
    request = Request(
        nonce=os.urandom(8).hex(), session_id=session.session_id, arm=arm, limit_usd=limit_usd, for_s=hours * 3600.0,
        resume=resume,
    )  # fmt: skip
    (folder / ANSWER_FILE).unlink(missing_ok=True)
    write_private(folder / REQUEST_FILE, _line(request))
    until_ns = monotonic_ns() + int(patience_s * NS_PER_S)
    while monotonic_ns() < until_ns:
        answer = _read_answer(folder / ANSWER_FILE)
        if answer is not None and answer.nonce in (request.nonce, ""):
            if not answer.taken:
                raise ArmingRefused(answer.words)
            return answer.words
        await asyncio.sleep(LOOK_S / 4)
    (folder / REQUEST_FILE).unlink(missing_ok=True)
    raise ArmingRefused(
        f"process {session.pid} does not answer, and the word was taken back: if it hangs, use `updown kill`"
    )


def _read_answer(file: Path) -> Answer | None:
    try:
        return _ANSWER.decode(file.read_bytes())
    except (OSError, *READ_ERRORS):
        return None
