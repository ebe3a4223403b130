"""What is walked dry goes nowhere, and is the very way that an order takes."""

import asyncio
import json

from gateway_desk import a_desk

from infra.venues.limber import NOWHERE, Limber
from infra.venues.signing import Signer


def test_a_dry_walk_writes_a_whole_request_for_a_token_that_no_market_has_and_sends_nothing() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            gateway = desk.gateway
            written: list[bytes] = []
            gateway._rest.lines.written = written.append
            head, _, body = gateway.limber.walk().partition(b"\r\n\r\n")
            order = json.loads(body)["order"]
            assert head.startswith(b"POST /order ") and b"POLY_SIGNATURE: " in head
            assert order["tokenId"] == NOWHERE and len(order["signature"]) > 130
            account = desk.venue.engine.accounts[gateway.news.api_key]
            assert not account.orders and not gateway.news.orders and not gateway.counts["posted"]
            assert not [request for request in written if b"/order" in request]

    asyncio.run(story())


def test_nothing_is_walked_while_an_order_is_on_its_way_or_none_may_leave() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            gateway = desk.gateway
            assert gateway._is_idle()
            gateway.sending.under_way.add("0x1")
            assert not gateway._is_idle()
            gateway.sending.under_way.clear()
            gateway.halt("enough")
            assert not gateway._is_idle()

    asyncio.run(story())


class Elsewhere:
    """A key that is held elsewhere, where every signature asked for is seen."""

    address = "0x" + "11" * 20

    def sign(self, digest: bytes) -> bytes:
        raise AssertionError("asked to sign what nobody wants")


def test_a_key_that_is_held_elsewhere_is_not_asked_for_dry_signatures() -> None:
    async def story() -> None:
        async with a_desk() as desk:
            rest, clock = desk.gateway._rest, desk.venue.clock
            await asyncio.wait_for(Limber(rest, clock, Signer(Elsewhere()), "key", lambda: True).run(), 5)

    asyncio.run(story())
