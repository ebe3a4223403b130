"""Relaying: split, merge and redeem through the venue's relayer, each followed until it is known what became of it.

Protocol: venue reference 7.3. polymarket-client has the same and runs next door unmodified (a test lives it). It is
not used here: it takes the key itself as text, so that no key could be held elsewhere; its stamps, deadlines and waits
follow this machine's clock, which a rehearsal at 60x does not; a submission that got no answer is an error there, not a
question to be settled by the wallet's nonce; and importing it takes as long again as this file with all that it needs
(on a busy machine 9.1 to 10.5 s against 5.0 s, and 10 MB more). So the batches are made here, and held against its own
byte for byte.

The key's own account (type 0) cannot use the relayer at all (venue reference 7.3): it would have to send transactions
itself and pay gas, which neither this file nor the venue next door does. There `relayer_of` gives None, and winnings
wait for the venue's own sweep. Proxies and safes (types 1, 2) sign other batches and are not done either.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec

from infra.clock import Clock
from infra.venues.credentials import Credentials, Secret
from infra.venues.lines import FAILURES, Lines, NotConnected
from infra.venues.rest import NoAnswer, Rest, pause_asked_s
from infra.venues.signing import KeyHolder, Seal, SignatureType, SignerFailed
from infra.venues.wallet_calls import Pair, WalletCall, merge_call, redeem_call, signed_batch, split_call
from state.events import Token
from state.units import NS_PER_S

TOTAL_S: Final = 10.0
LEAST_S: Final = 2.0
"""However fast the clock runs, an answer gets so many real seconds."""
POLL_S: Final = 2.0
FOLLOW_S: Final = 200.0
"""A transaction is followed for so long, as the venue's own client does."""
DEADLINE_S: Final = 300
"""A batch may be done until so long after it was signed; what is not known by then was never done."""
MARGIN_S: Final = 10
TRIES: Final = 6
BUILDER_KEYS: Final = "/auth/builder-api-key"


class Fate(StrEnum):
    """What became of a submission."""

    CONFIRMED = "confirmed"
    FAILED = "failed"
    """The chain undid it: nothing was changed."""
    REFUSED = "refused"
    """The relayer did not take it, or never had it: nothing was changed."""
    UNKNOWN = "unknown"
    """It may have been done: look at the balances before anything is done again."""


@dataclass(frozen=True, slots=True)
class Relayed:
    """What became of one batch of calls."""

    fate: Fate
    transaction_id: str = ""
    transaction_hash: str = ""
    why: str = ""


class Relayer(Protocol):
    """Turns sets into collateral, and winners. Nothing else: it gives no approvals."""

    async def merge(self, pair: Pair, amount_micros: int) -> Relayed:
        """Turn so many pairs of shares into collateral."""

    async def redeem(self, pair: Pair, winner: Token, amount_micros: int) -> Relayed:
        """Have a decided window's winners paid."""


class _Taken(msgspec.Struct):
    """What the relayer says to a submission."""

    transaction_id: str = msgspec.field(name="transactionID", default="")


class _Told(msgspec.Struct):
    """How far a transaction is."""

    state: str = ""
    transaction_hash: str | None = None
    error_msg: str | None = None


class _Nonce(msgspec.Struct):
    """What the next batch must carry."""

    nonce: str


class RelayerAnswer(msgspec.Struct):
    """Any answer's status, body and wish to be left alone for some seconds."""

    status: int
    raw: bytes
    pause_s: float


class _Said(msgspec.Struct):
    """What a refusal says."""

    error: str = ""


class _Made(msgspec.Struct):
    """A key that opens the relayer, as it is told; wrapped before anything else is done with it."""

    key: str
    secret: str
    passphrase: str


class WalletRelayer:
    """The relayer for one deposit wallet.

    One batch at a time: each carries the wallet's next nonce, so a batch that was given up can not be done twice, and
    the nonce tells whether it was done at all.

    Args:
        address: The relayer's base address.
        clock: The desk's.
        holder: Signs batches.
        wallet: The deposit wallet's address.
        rest: Opened, with credentials: a builder key is made there at the first need and withdrawn at the end.
    """

    def __init__(self, address: str, clock: Clock, holder: KeyHolder, wallet: str, rest: Rest) -> None:
        self._clock, self._holder, self._wallet, self._rest = clock, holder, wallet, rest
        self._total_s = max(TOTAL_S / clock.speed_ratio, LEAST_S)
        self._lines = Lines(address, self._total_s)
        self._seal: Seal | None = None
        self._key: Credentials | None = None
        self._one = asyncio.Lock()

    async def split(self, pair: Pair, amount_micros: int) -> Relayed:
        """Turn collateral into so many pairs of shares."""
        return await self._relay((split_call(pair, amount_micros),), f"split {pair.condition_id[:18]}")

    async def merge(self, pair: Pair, amount_micros: int) -> Relayed:
        """Turn so many pairs of shares into collateral."""
        return await self._relay((merge_call(pair, amount_micros),), f"merge {pair.condition_id[:18]}")

    async def redeem(self, pair: Pair, winner: Token, amount_micros: int) -> Relayed:
        """Have a decided window's winners paid."""
        return await self._relay((redeem_call(pair, winner, amount_micros),), f"redeem {pair.condition_id[:18]}")

    async def close(self) -> None:
        """Withdraw our builder key and let the connections go."""
        try:
            if self._seal is not None and self._key is not None:
                stamp_s = self._clock.now_ns() // NS_PER_S
                headers = self._headers(stamp_s, "DELETE", BUILDER_KEYS, b"")
                await self._rest.call("DELETE", BUILDER_KEYS, sealed=False, headers=headers)
        except NoAnswer:
            pass  # it stays known to the venue and to nobody else
        finally:
            self._lines.close()

    # One batch.

    async def _relay(self, calls: tuple[WalletCall, ...], words: str) -> Relayed:
        async with self._one:
            try:
                nonce = await self._nonce()
            except NoAnswer as error:
                return Relayed(Fate.REFUSED, why=str(error))
            return await self._submit(calls, nonce, words)

    async def _submit(self, calls: tuple[WalletCall, ...], nonce: int, words: str) -> Relayed:
        """Hand a batch in; a refusal that passes is met by waiting, for it is known to have done nothing."""
        why = ""
        for _ in range(TRIES):
            deadline_s = self._clock.now_ns() // NS_PER_S + DEADLINE_S
            try:
                batch = signed_batch(self._holder, self._wallet, nonce, deadline_s, calls, words)
            except SignerFailed as error:
                return Relayed(Fate.REFUSED, why=str(error))
            body = msgspec.json.encode(batch)
            try:
                answer = await self._call("POST", "/submit", body)
            except NoAnswer as error:
                if error.unsent:
                    return Relayed(Fate.REFUSED, why=str(error))
                return await self._find_out(nonce, deadline_s, str(error))
            taken = _read(answer.raw, _Taken)
            if answer.status == 200 and taken is not None and taken.transaction_id:
                return await self._follow(taken.transaction_id, nonce, deadline_s)
            why = f"{answer.status} {_words(answer.raw)}"
            if answer.status >= 500 or answer.status == 200:
                return await self._find_out(nonce, deadline_s, why)
            if answer.status == 401:
                self._seal = None
                return Relayed(Fate.REFUSED, why=why)
            if answer.status != 429 and "nonce" not in why and "in-flight" not in why and "busy" not in why:
                return Relayed(Fate.REFUSED, why=why)
            await self._clock.sleep(round(max(answer.pause_s, POLL_S) * NS_PER_S))
            try:
                nonce = await self._nonce()
            except NoAnswer as error:
                return Relayed(Fate.REFUSED, why=str(error))
        return Relayed(Fate.REFUSED, why=why)

    async def _follow(self, transaction_id: str, nonce: int, deadline_s: int) -> Relayed:
        """Ask how far a transaction is; where that is not told in time, the wallet's nonce says whether it acted."""
        until_ns = self._clock.now_ns() + round(FOLLOW_S * NS_PER_S)
        state = "STATE_NEW"
        while self._clock.now_ns() < until_ns:
            await self._clock.sleep(round(POLL_S * NS_PER_S))
            try:
                answer = await self._call("GET", f"/v1/account/transactions/{transaction_id}")
            except NoAnswer:
                continue
            told = _read(answer.raw, _Told)
            if answer.status != 200 or told is None:
                continue
            state, made_hash = told.state, told.transaction_hash or ""
            if state == "STATE_CONFIRMED":
                return Relayed(Fate.CONFIRMED, transaction_id, made_hash)
            if state in ("STATE_FAILED", "STATE_INVALID"):
                return Relayed(Fate.FAILED, transaction_id, made_hash, told.error_msg or state)
        return await self._find_out(nonce, deadline_s, f"still {state} after {FOLLOW_S:.0f} s")

    async def _find_out(self, nonce: int, deadline_s: int, why: str) -> Relayed:
        """Learn by the wallet's nonce whether a batch of which nothing was heard has been done."""
        while self._clock.now_ns() // NS_PER_S <= deadline_s + MARGIN_S:
            await self._clock.sleep(round(POLL_S * NS_PER_S))
            try:
                if await self._nonce() > nonce:
                    return Relayed(Fate.UNKNOWN, why=f"{why}; the wallet has acted since")
            except NoAnswer:
                continue
        try:
            if await self._nonce() == nonce:
                return Relayed(Fate.REFUSED, why=f"{why}; its deadline has passed and the wallet did nothing")
        except NoAnswer:
            pass
        return Relayed(Fate.UNKNOWN, why=why)

    async def _nonce(self) -> int:
        path = f"/v1/account/transactions/params?address={self._holder.address}&type=WALLET"
        answer = await self._call("GET", path)
        told = _read(answer.raw, _Nonce)
        if answer.status != 200 or told is None or not told.nonce.isdecimal():
            raise NoAnswer(f"relayer: no nonce: {answer.status} {_words(answer.raw)}", unsent=True)
        return int(told.nonce)

    # The wire.

    async def _builder_seal(self) -> Seal:
        """Give what opens the relayer, made at the venue's order book when there is none."""
        if self._seal is None:
            reply = await self._rest.call("POST", BUILDER_KEYS)
            made = _read(reply.raw, _Made)
            if reply.status not in (200, 201) or made is None:
                raise NoAnswer(f"no builder key: {reply.status} {reply.refusal[:120]}", unsent=True)
            self._key = Credentials(made.key, Secret(made.secret), Secret(made.passphrase))
            self._seal = Seal(self._holder.address, self._key)
        return self._seal

    def _headers(self, stamp_s: int, method: str, path: str, body: bytes) -> dict[str, str]:
        assert self._seal is not None and self._key is not None
        return {
            "POLY_BUILDER_API_KEY": self._key.api_key,
            "POLY_BUILDER_PASSPHRASE": self._key.passphrase.reveal(),
            "POLY_BUILDER_SIGNATURE": self._seal.signature(stamp_s, method, path, body),
            "POLY_BUILDER_TIMESTAMP": str(stamp_s),
        }

    async def _call(self, method: str, path: str, body: bytes = b"") -> RelayerAnswer:
        """Ask once.

        Raises:
            NoAnswer: none came; `unsent` when nothing can have arrived.
        """
        bare = path.partition("?")[0]
        try:
            await self._builder_seal()
        except NoAnswer as error:
            raise NoAnswer(str(error), unsent=True) from error
        headers = self._headers(self._clock.now_ns() // NS_PER_S, method, bare, body)
        return await self._wire(method, path, body, headers)

    async def _wire(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> RelayerAnswer:
        request = self._lines.request(method, path, headers, body)
        try:
            async with asyncio.timeout(self._total_s):
                answer = await self._lines.ask(request)
        except NotConnected as error:
            raise NoAnswer(f"relayer: {error}", unsent=True) from error
        except (TimeoutError, *FAILURES) as error:
            raise NoAnswer(f"relayer: no answer ({type(error).__name__})") from error
        return RelayerAnswer(answer.status, answer.raw, pause_asked_s(answer.headers))


def relayer_of(
    address: str, clock: Clock, holder: KeyHolder, wallet: str, kind: SignatureType, rest: Rest
) -> WalletRelayer | None:
    """Give the relayer of an account; None where its kind of wallet has none that we speak to."""
    if kind is not SignatureType.DEPOSIT_WALLET:
        return None
    return WalletRelayer(address, clock, holder, wallet, rest)


def _read(raw: bytes, shape: type[Any]) -> Any:
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _words(raw: bytes) -> str:
    said = _read(raw, _Said)
    return (said.error if said is not None and said.error else raw[:120].decode("utf-8", "replace"))[:160]
