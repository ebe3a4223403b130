"""Heeding: doing as the venue asks in its answers: pause, look at the balance again, show who we are, or stop."""

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from infra.clock import Clock
from infra.venues.cancelling import Cancelling
from infra.venues.inquiry import Inquiry
from infra.venues.known_orders import KnownOrder
from infra.venues.posting import Fate, Outcome
from infra.venues.repricing import Repricing
from infra.venues.rest import CredentialsRefused, NoAnswer, Rest
from infra.venues.signing import SignerFailed
from infra.venues.throttle import Throttle
from state.events import Side
from state.orders import Reject
from state.units import NS_PER_S

KEYS_NS: Final = 600 * NS_PER_S
"""Credentials that are refused are derived again, but not more often than this."""
SPIN_S: Final = 2.0
"""After a refusal for want of balance no order leaves for so long: asking again at once does not mend it ..."""
SPIN_MOST_S: Final = 60.0
"""... nor after the doubled times that follow, while nothing else comes of it."""

_TAKEN: Final = (Fate.RESTING, Fate.HELD, Fate.MATCHED, Fate.UNMATCHED)

Spawn = Callable[[Coroutine[Any, Any, None]], None]
Alarmed = Callable[[str], None]


class Heeding:
    """Acts on what answers ask for beside the order itself.

    Args:
        rest: The venue; its credentials are the ones that must come again when they are derived anew.
        clock: The desk's.
        throttle: Takes pauses.
        cancelling: Frees what a phantom locks.
        inquiry: Lets the venue look at balances again.
        counts: Counts by words.
        halt: Is told what a person must mend.
        alarmed: Is told what a person should look at; trading goes on.
        spawn: Runs what takes time.
    """

    def __init__(
        self, rest: Rest, clock: Clock, throttle: Throttle, cancelling: Cancelling, inquiry: Inquiry,
        counts: Counter[str], halt: Callable[[str], None], alarmed: Alarmed, spawn: Spawn,
    ) -> None:  # fmt: skip
        assert rest.credentials is not None, "credentials come before orders"
        self._rest, self._clock, self._throttle, self._spawn = rest, clock, throttle, spawn
        self._cancelling, self._inquiry, self._counts = cancelling, inquiry, counts
        self._halt, self._alarmed = halt, alarmed
        self._api_key = rest.credentials.api_key
        self._derived_ns = -KEYS_NS
        self._deriving = False
        self._poor_in_row = 0
        self.repricing = Repricing()

    def heed(self, orders: Sequence[KnownOrder], outcomes: Sequence[Outcome]) -> None:
        """Do as the answer to one request asks: what it says of several orders alike, it asks once."""
        now_ns = self._clock.now_ns()
        both = list(zip(orders, outcomes, strict=True))
        if any(outcome.fate in _TAKEN for outcome in outcomes):
            self._throttle.went_well()
            self._poor_in_row = 0
        for reject in dict.fromkeys(each.reject for each in outcomes if each.pause_s >= 0):
            self._counts[f"paused: {reject.name.lower()}"] += 1
            self._throttle.pause(reject, max(each.pause_s for each in outcomes if each.reject is reject))
        for token_id in {order.token_id for order, outcome in both if outcome.fate is Fate.RESTING}:
            self.repricing.rested(token_id)
        for token_id in {each.token_id for each, told in both if told.reject is Reject.POST_ONLY_WOULD_CROSS}:
            self.repricing.crossed(token_id, now_ns)
        if poor := [order for order, outcome in both if outcome.reject is Reject.NOT_ENOUGH_BALANCE]:
            self._poor(poor)
        if any(outcome.order_hash not in ("", order.order_hash) for order, outcome in both):
            self._halt("the venue names orders otherwise than we reckon: nothing could be asked for after a crash")
        self._heed_strangers(outcomes, now_ns)

    def _heed_strangers(self, outcomes: Sequence[Outcome], now_ns: int) -> None:
        """Derive the credentials once more where they are not known, and halt for what that does not mend."""
        may_derive = self._deriving or now_ns - self._derived_ns >= KEYS_NS
        if may_derive and not self._deriving and any(each.stranger for each in outcomes):
            self._derived_ns, self._deriving = now_ns, True
            self._throttle.pause(Reject.FAILED, SPIN_S)
            self._spawn(self._derive())
        halts = [each.halt_why for each in outcomes if each.halt_why and not (each.stranger and may_derive)]
        if halts:
            self._halt(halts[0])

    def _poor(self, orders: Sequence[KnownOrder]) -> None:
        """Back off and let the venue look again; if it still sees no money, free the market's orders and call somebody.

        The venue may count what is gone (venue reference 8, row 5), and a sale soon after a purchase finds no shares
        before the venue's cache knows of them (row 6).
        """
        self._throttle.pause(Reject.NOT_ENOUGH_BALANCE, min(SPIN_S * 2**self._poor_in_row, SPIN_MOST_S))
        self._poor_in_row = min(self._poor_in_row + 1, 10)
        for token_id in sorted({order.token_id if order.side is Side.SELL else "" for order in orders}):
            self._spawn(self._inquiry.refresh_balance(token_id))
        if self._poor_in_row > 1:
            self._counts["balance still short"] += 1
            for slot in sorted({order.slot for order in orders}):
                self._spawn(self._cancelling.cancel_market(slot))
            numbers = ", ".join(str(order.order_id) for order in orders)
            self._alarmed(
                f"the venue sees too little balance for order {numbers}, {self._poor_in_row} times in a row, "
                "also after it looked again: the market's orders are pulled; compare its balance with ours"
            )

    async def _derive(self) -> None:
        """Get our credentials once more; other ones than we had would be another account, and a person's business."""
        self._counts["credentials derived again"] += 1
        try:
            credentials = await self._rest.derive()
        except (NoAnswer, CredentialsRefused, SignerFailed) as error:
            self._halt(f"the venue does not know our credentials, and gives no others: {error}")
            return
        finally:
            self._deriving = False
        if credentials.api_key != self._api_key:
            self._halt("the venue gives our key other credentials than before: start again")
