"""Start again where a session ended, however it ended: starting is recovering, there is no other way to begin."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.feeds.frames import Wire
from infra.feeds.quotes import SOURCES
from infra.journal.errors import JournalDamaged, JournalForeign
from infra.journal.segments import is_journal
from infra.shell.core import COMMAND, Core
from infra.shell.session import Played, Session, begun, play_session
from infra.shell.shell import Shell
from state.events import EVENT, FeedState, Kind, Source, Word
from state.orders import OrderState, Reject
from state.params import Params

Rows = NDArray[Any]

_CONNECTED: Final = "connected"
_HALTS: Final = (Word.HALT, Word.PULL_ALL, Word.KILL)
"""What stands until an operator lifts it; DISARM is said anew at each start of a live session."""
BEFORE: Final = " (before this start)"


@dataclass(frozen=True, slots=True)
class Start:
    """What a session begins with: an empty core, or the one that the journal leads to."""

    core: Core
    played: Played | None = None
    """What was played of the journal; None for a new session."""


def start_from(folder: Path, params: Params, cash_micros: int) -> Start:
    """Give the core that a folder's journal leads to, or a new one where there is no journal.

    Raises:
        JournalForeign: there is a journal, but not of a session.
        JournalDamaged: its commands cannot be made again, so the core's memory cannot be trusted.
    """
    if not is_journal(folder):
        return Start(Core(params, cash_micros))
    played = play_session(folder)
    if played.difference:
        raise JournalDamaged(f"{folder}: cannot go on, for a replay differs: {played.difference}; begin a new folder")
    return Start(played.core, played)


def hold_journal(folder: Path, about: Mapping[str, str]) -> None:
    """Refuse a journal of another mode, account or venue; a folder without a journal is as good as any.

    Raises:
        JournalForeign: what it tells of money, orders and positions is not true of this session.
    """
    if not is_journal(folder):
        return
    before = begun(folder).get("about", {})
    for name, now in about.items():
        if (then := before.get(name, "")) != now:
            words = f"{name} {then or 'not named'}, and this session is of {name} {now}"
            raise JournalForeign(f"{folder}: the journal is of {words}; name a new folder")


def resume(shell: Shell, session: Session, played: Played, now_ns: int) -> None:
    """Go on with a session: complete the journal, count connections on, and let every feed be down until it is back.

    A halt stands, however the session ended: its reason is taken from the journal. Only the word by which a session
    leaves is taken back.
    """
    if played.pending:
        # The core gave them; whether they left is unknown, and for orders the venue will be asked.
        session.commands(np.frombuffer(bytearray(b"".join(played.pending)), COMMAND), now_ns)
    session.note({"restarted": True, "commands_completed": len(played.pending)}, now_ns)
    shell.stand_at(max(played.last_seen_ns, now_ns))
    shell.decoder.generations = generations(played)
    latest: dict[Source, int] = {}
    for wire, count in shell.decoder.generations.items():
        latest[SOURCES[wire]] = max(latest.get(SOURCES[wire], 0), count)
    down = np.zeros(len(latest), EVENT)
    down["kind_code"], down["code_id"] = Kind.FEED_CHANGED, FeedState.DOWN
    for row, (source, count) in enumerate(latest.items()):
        down["source_code"][row], down["ref_id"][row] = source, count
    shell.tell(down)
    shell.say(Word.RETURN)
    shell.halted_why = halted_before(played)


def halted_before(played: Played) -> str:
    """Say why a session stood halted when it was last heard of; empty when no more than an arming is missing."""
    stops = int(played.core.world["stops_mask"])
    if not any(stops >> int(word) & 1 for word in _HALTS):
        return ""
    reasons = [note["halted"] for note in played.notes if "halted" in note]
    return f"{reasons[-1] if reasons else 'nobody wrote down why'}{BEFORE}"


def generations(played: Played) -> dict[Wire, int]:
    """Count how often each wire was connected before."""
    wires = Counter(note["wire"] for note in played.notes if note.get("connection") == _CONNECTED)
    return {Wire[wire.upper()]: count for wire, count in wires.items()}


def ended_orders(core: Core) -> Rows:
    """Give rows that end every open order and refuse every merge: what became of them is not known here any more."""
    orders = core.worlds["orders"][0]
    open_ones = orders[orders["state_code"] != OrderState.NONE]
    ended = np.zeros(len(open_ones), EVENT)
    ended["kind_code"], ended["source_code"] = Kind.ORDER_CHANGED, Source.OURSELVES
    ended["slot_id"], ended["ref_id"] = open_ones["slot_id"], open_ones["order_id"]
    ended["code_id"], ended["flags_mask"] = OrderState.DONE, Reject.CANCELLED
    return np.concatenate([ended, refused_merges(core)])


def refused_merges(core: Core) -> Rows:
    """Give rows that refuse every merge that is under way."""
    merges = core.worlds["markets"][0]["merge_id"]
    slots = np.flatnonzero(merges)
    refused = np.zeros(len(slots), EVENT)
    refused["kind_code"], refused["source_code"] = Kind.MERGED, Source.OURSELVES
    refused["slot_id"], refused["ref_id"], refused["flags_mask"] = slots, merges[slots], Reject.FAILED
    return refused
