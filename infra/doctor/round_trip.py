"""A round trip: the smallest order goes to the venue and comes back, seen on every way by which we hear of orders.

It rests far from the touch, so that it is not met; it is cancelled whatever happens after it left. What is asked for
once is never sent again: an order without an answer is looked for by its id, which is known before it leaves.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import aiohttp
import msgspec

from infra.addresses import Addresses
from infra.clock import Clock, monotonic_ns
from infra.feeds import clob_rest, polymarket_market, polymarket_user
from infra.feeds.figures import bps_of
from infra.feeds.frames import Parsed
from infra.feeds.listings import Listing
from infra.streams.endpoints import user
from infra.venues.posting import Fate, body_of, outcome_of, terms_of
from infra.venues.rest import CredentialsRefused, NoAnswer, Rest
from infra.venues.secrets import Identity
from infra.venues.signing import Signer
from state.events import Side, Token
from state.orders import Act, Command, Reject, TimeInForce
from state.records import rows
from state.units import BPS, MICROS

PATIENCE_S: Final = 10.0
"""Real seconds that each sight of an order may take."""
SETTLING_S: Final = 60.0
"""Real seconds that a purchase may take to be mined."""
POLL_S: Final = 0.05
LISTEN_S: Final = 0.3
"""Real seconds that a fresh user channel is given before an order leaves: its log-in has no answer (reference 4.2)."""
SPEND_MICROS: Final = MICROS + MICROS // 50
"""A dollar is the least that may take. Two cents more, for shares are cut to four decimals: whether the venue holds the
dollar against the money offered or against shares times price is not documented."""
SLIP_BPS: Final = 200
"""A purchase may cost so much more than the best offer: it must survive the taker hold, and stay about a dollar."""
FAR_BPS: Final = 1_500
"""A bid this far below the best one is not met within seconds."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step, and how long it took."""

    step: str
    took_ms: float | None
    """Real time since the step that caused it; None: it did not come."""
    what: str


@dataclass(slots=True)
class Trip:
    """What a round trip came to."""

    title: str
    steps: list[Step] = field(default_factory=list)
    failure: str = ""

    @property
    def holds(self) -> bool:
        """Say whether every step came."""
        return not self.failure

    @property
    def words(self) -> str:
        """Say it in one line."""
        return self.failure or "the way there and back works, and nothing of it rests at the venue any more"

    def values(self) -> dict[str, Any]:
        """Give it as plain values."""
        steps = [asdict(step) | {"took_ms": None if step.took_ms is None else round(step.took_ms, 2)}
                 for step in self.steps]  # fmt: skip
        return {"holds": self.holds, "words": self.words, "steps": steps}

    def came(self, step: str, since_ns: int, what: str) -> None:
        """Write a step down as done now."""
        self.steps.append(Step(step, (monotonic_ns() - since_ns) / 1e6, what))


class _Failed(Exception):
    """A step did not come; the trip ends there, and what rests is cancelled."""


@dataclass(slots=True)
class _Ears:
    """What the user channel has said: by order id, with the moment of hearing."""

    heard: list[tuple[int, Any]] = field(default_factory=list)

    def of(self, order_hash: str, *kinds: str) -> tuple[int, Any] | None:
        """Give the first message about an order that is of one of these kinds (types of orders, statuses of trades)."""
        for at_ns, message in self.heard:
            if isinstance(message, polymarket_user.OrderUpdate):
                if message.id == order_hash and message.type in kinds:
                    return at_ns, message
            elif order_hash == message.taker_order_id and polymarket_user.settled_status(message) in kinds:
                return at_ns, message
        return None


async def go_round(
    addresses: Addresses, clock: Clock, identity: Identity, listing: Listing, *, spend: bool = False
) -> Trip:
    """Place the smallest order far from the touch, see it, cancel it, see it gone; and buy for a dollar if wanted.

    Nothing of the other side raises: what fails is told in the trip's words.
    """
    trip = Trip(f"A round trip in {listing.slug}")
    signer = identity.signer()
    rest = Rest(addresses.clob, clock, signer, None)
    try:
        await rest.open()
        await rest.derive()
        async with _listening(addresses, rest) as ears:
            await _rest_and_cancel(trip, clock, rest, signer, listing, ears)
            if spend:
                await _buy(trip, clock, rest, signer, listing, ears)
    except (_Failed, NoAnswer, CredentialsRefused, aiohttp.ClientError) as error:
        trip.failure = f"the round trip failed: {error}"
    finally:
        await rest.close()
    return trip


@asynccontextmanager
async def _listening(addresses: Addresses, rest: Rest) -> AsyncIterator[_Ears]:
    assert rest.credentials is not None, "derived before"
    ears = _Ears()
    endpoint = user(addresses, rest.credentials)
    async with aiohttp.ClientSession() as session, session.ws_connect(endpoint.url) as socket:
        for text in endpoint.first():
            await socket.send_str(text)

        async def hear() -> None:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    parsed = polymarket_user.parse(message.data.encode())
                    if isinstance(parsed, Parsed):
                        ears.heard += [(monotonic_ns(), each) for each in parsed.messages]

        task = asyncio.create_task(hear())
        try:
            await asyncio.sleep(LISTEN_S)
            yield ears
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


# The order that rests.


async def _rest_and_cancel(trip: Trip, clock: Clock, rest: Rest, signer: Signer, listing: Listing, ears: _Ears) -> None:
    token, price_bps = await _far_price(rest, listing)
    shares_micros = listing.min_micros
    cost = f"{shares_micros / MICROS:g} shares at ${price_bps / BPS:g}: ${shares_micros * price_bps / BPS / MICROS:.2f}"
    command = _command(clock, token, price_bps, shares_micros, TimeInForce.GTC, post_only=True)
    order_hash, posted_ns = await _post(trip, rest, signer, listing, command, f"post-only bid for {token.name}, {cost}")
    try:
        heard = await _until(lambda: ears.of(order_hash, "PLACEMENT"), "the user channel never told of the order")
        trip.steps.append(Step("seen on the user channel", (heard[0] - posted_ns) / 1e6, "PLACEMENT"))
        await _until_async(lambda: _is_open(rest, order_hash), "the list of open orders never had it")
        trip.came("seen resting by REST", posted_ns, "GET /data/orders")
    finally:
        cancelled_ns = await _cancel(trip, rest, order_hash)
    heard = await _until(lambda: ears.of(order_hash, "CANCELLATION"), "the user channel never told of the cancel")
    trip.steps.append(Step("cancel seen on the user channel", (heard[0] - cancelled_ns) / 1e6, "CANCELLATION"))
    await _until_async(lambda: _is_gone(rest, order_hash), "the list of open orders has it still: cancel it by hand")
    trip.came("seen gone by REST", cancelled_ns, "GET /data/orders")


async def _far_price(rest: Rest, listing: Listing) -> tuple[Token, int]:
    """Choose the token whose bid stands higher, and the lowest price of its grid, far below that bid.

    Where nobody bids yet, as in a window that was listed just now, there is no touch to be near to.
    """
    best = {token: (await _touch(rest, _token_id(listing, token)))[0] for token in Token}
    token = max(best, key=lambda each: best[each])
    if 0 < best[token] < FAR_BPS + listing.tick_bps:
        raise _Failed("no token has a bid far above the lowest price; try in the next window")
    return token, listing.tick_bps


async def _cancel(trip: Trip, rest: Rest, order_hash: str, *, may_be_missing: bool = False) -> int:
    """Cancel, twice if need be, for twice cancelled is once cancelled; gives when it was asked for.

    Where nobody knows whether the order was taken, one that the venue does not know is as good as cancelled.
    """
    began_ns = monotonic_ns()
    body = msgspec.json.encode({"orderID": order_hash})
    for _ in range(2):
        try:
            reply = await rest.call("DELETE", "/order", body=body)
        except NoAnswer:
            continue
        told = reply.message
        if isinstance(told, clob_rest.Cancelled) and order_hash in told.canceled:
            trip.came("cancel answered", began_ns, "canceled")
            return began_ns
        if may_be_missing and isinstance(told, clob_rest.Cancelled):
            trip.came("cancel answered", began_ns, told.not_canceled.get(order_hash, "the venue does not know it"))
            return began_ns
        why = told.not_canceled.get(order_hash, "") if isinstance(told, clob_rest.Cancelled) else reply.words[:80]
        raise _Failed(f"the cancel was not taken ({reply.status} {why}): look for {order_hash} by hand")
    raise _Failed(f"the cancel was not answered: look for {order_hash} by hand")


# The purchase.


async def _buy(trip: Trip, clock: Clock, rest: Rest, signer: Signer, listing: Listing, ears: _Ears) -> None:
    """Buy for a dollar: fill what is offered at once, kill the rest."""
    asks = {token: (await _touch(rest, _token_id(listing, token)))[1] for token in Token}
    token = max(asks, key=lambda each: asks[each] if asks[each] < BPS - SLIP_BPS else 0)
    price_bps = asks[token] + SLIP_BPS // listing.tick_bps * listing.tick_bps
    if price_bps >= BPS:
        raise _Failed("nothing is offered that could be bought for a dollar")
    shares_micros = -(-SPEND_MICROS * BPS // price_bps)
    what = f"FAK purchase of {token.name} for ${SPEND_MICROS / MICROS:.2f}, at most ${price_bps / BPS:g} a share"
    command = _command(clock, token, price_bps, shares_micros, TimeInForce.FAK)
    order_hash, posted_ns = await _post(trip, rest, signer, listing, command, what)
    heard = await _until(
        lambda: ears.of(order_hash, "MATCHED", "MINED", "CONFIRMED"), "the user channel never told of a trade"
    )
    trade = heard[1]
    trip.steps.append(
        Step("trade seen on the user channel", (heard[0] - posted_ns) / 1e6, f"{trade.size:g} at ${trade.price:g}")
    )
    await _until_async(lambda: _is_traded(rest, order_hash, listing), "the list of trades never had it")
    trip.came("trade seen by REST", posted_ns, "GET /data/trades")
    settled = await _until(
        lambda: ears.of(order_hash, "CONFIRMED", "FAILED"), "the trade was not settled in time", SETTLING_S
    )
    status = polymarket_user.settled_status(settled[1])
    trip.steps.append(Step("trade settled", (settled[0] - posted_ns) / 1e6, status))
    if status != "CONFIRMED":
        raise _Failed("the trade failed on the chain; the money is back, and the venue should be asked why")


# What both have in common.


def _token_id(listing: Listing, token: Token) -> str:
    return listing.up_token if token is Token.UP else listing.down_token


def _command(
    clock: Clock, token: Token, price_bps: int, shares_micros: int, tif: TimeInForce, *, post_only: bool = False
) -> Any:
    """Write the command that the core would give; order 0 is nobody's, so its id is no other order's."""
    command: Any = rows(Command, 1)[0]
    command["act_code"], command["at_ns"], command["side_code"] = Act.PLACE, clock.now_ns(), Side.BUY
    command["token_code"], command["price_bps"], command["amount_micros"] = token, price_bps, shares_micros
    command["tif_code"], command["post_only"] = tif, post_only
    return command


async def _post(trip: Trip, rest: Rest, signer: Signer, listing: Listing, command: Any, what: str) -> tuple[str, int]:
    """Sign and send one order; gives its id and when it left."""
    began_ns = monotonic_ns()
    made = terms_of(command, _token_id(listing, Token(int(command["token_code"]))))
    if isinstance(made, Reject):
        raise _Failed(f"no order can be made of it ({made.name.lower()})")
    assert rest.credentials is not None, "derived before"
    signed = signer.sign(made[0])
    body = body_of(command, made[0], signed, signer, rest.credentials.api_key)
    trip.came("built and signed", began_ns, what)
    posted_ns = monotonic_ns()
    try:
        reply = await rest.call("POST", "/order", body=body)
    except NoAnswer as error:
        if error.unsent:
            raise
        await _cancel(trip, rest, signed.order_hash, may_be_missing=True)  # nobody knows, so it is taken out
        raise
    except asyncio.CancelledError:  # Ctrl-C: it may have left already
        await _cancel(trip, rest, signed.order_hash, may_be_missing=True)
        raise
    outcome = outcome_of(reply, Side.BUY)
    said = f"{reply.status} {reply.words[:120]}"
    if outcome.fate is Fate.UNKNOWN:
        await _cancel(trip, rest, signed.order_hash, may_be_missing=True)
        raise _Failed(f"nobody can say whether the order was taken ({said}); it was cancelled in any case")
    if outcome.fate not in (Fate.RESTING, Fate.HELD, Fate.MATCHED):
        raise _Failed(f"the order was not taken: {said}")
    trip.came("post answered", posted_ns, outcome.fate.value)
    if outcome.order_hash != signed.order_hash:
        await _cancel(trip, rest, outcome.order_hash)
        raise _Failed(f"the venue calls it {outcome.order_hash}, we reckoned {signed.order_hash}; it was cancelled")
    return signed.order_hash, posted_ns


async def _touch(rest: Rest, token_id: str) -> tuple[int, int]:
    """Give best bid and ask of a token in bps; 0 and a dollar where a side is empty."""
    reply = await rest.call("GET", "/book", query=f"token_id={token_id}", sealed=False)
    book = reply.message
    if not isinstance(book, polymarket_market.Book):
        raise _Failed(f"no book for the market: {reply.status} {reply.words[:80]}")
    return (bps_of(book.bids[-1].price) if book.bids else 0), (bps_of(book.asks[-1].price) if book.asks else BPS)


async def _is_open(rest: Rest, order_hash: str) -> bool:
    return any(order.id == order_hash for order in await rest.pages("/data/orders"))


async def _is_gone(rest: Rest, order_hash: str) -> bool:
    return not await _is_open(rest, order_hash)


async def _is_traded(rest: Rest, order_hash: str, listing: Listing) -> bool:
    trades = await rest.pages("/data/trades", f"market={listing.condition_id}")
    return any(trade.taker_order_id == order_hash for trade in trades)


async def _until(come: Callable[[], Any], otherwise: str, patience_s: float = PATIENCE_S) -> Any:
    until_ns = monotonic_ns() + int(patience_s * 1e9)
    while (found := come()) is None:
        if monotonic_ns() > until_ns:
            raise _Failed(otherwise)
        await asyncio.sleep(POLL_S / 10)
    return found


async def _until_async(come: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    until_ns = monotonic_ns() + int(PATIENCE_S * 1e9)
    while not await come():
        if monotonic_ns() > until_ns:
            raise _Failed(otherwise)
        await asyncio.sleep(POLL_S)
