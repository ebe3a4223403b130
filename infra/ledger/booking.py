"""Booking: one row of the journal or one command becomes entries; pure, and the same whatever came first.

What is booked never depends on the order in which news arrive: a reservation is what the order claims by all that is
known of it, a fill's state follows from counts, and a row that comes after its window was decided is realised at once.
Rounding is the core's and the chain's: a purchase up, a sale down, to the micro.

Kinds of events that this code does not know are counted, and change nothing.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from infra.ledger.balances import Balances, balances_of
from infra.ledger.booked_windows import BookedWindow, Flow, give_rule, window_of
from infra.ledger.entries import (
    Account,
    Entry,
    Fill,
    FillState,
    Lines,
    TokenKey,
    WindowEnd,
    cost_of,
    day_of,
)
from infra.ledger.fill_states import Likeness, OrderFills
from infra.ledger.reservations import OrderClaim
from infra.ledger.rows import Row
from state.events import Kind, Side, Token
from state.orders import Act, Liquidity, OrderState

ENDS: Final = frozenset(int(state) for state in (OrderState.NONE, OrderState.DONE, OrderState.REJECTED))
"""States after which nothing of an order is open."""


class Booker:
    """Makes entries of what happens; remembers what it needs for the next."""

    def __init__(self) -> None:
        """Open empty books."""
        self.windows: dict[str, BookedWindow] = {}
        self.conditions: dict[str, str] = {}
        """Window -> what the chain calls it, where that was said."""
        self.orders: dict[int, OrderClaim] = {}
        self.fills: dict[int, OrderFills] = {}
        """By order."""
        self.unsettled: dict[str, Fill] = {}
        """Fills of which the chain has not spoken, by key: few, however long the books are."""
        self.sums: Counter[tuple[str, str]] = Counter()
        """Of all postings: (account, commodity) -> micros."""
        self.day_pnl: Counter[int] = Counter()
        """UTC day -> realised result."""
        self.counts: Counter[str] = Counter()
        """What could not be booked, in words."""
        self.deposited_micros = 0
        """Collateral that was there beyond what the session was told to begin with."""
        self.owed: Counter[str] = Counter()
        """Window -> payout that has not been paid."""
        self._slots: dict[int, BookedWindow] = {}
        self._keys: set[str] = set()
        self._accrued: dict[str, int] = {}
        """Key of a fill -> rebate that is accrued for it."""
        self._rebated_day = -1

    # What happens.

    def begin(self, cash_micros: int, seen_ns: int) -> list[Entry]:
        """Book the money that a session begins with."""
        lines = Lines()
        lines.move(Account.EXTERNAL, Account.CASH, cash_micros)
        return self._booked("opening", "deposit", seen_ns, lines)

    def deposit(self, key: str, amount_micros: int, seen_ns: int) -> list[Entry]:
        """Book collateral that the venue showed beyond that when the session began; less is negative."""
        if key not in self._keys:
            self.deposited_micros += amount_micros
        lines = Lines()
        lines.move(Account.EXTERNAL, Account.CASH, amount_micros)
        return self._booked(key, "deposit", seen_ns, lines)

    def place(self, order_id: int, slot: int, token: Token, side: Side, price_bps: int, amount_micros: int, at_ns: int
              ) -> list[Entry]:  # fmt: skip
        """Book what an order claims from the moment that the core commands it."""
        window = self._slots.get(slot)
        if window is None:
            self.counts["an order in no window"] += 1
            return []
        claim = self.orders.setdefault(order_id, OrderClaim())
        if claim.window:
            return []
        claim.window, claim.token, claim.side = window.slug, token, side
        claim.price_bps, claim.amount_micros = price_bps, amount_micros
        window.claims.append(claim)
        lines = Lines()
        claim.settle(lines, decided=window.outcome is not None)
        return self._booked(f"place {order_id}", "reservation", at_ns, lines, window, order_id)

    def redeem(self, key: str, slug: str, amount_micros: int, seen_ns: int) -> list[Entry]:
        """Book that the venue has paid out a decided window."""
        lines = Lines()
        lines.move(Account.PENDING, Account.CASH, amount_micros)
        return self._booked(key, "redemption", seen_ns, lines, self.windows.get(slug))

    def row(self, ordinal: int, row: Row) -> list[Entry]:
        """Book a row of the journal by its ordinal; nothing when it has been booked before, or moves nothing."""
        handle = _HANDLED.get(row.kind_code)
        key = f"row {ordinal}"
        if handle is None:
            if row.kind_code not in _KNOWN:
                self.counts["rows of a kind that the books do not know"] += 1
            return []
        if key in self._keys:
            return []
        return handle(self, key, row)

    # Windows.

    def _list(self, key: str, row: Row) -> list[Entry]:
        """Put a window into its slot, unless the core refuses to: an undecided one that holds anything stays."""
        if row.span_s == 0:
            return []
        before = self._slots.get(row.slot_id)
        window = window_of(row.code_id, row.ref_id, row.span_s)
        if before is not None and before.outcome is None and before.open_ns <= row.seen_ns and self._is_held(before):
            if before.slug != window.slug:
                self.counts["a window in the slot of one that we hold"] += 1
            return []
        self._slots[row.slot_id] = self.windows.setdefault(window.slug, window)
        return []

    def _is_held(self, window: BookedWindow) -> bool:
        return any(window.held) or any(claim.open_micros for claim in window.claims)

    def _rule(self, key: str, row: Row) -> list[Entry]:
        window = self._slots.get(row.slot_id)
        if window is not None:
            give_rule(window, row.code_id, row.ref_id)
        return []

    def _settled(self, key: str, row: Row) -> list[Entry]:
        """Decide a window: orders end, shares become a payout that is owed, cost and fees a result."""
        window = self._window(row)
        if window is None or row.code_id > Token.DOWN:
            return []
        if window.outcome is not None:
            if window.outcome != row.code_id:
                self.counts["a window decided twice, otherwise"] += 1
            return []
        window.outcome, window.decided_day = Token(row.code_id), day_of(row.seen_ns)
        lines = Lines()
        for claim in window.claims:
            claim.settle(lines, decided=True)
        end = WindowEnd(window.slug, window.outcome, row.seen_ns)
        entries = self._booked(key, "settlement", row.seen_ns, lines, window, end=end)
        later: dict[int, Flow] = {}
        for day, flow in window.flows.items():
            later.setdefault(max(day, window.decided_day), Flow()).add(flow)
        for day, flow in sorted(later.items()):
            entries += self._realised(f"{key} of day {day}", row.seen_ns, window, flow, day)
        return entries

    def _realised(self, key: str, seen_ns: int, window: BookedWindow, flow: Flow, day: int) -> list[Entry]:
        lines = Lines()
        window.realise(flow, lines)
        return self._booked(key, "result", seen_ns, lines, window, day=day)

    def _flow(self, key: str, row: Row, window: BookedWindow, flow: Flow) -> list[Entry]:
        """Keep what a row did to its window; realise it at once where that is decided."""
        day = day_of(row.seen_ns)
        window.flows[day].add(flow)
        if window.outcome is None:
            return []
        return self._realised(f"{key} realised", row.seen_ns, window, flow, max(day, window.decided_day))

    # Orders and fills.

    def _order_changed(self, key: str, row: Row) -> list[Entry]:
        if row.code_id not in ENDS:
            return []
        claim = self.orders.setdefault(row.ref_id, OrderClaim())
        claim.ended = True
        lines = Lines()
        self._claim(claim, lines)
        return self._booked(key, "release", row.seen_ns, lines, self.windows.get(claim.window), row.ref_id, silent=True)

    def _filled(self, key: str, row: Row) -> list[Entry]:
        window = self._window(row)
        if window is None:
            return []
        side, token = Side(row.side_code), Token(row.token_code)
        fill = Fill(
            key, window.slug, row.ref_id, token, side, row.price_bps, row.amount_micros, Liquidity(row.code_id),
            row.seen_ns, FillState.MATCHED,
        )  # fmt: skip
        lines = Lines()
        if row.ref_id:
            claim = self.orders.setdefault(row.ref_id, OrderClaim())
            claim.filled_micros += row.amount_micros
            self._claim(claim, lines)
        flow = _move(lines, window, side, token, fill.cost_micros, row.amount_micros)
        fills = self.fills.setdefault(row.ref_id, OrderFills()).add(fill)
        self._heard(fills, lines)
        return [
            *self._booked(key, "fill", row.seen_ns, lines, window, row.ref_id, fills=fills),
            *self._flow(key, row, window, flow),
        ]

    def _reversed(self, key: str, row: Row) -> list[Entry]:
        """Undo a match that FAILED: neither shares nor money have moved after all; the order does not open again."""
        window = self._window(row)
        if window is None:
            return []
        side, token = Side(row.side_code), Token(row.token_code)
        lines = Lines()
        cost = cost_of(side, row.price_bps, row.amount_micros)
        flow = _move(lines, window, side, token, -cost, -row.amount_micros)
        like = Likeness(token, side, row.price_bps, row.amount_micros)
        fills = self.fills.setdefault(row.ref_id, OrderFills()).hear(FillState.FAILED, like)
        self._heard(fills, lines)
        return [
            *self._booked(key, "reversal", row.seen_ns, lines, window, row.ref_id, fills=fills),
            *self._flow(key, row, window, flow),
        ]

    def _confirmed(self, key: str, row: Row) -> list[Entry]:
        return self._come(key, row, FillState.CONFIRMED)

    def _mined(self, key: str, row: Row) -> list[Entry]:
        return self._come(key, row, FillState.MINED)

    def _come(self, key: str, row: Row, state: FillState) -> list[Entry]:
        like = Likeness(Token(row.token_code), Side(row.side_code), row.price_bps, row.amount_micros)
        fills = self.fills.setdefault(row.ref_id, OrderFills()).hear(state, like)
        lines = Lines()
        self._heard(fills, lines)
        return self._booked(key, state.value, row.seen_ns, lines, self._window(row), row.ref_id, fills=fills)

    def _heard(self, fills: list[Fill], lines: Lines) -> None:
        """Follow fills that are new or have another state."""
        for fill in fills:
            if fill.state.is_final:
                self.unsettled.pop(fill.key, None)
            else:
                self.unsettled[fill.key] = fill
        self._accrue(fills, lines)

    def _claim(self, claim: OrderClaim, lines: Lines) -> None:
        window = self.windows.get(claim.window)
        if window is not None:
            claim.settle(lines, decided=window.outcome is not None)

    # Fees, rebates, complete sets.

    def _fee(self, key: str, row: Row) -> list[Entry]:
        window = self._window(row)
        if window is None:
            return []
        if row.ref_id:
            self.orders.setdefault(row.ref_id, OrderClaim()).fees_micros += row.amount_micros
        lines = Lines()
        lines.move(Account.CASH, Account.FEES, row.amount_micros)
        return [
            *self._booked(key, "fee", row.seen_ns, lines, window, row.ref_id),
            *self._flow(key, row, window, Flow(fees_micros=row.amount_micros)),
        ]

    def _rebate(self, key: str, row: Row) -> list[Entry]:
        """Book a rebate; with it, what was accrued of earlier days is paid, or is not to come any more."""
        lines = Lines()
        lines.move(Account.REBATES, Account.CASH, row.amount_micros)
        self._rebated_day = max(self._rebated_day, day_of(row.seen_ns))
        for fills in self.fills.values():
            self._accrue(list(fills.fills.values()), lines)
        return self._booked(key, "rebate", row.seen_ns, lines)

    def _accrue(self, fills: list[Fill], lines: Lines) -> None:
        """Let what is accrued for fills follow their state: nothing for what failed, took, or is of a paid day."""
        for fill in fills:
            earns = fill.liquidity is Liquidity.MAKER and fill.state is not FillState.FAILED
            due = earns and day_of(fill.seen_ns) >= self._rebated_day
            rebate = self.windows[fill.window].rebate_of(fill.price_bps, fill.amount_micros) if due else 0
            lines.move(Account.EXPECTED, Account.ACCRUED, rebate - self._accrued.get(fill.key, 0))
            self._accrued[fill.key] = rebate

    def _merged(self, key: str, row: Row) -> list[Entry]:
        """Book complete sets turned back into collateral: a dollar a pair."""
        window, pairs_micros = self._window(row), -row.amount_micros
        if window is None or not pairs_micros:
            return []
        lines = Lines()
        lines.move(Account.CASH, Account.INVESTED, pairs_micros)
        for token in Token:
            lines.move(Account.MARKET, Account.SHARES, pairs_micros, TokenKey(window.slug, token).commodity)
        flow = Flow(spent_micros=pairs_micros, up_micros=pairs_micros, down_micros=pairs_micros)
        return [
            *self._booked(key, "merge", row.seen_ns, lines, window),
            *self._flow(key, row, window, flow),
        ]

    # The law.

    def _window(self, row: Row) -> BookedWindow | None:
        window = self._slots.get(row.slot_id)
        if window is None:
            self.counts["a row in no window"] += 1
        return window

    def _booked(
        self, key: str, kind: str, seen_ns: int, lines: Lines, window: BookedWindow | None = None, order_id: int = 0, *,
        day: int | None = None, fills: list[Fill] | None = None, end: WindowEnd | None = None, silent: bool = False,
    ) -> list[Entry]:  # fmt: skip
        """Make an entry and add it up; one that moves nothing is made unless it is said to be of no interest then."""
        if key in self._keys:
            return []
        self._keys.add(key)
        postings = lines.postings()
        if not postings and (silent or kind in ("result", "reservation", "deposit")):
            return []
        entry = Entry(
            key=key, kind=kind, seen_ns=seen_ns, day=day_of(seen_ns) if day is None else day,
            window=window.slug if window is not None else "", order_id=order_id, postings=postings,
            fills=tuple(fills or ()), end=end,
        )  # fmt: skip
        for account, commodity, micros in postings:
            self.sums[account.value, commodity] += micros
            if account is Account.REALISED:
                self.day_pnl[entry.day] -= micros
            elif account is Account.PENDING:
                self.owed[entry.window] += micros
        return [entry]

    def all_fills(self) -> list[Fill]:
        """Give every fill with its state, oldest first."""
        fills = [fill for each in self.fills.values() for fill in each.fills.values()]
        return sorted(fills, key=lambda fill: (fill.seen_ns, int(fill.key.split()[1])))

    def is_awaiting_end(self, now_ns: int) -> bool:
        """Say whether a window that we hold has closed without a word yet on who won."""
        undecided = (each for each in self.windows.values() if each.outcome is None and each.close_ns <= now_ns)
        return any(any(each.held) for each in undecided)

    def outcomes(self) -> dict[str, Token]:
        """Give how windows were decided."""
        return {slug: each.outcome for slug, each in self.windows.items() if each.outcome is not None}

    def balances(self) -> Balances:
        """Give what all adds up to now."""
        return balances_of(self.sums)


def _move(lines: Lines, window: BookedWindow, side: Side, token: Token, cost: int, amount: int) -> Flow:
    """Exchange collateral for shares, or shares for collateral; negative figures undo it."""
    if side is Side.SELL:
        cost, amount = -cost, -amount
    lines.move(Account.CASH, Account.INVESTED, cost)
    lines.move(Account.MARKET, Account.SHARES, amount, TokenKey(window.slug, token).commodity)
    up, down = (amount, 0) if token is Token.UP else (0, amount)
    return Flow(spent_micros=cost, up_micros=up, down_micros=down)


Handler = Callable[[Booker, str, Row], list[Entry]]

_HANDLED: Final[dict[int, Handler]] = {
    int(Kind.MARKET_LISTED): Booker._list,
    int(Kind.RULE_GIVEN): Booker._rule,
    int(Kind.SETTLED): Booker._settled,
    int(Kind.ORDER_CHANGED): Booker._order_changed,
    int(Kind.FILLED): Booker._filled,
    int(Kind.FEE_CHARGED): Booker._fee,
    int(Kind.FILL_REVERSED): Booker._reversed,
    int(Kind.REBATE_PAID): Booker._rebate,
    int(Kind.FILL_MINED): Booker._mined,
    int(Kind.FILL_CONFIRMED): Booker._confirmed,
    int(Kind.MERGED): Booker._merged,
}
_KNOWN: Final = frozenset(int(kind) for kind in Kind)
BOOKED: Final = np.array([code in _HANDLED or code not in _KNOWN for code in range(256)])
"""Kinds that the books want to hear of, by code: those they book, and those that nobody knows."""
UNBOOKED: Final = bytes(code for code in range(256) if not BOOKED[code])
"""All other kinds, as bytes to strike out: asking whether anything is left costs the hot loop a microsecond."""
PLACE: Final = int(Act.PLACE)


def rows_of(events: Any) -> list[tuple[int, Row]]:
    """Give the rows that the books want of an array of events, with their places in it."""
    places = np.flatnonzero(BOOKED[events["kind_code"]])
    if not len(places):
        return []
    return [(place, Row(*values)) for place, values in zip(places.tolist(), events[places].tolist(), strict=True)]
