"""Version watch: whether the venue still takes orders in the form that we sign (venue reference 1.2; 8, row 15)."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from infra.clock import Clock
from infra.feeds.listings import Listing
from infra.venues.refusals import halting
from infra.venues.rest import NoAnswer, Rest
from infra.venues.signing import DOMAIN_V3, domain_of
from state.rules import Rule
from state.units import NS_PER_S

KNOWN: Final = 2
"""What `/version` says while the order domains that we sign are the venue's."""
EVERY_NS: Final = 60 * NS_PER_S
OTHER_VERSION: Final = halting("order_version_mismatch")
"""The words of a refusal of the same sort: it is the same thing, found earlier."""


class VersionWatch:
    """Asks for the venue's version at the start and every minute, and holds each market's version to its tokens.

    No answer says nothing about the version: it is counted, and asked again.
    """

    def __init__(self, rest: Rest, clock: Clock, counts: Counter[str], halt: Callable[[str], None]) -> None:
        """Take the venue, the desk's clock, the counter of words, and who is told of a mismatch."""
        self._rest, self._clock, self._counts, self._halt = rest, clock, counts, halt

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self.ask()
            await self._clock.sleep(EVERY_NS)

    async def ask(self) -> None:
        """Ask once."""
        try:
            reply = await self._rest.call("GET", "/version", sealed=False)
        except NoAnswer:
            self._counts["versions unanswered"] += 1
            return
        told = reply.fields.get("version")
        if reply.status != 200 or not isinstance(told, int):
            self._counts["versions unanswered"] += 1
            return
        self._counts["versions asked"] += 1
        if told != KNOWN:
            self._halt(OTHER_VERSION)

    def hold(self, listing: Listing) -> None:
        """Halt when a market says that its orders are signed otherwise than its tokens tell us to sign them."""
        stated = listing.rules.get(Rule.ORDER_VERSION)
        signed = {3 if domain_of(token)[0] == DOMAIN_V3 else 2 for token in (listing.up_token, listing.down_token)}
        if stated is not None and signed != {stated}:
            self._halt(f"{listing.slug}: {OTHER_VERSION}")
