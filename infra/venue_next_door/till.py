"""The till: where customers' orders and money meet the ledger and the seats; every answer in the venue's words."""

from collections.abc import Callable

from infra.venue_next_door.faults import Fault, Faults
from infra.venue_next_door.ledger import Ledger
from infra.venue_next_door.nouns import Account, Answer, NewOrder, OrderStatus, PlacedOrder, Window
from infra.venue_next_door.refusals import NOT_READY
from infra.venue_next_door.seat import Seat
from infra.venue_next_door.settling import Settling
from infra.venue_next_door.verdicts import GONE, HELD, duplicated, refusal_of, uncovered
from infra.venue_next_door.window_lives import WindowLives
from state.events import Side, Token
from state.orders import Reject
from state.units import BPS, MICROS


class Till:
    """Serves accounts; whoever calls has brought the venue up to now."""

    def __init__(
        self, ledger: Ledger, settling: Settling, lives: WindowLives, faults: Faults, stamp_ns: Callable[[], int]
    ) -> None:  # fmt: skip
        """Take the venue's parts, and what says the venue's own time."""
        self.seats: dict[str, Seat] = {}
        """By API key."""
        self.settled: set[str] = set()
        """Conditions that the matching has settled, told or not."""
        self._ledger = ledger
        self._settling = settling
        self._lives = lives
        self._faults = faults
        self._stamp_ns = stamp_ns

    # Orders.

    def place(self, account: Account, order: NewOrder, now_ns: int) -> Answer:
        """Hand an order to the account's seat."""
        window = self._lives.by_token(order.token_id)
        assert window is not None, "an order for a token that the venue does not have"
        known = account.orders.get(order.order_hash)
        if known is not None:
            return Answer(known, duplicated(order.order_hash), 400)
        placed = PlacedOrder(
            order_hash=order.order_hash, order_id=0, owner=account.api_key, maker_address=order.maker_address,
            window=window, token=Token(window.tokens.index(order.token_id)), side=order.side,
            price_bps=order.price_bps, amount_micros=order.amount_micros, tif=order.tif, post_only=order.post_only,
            expiration_s=order.expiration_s, created_ns=self._stamp_ns(), status=OrderStatus.UNMATCHED,
        )  # fmt: skip
        if not 0 < window.hydrated_ns <= now_ns:
            placed.status, placed.reason = OrderStatus.INVALID, NOT_READY
            return Answer(placed, NOT_READY, 400)
        if self._faults.is_on(Fault.PHANTOM_LOCK) and not self._covers(account, placed):
            return self._refused(account, placed, Reject.NOT_ENOUGH_BALANCE)
        if self._faults.is_on(Fault.UNSETTLED_SHARES) and not self._has_settled(account, placed):
            return self._refused(account, placed, Reject.NOT_ENOUGH_BALANCE)
        account.orders[placed.order_hash] = placed
        self.seats[account.api_key].place(placed, now_ns)
        if placed.status is OrderStatus.INVALID:
            del account.orders[placed.order_hash]
            return self._refused(account, placed, Reject[placed.reason])
        return Answer(placed)

    def cancel(self, account: Account, order_hash: str, now_ns: int) -> str:
        """Take an order off; gives "" when it is gone, else why it is not."""
        order = account.orders.get(order_hash)
        if order is None or not order.is_open:
            return GONE
        self.seats[account.api_key].cancel(order, now_ns)
        return HELD if order.is_open else ""

    def cancel_the_silent(self, since_ns: int, now_ns: int) -> None:
        """Cancel all of who began to send heartbeats and has sent none since; the next beat begins anew."""
        for seat in self.seats.values():
            account = seat.account
            if 0 < account.heartbeat_ns <= since_ns:
                account.heartbeat_ns = 0
                for order in [each for each in account.orders.values() if each.is_open]:
                    seat.cancel(order, now_ns)

    def _refused(self, account: Account, order: PlacedOrder, reject: Reject) -> Answer:
        status, text = refusal_of(reject, order)
        if reject is Reject.NOT_ENOUGH_BALANCE:
            status, text = 400, self._uncovered(account, order)
        order.status, order.reason = OrderStatus.INVALID, text
        return Answer(order, text, status)

    def _covers(self, account: Account, order: PlacedOrder) -> bool:
        free = self.cash_micros(account) - self.seats[account.api_key].locked_micros()
        return order.side is Side.SELL or order.price_bps * order.amount_micros // BPS <= free

    def _has_settled(self, account: Account, order: PlacedOrder) -> bool:
        """Say whether a sale is of shares that are on chain."""
        held = self.shares_micros(account, order.window.tokens[order.token])
        free = held - self.seats[account.api_key].offered_micros(order.window, order.token)
        return order.side is Side.BUY or order.amount_micros <= free

    def _uncovered(self, account: Account, order: PlacedOrder) -> str:
        seat = self.seats[account.api_key]
        if order.side is Side.BUY:
            need = order.price_bps * order.amount_micros // BPS
            return uncovered(self.cash_micros(account), seat.locked_micros(), 0, need)
        held = self.shares_micros(account, order.window.tokens[order.token])
        unmined = self._settling.unmined_micros(account, order.window, order.token)
        return uncovered(held, seat.offered_micros(order.window, order.token), unmined, order.amount_micros)

    # Money and shares.

    def cash_micros(self, account: Account) -> int:
        """Give an account's collateral; `phantom_lock` makes it look smaller."""
        phantom = round(self._faults.value(Fault.PHANTOM_LOCK) * MICROS)
        return max(self._ledger.balance(account.api_key) - phantom, 0)

    def shares_micros(self, account: Account, token_id: str) -> int:
        """Give confirmed shares of a token."""
        window = self._lives.by_token(token_id)
        if window is None:
            return 0
        token = Token(window.tokens.index(token_id))
        held = self._ledger.shares(account.api_key, window.condition_id, token)
        return max(held - self._settling.unmined_micros(account, window, token), 0)

    def split(self, account: Account, condition_id: str, amount_micros: int) -> None:
        """Turn collateral into pairs, in the ledger and in the model."""
        window = self._undecided(condition_id, amount_micros)
        seat = self.seats[account.api_key]
        if amount_micros > self._ledger.balance(account.api_key) - seat.locked_micros():
            raise ValueError("not enough collateral")
        self._ledger.split(account.api_key, window.condition_id, amount_micros)
        seat.change_pairs(window.slot, amount_micros)

    def merge(self, account: Account, condition_id: str, amount_micros: int) -> None:
        """Turn pairs into collateral, in the ledger and in the model."""
        window = self._undecided(condition_id, amount_micros)
        seat = self.seats[account.api_key]
        for token in Token:
            free = self.shares_micros(account, window.tokens[token]) - seat.offered_micros(window, token)
            if amount_micros > free:
                raise ValueError(f"not enough {token.name} shares")
        self._ledger.merge(account.api_key, window.condition_id, amount_micros)
        seat.change_pairs(window.slot, -amount_micros)

    def _undecided(self, condition_id: str, amount_micros: int) -> Window:
        window = self._lives.by_condition(condition_id)
        if window is None or self._lives.by_slot.get(window.slot) is not window:
            raise ValueError("no such condition")
        if amount_micros <= 0:
            raise ValueError("nothing to do")
        if window.condition_id in self.settled:
            raise ValueError("the condition is resolved: redeem")
        return window

    def redeem(self, account: Account, condition_id: str) -> int:
        """Pay out a resolved window's winning shares; the model was paid when it settled."""
        window = self._lives.by_condition(condition_id)
        if window is None:
            raise ValueError("no such condition")
        if window.outcome is None:
            raise ValueError("the payout is not reported yet")
        return self._ledger.redeem(account.api_key, window.condition_id)

    def forget(self, window: Window) -> None:
        """Forget a window that ended long ago, once everybody has been paid."""
        self._ledger.redeem_all(window.condition_id)
        self.settled.discard(window.condition_id)
        for seat in self.seats.values():
            seat.forget(window)

    def check(self) -> None:
        """Check that ledger and models agree, and that nothing was made or lost (for tests)."""
        self._ledger.check()
        for seat in self.seats.values():
            seat.check(self._lives.by_slot)
