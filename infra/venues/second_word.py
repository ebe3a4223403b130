"""The second word: who won by the CLOB's own market object, beside the word that settled the window.

A window is settled by the first that tells its end: Gamma's catalogue, or the market channel. Both may be wrong or
stale, and neither is where orders were matched. `GET /markets/{condition}` of the CLOB names a winner as well (venue
reference 2.3, 2.4): nothing is redeemed before both have named the same, and two that differ halt the session.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from infra.feeds import clob_rest
from infra.venues.rest import NoAnswer, Rest
from state.events import Token

LOG: Final = logging.getLogger("updown.settling")
_LABELS: Final = {"up": Token.UP, "down": Token.DOWN}


class SecondWord:
    """Asks the CLOB who won, once for each window as long as it takes until it says so.

    Args:
        rest: The venue.
        note: Writes into the journal.
        halt: Told in one line when the two differ.
    """

    def __init__(self, rest: Rest, note: Callable[[dict[str, Any]], None], halt: Callable[[str], None]) -> None:
        self._rest, self._note, self._halt = rest, note, halt
        self._heard: dict[str, bool] = {}

    async def agrees(self, slug: str, condition_id: str, outcome: Token) -> bool | None:
        """Say whether the CLOB names the same winner; None while it names none, or cannot be asked."""
        if slug in self._heard:
            return self._heard[slug]
        try:
            reply = await self._rest.call("GET", f"/markets/{condition_id}", sealed=False)
        except NoAnswer:
            return None
        market = reply.message
        if reply.status != 200 or not isinstance(market, clob_rest.Market) or market.condition_id != condition_id:
            return None
        named = [token.outcome for token in market.tokens if token.winner]
        if not named:
            return None
        agrees = len(named) == 1 and _LABELS.get(named[0].lower()) is outcome
        self._heard[slug] = agrees
        self._note({"second word": slug, "first": outcome.name, "clob": ", ".join(named), "agrees": agrees})
        if not agrees:
            words = f"{slug}: it was settled as {outcome.name}, and the CLOB names {', '.join(named)} as the winner"
            LOG.error("%s", words)
            self._halt(f"{words}: nothing is redeemed; look at both before trading on")
        return agrees
