"""Running a tee: until it is told to end, or once; patient with journals and brokers that are not there yet."""

import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from infra.beat import beat
from infra.bus.bookmark import Bookmark
from infra.bus.cluster import Cluster
from infra.bus.kafka import KafkaBus
from infra.bus.port import BusAway, BusRefused, State
from infra.bus.tee import Tee, Teed
from infra.journal.errors import JournalMissing
from infra.journal.naming import journal_id

POLL_S: Final = 0.05
"""How often a growing journal is read on."""
_ROOM_S: Final = 0.01
_TELL_S: Final = 5.0
_AGAIN_S: Final = 0.5
"""Between two tries to reach a broker."""

T = TypeVar("T")
Say = Callable[[str], None]
Over = Callable[[], bool]


def hold_alone(folder: Path) -> int:
    """Make sure that a journal has one tee, for as long as this process lives; gives the handle that holds it.

    The lock is on the folder itself, so a journal that may only be read can be published as well.

    Raises:
        BusRefused: another process publishes it.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise BusRefused(f"{folder}: another process publishes this journal already; stop that one first") from None
    return handle


class GaveUp(BusAway):
    """The broker stayed away for as long as we were to wait."""


@dataclass(frozen=True, slots=True)
class TeeRun:
    """What a tee is to do.

    Args:
        folder: The journal's.
        cluster: Where to.
        name: The journal's name on the bus; empty: it is made of its beginning.
        over: Says that it is to end; None: it ends when everything that is written down has been published.
        deadline_s: How long it goes on at the end, and waits for a broker at the beginning of a single run.
        say: Hears how it goes.
        poll_s: How often a growing journal is read on.
    """

    folder: Path
    cluster: Cluster
    name: str
    over: Over | None
    deadline_s: float
    say: Say
    poll_s: float = POLL_S

    @property
    def is_over(self) -> bool:
        """Say whether it was told to end."""
        return self.over is not None and self.over()

    def run(self) -> Teed:
        """Publish the journal.

        Raises:
            JournalMissing, OSError: there is none, and it was to be published once, or it was told to end before that.
            JournalDamaged, JournalForeign: it cannot be read.
            BusAway: no broker came in time.
            BusRefused: the bus cannot be used.
        """
        self._patiently(lambda: hold_alone(self.folder), FileNotFoundError)
        named = self._patiently(lambda: journal_id(self.folder), JournalMissing)
        name = self.name or named
        bus = self._patiently(lambda: KafkaBus(self.cluster), BusAway)
        try:
            bookmark = Bookmark(self.cluster, bus.partitions, name)
            try:
                held = self._patiently(bookmark.held, BusAway)
                return self._follow(Tee(self.folder, bus, held, name), bus, bookmark)
            finally:
                bookmark.close()
        finally:
            bus.close()

    def _follow(self, tee: Tee, bus: KafkaBus, bookmark: Bookmark) -> Teed:
        telling = _Telling(tee, self.say, lambda: bookmark.move(bus.offsets))
        patience = _Patience(self)
        try:
            while True:
                last = self.over is None or self.is_over
                tee.refresh(lambda state: patience.wait(state, telling))
                telling.look()
                if last:
                    break
                time.sleep(self.poll_s)
        except GaveUp:
            return tee.told()
        bus.flush(self.deadline_s)
        bookmark.move(bus.offsets, at_once=True)
        return tee.told()

    def _patiently(self, get: Callable[[], T], wrong: type[Exception]) -> T:
        """Try until it goes well, it is told to end, or a single run has waited long enough."""
        began_s, said = time.monotonic(), False
        while True:
            try:
                return get()
            except wrong as error:
                spent = self.over is None and time.monotonic() - began_s > self.deadline_s
                at_once = self.over is None and wrong is not BusAway
                if spent or at_once or self.is_over:
                    raise
                if not said:
                    self.say(f"waiting: {error}")
                    said = True
            time.sleep(_AGAIN_S)


@dataclass(slots=True)
class _Patience:
    """Waits while there is no room, and gives up at the end."""

    run: TeeRun
    arrived_count: int = -1
    since_s: float = 0.0

    def wait(self, state: State, telling: "_Telling") -> None:
        """Wait a little; gives up when it is to end and nothing has arrived for as long as it may wait."""
        telling.look()
        now_s = time.monotonic()
        if state.arrived_count != self.arrived_count:
            self.arrived_count, self.since_s = state.arrived_count, now_s
        ending = self.run.over is None or self.run.is_over
        if ending and now_s - self.since_s > self.run.deadline_s:
            raise GaveUp(state.away or "nothing arrives")
        time.sleep(_ROOM_S)


@dataclass(slots=True)
class _Telling:
    """Now and then says how far a tee is, while it is behind or a broker is away, and moves its bookmark."""

    tee: Tee
    say: Say
    bookmark: Callable[[], None]
    was_away: str = ""
    at_s: float = 0.0

    def look(self) -> None:
        """Say something if it is time to."""
        beat()
        now_s = time.monotonic()
        if now_s - self.at_s < _TELL_S:
            return
        self.at_s = now_s
        self.bookmark()
        told = self.tee.told()
        if told.away or self.was_away or told.lag_items_count:
            self.say(told.words)
        self.was_away = told.away
