"""Gateway: the live door: the core's commands leave as signed requests, and what comes of them returns as rows.

An order's id is known before the order leaves, and is told to whoever records it before a byte is sent. A request
without an answer is never sent again: the order is asked for by its id until the venue or its trades have said what
became of it. Cancels may be repeated, for twice cancelled is once cancelled.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from numpy.typing import NDArray

from infra.clock import Clock
from infra.fast_state.port import FastState
from infra.feeds.frames import Wire
from infra.feeds.listings import Listing
from infra.streams.intake import Arrived, Intake, What
from infra.venues.cancelling import Cancelling
from infra.venues.followed import Followed
from infra.venues.gate import Bar, Gate
from infra.venues.heeding import Heeding
from infra.venues.inquiry import Inquiry
from infra.venues.known_orders import UNRECKONED, KnownOrder
from infra.venues.limber import Limber
from infra.venues.merges import merged_row
from infra.venues.order_news import NO_ROWS, OrderNews
from infra.venues.posting import BATCH_MOST, body_of, prepare, terms_of
from infra.venues.reconcile import Past, order_of
from infra.venues.rest import NoAnswer, Rest
from infra.venues.sending import HALTED, KILLED, Answered, Ready, Sending
from infra.venues.signing import Signer, SignerFailed
from infra.venues.throttle import Throttle
from infra.venues.version_watch import VersionWatch
from state.events import Token
from state.orders import Act, Reject
from state.units import NS_PER_S

Rows = NDArray[Any]
Recorded = Callable[[int, str], None]
"""Is told (order id, hash) before an order leaves, for the journal."""
Halted = Callable[[str], None]
"""Is told why no order leaves any more."""
Merger = Callable[[int, int], Awaitable[int]]
"""Merges complete sets: (slot, micros of sets) -> micros that were merged; 0 when it was refused."""
Noted = Callable[[dict[str, Any]], None]
"""Is told what should stand in the journal."""

SILENCE_NS: Final = 3 * NS_PER_S
"""After so long without the news that should have come, we ask."""
WATCH_NS: Final = NS_PER_S
CHECK_NS: Final = 30 * NS_PER_S
"""How often all is held against the venue, also when nothing seems amiss."""
SETTLED_NS: Final = 30 * NS_PER_S
"""A match that is neither confirmed nor failed after so long is asked about (venue reference 10)."""
SETTLING_IN_NS: Final = 20 * NS_PER_S
"""Windows of before a start are prepared by then; until then, orders elsewhere may be our own."""


class Gateway:
    """Posts orders and cancels, and brings back what the venue says of them.

    Args:
        rest: Opened, with credentials.
        clock: The desk's.
        signer: Signs orders.
        intake: Where rows are put.
        recorded: Told of every order's hash before it leaves.
        answered: Told of every answer to an order.
        halted: Told when the venue says something that a person must mend.
        gate: The last check of every order; None only where there are no limits to hold (tests of the door itself).
        noted: Told what the journal should keep of refusals and alarms.
        store: The fast state that the account's rate is kept in.
    """

    def __init__(
        self, rest: Rest, clock: Clock, signer: Signer, intake: Intake, *, recorded: Recorded | None = None,
        answered: Answered | None = None, halted: Halted | None = None, gate: Gate | None = None,
        noted: Noted | None = None, store: FastState | None = None,
    ) -> None:  # fmt: skip
        assert rest.credentials is not None, "credentials come before the gateway"
        self._rest, self._clock, self._signer, self._intake = rest, clock, signer, intake
        self._api_key = rest.credentials.api_key
        self._recorded, self._halted, self._noted = recorded, halted, noted
        self.gate = gate
        self.is_killed: Callable[[], bool] = lambda: False
        """Looks at the kill switch, asked just before an order leaves; set by the switch."""
        self.merger: Merger | None = None
        """Merges complete sets on chain; set by whoever holds the relayer. Without one a merge is refused."""
        self._odd: Counter[tuple[str, ...]] = Counter()
        """What has been told of oddities."""
        self.merges_count = 0
        """Merges under way."""
        self.followed = Followed()
        self.news = OrderNews(self._api_key, self.followed)
        self.throttle = Throttle(clock, store, signer.address)
        self.counts: Counter[str] = Counter()
        """What was done and what it came to, by words."""
        self.halt_why = ""
        self.fault: BaseException | None = None
        """What a task of ours failed with: the shell stops on it."""
        self._past: Past | None = None
        self._began_ns = clock.now_ns()
        self._tasks: set[asyncio.Task[None]] = set()
        self.inquiry = Inquiry(rest, clock, self.news, self._put, self.counts)
        self.cancelling = Cancelling(
            rest, clock, self.news, self._put, self.counts, self.halt, self.inquiry.find, self.inquiry.read_trades
        )
        self.heeding = Heeding(
            rest, clock, self.throttle, self.cancelling, self.inquiry, self.counts, self.halt, self._alarm, self._spawn
        )
        self.sending = Sending(
            rest, clock, self.news, self._put, self.counts, self.heeding.heed, self.inquiry.find, answered
        )
        self.version = VersionWatch(rest, clock, self.counts, self.halt)
        self.limber = Limber(rest, clock, signer, self._api_key, self._is_idle)
        self._written, rest.safe = rest.safe, self._may_leave

    # Windows.

    def remember(self, commands: Rows, told: Rows) -> None:
        """Take what the journal says of before this start, before the windows are prepared."""
        self._past = Past(commands, told)
        if len(commands):
            self.inquiry.sure_ns = min(self.inquiry.sure_ns, int(commands["at_ns"].min()))

    def prepare(self, listing: Listing, slot: int) -> None:
        """Learn a window's tokens and fees, so that nothing is asked for when an order must leave."""
        before = self.followed.conditions.get(slot)
        if before == listing.condition_id:
            return
        if before is not None:
            self.news.drop_window(slot)
        self.version.hold(listing)
        self.followed.add(listing, slot)
        for token_id in (listing.up_token, listing.down_token):
            prepare(self._signer, token_id, self._api_key)
        if self._past is not None and listing.open_ns < self._began_ns:  # of later ones it says nothing
            ours = listing.open_ns, listing.close_ns
            if self._past.restore(self.news, self.followed, slot, *ours, self.known):
                self.reconnected()

    def known(self, command: Any, token_id: str) -> KnownOrder | None:
        """Reckon again the order that a PLACE command became; None when it never could become one."""
        made = terms_of(command, token_id)
        if isinstance(made, Reject):
            return None
        terms, amounts = made
        return order_of(command, token_id, self._signer.hash_of(terms), amounts.shares_micros)

    # Commands: the shell's door.

    def send(self, commands: Rows) -> None:
        """Take commands; never waits. Must be called on the event loop's thread."""
        cancels: list[tuple[int, int]] = []
        ready: list[Ready] = []
        for command in commands:
            act = int(command["act_code"])
            if act == Act.PLACE:
                ready += self._place(command)
            elif act == Act.CANCEL:
                cancels.append((int(command["order_id"]), int(command["slot_id"])))
            elif act == Act.CANCEL_MARKET:
                self._spawn(self.cancelling.cancel_market(int(command["slot_id"])))
            elif act == Act.MERGE:
                self._spawn(self._merge(int(command["slot_id"]), int(command["order_id"]), command["amount_micros"]))
        self._cancel(cancels)  # first: what may be hit meanwhile is older than what has not left
        for first in range(0, len(ready), BATCH_MOST):
            self._spawn(self.sending.post(ready[first : first + BATCH_MOST]))

    def _cancel(self, cancels: list[tuple[int, int]]) -> None:
        hashes = []
        for order_id, slot in cancels:
            order_hash = self.news.hashes.get(order_id, "")
            if order_hash:
                hashes.append(order_hash)
            else:
                self._put(self.news.stranger(order_id, slot, self._clock.now_ns()))
        if hashes:
            self._spawn(self.cancelling.cancel(hashes))

    def hear(self, events: Rows, count: int) -> None:
        """Hear rows before the core does, for the gate's own books."""
        if self.gate is not None:
            self.gate.hear(events, count)

    def follow(self, events: Rows, count: int, now_ns: int) -> Rows:
        """See what the feed said: a real venue has nothing to add."""
        return NO_ROWS

    def follow_time(self, now_ns: int) -> Rows:
        """See that time has passed: a real venue tells by itself."""
        return NO_ROWS

    def take(self, raw: bytes, seen_ns: int) -> Rows:
        """Give the rows that a frame of the user channel means."""
        rows = self.news.take(raw, seen_ns)
        self._pull_strays()
        return rows

    def _place(self, command: Any) -> list[Ready]:
        """Make an order ready to leave; an empty list when it may not."""
        now_ns = self._clock.now_ns()
        slot, token = int(command["slot_id"]), Token(int(command["token_code"]))
        if not self._admitted(command, now_ns):
            return []
        token_id = self.followed.tokens.get((slot, token), "")
        made = terms_of(command, token_id) if token_id else Reject.MARKET_NOT_READY
        refusal = made if isinstance(made, Reject) else self._refusal(bool(command["post_only"]), token_id, now_ns)
        if isinstance(made, Reject) or refusal is not Reject.NONE:
            self.counts[f"not sent: {refusal.name.lower()}"] += 1
            self._put(self.news.never_sent(int(command["order_id"]), slot, refusal, now_ns))
            return []
        terms, amounts = made
        try:
            signed = self._signer.sign(terms)
        except SignerFailed as error:
            self.counts["not sent: not signed"] += 1
            self._put(self.news.never_sent(int(command["order_id"]), slot, Reject.FAILED, now_ns))
            self.halt(str(error), later=True)
            return []
        order = order_of(command, token_id, signed.order_hash, amounts.shares_micros)
        order.changed_ns = now_ns
        self.news.expect(order)
        if self._recorded is not None:
            self._recorded(order.order_id, order.order_hash)
        return [(order, body_of(command, terms, signed, self._signer, self._api_key))]

    def _admitted(self, command: Any, now_ns: int) -> bool:
        """Ask the gate; what it refuses is told, noted and, where the core must have known better, halts."""
        refused = self.gate.admit(command, now_ns) if self.gate is not None else None
        if refused is None:
            return True
        order_id = int(command["order_id"])
        self.counts[f"gate: {refused.bar.name.lower()}"] += 1
        self._note({"gate": refused.bar.name.lower(), "order": order_id, "words": str(refused)})
        if refused.bar is not Bar.SENT_BEFORE:  # that one lives, or has had its end
            self._put(self.news.never_sent(order_id, int(command["slot_id"]), refused.reject, now_ns))
        if refused.core_erred:
            self.halt(f"the gate refuses order {order_id}: {refused}", later=True)
        return False

    def _refusal(self, post_only: bool, token_id: str, now_ns: int) -> Reject:
        if self.halt_why or self.is_killed():
            return Reject.FAILED
        if post_only and self.heeding.repricing.must_wait(token_id, now_ns):
            return Reject.POST_ONLY_WOULD_CROSS
        return self.throttle.refusal(post_only)

    async def _merge(self, slot: int, merge_id: int, amount_micros: int) -> None:
        """Merge complete sets, and tell what came of it; a merge that nobody here can or may do is refused at once."""
        if self.merger is None or self.halt_why or self.is_killed():
            self._tell_merged(slot, merge_id, 0)
        else:
            await self._follow_merge(slot, merge_id, self.merger(slot, int(amount_micros)))

    def resume_merge(self, slot: int, merge_id: int, merged: Awaitable[int]) -> None:
        """Tell, when it is known, what came of a merge that was under way when the last session ended."""
        self._spawn(self._follow_merge(slot, merge_id, merged))

    async def _follow_merge(self, slot: int, merge_id: int, merged: Awaitable[int]) -> None:
        self.merges_count += 1
        try:
            self._tell_merged(slot, merge_id, await merged)
        finally:
            self.merges_count -= 1

    def _tell_merged(self, slot: int, merge_id: int, micros: int) -> None:
        self.counts["merged" if micros else "merges refused"] += 1
        self._put(merged_row(slot, merge_id, micros, self._clock.now_ns()))

    async def _may_leave(self) -> None:
        """Wait until what is about to leave is safe on disk, and look for the last time whether it still may."""
        if self._written is not None:
            await self._written()
        if self.is_killed():
            raise NoAnswer(KILLED, unsent=True)
        if self._is_halted:
            raise NoAnswer(HALTED, unsent=True)

    def _note(self, note: dict[str, Any]) -> None:
        if self._noted is not None:
            self._noted(note)

    def _alarm(self, words: str) -> None:
        self._note({"alarm": words})

    def halt(self, why: str, *, later: bool = False) -> None:
        """Send no orders any more; cancels still go. Said once, and `later` where the core is in the midst of a row."""
        if not self.halt_why:
            self.halt_why = why
            if self._halted is not None and later:
                self.soon(self._halted, why)
            elif self._halted is not None:
                self._halted(why)

    def _pull_strays(self) -> None:
        while self.news.strays:
            self.counts["strays"] += 1
            self._spawn(self.cancelling.cancel([self.news.strays.pop()]))

    # Watching.

    async def run(self) -> None:
        """Watch, until cancelled, over orders and trades whose news should have come."""
        checked_ns = self._clock.now_ns()
        self._spawn(self.version.run())
        self._spawn(self.limber.run())
        while True:
            await self._clock.sleep(WATCH_NS)
            if self._clock.now_ns() - checked_ns >= CHECK_NS:
                checked_ns = self._clock.now_ns()
                self._spawn(self._check(checked_ns))
            late_ns = self._clock.now_ns() - SILENCE_NS
            for order in list(self.news.orders.values()):
                asked = order.order_hash in self.inquiry.asking or order.order_hash in self.sending.under_way
                if order.in_doubt and order.changed_ns < late_ns and not asked:
                    self.counts["news overdue"] += 1
                    self._spawn(self.inquiry.find(order))
            self._pull_strays()

    async def _check(self, now_ns: int) -> None:
        """Look now and then whether all is as we believe, though nothing seems amiss: news may be lost silently."""
        self._tell_oddities()
        await self.inquiry.settle_overdue(self.news.unsettled(now_ns - SETTLED_NS))
        await self.reconcile()

    def _tell_oddities(self) -> None:
        """Note what has happened since the last look that should not, and call somebody where money is not reckoned."""
        counts = self.news.oddities.counts
        fresh = counts - self._odd
        if fresh:
            self._odd = counts.copy()
            self._note({"oddities": {": ".join(names): count for names, count in fresh.items()}})
        for words in sorted({names[0] for names in fresh} & UNRECKONED):
            self._alarm(f"{words}: what we have is not what we believe; compare with the venue")

    @property
    def _is_halted(self) -> bool:
        return bool(self.halt_why) or (self.gate is not None and self.gate.is_halted)

    def is_in_doubt(self, before_ns: int) -> bool:
        """Say whether the fate of an order sent before a time is still being asked for."""
        return any(order.in_doubt and order.sent_ns < before_ns for order in self.news.orders.values())

    def _is_idle(self) -> bool:
        return bool(self.followed.tokens) and not self._is_halted and not self.sending.under_way

    async def reconcile(self) -> bool:
        """Ask for all that was missed and cancel what nobody here knows; says whether it could be done."""
        everywhere = self._clock.now_ns() - self._began_ns > SETTLING_IN_NS
        to_cancel = await self.inquiry.reconcile(everywhere=everywhere)
        if to_cancel:
            self._spawn(self.cancelling.cancel(to_cancel))
        return to_cancel is not None

    async def cancel_all(self) -> bool:
        """Cancel every order of this account; says whether the venue answered that it did."""
        return await self.cancelling.cancel_all()

    def reconnected(self) -> None:
        """Note that the user channel is back: what was said meanwhile is asked for, until it can be."""
        self._spawn(self._reconcile_until_done())

    async def _reconcile_until_done(self) -> None:
        while not await self.reconcile():
            await self._clock.sleep(SILENCE_NS)

    # Tasks and rows.

    def _put(self, rows: Rows) -> None:
        if len(rows):
            now_ns = self._clock.now_ns()
            self._intake.put(Arrived(What.ROWS, Wire.CLOB_REST, 0, now_ns, rows=rows))

    def soon(self, call: Callable[..., None], *args: Any) -> None:
        """Call something after what is being done now."""

        async def do() -> None:
            call(*args)

        self._spawn(do())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fault = error

    async def close(self) -> None:
        """Let go: requests under way are given up; the next start asks what became of them."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
