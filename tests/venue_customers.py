"""Customers of the venue next door, from tests: they log in, sign orders and requests, and ask over real HTTP."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import coincurve
from eth_account import Account as EthAccount
from eth_utils.address import to_checksum_address

from infra.clock import Clock
from infra.venue_next_door import typed_data
from infra.venue_next_door.typed_data import SEPARATORS, SignedFields
from infra.wallets import deposit_wallet_of
from state.units import NS_PER_MS, NS_PER_S

ZERO = "0x" + "0" * 64


def signature_of(key: bytes, digest: bytes) -> bytes:
    """Sign 32 bytes with a key, as wallets do."""
    raw = coincurve.PrivateKey(key).sign_recoverable(digest, hasher=None)
    return raw[:64] + bytes([raw[64] + 27])


@dataclass
class Customer:
    """One key, its wallets, and what it knows of the server."""

    url: str
    session: aiohttp.ClientSession
    clock: Clock
    key: bytes = bytes([0x11]) * 32
    signature_type: int = 3
    api_key: str = ""
    secret: str = ""
    passphrase: str = ""
    salt: int = 0
    headers: Any = field(default=None)
    """Of the last answer."""

    @property
    def owner(self) -> str:
        return str(EthAccount.from_key(self.key).address)

    @property
    def wallet(self) -> str:
        return self.owner if self.signature_type == 0 else deposit_wallet_of(self.owner)

    def now_s(self) -> int:
        return self.clock.now_ns() // NS_PER_S

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Ask: status and what the answer says, as JSON if it is."""
        async with self.session.request(method, self.url + path, data=body or None, headers=headers) as answer:
            self.headers = answer.headers
            text = await answer.text()
            is_json = answer.content_type == "application/json"
            return answer.status, json.loads(text) if is_json else text

    async def log_in(self, nonce: int = 0, method: str = "POST", path: str = "/auth/api-key", **bent: str) -> Any:
        """Log in and keep the keys; gives status and answer."""
        stamp = str(self.now_s())
        digest = typed_data.auth_digest(typed_data.address_of(self.owner), stamp, nonce)
        signed = "0x" + signature_of(self.key, digest).hex()
        headers = {
            "POLY_ADDRESS": self.owner, "POLY_SIGNATURE": signed, "POLY_TIMESTAMP": stamp, "POLY_NONCE": str(nonce),
        }  # fmt: skip
        status, keys = await self.ask(method, path, headers={**headers, **bent})
        if status == 200:
            self.api_key, self.secret, self.passphrase = keys["apiKey"], keys["secret"], keys["passphrase"]
        return status, keys

    def signed_headers(self, method: str, path: str, body: bytes = b"") -> dict[str, str]:
        """Sign a request as the reference says: path without query, exact bytes of the body."""
        stamp = str(self.now_s())
        message = f"{stamp}{method}{path.partition('?')[0]}".encode() + body
        digest = hmac.new(base64.urlsafe_b64decode(self.secret), message, hashlib.sha256).digest()
        return {
            "POLY_ADDRESS": self.owner, "POLY_SIGNATURE": base64.urlsafe_b64encode(digest).decode(),
            "POLY_TIMESTAMP": stamp, "POLY_API_KEY": self.api_key, "POLY_PASSPHRASE": self.passphrase,
        }  # fmt: skip

    async def call(self, method: str, path: str, told: Any = None, **bent: str) -> tuple[int, Any]:
        """Ask with the key, with headers bent if told so."""
        body = b"" if told is None else json.dumps(told, separators=(",", ":")).encode()
        return await self.ask(method, path, body, {**self.signed_headers(method, path, body), **bent})

    def order(
        self, token_id: str, side: str = "BUY", price: str = "0.40", size: str = "10", **changed: Any
    ) -> dict[str, Any]:
        """Write a signed order; `changed` replaces fields of the order before it is signed, or of the body."""
        shares = round(float(size) * 1_000_000)
        dollars = round(float(size) * float(price) * 1_000_000)
        maker, taker = (dollars, shares) if side == "BUY" else (shares, dollars)
        self.salt += 1
        order: dict[str, Any] = {
            "salt": self.salt, "maker": self.wallet, "signer": self.wallet, "tokenId": token_id,
            "makerAmount": str(maker), "takerAmount": str(taker), "side": side, "expiration": "0",
            "timestamp": str(self.clock.now_ns() // NS_PER_MS), "metadata": ZERO, "builder": ZERO,
            "signatureType": self.signature_type,
        }  # fmt: skip
        body: dict[str, Any] = {"deferExec": False, "order": order, "orderType": "GTC", "owner": self.api_key}
        version = changed.pop("version", typed_data.domain_version(int(token_id)))
        for name, value in changed.items():
            (order if name in order else body)[name] = value
        order["signature"] = "0x" + self.sign(order, version).hex()
        return body

    def sign(self, order: dict[str, Any], version: str = "2") -> bytes:
        """Sign an order under a domain version."""
        fields = SignedFields(
            order["salt"], typed_data.address_of(order["maker"]), typed_data.address_of(order["signer"]),
            int(order["tokenId"]), int(order["makerAmount"]), int(order["takerAmount"]),
            ("BUY", "SELL").index(order["side"]), order["signatureType"], int(order["timestamp"]),
            bytes.fromhex(order["metadata"][2:]), bytes.fromhex(order["builder"][2:]),
        )  # fmt: skip
        struct_hash, separator = typed_data.order_struct_hash(fields), SEPARATORS[version]
        if order["signatureType"] != 3:
            return signature_of(self.key, typed_data.digest_of(separator, struct_hash))
        inner = signature_of(self.key, typed_data.wrapped_digest(separator, struct_hash, fields.signer))
        kind = typed_data.ORDER_TYPE
        return inner + separator + struct_hash + kind + len(kind).to_bytes(2, "big")

    async def place(
        self, token_id: str, side: str = "BUY", price: str = "0.40", size: str = "10", **changed: Any
    ) -> Any:
        """Write, sign and post one order."""
        return await self.call("POST", "/order", self.order(token_id, side, price, size, **changed))


def other_key(number: int) -> bytes:
    """Give the key of another customer."""
    return number.to_bytes(32, "big")


def checksummed(raw: bytes) -> str:
    """Write an address as wallets do."""
    return str(to_checksum_address(raw))
