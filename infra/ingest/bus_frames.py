"""Frames off the bus: what an ingest heard, poured into a desk's intake as if the sockets were the desk's own.

The desk's journal says when the desk saw a frame, for it acts on that. Two things a socket cannot do are watched here:
a bus may hand out old frames as if they were new, and it may lose some. Who is too far behind lets go of all that
waits, tells the core that the feeds were lost, and begins again at the end; a hole in a partition is told to the feeds
that go through it. So old prices are never traded on, and the core stands aside until books are whole again.
"""

import asyncio
import json
import threading
from collections.abc import Mapping
from typing import Any, Final, Protocol

from infra.bus.messages import Foreign, Message, Topic, partition_of
from infra.bus.port import BusRefused
from infra.clock import Clock, monotonic_ns
from infra.feeds.frames import Wire
from infra.journal.blocks import EntryKind
from infra.streams.endpoints import EVERY, POLLED
from infra.streams.intake import Arrived, Intake, What
from infra.streams.life import Life, State
from state.units import NS_PER_S

FED: Final = EVERY - POLLED - {Wire.POLYMARKET_USER}
"""Wires that come over the bus. The catalogue is asked, and news of our own orders are heard, by the desk itself."""
TOPICS: Final = (Topic.FRAMES, Topic.NOTES)
LAG_MOST_S: Final = 1.0
"""Older than this, in real time, nothing is passed on as new: stale quotes are what others wait for."""
SILENT_S: Final = 1.0
"""All feeds together bring hundreds of frames a second; when none came for so long, in real time, nobody sends any."""
LOOK_S: Final = 0.1
BATCH: Final = 500
WITHIN_S: Final = 0.05
AGAIN_S: Final = 1.0
NOTHING_YET: Final = "nothing has come over the bus yet"


class Tail(Protocol):
    """The end of the topics that an ingest publishes to (`infra.bus.kafka_tail`)."""

    away: str
    partitions: Mapping[Topic, int]

    def batch(self, most: int, within_s: float) -> list[Message | Foreign]:
        """Give what has come."""

    def skip(self) -> None:
        """Let go of what waits."""


class BusFrames:
    """Pours frames into an intake until cancelled.

    Args:
        tail: Where frames come from; whoever opened it closes it.
        clock: The desk's, and the ingest's.
        intake: Where they go.
    """

    def __init__(self, tail: Tail, clock: Clock, intake: Intake) -> None:
        self.lives: dict[Wire, Life] = {wire: Life(State.DOWN, why=NOTHING_YET) for wire in sorted(FED)}
        """How each wire does, as a connection of our own would tell."""
        self.holes_count = self.skips_count = self.foreign_count = 0
        self.lag_ns = 0
        """How long the last frame was under way, by the clock."""
        self._tail, self._clock, self._intake = tail, clock, intake
        self._most_ns = round(LAG_MOST_S * clock.speed_ratio * NS_PER_S)
        self._connections: dict[Wire, tuple[str, int]] = {}
        """Of each wire the ingest's journal and its connection there."""
        self._sent_ns: dict[Wire, int] = {}
        """When the ingest saw a wire's last frame."""
        self._last: dict[tuple[str, Topic, int], int] = {}
        self._heard_ns = monotonic_ns()
        self._refused = ""
        self._skipping = False
        """What comes is let go until the reading thread stands at the end again."""

    async def run(self) -> None:
        """Live until cancelled."""
        loop, stop = asyncio.get_running_loop(), threading.Event()
        reading = asyncio.create_task(asyncio.to_thread(self._read, loop, stop))
        try:
            while not reading.done():
                await asyncio.sleep(LOOK_S)
                self.look()
        finally:
            stop.set()
            await asyncio.gather(reading, return_exceptions=not reading.done())

    def _read(self, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
        """Hand over what comes, batch by batch: what the desk has not taken waits with the brokers."""
        again = False
        while not stop.is_set():
            try:
                if self._skipping and not again:
                    self._tail.skip()
                    again = True
                batch = self._tail.batch(BATCH, WITHIN_S)
                self._refused = ""
            except BusRefused as error:
                self._refused = str(error)
                stop.wait(AGAIN_S)
                continue
            if not batch:
                continue
            taken = threading.Event()
            loop.call_soon_threadsafe(self.hand, batch, again, taken)
            again = False
            while not taken.wait(WITHIN_S) and not stop.is_set():
                pass

    def hand(self, batch: list[Message | Foreign], again: bool, taken: threading.Event) -> None:
        """Take a batch in.

        Args:
            batch: In the order of each partition.
            again: It begins at the end, behind what was let go: no hole is told before it.
            taken: Set when that is done.
        """
        if again:
            self._skipping = False
            self._last.clear()
        try:
            for message in batch:
                self.take(message)
        finally:
            taken.set()

    def look(self) -> None:
        """See whether anything comes at all."""
        if monotonic_ns() - self._heard_ns > round(SILENT_S * NS_PER_S):
            why = self._refused or self._tail.away
            self._all_down(f"nothing came over the bus for {SILENT_S:g} s{f' ({why})' if why else ''}")

    def take(self, message: Message | Foreign) -> None:
        """Take one message in."""
        self._heard_ns = monotonic_ns()
        if self._skipping:
            return
        if isinstance(message, Foreign):
            self.foreign_count += 1
            return
        if not self._is_next(message):
            return
        if message.kind == EntryKind.FRAME:
            self._frame(message)
        elif message.kind == EntryKind.NOTE:
            self._note(message)

    def _is_next(self, message: Message) -> bool:
        """Say whether a message is new, and tell of a hole before it."""
        at = (message.journal, *message.place)
        last = self._last.get(at)
        if last is not None and message.seq <= last:
            return False
        self._last[at] = message.seq
        if last is not None and message.before != last:
            self.holes_count += 1
            self._hole(message)
        return True

    def _hole(self, message: Message) -> None:
        """Tell the feeds that go through a partition that something of theirs may be missing."""
        for wire in self._up():
            journal, connection = self._connections[wire]
            partition = partition_of(f"feed-{int(wire)}-{connection}", self._tail.partitions[Topic.FRAMES])
            if message.place == (Topic.FRAMES, partition) and journal == message.journal:
                self._put(What.GAP, wire, why="messages of the bus are missing")

    def _frame(self, message: Message) -> None:
        entry, now_ns = message.entry, self._clock.now_ns()
        wire = Wire(entry.source)
        if wire not in FED:
            return
        self.lag_ns = now_ns - entry.seen_ns
        if self.lag_ns > self._most_ns:
            self._skip()
            return
        life, connection = self.lives[wire], (message.journal, entry.connection)
        if life.state is State.UP and self._connections[wire] != connection:
            self._down(wire, "the ingest connected anew")
        if life.state is not State.UP:
            self._connections[wire] = connection
            life.state, life.generation, life.connected_ns = State.UP, life.generation + 1, now_ns
            self._put(What.CONNECTED, wire)
        self._sent_ns[wire] = entry.seen_ns
        life.frames, life.octets = life.frames + 1, life.octets + len(entry.data)
        life.last_frame_ns = life.last_data_ns = now_ns
        self._intake.put(Arrived(What.FRAME, wire, life.generation, now_ns, entry.data))

    def _skip(self) -> None:
        """Let go of everything that waits: it is too old to be passed on as new."""
        self._skipping = True
        self.skips_count += 1
        behind_s = self.lag_ns / self._clock.speed_ratio / NS_PER_S
        self._all_down(f"the bus is {behind_s:.1f} s behind (at most {LAG_MOST_S:g} s)")

    def _note(self, message: Message) -> None:
        """Hear what the ingest says of its connections; a frame of afterwards may have come before it."""
        note: dict[str, Any] = json.loads(message.entry.data)
        told, wire = note.get("connection"), Wire.__members__.get(str(note.get("wire", "")).upper())
        if wire not in FED or self.lives[wire].state is not State.UP or self._connections[wire][0] != message.journal:
            return
        if message.entry.seen_ns < self._sent_ns[wire]:
            return
        why = f"at the ingest: {note.get('why', '')}"
        if told == What.DISCONNECTED.name.lower():
            self._down(wire, why)
        elif told == What.GAP.name.lower():
            self._put(What.GAP, wire, why)

    def _up(self) -> list[Wire]:
        return [wire for wire, life in self.lives.items() if life.state is State.UP]

    def _all_down(self, why: str) -> None:
        for wire in self._up():
            self._down(wire, why)

    def _down(self, wire: Wire, why: str) -> None:
        life = self.lives[wire]
        life.state, life.why, life.ends = State.DOWN, why, life.ends + 1
        self._put(What.DISCONNECTED, wire, why)

    def _put(self, what: What, wire: Wire, why: str = "") -> None:
        self._intake.put(Arrived(what, wire, self.lives[wire].generation, self._clock.now_ns(), why=why))
