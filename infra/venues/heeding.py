"""Heeding: doing as the venue asks in its answers: pause, look at the balance again, show who we are, or stop."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

from infra.clock import Clock
from infra.venues.cancelling import Cancelling
from infra.venues.inquiry import Inquiry
from infra.venues.known_orders import KnownOrder
from infra.venues.posting import Fate, Outcome
from infra.venues.repricing import Repricing
from infra.venues.rest import CredentialsRefused, NoAnswer, Rest
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
        self._poor_in_row = 0
        self.repricing = Repricing()

    def heed(self, order: KnownOrder, outcome: Outcome) -> None:
        """Do as an answer to an order asks."""
        now_ns = self._clock.now_ns()
        if outcome.pause_s >= 0:
            self._counts[f"paused: {outcome.reject.name.lower()}"] += 1
            self._throttle.pause(outcome.reject, outcome.pause_s)
        elif outcome.fate is not Fate.REFUSED and outcome.fate is not Fate.UNKNOWN:
            self._throttle.went_well()
            self._poor_in_row = 0
        if outcome.fate is Fate.RESTING:
            self.repricing.rested(order.token_id)
        if outcome.reject is Reject.POST_ONLY_WOULD_CROSS:
            self.repricing.crossed(order.token_id, now_ns)
        if outcome.reject is Reject.NOT_ENOUGH_BALANCE:
            self._poor(order)
        if outcome.stranger and now_ns - self._derived_ns >= KEYS_NS:
            self._derived_ns = now_ns
            self._throttle.pause(Reject.FAILED, SPIN_S)
            self._spawn(self._derive())
        elif outcome.halt_why:
            self._halt(outcome.halt_why)

    def _poor(self, order: KnownOrder) -> None:
        """Back off and let the venue look again; if it still sees no money, free the market's orders and call somebody.

        The venue may count what is gone (venue reference 8, row 5), and a sale soon after a purchase finds no shares
        before the venue's cache knows of them (row 6).
        """
        self._throttle.pause(Reject.NOT_ENOUGH_BALANCE, min(SPIN_S * 2**self._poor_in_row, SPIN_MOST_S))
        self._poor_in_row = min(self._poor_in_row + 1, 10)
        self._spawn(self._inquiry.refresh_balance(order.token_id if order.side is Side.SELL else ""))
        if self._poor_in_row > 1:
            self._counts["balance still short"] += 1
            self._spawn(self._cancelling.cancel_market(order.slot))
            self._alarmed(
                f"the venue sees too little balance for order {order.order_id}, {self._poor_in_row} times in a row, "
                "also after it looked again: the market's orders are pulled; compare its balance with ours"
            )

    async def _derive(self) -> None:
        """Get our credentials once more; other ones than we had would be another account, and a person's business."""
        self._counts["credentials derived again"] += 1
        try:
            credentials = await self._rest.derive()
        except (NoAnswer, CredentialsRefused) as error:
            self._halt(f"the venue does not know our credentials, and gives no others: {error}")
            return
        if credentials.api_key != self._api_key:
            self._halt("the venue gives our key other credentials than before: start again")
