"""Follow a session's journal as it grows, drive the core through it once more, and hand out what can be traced.

The desk that trades knows nothing of this: whoever follows reads what it wrote down anyway, in a process of its own.
A decision is handed out when its mandate is over, for only then is it known what fired; what became of it, when its
window has settled.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from infra.journal.reader import read_title_of
from infra.plain_memory import slug_of
from infra.record.playback import Playback
from infra.traces.outcome import Came, Fate, Fill
from infra.traces.runs import Feedback, Tree
from infra.traces.tree import SIDES, Seen, Shot, decision_tree
from state.events import Kind
from state.orders import Act
from state.reasons import WORDS, Reason

_FILLS: Final = (Kind.FILLED, Kind.FILL_REVERSED, Kind.FEE_CHARGED)

Wanted = Callable[[Seen], bool]
Explain = Callable[[Any, str], str]
"""Given a decision and the reason of its orders, the coded words."""


@dataclass(slots=True)
class _Open:
    """A decision whose mandate stands."""

    seq: int
    given_ns: int
    decision: Any
    window: str
    shots: list[Shot] = field(default_factory=list)
    came: Came = field(default_factory=Came)


@dataclass(slots=True)
class Follower:
    """One session's journal, followed to its end and beyond."""

    folder: Path
    wanted: Wanted
    explain: Explain
    trees: list[Tree] = field(default_factory=list)
    """Finished since they were last taken."""
    feedback: list[Feedback] = field(default_factory=list)
    decisions_count: int = 0
    session: str = ""
    mode: str = ""
    code: str = ""
    _playback: Playback | None = None
    _standing: dict[int, _Open] = field(default_factory=dict)
    """By slot."""
    _fates: dict[int, list[Fate]] = field(default_factory=dict)
    """Traced decisions of the slot's window."""
    _orders: dict[int, Came] = field(default_factory=dict)

    def begin(self) -> None:
        """Read what the session began with.

        Raises:
            JournalForeign, JournalMissing: it is no session that this code can play.
        """
        self._playback = Playback(self.folder, self)
        about, title = self._playback.first["about"], read_title_of(self.folder)
        self.session = session_id(title.created_ns, about)
        self.mode, self.code = str(about.get("mode", "?")), title.code

    def refresh(self) -> int:
        """Play what was written since, and give how many rows that were.

        Raises:
            JournalForeign: it was written by other code: the core comes to other mandates.
            JournalDamaged: a hole.
        """
        if self._playback is None:
            self.begin()
        assert self._playback is not None
        return self._playback.refresh()

    def finish(self) -> None:
        """Hand out what still stands: the journal has come to its end."""
        for slot in list(self._standing):
            self._close(slot)

    def take(self) -> tuple[list[Tree], list[Feedback]]:
        """Give what is finished, once."""
        taken = self.trees, self.feedback
        self.trees, self.feedback = [], []
        return taken

    # What the playback tells.

    def rows(self, events: NDArray[Any]) -> None:
        """Rows by themselves are not traced."""

    def changed(self, params: Any, seen_ns: int) -> None:
        """Every decision names the parameters that it was made under."""

    def noted(self, note: dict[str, Any], seen_ns: int) -> None:
        """Notes are not traced."""

    def decided(self, seq: int, decision: Any, seen_ns: int) -> None:
        """A mandate stands: the one before it in that slot is over."""
        slot = int(decision["market"]["slot_id"])
        self._close(slot)
        self.decisions_count += 1
        self._standing[slot] = _Open(seq, seen_ns, decision, self._slug(slot))

    def commanded(self, command: Any) -> None:
        """An order left under a mandate."""
        standing = self._standing.get(int(command["slot_id"]))
        if int(command["act_code"]) != Act.PLACE or standing is None:
            return
        if int(standing.decision["mandate"]["mandate_id"]) == int(command["mandate_id"]):
            standing.shots.append(shot_of(command))
            self._orders[int(command["order_id"])] = standing.came

    def told(self, event: Any) -> None:
        """Something became of an order."""
        came, kind = self._orders.get(int(event["ref_id"])), int(event["kind_code"])
        if came is None or kind not in _FILLS:
            return
        if kind == Kind.FEE_CHARGED:
            came.fees_micros += int(event["amount_micros"])
            return
        token, price, amount = int(event["token_code"]), int(event["price_bps"]), int(event["amount_micros"])
        if kind == Kind.FILL_REVERSED:
            came.reverse(token, price, amount)
            return
        fill = Fill(int(event["seen_ns"]), token, price, amount)
        came.fills.append(fill)
        assert self._playback is not None
        slot = int(event["slot_id"])
        for due_ns, seconds in fill.due():
            self._playback.later(due_ns, partial(self._mark, slot, self._slug(slot), seconds, fill))

    def settled(self, event: Any, market: Any) -> None:
        """A window ended, and what was traced in it has its outcome."""
        slot, outcome = int(event["slot_id"]), int(event["code_id"])
        self._close(slot)
        if outcome in (0, 1):
            for fate in self._fates.get(slot, ()):
                self.feedback += fate.settled(outcome, int(event["seen_ns"]))
        self._forget(slot)

    def _slug(self, slot: int) -> str:
        assert self._playback is not None
        return slug_of(self._playback.core.worlds["markets"][0][slot])

    def _mark(self, slot: int, window: str, seconds: int, fill: Fill) -> None:
        """Note the middle some seconds after a fill, as long as its window is there."""
        assert self._playback is not None
        bid, ask = (int(each) for each in self._playback.core.worlds["markets"][0][slot]["touch_bps"])
        if bid >= 0 and ask >= 0 and self._slug(slot) == window:
            fill.mark(seconds, (bid + ask) / 2.0)

    def _close(self, slot: int) -> None:
        """Hand a decision out: its mandate is over."""
        standing = self._standing.pop(slot, None)
        if standing is None:
            return
        decision, reason = standing.decision, standing.shots[0].reason if standing.shots else ""
        seen = Seen(
            session=self.session, number=int(decision["mandate"]["mandate_id"]), decision=decision,
            window=standing.window, mode=self.mode, code=self.code, given_ns=standing.given_ns,
            journal_seq=standing.seq, explanation=self.explain(decision, reason), shots=tuple(standing.shots),
        )  # fmt: skip
        if not self.wanted(seen):
            return
        tree = decision_tree(seen)
        self.trees.append(tree)
        before = self._fates.setdefault(slot, [])
        if before and before[0].seen.window != seen.window:  # that window never settled here
            self._forget(slot)
            before = self._fates.setdefault(slot, [])
        before.append(Fate(seen, tree[0], standing.came))

    def _forget(self, slot: int) -> None:
        for fate in self._fates.pop(slot, ()):
            for shot in fate.seen.shots:
                self._orders.pop(shot.order_id, None)


def session_id(created_ns: int, about: dict[str, Any]) -> str:
    """Give what names a session in traces and logs: the same for every reader of its journal."""
    told = json.dumps([created_ns, about], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def shot_of(command: Any) -> Shot:
    """Give an order as it is traced, from the command that placed it."""
    reason = Reason(int(command["reason_code"]))
    return Shot(
        order_id=int(command["order_id"]), at_ns=int(command["at_ns"]), token=SIDES[int(command["token_code"])],
        price_bps=int(command["price_bps"]), shares_micros=int(command["amount_micros"]),
        way="quote" if command["post_only"] else "take", edge_bps=float(command["edge_bps"]),
        p_up=float(command["p_up"]), reason=WORDS[reason],
    )  # fmt: skip


def coded_words(decision: Any, fired: str) -> str:
    """Explain a decision in coded words: its main cause, and what the desk believed."""
    mandate = decision["mandate"]
    reason = Reason(int(mandate["reason_code"]))
    p_low, p_up, p_high = (float(mandate[name]) for name in ("p_low", "p_up", "p_high"))
    why = f"stood aside: {WORDS[reason]}" if reason else (fired or "allowed, and nothing fired")
    return f"{why}; p of UP {p_up:.3f} ({p_low:.3f} to {p_high:.3f})"
