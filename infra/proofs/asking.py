"""Asking: call every endpoint of a running venue next door over HTTP, trade there, and keep its answers by type."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import msgspec
import numpy as np

from infra.addresses import Addresses
from infra.clock import Clock
from infra.proofs.hearing import Heard
from infra.shell.core import COMMAND
from infra.venues.posting import body_of, terms_of
from infra.venues.rest import NoAnswer, Rest
from infra.venues.signing import Signer
from state.events import Side
from state.orders import Act, Reject, TimeInForce
from state.units import MICROS, NS_PER_S

SHARES: Final = 10
LOW_BPS: Final = 100
"""A cent: rests far below everybody."""
HIGH_BPS: Final = 9_900
"""99 cents: takes whatever is offered."""

_JSON: Final = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What one window is called where."""

    slug: str
    event_id: str
    market_id: str
    condition: str
    question: str
    up: str
    down: str


@dataclass(frozen=True, slots=True)
class Patient:
    """The venue's clock for who asks with patience: the usual limits are a session's, this machine may be busy."""

    clock: Clock
    speed_ratio: float = 0.1
    """What limits are divided by: ten times as long as at the real venue."""

    def now_ns(self) -> int:
        """Give the venue's time."""
        return self.clock.now_ns()

    async def sleep(self, span_ns: int) -> None:
        """Wait for a span of the venue's time."""
        await self.clock.sleep(span_ns)

    async def sleep_until(self, at_ns: int) -> None:
        """Wait until the venue's clock shows a time."""
        await self.clock.sleep_until(at_ns)


@dataclass(slots=True)
class Asking:
    """Asks, and keeps what was answered under the endpoint's name, e.g. `clob GET /book`."""

    session: aiohttp.ClientSession
    addresses: Addresses
    clock: Clock
    signer: Signer
    rest: Rest
    heard: Heard
    next_order: int = 0
    hashes: list[str] = field(default_factory=list)

    async def get(self, host: str, path: str, **query: str) -> Any:
        """Ask a public endpoint of a host."""
        return await self._ask(host, "GET", path, path, query=query)

    async def _ask(
        self, host: str, method: str, route: str, path: str, *, query: dict[str, str] | None = None, body: Any = None
    ) -> Any:
        base: str = getattr(self.addresses, host)
        data = msgspec.json.encode(body) if body is not None else None
        headers = {"Content-Type": "application/json"}
        async with self.session.request(method, base + path, params=query, data=data, headers=headers) as answer:
            return self._keep(f"{host} {method} {route}", answer.status, await answer.read())

    def _keep(self, key: str, status: int, raw: bytes) -> Any:
        self.heard.statuses[key] = status
        try:
            message = _JSON.decode(raw)
        except msgspec.DecodeError:
            return None
        self.heard.keep(key if status < 300 else f"{key} refused", message)
        return message

    async def sealed(self, method: str, route: str, path: str = "", query: str = "", body: Any = None) -> Any:
        """Ask the CLOB as our account; an endpoint that does not answer is kept as status 0."""
        data = msgspec.json.encode(body) if body is not None else b""
        try:
            reply = await self.rest.call(method, path or route, query=query, body=data)
        except NoAnswer:
            self.heard.statuses[f"clob {method} {route}"] = 0
            return None
        return self._keep(f"clob {method} {route}", reply.status, reply.raw)

    async def markets(self) -> list[Market]:
        """Give the windows of BTC that are listed, the one that closes first at the head."""
        found = await self._ask(
            "gamma", "GET", "/markets", "/markets",
            query={"closed": "false", "limit": "20", "order": "endDate", "ascending": "true"},
        )  # fmt: skip
        markets = []
        for each in found or []:
            if not str(each.get("slug", "")).startswith("btc-updown-5m-"):
                continue
            tokens = dict(zip(_JSON.decode(each["outcomes"]), _JSON.decode(each["clobTokenIds"]), strict=True))
            events = each.get("events") or [{}]
            markets.append(
                Market(
                    slug=each["slug"], event_id=str(events[0].get("id", "")), market_id=str(each["id"]),
                    condition=each["conditionId"], question=str(each.get("questionID", "")),
                    up=tokens["Up"], down=tokens["Down"],
                )
            )  # fmt: skip
        return markets

    async def wait_for_book(self) -> list[Market]:
        """Wait until the first window that is still open has a book with two sides; give it and those after it."""
        while True:
            for at, market in enumerate(markets := await self.markets()):
                book = await self._ask("clob", "GET", "/book", "/book", query={"token_id": market.up})
                if isinstance(book, dict) and book.get("bids") and book.get("asks"):
                    return markets[at:]
            await self.clock.sleep(NS_PER_S)

    async def ask_gamma(self, market: Market) -> None:
        """Call Gamma's endpoints (reference 2.2)."""
        for route, path in (
            ("/events/slug/{slug}", f"/events/slug/{market.slug}"),
            ("/markets/slug/{slug}", f"/markets/slug/{market.slug}"),
            ("/events/{id}", f"/events/{market.event_id}"),
            ("/markets/{id}", f"/markets/{market.market_id}"),
            ("/markets/keyset", "/markets/keyset"),
            ("/events/keyset", "/events/keyset"),
            ("/series", "/series"),
        ):
            await self._ask("gamma", "GET", route, path)
        await self._ask("gamma", "GET", "/events", "/events", query={"slug": market.slug})

    async def ask_public(self, market: Market) -> None:
        """Call the CLOB's public endpoints (reference 5.1)."""
        for path in ("/ok", "/time", "/version", "/markets", "/simplified-markets"):
            await self.get("clob", path)
        for path in ("/book", "/midpoint", "/spread", "/last-trade-price", "/tick-size", "/neg-risk", "/fee-rate"):
            await self.get("clob", path, token_id=market.up)
        await self.get("clob", "/price", token_id=market.up, side="BUY")
        await self.get("clob", "/prices-history", market=market.up, interval="1h", fidelity="1")
        both = [{"token_id": token, "side": "BUY"} for token in (market.up, market.down)]
        for path in ("/books", "/midpoints", "/prices", "/spreads", "/last-trades-prices"):
            await self._ask("clob", "POST", path, path, body=both)
        for route, path in (
            ("/markets/{condition}", f"/markets/{market.condition}"),
            ("/clob-markets/{condition}", f"/clob-markets/{market.condition}"),
            ("/markets-by-token/{token}", f"/markets-by-token/{market.up}"),
        ):
            await self._ask("clob", "GET", route, path)
        await self._ask("clob", "GET", "/book", "/book", query={"token_id": "1"})

    async def ask_keys(self) -> None:
        """Make and derive the keys of another nonce, and withdraw them (reference 5.2)."""
        for method, path in (("POST", "/auth/api-key"), ("GET", "/auth/derive-api-key")):
            proof = self.signer.attestation(self.clock.now_ns() // NS_PER_S, nonce=1)
            reply = await self.rest.call(method, path, sealed=False, headers=proof)
            self._keep(f"clob {method} {path}", reply.status, reply.raw)
        other = Rest(self.addresses.clob, Patient(self.clock), self.signer, None)
        await other.open(connections=1)
        try:
            await other.derive(nonce=1)
            reply = await other.call("DELETE", "/auth/api-key")
            self._keep("clob DELETE /auth/api-key", reply.status, reply.raw)
        finally:
            await other.close()

    async def ask_account(self) -> None:
        """Call the endpoints of our account that trade nothing (reference 5.1, 5.6)."""
        await self.sealed("GET", "/auth/api-keys")
        await self.sealed("GET", "/auth/ban-status/closed-only")
        kind = f"signature_type={int(self.signer.signature_type)}"
        await self.sealed("GET", "/balance-allowance", query=f"asset_type=COLLATERAL&{kind}")
        await self.sealed("GET", "/balance-allowance/update", query=f"asset_type=COLLATERAL&{kind}")
        await self.sealed("GET", "/data/orders", query="next_cursor=MA==")
        await self.sealed("GET", "/data/trades", query="next_cursor=MA==")
        beat = await self.sealed("POST", "/v1/heartbeats", body={"heartbeat_id": ""})
        await self.sealed("POST", "/v1/heartbeats", body={"heartbeat_id": "not the one"})
        await self.sealed("POST", "/v1/heartbeats", body={"heartbeat_id": (beat or {}).get("heartbeat_id", "")})

    async def trade(self, market: Market) -> None:
        """Place, take, batch and cancel in every documented way (reference 5.3, 5.4)."""
        resting = await self.post(self.order(market.up, LOW_BPS, TimeInForce.GTC, post_only=True))
        crossing = self.order(market.up, HIGH_BPS, TimeInForce.GTC, post_only=True)
        await self.post(crossing)
        await self.sealed("GET", "/data/order/{id}", f"/data/order/{resting}")
        await self.sealed("GET", "/data/orders", query="next_cursor=MA==")
        await self.sealed("DELETE", "/order", body={"orderID": resting})
        await self.sealed("DELETE", "/order", body={"orderID": resting})
        batch = [self.order(token, LOW_BPS, TimeInForce.GTC) for token in (market.up, market.down, market.up)]
        answers = await self.sealed("POST", "/orders", body=[msgspec.Raw(each) for each in batch]) or []
        placed = [str(each.get("orderID", "")) for each in answers if isinstance(each, dict)]
        await self.sealed("DELETE", "/orders", body=[*placed[:1], "0x" + "00" * 32])
        await self.sealed("DELETE", "/cancel-market-orders", body={"market": market.condition, "asset_id": market.down})
        await self.sealed("DELETE", "/cancel-all")
        for token in (market.up, market.down):
            await self.post(self.order(token, HIGH_BPS, TimeInForce.FAK))
        await self.post(self.order(market.up, HIGH_BPS, TimeInForce.GTC, shares=40 * SHARES))

    def order(
        self, token: str, price_bps: int, tif: TimeInForce, *, post_only: bool = False, shares: int = SHARES
    ) -> bytes:
        """Sign a purchase and give the body of its request."""
        command: Any = np.zeros(1, COMMAND)[0]
        self.next_order += 1
        command["act_code"], command["order_id"], command["at_ns"] = Act.PLACE, self.next_order, self.clock.now_ns()
        command["price_bps"], command["amount_micros"] = price_bps, shares * MICROS
        command["side_code"], command["tif_code"], command["post_only"] = Side.BUY, tif, post_only
        made = terms_of(command, token)
        assert not isinstance(made, Reject), "whole shares at whole cents have amounts"
        credentials = self.rest.credentials
        assert credentials is not None
        signed = self.signer.sign(made[0])
        self.hashes.append(signed.order_hash)
        return body_of(command, made[0], signed, self.signer, credentials.api_key)

    async def post(self, body: bytes) -> str:
        """Post one order; gives its id, empty when it was refused."""
        answer = await self.sealed("POST", "/order", body=msgspec.Raw(body))
        return str(answer.get("orderID") or "") if isinstance(answer, dict) else ""

    async def ask_others(self, market: Market) -> None:
        """Call the data API, the geoblock, the node and the relayer, as far as redemption needs them (reference 7)."""
        await self.get("data_api", "/v2/positions", user=self.signer.wallet)
        await self.get("data_api", "/v2/trades", user=self.signer.wallet)
        await self.get("data_api", "/v2/approvals", user=self.signer.wallet)
        await self.get("data_api", "/v2/resolutions", condition=market.condition)
        await self.get("geoblock", "/api/geoblock")
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []}
        await self._ask("polygon", "POST", "/", "/", body=call)
        await self._ask(
            "polygon", "POST", "/", "/", body=call | {"method": "eth_getBlockByNumber", "params": ["latest", False]}
        )


async def while_trading(asking: Asking, market: Market, keys: Sequence[str]) -> None:
    """Ask everything once, then wait until the sockets have said all that is named."""
    await asking.ask_gamma(market)
    await asking.ask_public(market)
    await asking.ask_keys()
    await asking.ask_account()
    await asking.trade(market)
    await asking.heard.wait_for(keys)
    await asking.ask_account()
    await asking.ask_others(market)
