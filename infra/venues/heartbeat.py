"""Heartbeat: the dead man's switch: while we beat, our orders live; ten seconds after the last they end.

Venue reference 5.6: the first accepted beat arms it for the whole API key; each answer names the id of the next; a
wrong id is refused with the right one. Two engines on one key fight over the id, and that is counted here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from infra.clock import Clock
from infra.venues.rest import NoAnswer, Rest
from state.units import NS_PER_S

EVERY_NS: Final = 5 * NS_PER_S
AGAIN_NS: Final = NS_PER_S
"""After a beat that failed."""


@dataclass(slots=True)
class Heartbeat:
    """Beats every five seconds of the clock, but not for a desk that is killed: then the venue cancels, too."""

    rest: Rest
    clock: Clock
    is_killed: Callable[[], bool] = lambda: False
    next_id: str = ""
    accepted_ns: int = 0
    """When the last beat was accepted; 0: none yet."""
    accepted_count: int = 0
    repaired_count: int = 0
    failed_count: int = 0

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            began_ns = self.clock.now_ns()
            pause_ns = EVERY_NS if self.is_killed() or await self.beat() else AGAIN_NS
            await self.clock.sleep_until(began_ns + pause_ns)

    async def beat(self) -> bool:
        """Beat once, with the right id where the venue names one; says whether it was accepted."""
        for _ in range(2):
            try:
                body = msgspec.json.encode({"heartbeat_id": self.next_id})
                reply = await self.rest.call("POST", "/v1/heartbeats", body=body)
            except NoAnswer:
                break
            named = reply.fields.get("heartbeat_id")
            if not isinstance(named, str):
                break
            self.next_id = named
            if reply.status == 200:
                self.accepted_ns, self.accepted_count = reply.answered_ns, self.accepted_count + 1
                return True
            self.repaired_count += 1
        self.failed_count += 1
        return False
