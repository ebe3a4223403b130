"""The relayer: makes a deposit wallet's calls for it, without gas, once its owner has signed for them.

Shapes: venue reference 7.3 and what polymarket-client 0.14.0 asks (`_internal/actions/relayer`). Taken: type WALLET and
WALLET-CREATE; the older kinds of wallets have no accounts at this venue. A key is either a builder key of the CLOB
(HMAC, checked) or, as relayer key, the API key of an account with its owner's address: the venue hands relayer keys
out on its web site, which is not here. Session keys are not taken.
"""

from collections import deque
from typing import Any, Final

import msgspec
from aiohttp import web
from eth_utils.address import to_checksum_address

from infra.venue_next_door import typed_data
from infra.venue_next_door.chain_state import chain_of
from infra.venue_next_door.clob_auth import customers_of
from infra.venue_next_door.contracts import Deed, Reverted, deed_of
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.refusals import TOO_MANY, UNAUTHORIZED, Refusal, answered
from infra.venue_next_door.serving import refusing_in_json
from infra.venue_next_door.transactions import Mempool, Transaction
from infra.venue_next_door.window_words import iso_micros_of
from infra.wallets import FACTORY, deposit_wallet_of
from state.units import NS_PER_S

SUBMITS_MAX: Final = 25
"""A minute and key (venue reference 5.7)."""
_MINUTE_NS: Final = 60 * NS_PER_S
_RELAY: Final = "0x7db63fe6d62eb73fb01f8009416f4c2bb4fbda6a"
"""Who sends: any address will do."""


class WireCall(msgspec.Struct):
    """One call of a batch, as it comes."""

    target: str
    value: str
    data: str


class WalletParams(msgspec.Struct, rename="camel"):
    """What a deposit wallet shall do."""

    deposit_wallet: str
    deadline: str
    calls: list[WireCall]


class Submitted(msgspec.Struct, rename="camel"):
    """The body of `POST /submit`."""

    type: str
    sender: str = msgspec.field(name="from")
    nonce: str = "0"
    signature: str = ""
    metadata: str = ""
    deposit_wallet_params: WalletParams | None = None


_SUBMITTED: Final = msgspec.json.Decoder(Submitted)


class Relayer:
    """The relayer's handlers."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine whose ledger the calls change."""
        self.engine = engine
        self.chain = chain_of(engine)
        self.customers = customers_of(engine)
        self.mempool = Mempool(self.chain, engine.clock)
        self._submits: dict[str, deque[int]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [
            web.post("/submit", self.submit),
            web.get("/deployed", self.deployed),
            web.get("/nonce", self.nonce),
            web.get("/relay-payload", self.params),
            web.get("/v1/account/transactions/params", self.params),
            web.get("/v1/account/transactions/{transaction_id}", self.transaction),
            web.get("/transaction", self.transactions),
        ]

    def _check_key(self, request: web.Request, body: bytes) -> str:
        """Give the key that a submit is sent with; raises Refusal."""
        if "POLY_BUILDER_API_KEY" in request.headers:
            return self.customers.builder_of(request, body)
        key = request.headers.get("RELAYER_API_KEY", "")
        account = self.engine.accounts.get(key)
        address = request.headers.get("RELAYER_API_KEY_ADDRESS", "").lower()
        if account is None or key in self.customers.withdrawn or account.owner_address.lower() != address:
            raise Refusal(UNAUTHORIZED, 401)
        return key

    def _count(self, key: str) -> None:
        now_ns, submits = self.engine.now_ns(), self._submits.setdefault(key, deque())
        while submits and submits[0] <= now_ns - _MINUTE_NS:
            submits.popleft()
        if len(submits) >= SUBMITS_MAX:
            wait_s = (submits[0] + _MINUTE_NS - now_ns) // NS_PER_S + 1
            raise Refusal(TOO_MANY, 429, headers={"Retry-After": str(wait_s)})
        submits.append(now_ns)

    async def submit(self, request: web.Request) -> web.Response:
        """Take a batch of calls, or the wish for a wallet."""
        body = await request.read()
        self._count(self._check_key(request, body))
        try:
            submitted = _SUBMITTED.decode(body)
            owner = typed_data.address_of(submitted.sender)
        except (msgspec.DecodeError, ValueError) as error:
            raise Refusal("invalid request body") from error
        sender = submitted.sender.lower()
        if submitted.type == "WALLET-CREATE":
            wallet = deposit_wallet_of(to_checksum_address(owner))
            sent = self.mempool.send(f"{sender} create", wallet, 0, (), deploys=wallet)
            sent.sort = submitted.type
        elif submitted.type == "WALLET" and submitted.deposit_wallet_params is not None:
            sent = self._submit_batch(sender, owner, submitted, submitted.deposit_wallet_params)
        else:
            raise Refusal(f"transaction type {submitted.type} is not taken here")
        return answered({"transactionID": sent.transaction_id, "transactionHash": "", "state": sent.state.value})

    def _submit_batch(self, sender: str, owner: bytes, submitted: Submitted, params: WalletParams) -> Transaction:
        try:
            wallet = typed_data.address_of(params.deposit_wallet)
            nonce, deadline_s = int(submitted.nonce), int(params.deadline)
            signature = bytes.fromhex(submitted.signature.removeprefix("0x"))
            calls = tuple(
                typed_data.WalletCall(
                    typed_data.address_of(call.target), int(call.value), bytes.fromhex(call.data.removeprefix("0x"))
                )
                for call in params.calls
            )
            digest = typed_data.batch_digest(wallet, nonce, deadline_s, calls)
        except (ValueError, OverflowError) as error:
            raise Refusal("invalid request body") from error
        if not calls:
            raise Refusal("no calls")
        self._check_owner(owner, wallet)
        if typed_data.recover(digest, signature) != owner:
            raise Refusal("invalid signature")
        if deadline_s < self.engine.now_ns() // NS_PER_S:
            raise Refusal("batch deadline has passed")
        if self.mempool.is_busy(sender):
            raise Refusal("wallet busy: active action")
        expected = self.chain.nonces.get(sender, 0)
        if nonce != expected:
            raise Refusal(f"batch nonce {nonce} does not match on-chain nonce {expected}")
        return self.mempool.send(sender, "0x" + wallet.hex(), nonce, self._deeds(params.calls, calls))

    def _check_owner(self, owner: bytes, wallet: bytes) -> None:
        address, owner_address = "0x" + wallet.hex(), to_checksum_address(owner)
        account = self.customers.account_of_wallet(address)
        owns = (
            account.owner_address == owner_address if account else deposit_wallet_of(owner_address).lower() == address
        )
        if not owns:
            raise Refusal("signer is not the owner of the wallet")
        if not self.chain.is_deployed(address):
            raise Refusal("wallet is not deployed")

    def _deeds(self, wire: list[WireCall], calls: tuple[typed_data.WalletCall, ...]) -> tuple[Deed, ...]:
        try:
            return tuple(deed_of(told.target, call.data) for told, call in zip(wire, calls, strict=True))
        except Reverted as error:
            raise Refusal(f"simulation failed: {error}") from error

    async def deployed(self, request: web.Request) -> web.Response:
        """Say whether there is a wallet at an address."""
        return answered({"deployed": self.chain.is_deployed(request.query.get("address", ""))})

    async def nonce(self, request: web.Request) -> web.Response:
        """Tell the nonce that an owner's next batch must carry."""
        return answered({"nonce": str(self.chain.nonces.get(request.query.get("address", "").lower(), 0))})

    async def params(self, request: web.Request) -> web.Response:
        """Tell what an owner must know to sign its next batch."""
        nonce = self.chain.nonces.get(request.query.get("address", "").lower(), 0)
        return answered({"address": _RELAY, "nonce": str(nonce)})

    def _sent(self, transaction_id: str) -> Transaction:
        sent = self.mempool.by_id.get(transaction_id)
        if sent is None:
            raise Refusal("transaction not found", 404)
        return sent

    async def transaction(self, request: web.Request) -> web.Response:
        """Tell how far a transaction is, in the words of the newest client."""
        sent = self._sent(request.match_info["transaction_id"])
        return answered(
            {
                "transaction_id": sent.transaction_id,
                "transaction_hash": sent.transaction_hash if sent.is_shown else "",
                "state": sent.state.value,
                "error_msg": sent.error or None,
            }
        )

    async def transactions(self, request: web.Request) -> web.Response:
        """Tell how far a transaction is, in the older words: a list of one."""
        sent = self._sent(request.query.get("id", ""))
        told: dict[str, Any] = {
            "transactionID": sent.transaction_id,
            "transactionHash": sent.transaction_hash if sent.is_shown else "",
            "from": sent.sender.split()[0],
            "to": FACTORY,
            "proxyAddress": sent.wallet,
            "nonce": str(sent.nonce),
            "type": sent.sort,
            "state": sent.state.value,
            "errorMsg": sent.error,
            "createdAt": iso_micros_of(sent.created_ns),
        }
        return answered([told])


def relayer_app(engine: Engine) -> web.Application:
    """Give the relayer's server over an engine."""
    relayer = Relayer(engine)
    app = web.Application(middlewares=[refusing_in_json])
    app.add_routes(relayer.routes())

    async def close(_: web.Application) -> None:
        await relayer.mempool.close()

    app.on_cleanup.append(close)
    return app
