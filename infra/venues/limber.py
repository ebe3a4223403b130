"""Limber: walks the way of an order dry, so that it is warm when a real one takes it.

Orders are rare and everything else is not: between two of them, what an order needs is pushed out of the processor's
caches, and the first thing the next one does is wait for memory. Walked every few milliseconds, the way from command to
request takes about half as long (`updown prove order-speed`), for some hundredths of a core.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from infra.clock import Clock
from infra.journal.blocks import EntryKind, Marks, compressor, pack
from infra.venues.posting import body_of, terms_of
from infra.venues.reconcile import order_of
from infra.venues.rest import ORDER_PATHS, Rest
from infra.venues.signing import Signer
from state.events import Side, Token
from state.orders import Act, Command, Reject, TimeInForce
from state.records import layout
from state.units import MICROS

EVERY_S: Final = 0.005
"""Real seconds between two walks."""
NOWHERE: Final = "0"
"""The token that is asked for: no market has it, so that what is signed here is worth nothing to anybody."""


class Limber:
    """Makes orders, and throws them away: nothing is sent, nothing is remembered.

    Args:
        rest: Writes requests; it is asked to send none.
        clock: The desk's.
        signer: Signs with a key in this process; one that is held elsewhere is not asked, and nothing is walked.
        api_key: Stands in requests.
        may: Says that an order could leave now and none is on its way: a real one never waits for a dry one.
    """

    def __init__(self, rest: Rest, clock: Clock, signer: Signer, api_key: str, may: Callable[[], bool]) -> None:
        self._rest, self._clock, self._signer, self._api_key, self._may = rest, clock, signer, api_key, may
        self._commands: Any = np.zeros(1, layout(Command))
        self._compressor = compressor()
        first = self._commands[0]
        first["act_code"], first["token_code"], first["side_code"] = Act.PLACE, Token.UP, Side.BUY
        first["tif_code"], first["price_bps"], first["amount_micros"] = TimeInForce.FAK, 5_000, 10 * MICROS

    async def run(self) -> None:
        """Walk, until cancelled, whenever it may."""
        while self._signer.is_local:
            await asyncio.sleep(EVERY_S)
            if self._may():
                self.walk()

    def walk(self) -> bytes:
        """Do what a command causes up to its request, as the gateway and the journal do it; gives that request."""
        now_ns = self._clock.now_ns()
        command = self._commands[0]
        command["at_ns"] = now_ns
        made = terms_of(command, NOWHERE)
        assert not isinstance(made, Reject), "ten shares at 50 cents are an order"
        terms, amounts = made
        signed = self._signer.sign(terms)
        order_of(command, NOWHERE, signed.order_hash, amounts.shares_micros)
        body = body_of(command, terms, signed, self._signer, self._api_key)
        pack([(EntryKind.COMMAND, 0, 0, now_ns, self._commands.tobytes())], Marks(), self._compressor)
        return self._rest.request("POST", ORDER_PATHS[0], body=body, at_ns=now_ns)
