"""Log lines: a session's journal played on, and what happened in it as plain values under the ids that traces use.

Every line has `at_ns` (when the session saw it), `run` (the session, as in its traces), `event` and, as far as they
apply, `decision` (the number of its mandate), `order` and `window`. The desk writes no log: this is read off its
journal, as often as one likes, with the same lines.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from infra.journal.reader import read_title_of
from infra.plain_memory import slug_of
from infra.record.playback import Playback
from infra.record.record import SIDES
from infra.traces.follow import session_id
from state.events import Kind, Word
from state.orders import Act, OrderState, Reject
from state.reasons import WORDS, Reason

Line = dict[str, Any]
Write = Callable[[Line], None]

NOTE_MOST: Final = 500
"""Characters of a note's words."""
QUIET_NOTES: Final = frozenset({"session", "mark", "hash", "pulse"})
"""Notes for machines."""


class Lines:
    """One session's journal as log lines.

    Args:
        folder: The journal.
        write: Is given each line, in the journal's order.

    Raises:
        JournalForeign, JournalMissing: it is no session that this code can play.
    """

    def __init__(self, folder: Path, write: Write) -> None:
        self._write = write
        self._playback = Playback(folder, self)
        self._run = session_id(read_title_of(folder).created_ns, self._playback.first["about"])
        self._at_ns = 0
        self._orders: dict[int, tuple[int, str]] = {}
        """By order: the decision and the window."""

    def refresh(self) -> int:
        """Write what came since; gives how many rows that were.

        Raises:
            JournalForeign, JournalDamaged: it cannot be followed any further.
        """
        return self._playback.refresh()

    # What the playback tells.

    def rows(self, events: NDArray[Any]) -> None:
        """Follow the time; prices are no news."""
        self._at_ns = max(self._at_ns, int(events["seen_ns"][-1]))

    def decided(self, seq: int, decision: Any, seen_ns: int) -> None:
        """Say what was decided and why."""
        mandate, market = decision["mandate"], decision["market"]
        reason = int(mandate["reason_code"])
        self._say(
            seen_ns, "decided", decision=int(mandate["mandate_id"]), window=slug_of(market), journal_seq=seq,
            stands_aside=WORDS[Reason(reason)] if reason in set(Reason) and reason else "",
            p_up=round(float(mandate["p_up"]), 6),
        )  # fmt: skip

    def commanded(self, command: Any) -> None:
        """Say what was commanded."""
        act, slot = int(command["act_code"]), int(command["slot_id"])
        window = slug_of(self._playback.core.worlds["markets"][0][slot])
        told: Line = {"decision": int(command["mandate_id"]), "window": window}
        if act == Act.PLACE:
            self._orders[int(command["order_id"])] = told["decision"], window
            told |= {
                "token": SIDES[int(command["token_code"])], "price_bps": int(command["price_bps"]),
                "shares_micros": int(command["amount_micros"]),
            }  # fmt: skip
        order = int(command["order_id"])
        name = Act(act).name.lower() if act in set(Act) else f"act {act}"
        self._say(int(command["at_ns"]), "commanded", act=name, **({"order": order} if order else {}), **told)

    def told(self, event: Any) -> None:
        """Say what the venue or an operator said."""
        kind, order, seen_ns = int(event["kind_code"]), int(event["ref_id"]), int(event["seen_ns"])
        code, reject = int(event["code_id"]), int(event["flags_mask"])
        if kind == Kind.OPERATOR_SAID:
            word = Word(code).name.lower() if code in set(Word) else f"word {code}"
            self._say(seen_ns, "operator_said", word=word)
            return
        decision, window = self._orders.get(order, (0, ""))
        more: Line = {"decision": decision, "order": order, "window": window} if decision else {"order": order}
        if kind == Kind.ORDER_CHANGED:
            more["state"] = OrderState(code).name.lower() if code in set(OrderState) else f"state {code}"
            if reject and reject in set(Reject):
                more["why"] = Reject(reject).name.lower()
        else:
            more |= {"price_bps": int(event["price_bps"]), "amount_micros": int(event["amount_micros"])}
        self._say(seen_ns, Kind(kind).name.lower(), **more)

    def settled(self, event: Any, market: Any) -> None:
        """Say how a window ended."""
        outcome = SIDES.get(int(market["outcome_code"]), "")
        realised = int(market["position"]["realized_micros"])
        self._say(int(event["seen_ns"]), "settled", window=slug_of(market), outcome=outcome, realized_micros=realised)

    def changed(self, params: Any, seen_ns: int) -> None:
        """Say that other parameters are in force."""
        self._say(seen_ns, "params_changed", params=self._playback.core.params_hash)

    def noted(self, note: dict[str, Any], seen_ns: int) -> None:
        """Say what the session noted for people."""
        if QUIET_NOTES.isdisjoint(note):
            self._say(seen_ns, "noted", note={name: str(value)[:NOTE_MOST] for name, value in note.items()})

    def _say(self, at_ns: int, event: str, **more: Any) -> None:
        self._write({"at_ns": at_ns, "run": self._run, "event": event, **more})
