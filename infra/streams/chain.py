"""The chain: Polygon's head and base fee, asked of a node every few seconds; a sign of how settlement is doing."""

from dataclasses import dataclass
from typing import Final

import msgspec

from infra.addresses import Addresses
from infra.clock import Clock
from infra.feeds.frames import Wire
from infra.streams.intake import Arrived, Intake, What
from infra.streams.rest import Answer, Rest
from state.units import NS_PER_S

POLL_S: Final = 5.0
"""Blocks come every 1.5 to 2 s (venue reference 7.5); public nodes lag, and bear no more than this for long."""


@dataclass(slots=True)
class Chain:
    """Asks for the newest block and hands the node's words on."""

    addresses: Addresses
    clock: Clock
    intake: Intake
    rest: Rest

    async def run(self) -> None:
        """Live until cancelled."""
        asked = 0
        while True:
            asked += 1
            question = {
                "jsonrpc": "2.0", "id": asked, "method": "eth_getBlockByNumber", "params": ["latest", False],
            }  # fmt: skip
            answer = await self.rest.post(Wire.POLYGON, self.addresses.polygon, msgspec.json.encode(question))
            after_s = 0.0
            if isinstance(answer, Answer):
                self.intake.put(Arrived(What.FRAME, Wire.POLYGON, 0, answer.seen_ns, answer.raw))
            else:
                after_s = answer.after_s
            await self.clock.sleep(round(max(POLL_S, after_s) * NS_PER_S))
