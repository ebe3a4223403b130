"""Inquiry: asking the venue what became of an order, or of all of them, when nobody has told us."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from numpy.typing import NDArray

from infra.clock import Clock
from infra.feeds.polymarket_user import OrderUpdate, TradeUpdate
from infra.venues.followed import Followed
from infra.venues.known_orders import KnownOrder
from infra.venues.order_news import OrderNews
from infra.venues.reconcile import reconcile
from infra.venues.rest import NoAnswer, Rest
from state.orders import OrderState
from state.units import NS_PER_MS, NS_PER_S

Rows = NDArray[Any]

ASK_AFTER_NS: Final = tuple(each * NS_PER_MS for each in (250, 500, 1_000, 2_500, 6_000))
"""Pauses between the questions about an order whose fate is unknown: ten seconds in all before it counts as none."""
OVERLAP_S: Final = 60
"""How far before the last sure moment a reconciliation reads trades again; reading them twice does no harm."""
_NOTHING: Final = (b"", b"null")
"""What the venue says of an order that is not open (venue reference 8, row 24)."""


class Inquiry:
    """Asks by hash, by market and for everything; what it hears goes through the order news like all else."""

    def __init__(
        self, rest: Rest, clock: Clock, news: OrderNews, put: Callable[[Rows], None], counts: Counter[str]
    ) -> None:
        self._rest, self._clock, self.news, self._put, self.counts = rest, clock, news, put, counts
        self.followed: Followed = news.followed
        self.asking: set[str] = set()
        """Orders that are being asked for."""
        self.sure_ns = clock.now_ns()
        """Up to here everything has been heard."""

    async def find(self, order: KnownOrder) -> None:
        """Ask the venue for an order by its hash until its fate is known.

        That there is none is said when the venue says so, the last time too: silence and faults say nothing. An order
        that is left open is asked for again by whoever watches over orders in doubt.
        """
        if order.order_hash in self.asking:
            return
        self.asking.add(order.order_hash)
        try:
            known: bool | None = None
            for pause_ns in ASK_AFTER_NS:
                await self._clock.sleep(pause_ns)
                if not self._is_open_question(order) or (known := await self._ask_once(order)):
                    return
            if known is None:
                self.counts["orders not told of"] += 1
            elif self._is_open_question(order):
                self._put(self.news.absent(order.order_hash, self._clock.now_ns()))
        finally:
            self.asking.discard(order.order_hash)

    def _is_open_question(self, order: KnownOrder) -> bool:
        known = self.news.orders.get(order.order_hash) is order
        return known and (order.missing_micros > 0 or not order.is_over)

    async def _ask_once(self, order: KnownOrder) -> bool | None:
        """Ask for an order and its trades; says whether all is known now, None when the venue did not tell."""
        self.counts["asked for an order"] += 1
        try:
            reply = await self._rest.call("GET", f"/data/order/{order.order_hash}")
            alive = reply.status == 200 and isinstance(reply.message, OrderUpdate)
            absent = reply.status == 404 or (reply.status == 200 and reply.raw.strip() in _NOTHING)
            if not alive and not absent:
                return None
            if alive:
                self._put(self.news.read(reply.message, self._clock.now_ns()))
            if order.missing_micros or not alive:
                await self.read_trades(order.token_id, order.sent_ns)
        except NoAnswer:
            return None
        if alive:
            return order.missing_micros == 0
        # Finished orders are not listed: one that the venue had taken is rebuilt from its trades.
        known = order.told in (OrderState.RESTING, OrderState.HELD) or order.matched_micros > 0
        if absent and known and not order.missing_micros:
            self._put(self.news.absent(order.order_hash, self._clock.now_ns()))
        return order.is_over and order.missing_micros == 0

    async def read_trades(self, token_id: str, since_ns: int = 0) -> None:
        """Read our trades in a token's market, of both tokens, from a time of our clock on, and some before it.

        Raises:
            NoAnswer: the venue does not tell.
        """
        coin = self.followed.coins.get(token_id)
        if coin is None:
            return
        after = f"&after={since_ns // NS_PER_S - OVERLAP_S}" if since_ns else ""
        for trade in await self._rest.pages("/data/trades", f"market={coin.condition_id}{after}"):
            self._put(self.news.read(trade, self._clock.now_ns()))

    async def settle_overdue(self, token_ids: Iterable[str]) -> None:
        """Ask how trades ended of which nothing more was heard: an untold failure would be money we believe in."""
        coins = self.followed.coins
        for token_id in {coins[each].condition_id: each for each in token_ids if each in coins}.values():
            self.counts["settlements overdue"] += 1
            try:
                await self.read_trades(token_id)
            except NoAnswer:
                return

    async def refresh_balance(self, token_id: str) -> None:
        """Let the venue look again at what we have: its cache may count what is gone (venue reference 8, item 5)."""
        try:
            await self._rest.refresh_balance(token_id)
        except NoAnswer:
            return
        self.counts["balances refreshed"] += 1

    async def reconcile(self, *, everywhere: bool) -> tuple[str, ...] | None:
        """Hold what the venue lists against what we know: after a start and after every gap of the user channel.

        Gives the hashes that must be cancelled, for nobody here knows them; None when it could not be done.
        """
        asked_ns = self._clock.now_ns()
        after = f"after={(self.sure_ns // NS_PER_S) - OVERLAP_S}"
        try:
            trades: list[TradeUpdate] = []
            for condition_id in list(self.followed.conditions.values()):
                trades += await self._rest.pages("/data/trades", f"market={condition_id}&{after}")
            listed = await self._rest.pages("/data/orders")
            # Once more: what matched between the two questions has left the list and is in the trades by now.
            for condition_id in list(self.followed.conditions.values()):
                trades += await self._rest.pages("/data/trades", f"market={condition_id}&{after}")
        except NoAnswer:
            self.counts["reconciliations failed"] += 1
            return None
        orders = [each for each in listed if isinstance(each, OrderUpdate)]
        now_ns = self._clock.now_ns()
        found = reconcile(self.news, orders, trades, asked_ns, now_ns, everywhere=everywhere)
        self.counts["reconciliations"] += 1
        self.counts["unknown orders cancelled"] += len(found.to_cancel)
        self._put(found.rows)
        self.sure_ns = asked_ns
        return found.to_cancel
