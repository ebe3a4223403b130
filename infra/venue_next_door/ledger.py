"""The ledger: whose every micro-dollar and every micro-share is, in double entry.

Units are the collateral (pUSD) and both tokens of each window. In every unit all balances add up to nothing: what
comes in from outside is owed to `OUTSIDE`, and the tokens of a window are owed by `ISSUER`, which holds a dollar of
`LOCKED` collateral for every pair. So collateral of all customers, crowd and fees, with what is locked, is what was
deposited; and as many Up as Down are in the world as dollars are locked for them.

Choices. The crowd is one holder: it mints the pairs that it must sell from and merges those that come together in its
hands, so a customer's match is a transfer between the two, whatever it was on chain. A customer's shares may be
negative after a match FAILED whose shares were sold meanwhile; the model allows it, and it is a debt here. The model
of the matching pays winners when a window settles; here they are paid when they redeem, as on chain (venue reference
7.1), and until then `redeemable` says what is between the two. The crowd redeems at once, and a debt is due at once.
"""

from collections import defaultdict
from typing import Final

from state.events import Side, Token
from state.units import BPS

USD: Final = ("", -1)
Unit = tuple[str, int]
"""A window's condition and a token; `USD` for collateral."""
Line = tuple[str, Unit, int]
"""Holder, unit, and what it gets (negative: gives)."""

CROWD: Final = "crowd"
FEES: Final = "fees"
OUTSIDE: Final = "outside"
ISSUER: Final = "issuer"
CROWD_MICROS: Final = 10**16
"""Ten billion dollars: more than any crowd of a rehearsal will need."""


class Ledger:
    """Balances by holder and unit; customers are named by their API keys."""

    def __init__(self) -> None:
        """Open the books, with the crowd's money in them."""
        self._balances: dict[tuple[str, Unit], int] = {}
        self._sums: defaultdict[Unit, int] = defaultdict(int)
        self._outcomes: dict[str, Token] = {}
        """Conditions that are decided and not wholly redeemed."""
        self.postings_count = 0
        self.deposit(CROWD, CROWD_MICROS)

    # What is there.

    def balance(self, holder: str, unit: Unit = USD) -> int:
        """Give a holder's balance in micros."""
        return self._balances.get((holder, unit), 0)

    def shares(self, holder: str, condition_id: str, token: Token) -> int:
        """Give a holder's shares of a token in micros."""
        return self.balance(holder, (condition_id, int(token)))

    def locked(self, condition_id: str) -> int:
        """Give the collateral behind a window's tokens."""
        return self.balance(_locked(condition_id))

    def deposited(self) -> int:
        """Give what has come in from outside."""
        return -self.balance(OUTSIDE)

    def outcome(self, condition_id: str) -> Token | None:
        """Give how a window was decided; None before, and after all has been redeemed."""
        return self._outcomes.get(condition_id)

    def redeemable(self, holder: str, condition_id: str) -> int:
        """Give what a holder's winning shares of a decided window are worth."""
        outcome = self._outcomes.get(condition_id)
        return 0 if outcome is None else self.shares(holder, condition_id, outcome)

    def all_redeemable(self, holder: str) -> int:
        """Give that of all windows."""
        return sum(self.redeemable(holder, condition_id) for condition_id in self._outcomes)

    # What happens.

    def deposit(self, holder: str, amount: int) -> None:
        """Let collateral come in from outside."""
        self._post("", (OUTSIDE, USD, -amount), (holder, USD, amount))

    def fill(
        self, holder: str, condition_id: str, token: Token, side: Side, price_bps: int, amount: int
    ) -> None:  # fmt: skip
        """Let a holder trade with the crowd at a price of that token; whole hundredths of a share, so whole micros."""
        unit, value = (condition_id, int(token)), price_bps * amount // BPS
        if side is Side.BUY:
            short = amount - self.balance(CROWD, unit)
            if short > 0:
                self._mint(CROWD, condition_id, short)
            self._post(
                condition_id,
                (holder, USD, -value), (CROWD, USD, value), (CROWD, unit, -amount), (holder, unit, amount),
            )  # fmt: skip
        else:
            self._post(
                condition_id,
                (holder, USD, value), (CROWD, USD, -value), (CROWD, unit, amount), (holder, unit, -amount),
            )  # fmt: skip
            pairs = min(self.shares(CROWD, condition_id, each) for each in Token)
            if pairs > 0:
                self._mint(CROWD, condition_id, -pairs)

    def reverse(
        self, holder: str, condition_id: str, token: Token, side: Side, price_bps: int, amount: int
    ) -> None:  # fmt: skip
        """Undo a match that FAILED."""
        self.fill(holder, condition_id, token, Side(1 - side), price_bps, amount)

    def charge(self, holder: str, fee: int) -> None:
        """Take a fee; a negative one gives it back."""
        self._post("", (holder, USD, -fee), (FEES, USD, fee))

    def rebate(self, holder: str, amount: int) -> None:
        """Pay a maker out of the fees of the takers it met, which are the crowd's and are not charged one by one."""
        self._post("", (CROWD, USD, -amount), (FEES, USD, amount))
        self._post("", (FEES, USD, -amount), (holder, USD, amount))

    def split(self, holder: str, condition_id: str, amount: int) -> None:
        """Turn collateral into pairs."""
        self._mint(holder, condition_id, amount)

    def merge(self, holder: str, condition_id: str, amount: int) -> None:
        """Turn pairs into collateral."""
        self._mint(holder, condition_id, -amount)

    def settle(self, condition_id: str, outcome: Token) -> None:
        """Decide a window: from now on its winning shares are worth a dollar each, and the others nothing."""
        assert condition_id not in self._outcomes, "a window is decided once"
        self._outcomes[condition_id] = outcome
        for holder in self._holders(condition_id):
            if holder == CROWD or self.redeemable(holder, condition_id) < 0:
                self.redeem(holder, condition_id)
        self._close(condition_id)

    def redeem(self, holder: str, condition_id: str) -> int:
        """Pay a holder's winning shares of a decided window and take all its shares; gives what was paid."""
        if condition_id not in self._outcomes:
            return 0
        paid = self.redeemable(holder, condition_id)
        lines: list[Line] = [(_locked(condition_id), USD, -paid), (holder, USD, paid)]
        for token in Token:
            held, unit = self.shares(holder, condition_id, token), (condition_id, int(token))
            lines += [(holder, unit, -held), (ISSUER, unit, held)]
        self._post(condition_id, *lines)
        self._close(condition_id)
        return paid

    def redeem_all(self, condition_id: str) -> None:
        """Pay everybody who holds shares of a decided window, so that it can be forgotten."""
        for holder in self._holders(condition_id):
            self.redeem(holder, condition_id)

    def _holders(self, condition_id: str) -> list[str]:
        held = {holder for holder, (condition, _) in self._balances if condition == condition_id}
        return sorted(held - {ISSUER})

    def _close(self, condition_id: str) -> None:
        if not self._holders(condition_id):
            self._outcomes.pop(condition_id, None)

    def _mint(self, holder: str, condition_id: str, amount: int) -> None:
        assert condition_id not in self._outcomes, "pairs of a decided window are redeemed"
        up, down = (condition_id, int(Token.UP)), (condition_id, int(Token.DOWN))
        self._post(
            condition_id,
            (holder, USD, -amount), (_locked(condition_id), USD, amount),
            (ISSUER, up, -amount), (holder, up, amount), (ISSUER, down, -amount), (holder, down, amount),
        )  # fmt: skip

    # The law.

    def _post(self, condition_id: str, *lines: Line) -> None:
        """Book lines that add up to nothing in each unit, and check what must hold after them."""
        self.postings_count += 1
        for holder, unit, amount in lines:
            key = holder, unit
            now = self._balances.get(key, 0) + amount
            if now:
                self._balances[key] = now
            else:
                self._balances.pop(key, None)
            self._sums[unit] += amount
        for unit in {unit for _, unit, _ in lines}:
            assert self._sums[unit] == 0, f"{unit}: {self._sums[unit]} came from nowhere"
            if unit != USD:
                del self._sums[unit]
        if condition_id:
            self._check_pairs(condition_id)

    def _check_pairs(self, condition_id: str) -> None:
        """Check that a window's tokens are backed: by pairs before it is decided, by winners after."""
        up, down = (-self.shares(ISSUER, condition_id, token) for token in Token)
        outcome, locked = self._outcomes.get(condition_id), self.locked(condition_id)
        if outcome is None:
            assert up == down == locked, f"{condition_id}: {up} Up, {down} Down, {locked} locked"
        else:
            assert (up, down)[outcome] == locked, f"{condition_id}: {up} Up, {down} Down, {outcome}, {locked} locked"

    def check(self) -> None:
        """Check the whole: every unit by itself, every window, and that no more is there than was deposited."""
        sums: defaultdict[Unit, int] = defaultdict(int)
        for (_, unit), amount in self._balances.items():
            sums[unit] += amount
        assert not any(sums.values()), "a unit does not add up"
        for condition_id in {condition for _, (condition, _) in self._balances if condition}:
            self._check_pairs(condition_id)
        inside = sum(amount for (holder, unit), amount in self._balances.items() if unit == USD and holder != OUTSIDE)
        assert inside == self.deposited()


def _locked(condition_id: str) -> str:
    return f"locked {condition_id}"
