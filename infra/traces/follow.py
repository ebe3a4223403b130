"""Follow a session's journal as it grows, drive the core through it once more, and hand out what can be traced.

The desk that trades knows nothing of this: whoever follows reads what it wrote down anyway, in a process of its own.
A decision is handed out when its mandate is over, for only then is it known what fired; what became of it, when its
window has settled.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.journal.blocks import EntryKind
from infra.journal.reader import entries, read_title_of
from infra.plain_memory import plain, window_slug
from infra.shell.core import MANDATE, Core, MandateDiffers, is_ask
from infra.shell.session import begun
from infra.traces.outcome import Came, Fate, Fill
from infra.traces.runs import Feedback, Tree
from infra.traces.tree import SIDES, Seen, Shot, decision_tree
from state.events import Kind
from state.orders import Act
from state.params import default_params
from state.reasons import WORDS, Reason
from state.units import NS_PER_S

_GIVEN: Final = int(Kind.MANDATE_GIVEN)
_STOPS: Final = tuple(
    int(kind) for kind in (Kind.MANDATE_GIVEN, Kind.SETTLED, Kind.FILLED, Kind.FILL_REVERSED, Kind.FEE_CHARGED)
)

Rows = NDArray[Any]
Wanted = Callable[[Seen], bool]
Explain = Callable[[Any, str], str]
"""Given a decision and the reason of its orders, the coded words."""


class JournalDiffers(Exception):
    """The journal's core came to another mandate than ours: it is of other code, and is not traced any further."""


@dataclass(slots=True)
class _Open:
    """A decision whose mandate stands."""

    seq: int
    given_ns: int
    decision: Any
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
    _core: Core | None = None
    _seq: int = 0
    _mandates: list[tuple[int, bytes]] = field(default_factory=list)
    _mandates_gone: int = 0
    _standing: dict[int, _Open] = field(default_factory=dict)
    """By slot."""
    _fates: dict[int, list[Fate]] = field(default_factory=dict)
    """Traced decisions of the slot's window."""
    _orders: dict[int, Came] = field(default_factory=dict)
    _marks: list[tuple[int, int, int, Fill]] = field(default_factory=list)
    """Moments at which the middle of a slot is wanted: when, slot, seconds, fill."""

    def begin(self) -> None:
        """Read what the session began with.

        Raises:
            JournalForeign, JournalMissing: it is no session that this code can play.
        """
        first = begun(self.folder)
        title = read_title_of(self.folder)
        told = json.dumps([title.created_ns, first["about"]], sort_keys=True, default=str)
        self.session = hashlib.sha256(told.encode()).hexdigest()[:16]
        self.mode, self.code = str(first["about"].get("mode", "?")), title.code
        self._core = Core(default_params(first["params"]), int(first["cash_micros"]))

    def refresh(self) -> int:
        """Play what was written since, and give how many items that were.

        Raises:
            JournalDiffers: it cannot be played any further.
            JournalDamaged: a hole.
        """
        if self._core is None:
            self.begin()
        before = self._seq
        for entry in entries(self.folder, self._seq, torn_ok=True):
            if entry.kind is EntryKind.EVENTS:
                self._play(entry.rows)
                self._seq = entry.seq + len(entry.rows)
            else:
                if entry.kind is EntryKind.MANDATE:
                    self._mandates.append((entry.seq, entry.data))
                self._seq = entry.seq + 1
        return self._seq - before

    def finish(self) -> None:
        """Hand out what still stands: the journal has come to its end."""
        for slot in list(self._standing):
            self._close(slot)

    def take(self) -> tuple[list[Tree], list[Feedback]]:
        """Give what is finished, once."""
        taken = self.trees, self.feedback
        self.trees, self.feedback = [], []
        return taken

    def _play(self, events: Rows) -> None:
        start = 0
        for at in self._stops(events):
            self._feed(events[start:at])
            if at < len(events):
                self._stop(events[at], events[at : at + 1])
            start = at + 1

    def _stops(self, events: Rows) -> Iterable[int]:
        return [*np.flatnonzero(np.isin(events["kind_code"], _STOPS)).tolist(), len(events)]

    def _feed(self, events: Rows) -> None:
        """Let the core receive rows, and stop wherever the middle is wanted on the way."""
        while len(events) and self._marks:
            due = min(mark[0] for mark in self._marks)
            after = np.flatnonzero(events["seen_ns"] > due)
            if not len(after):
                break
            self._receive(events[: after[0]])
            self._mark(due)
            events = events[after[0] :]
        self._receive(events)

    def _receive(self, events: Rows) -> None:
        assert self._core is not None
        if len(events):
            for commands in self._core.receive(events, len(events)):
                self._hear(commands)

    def _mark(self, due: int) -> None:
        """Note the middle for every fill that wanted it by now."""
        assert self._core is not None
        for mark in [each for each in self._marks if each[0] <= due]:
            _, slot, seconds, fill = mark
            bid, ask = (int(each) for each in self._core.worlds["markets"][0][slot]["touch_bps"])
            if bid >= 0 and ask >= 0:
                fill.mark(seconds, (bid + ask) / 2.0)
        self._marks = [each for each in self._marks if each[0] > due]

    def _stop(self, event: Any, row: Rows) -> None:
        kind = int(event["kind_code"])
        if kind == _GIVEN:
            self._give(event)
            return
        slot = int(event["slot_id"])
        if kind == Kind.SETTLED:
            self._close(slot)
        else:
            self._tell(kind, event, slot)
        self._feed(row)
        if kind == Kind.SETTLED:
            self._settle(slot, int(event["code_id"]), int(event["seen_ns"]))

    def _give(self, event: Any) -> None:
        assert self._core is not None
        seq, packed = self._mandates[int(event["ref_id"])]
        mandate = np.frombuffer(bytearray(packed), MANDATE)
        number, slot = int(mandate["mandate_id"][0]), int(mandate["slot_id"][0])
        asked = self._core.asked.get(number)
        try:
            commands = self._core.give(mandate, int(event["seen_ns"]))
        except MandateDiffers as error:
            raise JournalDiffers(f"{self.folder}: {error}; it was written by other code ({self.code})") from None
        assert asked is not None, "a mandate that stands was asked for"
        self._mandates[int(event["ref_id"])] = (seq, b"")
        self._close(slot)
        self.decisions_count += 1
        self._standing[slot] = _Open(seq, int(event["seen_ns"]), plain(asked.decision.copy())[0])
        self._hear(commands)

    def _hear(self, commands: Rows) -> None:
        assert self._core is not None
        for command in commands:
            if is_ask(command):
                self._core.ask(int(command["slot_id"]))
            elif int(command["act_code"]) == Act.PLACE:
                standing = self._standing.get(int(command["slot_id"]))
                number = int(command["mandate_id"])
                if standing is not None and int(standing.decision["mandate"]["mandate_id"]) == number:
                    standing.shots.append(shot_of(command))
                    self._orders[int(command["order_id"])] = standing.came

    def _close(self, slot: int) -> None:
        """Hand a decision out: its mandate is over."""
        standing = self._standing.pop(slot, None)
        if standing is None:
            return
        decision = standing.decision
        market, reason = decision["market"], standing.shots[0].reason if standing.shots else ""
        span_s = int(market["close_ns"] - market["open_ns"]) // NS_PER_S
        seen = Seen(
            session=self.session, number=int(decision["mandate"]["mandate_id"]), decision=decision,
            window=window_slug(int(market["asset_code"]), int(market["open_ns"]), span_s), mode=self.mode,
            code=self.code, given_ns=standing.given_ns, journal_seq=standing.seq,
            explanation=self.explain(decision, reason), shots=tuple(standing.shots),
        )  # fmt: skip
        if not self.wanted(seen):
            return
        tree = decision_tree(seen)
        self.trees.append(tree)
        fate = Fate(seen, tree[0], standing.came)
        before = self._fates.setdefault(slot, [])
        if before and before[0].seen.window != seen.window:  # that window never settled here
            self._forget(slot)
            before = self._fates.setdefault(slot, [])
        before.append(fate)

    def _tell(self, kind: int, event: Any, slot: int) -> None:
        came = self._orders.get(int(event["ref_id"]))
        if came is None:
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
        self._marks += [(due, slot, seconds, fill) for due, seconds in fill.due()]

    def _settle(self, slot: int, outcome: int, at_ns: int) -> None:
        if outcome in (0, 1):
            for fate in self._fates.get(slot, ()):
                self.feedback += fate.settled(outcome, at_ns)
        self._forget(slot)

    def _forget(self, slot: int) -> None:
        for fate in self._fates.pop(slot, ()):
            for shot in fate.seen.shots:
                self._orders.pop(shot.order_id, None)
        self._marks = [each for each in self._marks if each[1] != slot]


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
