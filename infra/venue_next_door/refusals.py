"""Refusals of the venue's REST servers: the documented status, the documented words, as JSON."""

from typing import Any, Final

import msgspec
from aiohttp import web

JSON: Final = "application/json"

UNAUTHORIZED: Final = "Unauthorized/Invalid api key"
BAD_LOGIN: Final = "Invalid L1 Request headers"
BAD_PAYLOAD: Final = "Invalid order payload"
NO_BOOK: Final = "No orderbook exists for the requested token id"
NOT_READY: Final = "the market is not yet ready to process new orders"
VERSION_MISMATCH: Final = "order_version_mismatch"
WRONG_WALLET: Final = "maker address not allowed, please use the deposit wallet flow"
WRONG_SIGNER: Final = "the order signer address has to be the address of the API KEY"
WRONG_OWNER: Final = "the order owner has to be the owner of the API KEY"
BAD_SIGNATURE: Final = "invalid signature"
BAD_EXPIRATION: Final = "invalid expiration"
BAD_POST_ONLY_TYPE: Final = "invalid post-only order type: only GTC and GTD order types are allowed"
POST_ONLY_MODE: Final = "post-only mode: only post-only orders and cancels are allowed"
CLOSED_ONLY: Final = "address in closed only mode"
NO_ALLOWANCE: Final = "not enough balance / allowance"
NOT_RUN: Final = "could not run the execution"
TOO_EARLY: Final = "Too Early: the matching engine is restarting"
TOO_MANY: Final = "Too Many Requests"


class Refusal(Exception):
    """A request is refused; carries what the answer says (venue reference 5.8)."""

    def __init__(
        self,
        text: str,
        status: int = 400,
        *,
        extra: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Take the words, the HTTP status, and what else stands in the body or the headers."""
        super().__init__(text)
        self.text = text
        self.status = status
        self.extra = extra or {}
        self.headers = headers


def answered(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Give a JSON answer."""
    return web.Response(body=msgspec.json.encode(body), status=status, headers=headers, content_type=JSON)


def refused(refusal: Refusal) -> web.Response:
    """Give a refusal as the venue words it: `{"error": "..."}`."""
    return answered({"error": refusal.text, **refusal.extra}, refusal.status, refusal.headers)
