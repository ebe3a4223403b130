"""A watched session: its journal played on as it grows, and what there is to measure of it at a moment.

The desk knows nothing of this. What it does can be read off its journal; how it does it, too, for it notes its pulse
there (`infra/shell/pulse.py`).
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.clock import monotonic_ns
from infra.journal.reader import read_title_of
from infra.language_model.budget import Spent
from infra.record.playback import Playback
from infra.shell.pulse import KEY
from infra.terminal.glance import Glance, Mode
from infra.terminal.readout import glance_of
from state.events import Kind, Word
from state.orders import Act, OrderState
from state.reasons import WORDS, Reason
from state.units import NS_PER_S

ENDED: Final = (int(OrderState.DONE), int(OrderState.REJECTED))
NOT_AMISS: Final = (0, int(Word.DISARM), int(Word.LEAVE))
"""What the core may have been told that stops orders and is no halt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What there is to measure at a moment; counts are since the journal began, those of the pulse since the start."""

    glance: Glance
    mode: str
    code: str
    idle_s: float
    """Of real time since the journal last grew."""
    rows: int = 0
    decisions: int = 0
    stand_asides: dict[str, int] = field(default_factory=dict)
    """By reason."""
    placed: int = 0
    pulled: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    """Orders by the state that they ended in."""
    fills: int = 0
    settled: int = 0
    halted: str = ""
    """Why the core was told to stop, for an operator to look at; empty when it was not."""
    fast_state: str = ""
    """Why the shared fast state is degraded; empty when it is not."""
    pulse: dict[str, Any] = field(default_factory=dict)
    spent: Spent | None = None
    """Of the language model's budget today; None where nobody keeps one."""


class Watched:
    """One session's journal, followed to its end and beyond.

    Raises:
        JournalForeign, JournalMissing: it is no session that this code can play.
    """

    def __init__(self, folder: Path) -> None:
        self._playback = Playback(folder, self)
        first, title = self._playback.first, read_title_of(folder)
        self.mode, self.code = str(first["about"].get("mode", "?")), title.code
        self._began_micros = int(first["cash_micros"])
        self._now_ns = title.created_ns
        self._grew_ns = monotonic_ns()
        self._counts: Counter[str] = Counter()
        self._aside: Counter[str] = Counter()
        self._ended: dict[int, str] = {}
        """State of every order that is over, by its number: it may be told more than once."""
        self._by_end: Counter[str] = Counter()
        self._halted_words = self._fast_state = ""
        self._pulse: dict[str, Any] = {}

    def refresh(self) -> int:
        """Play on; gives how many rows there were.

        Raises:
            JournalForeign, JournalDamaged: it cannot be followed any further.
        """
        before = self._counts["notes"]
        rows = self._playback.refresh()
        if rows or self._counts["notes"] > before:
            self._grew_ns = monotonic_ns()
        return rows

    def reading(self, spent: Spent | None = None) -> Reading:
        """Read what there is to measure now; written by nobody, less than a millisecond."""
        mode = Mode(name=self.mode, began_cash_micros=self._began_micros)
        glance = glance_of(self._playback.core.worlds, self._now_ns, mode=mode)
        return Reading(
            glance=glance, mode=self.mode, code=self.code, idle_s=(monotonic_ns() - self._grew_ns) / NS_PER_S,
            rows=self._playback.rows_count, decisions=self._counts["decisions"],
            stand_asides=dict(self._aside), placed=self._counts["placed"], pulled=self._counts["pulled"],
            ended=dict(self._by_end), fills=self._counts["fills"], settled=self._counts["settled"],
            halted=self._halted(), fast_state=self._fast_state, pulse=self._pulse, spent=spent,
        )  # fmt: skip

    def _halted(self) -> str:
        code = int(self._playback.core.worlds["halted_code"][0])
        if code in NOT_AMISS:
            return ""
        word = Word(code).name.lower().replace("_", " ") if code in set(Word) else f"word {code}"
        return f"{word}: {self._halted_words}" if self._halted_words else word

    # What the playback tells.

    def rows(self, events: NDArray[Any]) -> None:
        """Follow the session's time."""
        self._now_ns = max(self._now_ns, int(events["seen_ns"][-1]))

    def decided(self, seq: int, decision: Any, seen_ns: int) -> None:
        """Count decisions, and why they stood aside."""
        del seq
        self._now_ns = max(self._now_ns, seen_ns)
        self._counts["decisions"] += 1
        reason = int(decision["mandate"]["reason_code"])
        if reason:
            self._aside[WORDS[Reason(reason)] if reason in set(Reason) else f"reason {reason}"] += 1

    def commanded(self, command: Any) -> None:
        """Count orders."""
        act = int(command["act_code"])
        self._counts["placed"] += act == Act.PLACE
        self._counts["pulled"] += act in (Act.CANCEL, Act.CANCEL_MARKET)

    def told(self, event: Any) -> None:
        """Count what became of orders."""
        kind = int(event["kind_code"])
        self._counts["fills"] += kind == Kind.FILLED
        state, number = int(event["code_id"]), int(event["ref_id"])
        if kind != Kind.ORDER_CHANGED or state not in ENDED or number in self._ended:
            return
        self._ended[number] = OrderState(state).name.lower()
        self._by_end[self._ended[number]] += 1

    def settled(self, event: Any, market: Any) -> None:
        """Count windows; the venue's socket and its catalogue both tell of an end."""
        del event
        self._counts["settled"] = int(np.asarray(self._playback.core.worlds["money"]["settled_count"])[0])

    def changed(self, params: Any, seen_ns: int) -> None:
        """Limits are read from the core, which has the parameters."""

    def noted(self, note: dict[str, Any], seen_ns: int) -> None:
        """Take in the session's own words."""
        self._counts["notes"] += 1
        if KEY in note:
            self._pulse = note[KEY]
            self._fast_state = str(self._pulse.get("fast_state", ""))
        elif "halted" in note:
            self._halted_words = str(note["halted"])
        elif "resumed" in note:
            self._halted_words = ""
        elif "fast_state" in note:
            self._fast_state = str(note["why"])
