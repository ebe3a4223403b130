"""Reservations: what each order of ours still claims, as a function of what is known of it and of nothing else."""

from dataclasses import dataclass

from infra.ledger.entries import Account, Lines, TokenKey
from state.events import Side, Token
from state.units import BPS


@dataclass(slots=True)
class OrderClaim:
    """One order: what was commanded, what filled, whether it is over; and what is reserved for it now."""

    window: str = ""
    """Empty until the command is known: fills and ends may be heard of first."""
    token: Token = Token.UP
    side: Side = Side.BUY
    price_bps: int = 0
    amount_micros: int = 0
    filled_micros: int = 0
    fees_micros: int = 0
    ended: bool = False
    reserved_micros: int = 0
    """Collateral for a purchase, shares for a sale."""

    @property
    def open_micros(self) -> int:
        """Give the shares that may still match; more filled than ordered is clamped, as in the core."""
        return 0 if self.ended or not self.window else max(self.amount_micros - self.filled_micros, 0)

    def settle(self, lines: Lines, *, decided: bool) -> None:
        """Reserve or release the difference to what the order claims now; nothing once its window is decided."""
        open_micros = 0 if decided else self.open_micros
        claim = open_micros * self.price_bps // BPS if self.side is Side.BUY else open_micros
        more = claim - self.reserved_micros
        if not more:
            return
        self.reserved_micros = claim
        if self.side is Side.BUY:
            lines.move(Account.CASH, Account.RESERVED, more)
        else:
            lines.move(Account.SHARES, Account.OFFERED, more, TokenKey(self.window, self.token).commodity)
