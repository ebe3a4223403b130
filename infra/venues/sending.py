"""Sending: orders that are ready go out, one by one or in a batch, and each learns what its answer means."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from infra.clock import Clock
from infra.venues.known_orders import KnownOrder
from infra.venues.order_news import OrderNews
from infra.venues.posting import Fate, Outcome, batch_of, outcomes_of
from infra.venues.rest import NoAnswer, Reply, Rest
from state.orders import OrderState, Reject

Rows = NDArray[Any]
Ready = tuple[KnownOrder, bytes]
"""An order that may leave, and its request's body."""
Answered = Callable[[int, int, int], None]
"""Is told (order id, sent, answered) by the clock, for the stages of latency."""
KILLED: Final = "the desk is killed"
HALTED: Final = "the desk is halted"
_HELD_UP: Final = {KILLED: "not sent: killed", HALTED: "not sent: halted"}


class Sending:
    """Posts orders; what was not answered is never posted again.

    Args:
        rest: The venue.
        clock: The desk's.
        news: What is known of our orders.
        put: Takes rows.
        counts: Counts by words.
        heed: Does what the answer to a request asks for beside its orders themselves.
        find: Asks what became of an order without an answer.
        answered: Told of every answer.
    """

    def __init__(
        self, rest: Rest, clock: Clock, news: OrderNews, put: Callable[[Rows], None], counts: Counter[str],
        heed: Callable[[Sequence[KnownOrder], Sequence[Outcome]], None], find: Callable[[KnownOrder], Awaitable[None]],
        answered: Answered | None,
    ) -> None:  # fmt: skip
        self._rest, self._clock, self.news, self._put, self.counts = rest, clock, news, put, counts
        self._heed, self._find, self._answered = heed, find, answered
        self.under_way: set[str] = set()
        """Orders whose request has neither an answer nor run out of time: nobody can know more of them yet."""

    async def post(self, ready: Sequence[Ready]) -> None:
        """Post what the core commanded at once: one order as such, several as a batch."""
        orders, bodies = [order for order, _ in ready], [body for _, body in ready]
        self.counts["posted"] += len(orders)
        self.counts["batches"] += len(orders) > 1
        self.under_way.update(order.order_hash for order in orders)
        path, body = ("/order", bodies[0]) if len(bodies) == 1 else ("/orders", batch_of(bodies))
        try:
            reply = await self._rest.call("POST", path, body=body, leaving=lambda: self._leaves(orders))
        except NoAnswer as error:
            await asyncio.gather(*(self._no_answer(order, error) for order in orders))
            return
        outcomes = outcomes_of(reply, [order.side for order in orders])
        self._heed(orders, outcomes)
        await asyncio.gather(*map(self._answer, orders, outcomes, [reply] * len(orders)))

    def _leaves(self, orders: Sequence[KnownOrder]) -> None:
        """Note that orders leave: safe on disk, so that each can be asked for by its hash, and on their way out.

        Rows take some 20 us each to make, so they are made when the bytes are out.
        """
        asyncio.get_running_loop().call_soon(self._tell_left, orders, self._clock.now_ns())

    def _tell_left(self, orders: Sequence[KnownOrder], now_ns: int) -> None:
        for order in orders:
            for state in (OrderState.SIGNED, OrderState.SENT):
                self._put(self.news.on_its_way(order.order_hash, state, now_ns))

    async def _no_answer(self, order: KnownOrder, error: NoAnswer) -> None:
        self.under_way.discard(order.order_hash)
        now_ns = self._clock.now_ns()
        if error.unsent:
            self.counts[_HELD_UP.get(str(error), "not sent: no connection")] += 1
            self._put(self.news.refused(order.order_hash, Reject.FAILED, now_ns))
            return
        self.counts["unanswered"] += 1
        self._put(self.news.unanswered(order.order_hash, now_ns))
        await self._find(order)

    async def _answer(self, order: KnownOrder, outcome: Outcome, reply: Reply) -> None:
        self.under_way.discard(order.order_hash)
        if self._answered is not None:
            self._answered(order.order_id, reply.sent_ns, reply.answered_ns)
        self.counts[f"answer: {outcome.fate.value}"] += 1
        if outcome.order_hash and outcome.order_hash != order.order_hash:
            # Never seen; were it so, the venue's id is the one that its news will use.
            self.counts["id not as reckoned"] += 1
            self.news.alias(order, outcome.order_hash)
        await self._follow_answer(order, outcome, reply.answered_ns)

    async def _follow_answer(self, order: KnownOrder, outcome: Outcome, now_ns: int) -> None:
        news, order_hash = self.news, order.order_hash
        if outcome.fate is Fate.RESTING:
            self._put(news.resting(order_hash, now_ns))
        elif outcome.fate is Fate.HELD:
            self._put(news.held(order_hash, now_ns))
        elif outcome.fate is Fate.MATCHED:
            self._put(news.matched(order_hash, outcome.shares_micros, now_ns))
        elif outcome.fate is Fate.UNMATCHED:
            self._put(news.unmatched(order_hash, now_ns))
        elif outcome.fate is Fate.REFUSED:
            self._put(news.refused(order_hash, outcome.reject, now_ns))
        else:
            self._put(news.unanswered(order_hash, now_ns))
            await self._find(order)
