"""The engine of the venue next door: one market for all, an account of the matching model for each customer.

Time is walked in strides. In each, the rows that have happened reach the matching, what that says is booked, the rows
that are seen by now leave with our customers' marks on them, and what the agenda holds is done. So a venue that is
stepped once in a while lives the same life as one that is stepped a thousand times a second; only news are told later.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.clock import Clock
from infra.venue_next_door.agenda import Agenda
from infra.venue_next_door.faults import Fault, Faults
from infra.venue_next_door.ledger import Ledger
from infra.venue_next_door.nouns import Account, Answer, BookShown, NewOrder, PlacedOrder, Window
from infra.venue_next_door.openings import new_account, seed_of
from infra.venue_next_door.outages import Outages
from infra.venue_next_door.runway import AHEAD_NS, Runway
from infra.venue_next_door.seat import NO_COMMANDS, NO_ROWS, Seat, open_house
from infra.venue_next_door.settling import Settling
from infra.venue_next_door.shown import Marks, ShownBooks, tick_rows, trade_row
from infra.venue_next_door.till import Till
from infra.venue_next_door.user_news import OrderListener, TradeListener, UserNews
from infra.venue_next_door.window_lives import WindowLives
from state.events import EVENT, Kind, Side, Token
from state.units import BPS, MICROS, NS_PER_MS, NS_PER_S
from tools.exchange import attend

PublicListener = Callable[[NDArray[Any]], None]
"""Is told rows of `state.events.EVENT`, whole frames only, at the moment they are due to leave the venue."""
WindowListener = Callable[[Window, str], None]
"""Is told `listed`, `hydrated`, `strike` (Gamma may show it), `resolved`."""

CASH_MICROS: Final = 100_000 * MICROS
BEAT_NS: Final = 10 * NS_PER_S
"""Without a heartbeat for so long all orders of a key are cancelled ..."""
BEATS_CHECKED_NS: Final = 5 * NS_PER_S
"""... which is looked at so often (venue reference 5.6)."""
IDLE_NS: Final = NS_PER_S
BUSY_NS: Final = 50 * NS_PER_MS
"""Longest stride while a customer has something in the market; on a fast clock what this much real time makes of it:"""
BUSY_REAL_NS: Final = 2 * NS_PER_MS
LEAST_PAUSE_NS: Final = NS_PER_MS
MOST_PAUSE_NS: Final = 5 * NS_PER_MS
"""Of real time: how long `run` sleeps between steps. An order that comes in between is matched at once anyway."""
AHEAD_REAL_NS: Final = 2 * NS_PER_S
"""Rows are drawn at least so much real time before they are due: a window's book takes some of it."""

_SETTLED, _LISTED = int(Kind.SETTLED), int(Kind.MARKET_LISTED)
_OUT: Final = np.zeros(1, EVENT)


class Engine:
    """The venue: windows, books, accounts, and whoever listens to them."""

    def __init__(
        self,
        source: Iterable[NDArray[Any]],
        clock: Clock,
        faults: Faults,
        *,
        seed: int = 1,
        orders_version: str = "v1",
        cash_micros: int = CASH_MICROS,
        auto_redeem_s: float | None = None,
    ) -> None:
        """Open the venue.

        Args:
            source: Chunks of the market's rows, sorted by `seen_ns`, no frame cut in two (`source.py` makes such).
            clock: The time that venue and desk share.
            faults: The board of switches, asked all the time.
            seed: Of all chance and all ids in here; the same run gives the same ids.
            orders_version: "v1" or "v2": under which domain orders are signed, in Gamma's words.
            cash_micros: Play money of every new account.
            auto_redeem_s: Winning shares are redeemed for their holders so long after the resolution, as the venue
                does for who approved it; None: each has to redeem by itself.
        """
        self.clock = clock
        self.faults = faults
        self.accounts: dict[str, Account] = {}
        self.ledger = Ledger()
        self._seed = seed
        self._cash_micros = cash_micros
        self._auto_redeem_s = auto_redeem_s
        self._runway = Runway(source, max(AHEAD_NS, round(AHEAD_REAL_NS * clock.speed_ratio)))
        self._busy_ns = max(BUSY_NS, round(BUSY_REAL_NS * clock.speed_ratio))
        self._agenda = Agenda()
        self._house = open_house(seed)
        self._shown = ShownBooks(seed, self._house)
        self._outages = Outages(faults)
        self._news = UserNews(self._agenda, faults, lambda: self._at_ns)
        self._settling = Settling(self._agenda, faults, seed, self._news.tell_trade)
        self._lives = WindowLives(
            self._agenda, faults, self._shown.rules, self._tell_window, seed=seed, version=orders_version
        )
        self._till = Till(self.ledger, self._settling, self._lives, faults, self.now_ns)
        self.windows: dict[str, Window] = self._lives.windows
        self._public: list[PublicListener] = []
        self._of_windows: list[WindowListener] = []
        self._taken: list[tuple[Any, ...]] = []
        """Trades that customers have made since the last rows left."""
        self._ticked: set[tuple[str, int]] = set()
        """Windows whose tick a fault has changed, and to what."""
        self._at_ns = 0
        """How far the venue has lived."""

    # Time.

    async def run(self) -> None:
        """Live until cancelled: apply what is due, match, publish, settle, watch heartbeats."""
        ratio = self.clock.speed_ratio
        least_ns, most_ns = round(LEAST_PAUSE_NS * ratio), round(MOST_PAUSE_NS * ratio)
        try:
            await asyncio.to_thread(self._runway.wait)
            while True:
                for _ in self._step():
                    await asyncio.sleep(0)
                await self.clock.sleep(min(max(self._next_ns() - self.clock.now_ns(), least_ns), most_ns))
        finally:
            self.close()

    def close(self) -> None:
        """Stop fetching rows; the venue may still be looked at."""
        self._runway.close()

    def step(self) -> None:
        """Do all that is due by the clock's time; called by tests with a clock of their own."""
        for _ in self._step():
            pass

    def _step(self) -> Iterator[None]:
        """Do so in slices, between which orders may come in."""
        for _ in self._strides():
            yield from self._live()

    def _strides(self) -> Iterator[None]:
        """Walk to the clock's time; in each stride the rows that have happened reach the matching."""
        now_ns = self.clock.now_ns()
        if not self._at_ns:
            self._runway.reach(now_ns)
            self._at_ns = min(now_ns, self._runway.next_publish_ns() or now_ns)
            self._check_beats(now_ns)
        while True:
            stride_ns = self._busy_ns if any(seat.is_busy for seat in self._till.seats.values()) else IDLE_NS
            self._at_ns = max(self._at_ns, min(now_ns, self._at_ns + stride_ns))
            self._runway.reach(self._at_ns)
            self._apply(self._at_ns)
            yield
            if self._at_ns >= now_ns:
                return

    def _match(self) -> None:
        """Let the matching live until now and publish nothing but ticks: a burst of frames is no order's business."""
        for _ in self._strides():
            pass
        self._change_ticks(self._at_ns)

    def _next_ns(self) -> int:
        """Give when something is due next."""
        due = [
            self._runway.next_publish_ns(),
            self._agenda.next_ns(),
            *(s.next_due_ns for s in self._till.seats.values()),
        ]
        if self._shown.is_marked:
            due.append(self._runway.next_apply_ns())
        return min((each for each in due if each is not None), default=self._at_ns + NS_PER_S)

    def _live(self) -> Iterator[None]:
        now_ns = self._at_ns
        yield from self._publish(now_ns)
        self._change_ticks(now_ns)
        self._show(now_ns, self._marks())
        self._agenda.do_until(now_ns)

    def _apply(self, now_ns: int) -> None:
        """Let happen in all models what has happened by now."""
        runway = self._runway
        failure_ppm = round(self.faults.value(Fault.FAILED_TRADE) * MICROS) if self.faults.switches else 0
        end = runway.to_apply(now_ns)
        for start, stop, is_life in runway.pieces(runway.applied, end):
            rows = runway.rows[start:stop]
            self._tell_models(rows, runway.apply_ns(stop - 1) if is_life else now_ns, failure_ppm)
            if is_life and rows["kind_code"][-1] == _SETTLED:
                self._settle(int(rows["slot_id"][-1]), Token(int(rows["code_id"][-1])))
        runway.applied = end
        if any(seat.next_due_ns <= now_ns for seat in self._till.seats.values()):
            self._tell_models(NO_ROWS, now_ns, failure_ppm)

    def _tell_models(self, rows: NDArray[Any], until_ns: int, failure_ppm: int) -> None:
        attend(self._house, NO_COMMANDS, 0, until_ns, rows, until_ns, _OUT)
        for seat in self._till.seats.values():
            seat.advance(rows, until_ns, failure_ppm)

    def _settle(self, slot: int, outcome: Token) -> None:
        """Let the ledger follow the models, which have paid a window's winners just now."""
        window = self._lives.by_slot.get(slot)
        if window is None or window.condition_id in self._till.settled:
            return
        self._till.settled.add(window.condition_id)
        self.ledger.settle(window.condition_id, outcome)
        self._settling.spare(window, self._at_ns)

    def _publish(self, now_ns: int) -> Iterator[None]:
        """Let the crowd's rows leave that are seen by now; windows change between the rows that change them."""
        runway = self._runway
        while (piece := runway.next_slice(now_ns)) is not None:
            start, stop, is_life = piece
            rows = runway.rows[start:stop]
            if is_life and rows["kind_code"][-1] == _LISTED:
                self._shown.empty(int(rows["slot_id"][-1]))
            self._shown.follow(rows, now_ns)
            self._shown.mark(self._marks())
            runway.published = stop
            self._tell(self._outages.spoil(self._shown.dress(rows, now_ns)))
            if is_life:
                self._lives.take(rows[-1], int(rows["seen_ns"][-1]))
            yield

    def _marks(self) -> Marks:
        """Give what our customers have in the books."""
        marks: Marks = {}
        for seat in self._till.seats.values():
            if seat.is_busy:
                seat.add_marks(marks)
        return marks

    def _show(self, now_ns: int, marks: Marks) -> None:
        """Let what our customers did to the books be seen."""
        self._shown.mark(marks)
        if self._taken or self._shown.is_marked:
            taken, self._taken = self._taken, []
            self._tell(self._shown.changes(taken, now_ns + self._outages.skew_ns(), now_ns))

    def _tell(self, rows: NDArray[Any]) -> None:
        for listener in self._public if len(rows) else ():
            listener(rows)

    def _tell_window(self, window: Window, news: str) -> None:
        for listener in self._of_windows:
            listener(window, news)
        if news == "listed":
            for gone in self._lives.forget(self._at_ns):
                self._till.forget(gone)
        elif news == "resolved" and self._auto_redeem_s is not None:
            due_ns = window.resolved_ns + round(self._auto_redeem_s * NS_PER_S)
            self._agenda.add(due_ns, lambda _: self.ledger.redeem_all(window.condition_id))

    def _change_ticks(self, now_ns: int) -> None:
        """Change the tick of every open window while the fault wants it, once each."""
        if not self.faults.switches and not self._ticked:
            return
        wanted_bps = round(self.faults.value(Fault.TICK_CHANGE) * BPS)
        tick_bps = wanted_bps if wanted_bps in (0, 10, 100) else 10
        if not tick_bps:
            self._ticked.clear()
            return
        for slot, window in self._lives.by_slot.items():
            if window.outcome is not None or window.tick_bps == tick_bps or (window.slug, tick_bps) in self._ticked:
                continue
            self._ticked.add((window.slug, tick_bps))
            rows = tick_rows(slot, tick_bps, now_ns + self._outages.skew_ns(), now_ns)
            self._tell_models(rows, now_ns, 0)
            self._shown.follow(rows, now_ns)
            self._tell(rows)
            self._lives.take(rows[-1], now_ns)

    def _check_beats(self, due_ns: int) -> None:
        self._agenda.add(due_ns + BEATS_CHECKED_NS, self._check_beats)
        self._till.cancel_the_silent(due_ns - BEAT_NS, self._at_ns)

    # Who listens. Callbacks are synchronous and must not wait.

    def on_public(self, listener: PublicListener) -> None:
        """Tell a listener all rows that leave the venue from now on."""
        self._public.append(listener)

    def on_order(self, listener: OrderListener) -> None:
        """Tell a listener the news of all orders."""
        self._news.orders.append(listener)

    def on_trade(self, listener: TradeListener) -> None:
        """Tell a listener the news of all trades."""
        self._news.trades.append(listener)

    def on_window(self, listener: WindowListener) -> None:
        """Tell a listener the stages of all windows."""
        self._of_windows.append(listener)

    # What is known.

    def now_ns(self) -> int:
        """Give the venue's own time: the clock's, plus the fault `clock_skew` (milliseconds)."""
        return self.clock.now_ns() + self._outages.skew_ns()

    def window_of_condition(self, condition_id: str) -> Window | None:
        """Give a condition's window; hex letters may be of either case."""
        return self._lives.by_condition(condition_id)

    def window_of_token(self, token_id: str) -> Window | None:
        """Give a token's window."""
        return self._lives.by_token(token_id)

    def window_of_slot(self, slot: int) -> Window | None:
        """Give the window that a slot of the venue's rows stands for now."""
        return self._lives.by_slot.get(slot)

    def book(self, token_id: str) -> BookShown | None:
        """Give a token's book as published, with our customers in it; empty when its slot has another market now."""
        window = self._lives.by_token(token_id)
        if window is None:
            return None
        if self._lives.by_slot.get(window.slot) is not window:
            return BookShown(window, Token(window.tokens.index(token_id)), (), (), self.now_ns())
        return self._shown.book(window, Token(window.tokens.index(token_id)), self.now_ns())

    def reference_usd(self) -> float:
        """Give the last value of the settlement stream; 0 before the first."""
        return self._runway.oracle_usd()

    # Customers.

    def open_account(self, owner_address: str, wallet_address: str, nonce: int) -> Account:
        """Give the account of a signer and nonce, opened with play money if it is new; same in, same keys out."""
        account = new_account(self._seed, owner_address, wallet_address, nonce)
        if account.api_key in self.accounts:
            return self.accounts[account.api_key]
        self.step()
        self.accounts[account.api_key] = account
        self._till.seats[account.api_key] = Seat(
            account, self._house, self.ledger, self._settling, self,
            seed=seed_of(account, self._seed), cash=self._cash_micros,
        )  # fmt: skip
        return account

    def place(self, account: Account, order: NewOrder) -> Answer:
        """Hand an order to the matching model now and give what it says at once.

        The token must be known: who takes orders from outside turns others away.
        """
        self._match()
        answer = self._till.place(account, order, self._at_ns)
        self._show(self._at_ns, self._marks())
        return answer

    def cancel(self, account: Account, order_hash: str) -> str:
        """Cancel an order; gives "" when it is gone, else the reason in the venue's words."""
        self._match()
        reason = self._till.cancel(account, order_hash, self._at_ns)
        self._show(self._at_ns, self._marks())
        return reason

    def cash_micros(self, account: Account) -> int:
        """Give an account's collateral, what is offered for orders included; `phantom_lock` makes it look smaller."""
        return self._till.cash_micros(account)

    def shares_micros(self, account: Account, token_id: str) -> int:
        """Give confirmed shares of a token (a fresh match counts only once MINED)."""
        return self._till.shares_micros(account, token_id)

    def split(self, account: Account, condition_id: str, amount_micros: int) -> None:
        """Turn collateral into a pair of tokens; raises ValueError when it does not cover."""
        self.step()
        self._till.split(account, condition_id, amount_micros)

    def merge(self, account: Account, condition_id: str, amount_micros: int) -> None:
        """Turn pairs back into collateral; raises ValueError when there are not enough."""
        self.step()
        self._till.merge(account, condition_id, amount_micros)

    def redeem(self, account: Account, condition_id: str) -> int:
        """Pay out a resolved window's winning shares; gives the collateral paid, in micros.

        Raises:
            ValueError: there is no such window, or it is not resolved yet.
        """
        self.step()
        return self._till.redeem(account, condition_id)

    def check(self) -> None:
        """Check the laws of the ledger, and that it has what the matching models have."""
        self._till.check()

    # What a seat says.

    def order_changed(self, account: Account, order: PlacedOrder, news: str) -> None:
        """Take an order's news from a seat."""
        self._news.tell_order(account, order, news)

    def took(self, window: Window, token: Token, side: Side, price_bps: int, amount_micros: int) -> None:
        """Take note that a customer took from the market's book: everybody will see the trade."""
        stamp_ns = self._at_ns + self._outages.skew_ns()
        self._taken.append(trade_row(window.slot, token, side, price_bps, amount_micros, stamp_ns, self._at_ns))
