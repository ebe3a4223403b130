"""A seat: one customer's own matching model over the common market, and what its messages mean for orders and money.

Every seat is told the same rows of the market and holds one account's orders, as backtest and paper do; so two
customers do not meet each other, and each of them meets the crowd as if alone.
"""

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from infra.venue_next_door.ledger import USD, Ledger
from infra.venue_next_door.nouns import Account, OrderStatus, PlacedOrder, Trade, Window
from infra.venue_next_door.settling import Settling
from infra.venue_next_door.verdicts import END_STATUSES, END_TEXTS
from state.events import EVENT, Kind, Side, Token
from state.exchange import PARCELS, Exchange, VenueOrderState
from state.orders import Act, Command, Liquidity, OrderState, Reject
from state.records import rows
from state.units import BPS, NS_PER_S
from tools.delays import set_no_delays
from tools.exchange import attend, open_exchange

Rows = NDArray[Any]

NO_ROWS: Final = np.zeros(0, EVENT)
NO_COMMANDS: Final = rows(Command, 1)
_RESTING: Final = int(VenueOrderState.RESTING)
_ORDER_CHANGED, _FILLED, _FEE_CHARGED, _FILL_REVERSED, _REBATE_PAID = (
    int(kind)
    for kind in (Kind.ORDER_CHANGED, Kind.FILLED, Kind.FEE_CHARGED, Kind.FILL_REVERSED, Kind.REBATE_PAID)
)  # fmt: skip
Line = tuple[Any, ...]
"""A message of the model as plain values, in the order of `EVENT`'s columns."""
_AT, _AMOUNT, _REF, _PRICE, _SLOT, _CODE, _FLAGS, _KIND, _TOKEN, _SIDE = (
    list(EVENT.names or ()).index(name)
    for name in (
        "at_ns", "amount_micros", "ref_id", "price_bps", "slot_id", "code_id", "flags_mask", "kind_code", "token_code",
        "side_code",
    )
)  # fmt: skip


class SeatNews(Protocol):
    """Who is told what happens at a seat."""

    def order_changed(self, account: Account, order: PlacedOrder, news: str) -> None:
        """Take an order's news."""

    def took(self, window: Window, token: Token, side: Side, price_bps: int, amount_micros: int) -> None:
        """Take note that a customer took from the market's book."""


def open_house(seed: int) -> Any:
    """Give a matching model without money and orders, shape (1,): what new seats are copied from."""
    house = rows(Exchange, 1)
    open_exchange(house[0], seed, 0)
    set_no_delays(house[0].terms)
    return house


class Seat:
    """Drives one account's model and reads its messages."""

    def __init__(
        self, account: Account, house: Any, ledger: Ledger, settling: Settling, news: SeatNews, *, seed: int, cash: int
    ) -> None:  # fmt: skip
        """Take a seat at the market as it is now.

        Args:
            account: Whose it is; its `exchange` is made here.
            house: The model without customers, brought up to now.
            ledger: Where money and shares are booked.
            settling: Where matches go on from here.
            news: Who is told.
            seed: Of the model's chances.
            cash: Play money in micros.
        """
        self.account = account
        self._exchange = account.exchange = house.copy()
        self._ledger = ledger
        self._settling = settling
        self._news = news
        self._orders: dict[int, PlacedOrder] = {}
        """By number, those that may still be spoken of."""
        self._orders_count = 0
        self._trades_count = 0
        self._command = rows(Command, 1)
        self._out = np.zeros(PARCELS, EVENT)
        one = self._exchange[0]
        one["terms"]["seed_id"] = seed
        one["account"]["cash_micros"] = one["account"]["deposited_micros"] = cash
        ledger.deposit(account.api_key, cash)
        self._markets = self._exchange["markets"][0]
        self._due_ns, self._open_count = self._exchange["next_deed_ns"], self._exchange["orders_count"]
        self._failure_ppm = self._exchange["terms"]["failure_ppm"]
        self._has_taken = False
        self._resting: list[tuple[tuple[int, int, int], int]] | None = None
        """What rests, as of the model's last message; None: to be read again."""

    # Time passes.

    @property
    def next_due_ns(self) -> int:
        """Give when the model will do something by itself."""
        return int(self._due_ns[0])

    @property
    def is_busy(self) -> bool:
        """Whether anything of this account is in the market: orders, or what it took and the crowd still shows."""
        if self._open_count[0] > 0:
            return True
        self._has_taken = self._has_taken and bool(self._markets["taken_count"].any())
        return self._has_taken

    def advance(self, market: Rows, until_ns: int, failure_ppm: int) -> None:
        """Let the market's rows happen, and what is due by a time; read what the model says.

        Args:
            market: The next rows.
            until_ns: How far the clock goes.
            failure_ppm: Share of matches that will turn out FAILED.
        """
        self._failure_ppm[0] = failure_ppm
        self._attend(0, market, until_ns)

    def _attend(self, sent: int, market: Rows, now_ns: int) -> None:
        count = attend(self._exchange, self._command, sent, now_ns, market, now_ns, self._out)
        if count:
            self._read(self._out[:count].tolist())

    # Orders come and go.

    def place(self, order: PlacedOrder, now_ns: int) -> None:
        """Send an order to the model; its status is what it says at once."""
        self._orders_count += 1
        order.order_id = self._orders_count
        self._orders[order.order_id] = order
        command = self._command[0]
        command["act_code"] = Act.PLACE
        command["order_id"] = order.order_id
        command["at_ns"] = now_ns
        command["amount_micros"] = order.amount_micros
        command["expires_ns"] = order.expiration_s * NS_PER_S
        command["price_bps"] = order.price_bps
        command["slot_id"] = order.window.slot
        command["token_code"] = order.token
        command["side_code"] = order.side
        command["tif_code"] = order.tif
        command["post_only"] = order.post_only
        self._attend(1, NO_ROWS, now_ns)

    def cancel(self, order: PlacedOrder, now_ns: int) -> None:
        """Ask the model to take an order off; its status says whether it did."""
        command = self._command[0]
        command["act_code"] = Act.CANCEL
        command["order_id"] = order.order_id
        command["slot_id"] = order.window.slot
        self._attend(1, NO_ROWS, now_ns)

    def locked_micros(self) -> int:
        """Give the collateral that open purchases may still cost, fees apart."""
        return sum(
            order.price_bps * max(order.amount_micros - order.matched_micros, 0) // BPS
            for order in self._orders.values()
            if order.is_open and order.side is Side.BUY
        )

    def offered_micros(self, window: Window, token: Token) -> int:
        """Give the shares of a token that stand in open sales."""
        return sum(
            max(order.amount_micros - order.matched_micros, 0)
            for order in self._orders.values()
            if order.is_open and order.side is Side.SELL and order.window is window and order.token is token
        )

    # What the account holds beside its orders.

    def model_cash_micros(self) -> int:
        """Give the model's cash, in which settled windows are paid already."""
        return int(self._exchange["account"]["cash_micros"][0])

    def model_shares_micros(self, slot: int, token: Token) -> int:
        """Give the model's shares in a slot's market."""
        return int(self._markets["up_micros" if token is Token.UP else "down_micros"][slot])

    def change_pairs(self, slot: int, amount: int) -> None:
        """Tell the model of pairs that were split (or merged, with a negative amount): bought or sold at a dollar."""
        account = self._exchange[0]["account"]
        account["cash_micros"] -= amount
        account["bought_micros" if amount > 0 else "sold_micros"] += abs(amount)
        self._markets["up_micros"][slot] += amount
        self._markets["down_micros"][slot] += amount

    def add_marks(self, marks: dict[tuple[int, int, int], list[int]]) -> None:
        """Add what this account has put into the book, and what it took out of it.

        Args:
            marks: (slot, side, price) of Up's book -> [taken, resting] micros.
        """
        if self._open_count[0]:
            if self._resting is None:
                self._resting = self._read_resting()
            for key, resting in self._resting:
                marks.setdefault(key, [0, 0])[1] += resting
        if self._has_taken:
            levels = self._exchange["taken"][0]
            for taken, slot, side, bps, _ in levels[levels["taken_micros"] > 0].tolist():
                marks.setdefault((slot, side, bps), [0, 0])[0] += taken

    def _read_resting(self) -> list[tuple[tuple[int, int, int], int]]:
        orders = self._exchange["orders"][0]
        resting = orders[orders["state_code"] == _RESTING]
        names = ("slot_id", "side_code", "price_bps")
        keys = zip(*(resting[name].tolist() for name in names), strict=True)
        return [(key, open_micros) for key, open_micros in zip(keys, resting["open_micros"].tolist(), strict=True)]

    def forget(self, window: Window) -> None:
        """Forget the orders and trades of a window."""
        account = self.account
        account.orders = {key: order for key, order in account.orders.items() if order.window is not window}
        account.trades = {key: trade for key, trade in account.trades.items() if trade.order.window is not window}
        self._orders = {key: order for key, order in self._orders.items() if order.window is not window}

    # What the model says.

    def _read(self, lines: list[Line]) -> None:
        self._resting = None
        for place, line in enumerate(lines):
            kind = line[_KIND]
            if kind == _REBATE_PAID:
                self._ledger.rebate(self.account.api_key, line[_AMOUNT])
                continue
            order = self._orders.get(line[_REF])
            assert order is not None, "the model speaks of an order that was never placed"
            if kind == _ORDER_CHANGED:
                self._change(order, line[_CODE], line[_FLAGS])
            elif kind == _FILLED:
                after = lines[place + 1] if place + 1 < len(lines) else None
                charged = after is not None and after[_KIND] == _FEE_CHARGED and after[_REF] == line[_REF]
                self._fill(order, line, after[_AMOUNT] if after is not None and charged else 0)
            elif kind == _FEE_CHARGED:
                self._ledger.charge(self.account.api_key, line[_AMOUNT])
            elif kind == _FILL_REVERSED:
                self._ledger.reverse(
                    self.account.api_key, order.window.condition_id, order.token, order.side, line[_PRICE],
                    line[_AMOUNT],
                )  # fmt: skip
                self._settling.fail(order, line[_PRICE], line[_AMOUNT], line[_AT])

    def _change(self, order: PlacedOrder, state: int, reject: int) -> None:
        """Follow an order's state; what it means for the public words stands in `verdicts`."""
        told = order.status
        if state == OrderState.REJECTED:
            order.status, order.reason = OrderStatus.INVALID, Reject(reject).name
        elif reject == Reject.NOT_CANCELLABLE:
            return  # held, and so it stays
        elif state == OrderState.HELD:
            order.status = OrderStatus.DELAYED
            self._news.order_changed(self.account, order, "PLACEMENT")
        elif state == OrderState.RESTING:
            is_first = told is OrderStatus.UNMATCHED  # a placed order's status until the model has spoken
            order.status = OrderStatus.LIVE
            self._news.order_changed(self.account, order, "PLACEMENT" if is_first else "UPDATE")
        elif state == OrderState.DONE:
            self._end(order, Reject(reject))

    def _end(self, order: PlacedOrder, reject: Reject) -> None:
        if reject is Reject.NONE:
            order.status = OrderStatus.MATCHED
            self._news.order_changed(self.account, order, "UPDATE")
            return
        order.status = END_STATUSES.get(reject, OrderStatus.CANCELED)
        order.reason = END_TEXTS.get(reject, "")
        self._news.order_changed(self.account, order, "CANCELLATION")

    def _fill(self, order: PlacedOrder, line: Line, fee: int) -> None:
        price_bps, amount = line[_PRICE], line[_AMOUNT]
        is_maker = line[_CODE] == Liquidity.MAKER
        is_doomed = self._is_doomed(order, price_bps, amount)
        if not is_maker and not is_doomed and order.matched_micros + amount == order.amount_micros:
            amount += self._overfill(order, price_bps, amount)
        self._trades_count += 1
        trade = Trade(
            trade_id=self._settling.trade_id(self.account, self._trades_count), order=order, is_maker=is_maker,
            price_bps=price_bps, amount_micros=amount, fee_micros=fee, matched_ns=line[_AT], changed_ns=line[_AT],
        )  # fmt: skip
        order.matched_micros += amount
        order.trade_ids.append(trade.trade_id)
        self.account.trades[trade.trade_id] = trade
        window = order.window
        self._ledger.fill(self.account.api_key, window.condition_id, order.token, order.side, price_bps, amount)
        # A resting order that a quote of the crowd came through took that quote, too.
        self._has_taken = True
        if not is_maker:
            self._news.took(window, order.token, order.side, price_bps, amount)
        self._settling.begin(self.account, trade, is_doomed)

    def _overfill(self, order: PlacedOrder, price_bps: int, amount: int) -> int:
        """Let a take that is filled get some microshares more, if a fault wants it so; the model is told of them."""
        extra = self._settling.overfill_micros()
        if extra:
            sign = 1 if order.side is Side.BUY else -1
            value = price_bps * (amount + extra) // BPS - price_bps * amount // BPS
            account = self._exchange[0]["account"]
            account["cash_micros"] -= sign * value
            account["bought_micros" if sign > 0 else "sold_micros"] += value
            self._markets["up_micros" if order.token is Token.UP else "down_micros"][order.window.slot] += sign * extra
        return extra

    def _is_doomed(self, order: PlacedOrder, price_bps: int, amount: int) -> bool:
        """Say whether the model means to take this match back: it says so by a row that no trade has claimed yet."""
        if not self._exchange["failures_count"][0]:
            return False
        failures = self._exchange["failures"][0]
        same = (failures["due_ns"] != 0) & (failures["order_id"] == order.order_id)
        same &= (failures["price_bps"] == price_bps) & (failures["amount_micros"] == amount)
        return int(same.sum()) > self._settling.doomed_count(order, price_bps, amount)

    # The law.

    def check(self, windows: dict[int, Window]) -> None:
        """Check that the ledger has what the model has."""
        key = self.account.api_key
        assert self._ledger.balance(key, USD) + self._ledger.all_redeemable(key) == self.model_cash_micros()
        for slot, window in windows.items():
            for token in Token:
                if self._ledger.outcome(window.condition_id) is None and window.outcome is None:
                    held = self._ledger.shares(key, window.condition_id, token)
                    assert held == self.model_shares_micros(slot, token)
