"""The shell: take in what comes, write it down, let the core decide, do what it commands; one loop, one thread."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.clock import Clock
from infra.feeds.decoder import Decoder
from infra.feeds.frames import Wire
from infra.feeds.listings import Listing
from infra.feeds.rows import RowsFull
from infra.shell.boundary import Boundary
from infra.shell.core import Core, MandateDiffers, MandateOutlived, is_ask
from infra.shell.counts import Counts
from infra.shell.desk import Desk, Runner
from infra.shell.latency import Latency, Span
from infra.shell.ports import Door, News, Watcher
from infra.shell.session import Session
from infra.shell.slots import NoSlotFree, Slots
from infra.streams.intake import Arrived, Intake, What
from state.events import EVENT, FeedState, Kind, Source, Word
from state.orders import Act
from state.params import Params
from state.units import NS_PER_MS

ROWS: Final = 4096
BATCH: Final = 512
"""Arrivals taken in before the sockets get their turn again."""
SINGLY: Final = 64
"""After an order was commanded, so many are taken in one at a time: its bytes and its answer pass between them."""
TICK_NS: Final = 100 * NS_PER_MS
"""The clock's own tick, when nothing else came: what is due by time alone is not late by more."""
MAY_SETTLE: Final = (Wire.GAMMA, Wire.POLYMARKET_MARKET)
_SETTLED: Final = int(Kind.SETTLED)
_FEED_CHANGED: Final = int(Kind.FEED_CHANGED)

Rows = NDArray[Any]


class Shell:
    """One session of the desk, or of a recorder when there is no core."""

    def __init__(
        self,
        *,
        clock: Clock,
        intake: Intake,
        session: Session,
        core: Core | None,
        desk: Runner | None = None,
        door: Door | None = None,
        news: News | None = None,
        prepare: Callable[[Listing, int], None] | None = None,
        watchers: Sequence[Watcher] = (),
        keep_frames: bool = False,
        hear_first: Callable[[Rows, int], None] | None = None,
    ) -> None:
        """Put the parts together; a core needs a desk; `prepare` is told of each followed window and its slot.

        `hear_first` hears every row before the core does: what it knows is never older than what the core acts on.
        """
        self.clock, self.intake, self.session, self.core = clock, intake, session, core
        self.door, self.news, self._prepare, self._hear_first = door, news, prepare, hear_first
        self._keep_frames, self._watchers = keep_frames, watchers
        self.decoder = Decoder()
        self.slots = Slots()
        self.latency = Latency()
        self.counts = Counts()
        self.listings: dict[str, Listing] = {}
        """Followed windows, by slug."""
        self.fault: BaseException | None = None
        self.halted_why = ""
        self._out = np.zeros(ROWS, EVENT)
        self._tick = np.zeros(1, EVENT)
        self._tick["kind_code"] = Kind.TICKED
        self._per_ms = NS_PER_MS * clock.speed_ratio
        self._fired: dict[int, tuple[int, int]] = {}
        """Orders on their way: when the frame that fired them came, and when the core commanded them."""
        self._settled: set[tuple[int, int]] = set()
        self._singly_count = 0
        self._untold: list[Rows] = []
        """Orders that are on their way, and that people have not been told of yet."""
        self._told_ns = 0
        self._seen_ns = 0
        self.boundary = Boundary()
        self.desk: Desk | None = None
        if core is not None:
            assert desk is not None, "a core needs a desk to ask"
            self.desk = Desk(desk, self._mandate_came, self._desk_failed)

    # --- the loop

    async def run(self, stop: asyncio.Event) -> None:
        """Live until told to stop, or until a part fails; pulling orders and the last mark are the caller's.

        Raises:
            Whatever a part of ours failed with: the process stops, and starting again is recovering.
        """
        while not stop.is_set() and self.fault is None:
            await self.intake.wait(self._told_ns + TICK_NS)
            for arrived in self.intake.drain(BATCH):
                self._take_one(arrived)
                if self._singly_count:
                    self._singly_count -= 1
                    await asyncio.sleep(0)
            self.take([])
            await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault

    def close(self) -> None:
        """Stop the desk and write the last mark."""
        if self.desk is not None:
            self.desk.close()
        if self.core is not None:
            self.session.mark(self.core, self.clock.now_ns(), last=True)

    def take(self, arrivals: list[Arrived]) -> None:
        """Take in what came, in order; then let time pass if nothing told the core of it."""
        for arrived in arrivals:
            self._take_one(arrived)
        now_ns = self.clock.now_ns()
        if now_ns - self._told_ns >= TICK_NS:
            self._tick["at_ns"] = self._tick["seen_ns"] = now_ns
            self._receive(self._tick, 1, now_ns)
        if self.door is not None:
            self._hear(self.door.follow_time(now_ns))
        self._tell_orders()

    def _take_one(self, arrived: Arrived) -> None:
        what = arrived.what
        if what is What.FRAME:
            self._frame(arrived)
        elif what is What.ROWS:
            assert arrived.rows is not None
            arrived.rows["seen_ns"] = self._stamp(arrived.seen_ns)
            if arrived.why:  # rows that halt the core say why
                self._note_halt(arrived.why, Word.HALT)
            self._hear(arrived.rows)
        elif what is What.MANDATE:
            assert arrived.rows is not None
            self._mandate(arrived.rows)
        elif what is What.LISTED:
            assert arrived.listing is not None
            self._listed(arrived.listing, arrived.seen_ns)
        elif what is What.UNLISTED:
            assert arrived.listing is not None
            self._unlisted(arrived.listing)
        else:
            self._connection(arrived)

    # --- what comes in

    def _frame(self, arrived: Arrived) -> None:
        self.counts.frames += 1
        seen_ns = self._stamp(arrived.seen_ns)
        if self._keep_frames:
            self.session.frame(arrived.wire, arrived.connection, seen_ns, arrived.raw)
        if arrived.wire is Wire.POLYMARKET_USER:
            if self.news is not None:
                self._hear(self.news.take(arrived.raw, seen_ns))
            return
        taken_ns = self.clock.now_ns()
        count = self._decoded(lambda: self.decoder.decode(arrived.wire, arrived.raw, seen_ns, self._out))
        if count:
            if arrived.wire is Wire.POLYMARKET_MARKET:
                self.latency.add(Span.INGESTION, (seen_ns - int(self._out["at_ns"][0])) / self._per_ms)
            self._receive(self._out, count, taken_ns, arrived.seen_ns)
            if arrived.wire in MAY_SETTLE and (count < 4 or arrived.wire is Wire.GAMMA):
                self._watch(self._out, count)

    def _decoded(self, read: Callable[[], int]) -> int:
        """Decode into the scratch rows, with more of them when a frame is longer than any before."""
        while True:
            try:
                return read()
            except RowsFull:
                self._out = np.zeros(2 * len(self._out), EVENT)

    def tell(self, events: Rows) -> None:
        """Let the core receive rows of our own making, as seen now."""
        if len(events):
            events["at_ns"] = events["seen_ns"] = self._stamp(self.clock.now_ns())
            self._hear(events)

    def stand_at(self, seen_ns: int) -> None:
        """Begin no earlier than this: what a session saw before its end was seen before."""
        self._seen_ns = self._told_ns = seen_ns

    def _stamp(self, seen_ns: int) -> int:
        """Give a time that is not before any given so far: what is taken in later was seen later."""
        self._seen_ns = max(self._seen_ns, seen_ns)
        return self._seen_ns

    def _connection(self, arrived: Arrived) -> None:
        seen_ns = self._stamp(arrived.seen_ns)
        if arrived.wire is Wire.POLYMARKET_USER and arrived.what is What.CONNECTED and self.news is not None:
            self.news.reconnected()
        if arrived.what is What.CONNECTED:
            count = self.decoder.connected(arrived.wire, seen_ns, self._out)
        else:
            count = self.decoder.disconnected(arrived.wire, seen_ns, self._out)
            if arrived.what is What.GAP:
                self._out["code_id"][0] = FeedState.GAP
        told = {"connection": arrived.what.name.lower(), "wire": arrived.wire.name.lower(), "why": arrived.why}
        self.session.note(told, seen_ns)
        if count:
            self._receive(self._out, count, seen_ns)
            self._watch(self._out, count)

    def _listed(self, listing: Listing, seen_ns: int) -> None:
        span_ns = listing.close_ns - listing.open_ns
        known = self.core.slot_of(listing.open_ns, listing.asset, span_ns) if self.core else -1
        try:
            slot = self.slots.take(listing, known)
        except NoSlotFree:
            if not self._make_room(seen_ns):
                self.counts.no_slot += 1
                return
            slot = self.slots.take(listing, known)
        self.listings[listing.slug] = listing
        if self._prepare is not None:
            self._prepare(listing, slot)
        if slot == known:  # after a restart: the core has it already, only the decoder must learn its tokens
            tick_bps = int(self.core.world["markets"][slot]["books"][0]["tick_bps"]) if self.core else listing.tick_bps
            self.decoder.list_market(slot, listing.condition_id, listing.up_token, listing.down_token, tick_bps)
            if self.news is not None:
                self.news.reconnected()
            return
        stamp_ns = self._stamp(seen_ns)
        self.session.note({"listed": listing.slug, "condition": listing.condition_id, "slot": slot}, stamp_ns)
        count = self._decoded(lambda: self.decoder.list_window(slot, listing, stamp_ns, self._out))
        self._receive(self._out, count, stamp_ns)

    def _make_room(self, now_ns: int) -> bool:
        """Give up the oldest window that has closed, is still undecided and holds nothing of ours; False: none is."""
        for old in sorted(self.listings.values(), key=lambda each: each.close_ns):
            if old.close_ns < now_ns and (self.core is None or not self.core.holds_any(self.slots.taken[old.slug])):
                self.session.note({"given up": old.slug, "why": "closed, undecided, nothing held"}, now_ns)
                self._unlisted(old)
                return True
        return False

    def _unlisted(self, listing: Listing) -> None:
        slot = self.slots.give_back(listing.slug)
        self.listings.pop(listing.slug, None)
        if slot >= 0:
            self.decoder.unlist_market(slot)

    # --- the core

    def _receive(self, events: Rows, count: int, taken_ns: int, socket_ns: int = 0) -> None:
        """Write rows down, let the core receive them, do its commands; then hear what the door has to tell."""
        told_ns = int(events["seen_ns"][count - 1])
        if told_ns >= self.boundary.due_ns:
            self.boundary.come()
        self.counts.rows += count
        self._told_ns = told_ns
        self._seen_ns = max(self._seen_ns, self._told_ns)
        self.session.rows(events, count)
        if self.core is None:
            return
        if self._hear_first is not None:
            self._hear_first(events, count)
        for commands in self.core.receive(events, count):
            self._do(commands, taken_ns, socket_ns)
        if self.door is not None:
            self._hear(self.door.follow(events, count, self._told_ns))

    def _hear(self, events: Rows) -> None:
        """Let the core receive what the venue says of our orders."""
        if len(events):
            self._receive(events, len(events), self.clock.now_ns())
            self._watch(events, len(events))

    def _do(self, commands: Rows, taken_ns: int, socket_ns: int) -> None:
        now_ns = self.clock.now_ns()
        self.session.commands(commands, self._told_ns)
        asks = np.array([is_ask(command) for command in commands])
        for slot in commands["slot_id"][asks].tolist():
            assert self.core is not None and self.desk is not None
            self.counts.commands["ask"] += 1
            self.desk.run(self.core.ask(slot))
        orders = commands[~asks]
        if len(orders) == 0:
            return
        for command in orders:
            self.counts.commands[Act(int(command["act_code"])).name.lower()] += 1
            if int(command["act_code"]) == Act.PLACE:
                self._fired[int(command["order_id"])] = (socket_ns, now_ns)
        if self.door is not None:
            self.door.send(orders)
        if socket_ns:
            self.latency.add(Span.QUEUE, (taken_ns - socket_ns) / self._per_ms)
            self.latency.add(Span.SIGNAL, (now_ns - taken_ns) / self._per_ms)
        self._singly_count = SINGLY
        self._untold.append(orders)  # people are told when it has left: an order waits for no screen

    def _tell_orders(self) -> None:
        for orders in self._untold:
            for watcher in self._watchers:
                watcher.commands(orders)
        self._untold.clear()

    def answered(self, order_id: int, sent_ns: int, answered_ns: int) -> None:
        """Keep how long an order took: the door says when it left and when the venue answered, by the clock."""
        socket_ns, now_ns = self._fired.pop(order_id, (0, 0))
        if now_ns:
            self.latency.add(Span.SIGN, (sent_ns - now_ns) / self._per_ms)
            self.latency.add(Span.EXECUTION, (answered_ns - now_ns) / self._per_ms)
        if socket_ns:
            self.latency.add(Span.TICK_TO_ACCEPTED, (answered_ns - socket_ns) / self._per_ms)

    def _mandate_came(self, mandates: Rows) -> None:
        now_ns = self.clock.now_ns()
        self.intake.put(Arrived(What.MANDATE, Wire.GAMMA, 0, now_ns, rows=mandates))

    def _mandate(self, mandates: Rows) -> None:
        assert self.core is not None
        if self.clock.now_ns() >= self.boundary.due_ns:
            self.boundary.come()
        seen_ns = self._stamp(self.clock.now_ns())
        asked = self.core.asked.get(int(mandates["mandate_id"][0]))
        try:
            commands = self.core.give(mandates, seen_ns)
        except MandateDiffers as error:
            self.halt(f"the LangGraph desk and the fused one differ: {error}")
            return
        except MandateOutlived as error:
            self.session.note({"mandate dropped": int(mandates["mandate_id"][0]), "why": str(error)}, seen_ns)
            return
        self.session.mandate(mandates, seen_ns)
        self._told_ns = seen_ns
        self.counts.mandates += 1
        if asked is not None:
            self.latency.add(Span.DESK, (seen_ns - asked.asked_ns) / self._per_ms)
        reason = int(mandates["reason_code"][0])
        if reason:
            self.counts.stand_asides[int(mandates["gate_code"][0]), reason] += 1
        self._tell_orders()
        for watcher in self._watchers:
            watcher.mandates(mandates)
        if len(commands):
            self._do(commands, seen_ns, 0)

    def _watch(self, events: Rows, count: int) -> None:
        """Tell the watchers; mark the journal after each settled window, where a replay is held against this run."""
        if self.core is None:
            return
        kinds = events["kind_code"][:count]
        told = events[:count][(kinds >= _SETTLED) | (kinds == _FEED_CHANGED)]
        if len(told) == 0:
            return
        self._tell_orders()
        for watcher in self._watchers:
            watcher.rows(self.core.worlds, told)
        slots = told["slot_id"][told["kind_code"] == _SETTLED]
        if len(slots):  # the venue's socket and its catalogue both tell of an end
            markets = self.core.worlds["markets"][0]
            self._settled |= {(int(markets["asset_code"][slot]), int(markets["open_ns"][slot])) for slot in slots}
            self.counts.windows_settled = len(self._settled)
            self.session.mark(self.core, self._told_ns)

    def change_params(self, params: Params, from_ns: int) -> None:
        """Put new parameters in force from a moment on, or as of the latest that was seen; written down first."""
        assert self.core is not None
        seen_ns = self._told_ns = self._stamp(from_ns)
        self.session.params(params, seen_ns)
        commands = self.core.change_params(params, seen_ns)
        if len(commands):
            self._do(commands, seen_ns, 0)

    # --- stopping

    def halt(self, why: str, word: Word = Word.HALT) -> None:
        """Let the core stop trading, and say why; it pulls what rests."""
        self._note_halt(why, word)
        self.say(word)

    def _note_halt(self, why: str, word: Word) -> None:
        self.halted_why = why
        self.session.note({"halted": why, "word": word.name.lower()}, self._stamp(self.clock.now_ns()))

    def say(self, word: Word) -> None:
        """Let the core hear a word."""
        said = np.zeros(1, EVENT)
        said["kind_code"], said["source_code"], said["code_id"] = Kind.OPERATOR_SAID, Source.OURSELVES, word
        self.tell(said)

    def _desk_failed(self, error: BaseException) -> None:
        self.fault = error
