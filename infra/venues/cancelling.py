"""Cancelling: pulling orders, again and again if need be, for twice cancelled is once cancelled."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from infra.clock import Clock
from infra.feeds.clob_rest import Cancelled
from infra.venues.known_orders import KnownOrder
from infra.venues.order_news import OrderNews
from infra.venues.refusals import halting, reject_of
from infra.venues.rest import NoAnswer, Reply, Rest
from state.orders import OrderState, Reject
from state.units import NS_PER_MS

Rows = NDArray[Any]

TRIES: Final = 4
PAUSE_NS: Final = 200 * NS_PER_MS
BATCH_MOST: Final = 1_000


class Cancelling:
    """Sends cancels; no pause that the venue asks of orders holds them up.

    Args:
        rest: The venue.
        clock: The desk's.
        news: What is known of our orders.
        put: Takes rows.
        counts: Counts by words.
        halt: Is told what a person must mend.
        find: Asks what became of an order that cannot be cancelled any more.
        read_trades: Asks for our trades in a token's market since a time.
    """

    def __init__(
        self, rest: Rest, clock: Clock, news: OrderNews, put: Callable[[Rows], None], counts: Counter[str],
        halt: Callable[[str], None], find: Callable[[KnownOrder], Awaitable[None]],
        read_trades: Callable[[str, int], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._rest, self._clock, self.news, self._put, self.counts = rest, clock, news, put, counts
        self.halt, self._find, self._read_trades = halt, find, read_trades

    async def cancel(self, hashes: Sequence[str]) -> None:
        """Cancel orders by hash, in one request as far as they fit into one."""
        for first in range(BATCH_MOST, len(hashes), BATCH_MOST):
            await self.cancel(hashes[first : first + BATCH_MOST])
        hashes = hashes[:BATCH_MOST]
        if len(hashes) == 1:
            reply = await self._insist("DELETE", "/order", b'{"orderID":"%s"}' % hashes[0].encode())
        else:
            quoted = ",".join(f'"{order_hash}"' for order_hash in hashes)
            reply = await self._insist("DELETE", "/orders", f"[{quoted}]".encode())
        await self._cancels_answered(reply, hashes)

    async def cancel_market(self, slot: int) -> None:
        """Cancel all that rests in a followed window."""
        condition_id = self.news.followed.conditions.get(slot, "")
        if condition_id:
            body = b'{"market":"%s","asset_id":""}' % condition_id.encode()
            await self._cancels_answered(await self._insist("DELETE", "/cancel-market-orders", body), ())

    async def cancel_all(self) -> bool:
        """Cancel every order of this account; says whether the venue answered that it did."""
        reply = await self._insist("DELETE", "/cancel-all", b"")
        await self._cancels_answered(reply, ())
        return reply is not None and reply.status == 200

    async def _insist(self, method: str, path: str, body: bytes) -> Reply | None:
        """Ask until there is an answer that is one: a cancel does no harm twice."""
        reply: Reply | None = None
        for again in range(TRIES):
            if again:
                await self._clock.sleep(PAUSE_NS << again)
            self.counts["cancel requests"] += 1
            try:
                reply = await self._rest.call(method, path, body=body)
            except NoAnswer:
                self.counts["cancels unanswered"] += 1
                continue
            if reply.status not in (425, 429) and reply.status < 500:
                return reply
        return reply

    async def _end(self, hashes: Sequence[str]) -> None:
        """Tell that orders are cancelled, once every match that was quicker is known.

        The answer does not say what has matched, and news of it may be seconds behind: an order that is told as over
        before its last fill would free money that is spent. Where the trades cannot be read, the user channel says how
        the order ended, or the core asks to cancel it once more.
        """
        self.counts["cancelled"] += len(hashes)
        by_slot: defaultdict[int, list[KnownOrder]] = defaultdict(list)
        for order_hash in hashes:
            if (order := self.news.orders.get(order_hash)) is not None:
                by_slot[order.slot].append(order)
        await asyncio.gather(*map(self._end_in_window, by_slot.values()))

    async def _end_in_window(self, orders: Sequence[KnownOrder]) -> None:
        """Read the trades of one window since its oldest order here; its two tokens are of one market."""
        try:
            await self._read_trades(orders[0].token_id, min(order.sent_ns for order in orders))
        except NoAnswer:
            self.counts["cancelled, trades unread"] += 1
            return
        for order in orders:
            self._put(self.news.cancelled(order.order_hash, self._clock.now_ns()))

    async def _cancels_answered(self, reply: Reply | None, hashes: Sequence[str]) -> None:
        now_ns = self._clock.now_ns()
        message = reply.message if reply is not None and reply.status == 200 else None
        if not isinstance(message, Cancelled):
            reject = Reject.UNKNOWN_ORDER if reply is None else reject_of(reply.words, reply.status)
            if reply is not None and (why := halting(reply.words, reply.status)):
                self.halt(why)
            for order_hash in hashes:
                self._put(self.news.not_cancelled(order_hash, reject, now_ns))
            return
        finished: list[KnownOrder] = []
        for order_hash, words in message.not_canceled.items():
            self.counts["not cancelled"] += 1
            order = self.news.orders.get(order_hash)
            if order is None or order.is_over:
                continue
            if order.told is OrderState.HELD or "delayed" in words.lower():
                self._put(self.news.not_cancelled(order_hash, Reject.NOT_CANCELLABLE, now_ns))
            else:
                finished.append(order)  # by its words: what became of it stands in the trades
        await asyncio.gather(self._end(message.canceled), *map(self._find, finished))
