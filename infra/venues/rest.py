"""REST: sealed requests to the venue's order book over warm connections; an answer, or the word that there was none."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import msgspec

from infra.clock import Clock, monotonic_ns
from infra.feeds import clob_rest
from infra.feeds.frames import READ_ERRORS, Offbeat
from infra.venues.credentials import Credentials, Secret
from infra.venues.lines import FAILURES, Lines, NotConnected
from infra.venues.signing import Seal, Signer
from state.units import NS_PER_S

TOTAL_S: Final = 3.0
CONNECT_S: Final = 2.0
IDLE_S: Final = 20.0
"""Real seconds without a request after which connections are used, so that they stay. Doubt: how long the venue's
front lets them idle is not documented; such servers commonly allow a minute or more."""
ORDER_PATHS: Final = ("/order", "/orders")
LEAST_S: Final = 2.0
"""However fast the clock runs, an answer gets so many real seconds."""
START_S: Final = 20.0
"""Real seconds for which a start asks again. On a machine that compiles beside it the first answers may be late (seen
2026-11-23 in a fresh clone's first demo), and nobody trades yet who could be hurt by waiting."""
FIRST_CURSOR: Final = "MA=="
LAST_CURSOR: Final = "LTE="
PAGES_MOST: Final = 100


class NoAnswer(Exception):
    """The venue did not answer.

    Attributes:
        unsent: The request cannot have reached it.
        late: It did not come in time; otherwise it was refused or broken off.
    """

    def __init__(self, words: str, *, unsent: bool = False, late: bool = False) -> None:
        super().__init__(words)
        self.unsent, self.late = unsent, late


T = TypeVar("T")


async def patiently(ask: Callable[[], Awaitable[T]], for_s: float = START_S) -> T:
    """Ask again while answers are late, as a start may; who refuses is not asked twice.

    Raises:
        NoAnswer: none came for so many real seconds, or the venue cannot be reached.
    """
    until_ns = monotonic_ns() + round(for_s * NS_PER_S)
    while True:
        try:
            return await ask()
        except NoAnswer as error:
            if not error.late or monotonic_ns() >= until_ns:
                raise


class CredentialsRefused(Exception):
    """The venue gives us no credentials; the line says what it answered."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the venue answered to one request; times are the clock's."""

    status: int
    raw: bytes
    retry_after_s: float
    """What it asks us to wait; 0 when it does not say."""
    sent_ns: int
    answered_ns: int

    @property
    def message(self) -> Any:
        """Give the typed answer; None where it is `null`, nothing, or not what this project reads."""
        try:
            return clob_rest.read_message(self.raw).message
        except (*READ_ERRORS, Offbeat):
            return None

    @property
    def fields(self) -> dict[str, Any]:
        """Give the answer's fields untyped; empty when it is no JSON object."""
        try:
            return _FIELDS.decode(self.raw)
        except READ_ERRORS:
            return {}

    @property
    def legs(self) -> "tuple[Reply, ...] | None":
        """Give the answers of a batch's legs, as if each had come by itself; None when it is no JSON list."""
        try:
            parts = _PARTS.decode(self.raw)
        except READ_ERRORS:
            return None
        return tuple(replace(self, raw=bytes(part)) for part in parts)

    @property
    def words(self) -> str:
        """Give what a refusal says, in the venue's words."""
        fields = self.fields
        said = [fields.get(name) for name in ("error", "errorMsg", "error_msg", "code")]
        words = " ".join(each for each in said if isinstance(each, str) and each)
        return words or self.raw[:300].decode("utf-8", "replace")

    @property
    def refusal(self) -> str:
        """Give what a refusal says where the answer may be a secret: one that is none is never repeated."""
        return self.words if self.status >= 400 else "an answer that cannot be read"


_FIELDS: Final = msgspec.json.Decoder(dict[str, Any])
_PARTS: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Rest:
    """One account's way to the venue's REST server.

    Args:
        address: The server's base address.
        clock: Gives the seconds that requests are sealed with.
        signer: Proves who we are when credentials are asked for.
        credentials: What requests are sealed with; None to derive them with `derive`.

    Attributes:
        safe: Awaited before an order leaves: returns once everything that was written down of it is safe on disk, so
            that no crash leaves an order at the venue that we know nothing of. None where nothing is written down.
    """

    def __init__(self, address: str, clock: Clock, signer: Signer, credentials: Credentials | None) -> None:
        self._clock, self._signer = clock, signer
        self.credentials = credentials
        self.signature_type = signer.signature_type
        self._seal = Seal(signer.address, credentials) if credentials is not None else None
        self.safe: Callable[[], Awaitable[None]] | None = None
        speed = clock.speed_ratio
        self._total_s = max(TOTAL_S / speed, LEAST_S)
        self.lines = Lines(address, max(CONNECT_S / speed, LEAST_S))
        self._warming: asyncio.Task[None] | None = None
        self._used_ns = 0

    async def open(self, connections: int = 2) -> None:
        """Warm some connections, so that no order waits for a handshake."""
        warmed = await asyncio.gather(
            *(self.call("GET", "/time", sealed=False) for _ in range(connections)), return_exceptions=True
        )
        failed = [each for each in warmed if isinstance(each, BaseException)]
        if len(failed) == len(warmed):  # one that is late costs a handshake later, no more
            raise failed[0]
        self._warming = asyncio.create_task(self._stay_warm(connections))

    async def _stay_warm(self, connections: int) -> None:
        """Ask the time over every connection when none was used for a while: a server closes those that are idle.

        The pool hands out the connection that has waited longest, so that the order heartbeat, where it runs, keeps
        them warm one after the other, and nothing is asked here.
        """
        span_ns = round(IDLE_S * NS_PER_S * self._clock.speed_ratio)
        while True:
            await self._clock.sleep(span_ns)
            if self._clock.now_ns() - self._used_ns >= span_ns:
                await asyncio.gather(*(self._warm() for _ in range(connections)))

    async def _warm(self) -> None:
        with suppress(NoAnswer):  # a connection that has gone is made anew when it is needed
            await self.call("GET", "/time", sealed=False)

    async def close(self) -> None:
        """Let the connections go."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        self.lines.close()

    async def call(
        self, method: str, path: str, *, query: str = "", body: bytes = b"", sealed: bool = True,
        headers: dict[str, str] | None = None, leaving: Callable[[], None] | None = None,
    ) -> Reply:  # fmt: skip
        """Ask once and give the answer, whatever its status.

        Args:
            method: Of the request.
            path: Below the server's address.
            query: Behind the path.
            body: Of the request.
            sealed: Prove whose account it is.
            headers: Others than the seal's.
            leaving: Told when nothing holds the request up any more: from then on the server may have it.

        Raises:
            NoAnswer: none came in time, or the connection broke.
        """
        sent_ns = self._used_ns = self._clock.now_ns()
        request = self.request(method, path, query=query, body=body, sealed=sealed, headers=headers, at_ns=sent_ns)
        unsent = True
        try:
            async with asyncio.timeout(self._total_s):
                if self.safe is not None and method == "POST" and path in ORDER_PATHS:
                    await self.safe()
                    sent_ns = self._clock.now_ns()
                unsent = False
                if leaving is not None:
                    leaving()
                answer = await self.lines.ask(request)
        except NotConnected as error:
            late = isinstance(error.__cause__, TimeoutError)
            raise NoAnswer(f"{method} {path}: {error}", unsent=True, late=late) from error
        except (TimeoutError, *FAILURES) as error:
            said = "not safe on disk in time" if unsent else f"no answer ({type(error).__name__})"
            raise NoAnswer(f"{method} {path}: {said}", unsent=unsent, late=isinstance(error, TimeoutError)) from error
        return Reply(answer.status, answer.raw, pause_asked_s(answer.headers), sent_ns, self._clock.now_ns())

    def request(
        self, method: str, path: str, *, at_ns: int, query: str = "", body: bytes = b"", sealed: bool = True,
        headers: dict[str, str] | None = None,
    ) -> bytes:  # fmt: skip
        """Write what `call` sends, sealed with the clock's second."""
        if sealed:
            assert self._seal is not None, "credentials before sealed requests"
            headers = self._seal.headers(at_ns // NS_PER_S, method, path, body)
        return self.lines.request(method, path if not query else f"{path}?{query}", headers or {}, body)

    async def derive(self, nonce: int = 0) -> Credentials:
        """Get the credentials of our signer, made anew where there are none yet (venue reference 5.2).

        Raises:
            CredentialsRefused: the venue gives none.
            NoAnswer: it does not answer.
        """
        reply: Reply | None = None
        for method, path in (("GET", "/auth/derive-api-key"), ("POST", "/auth/api-key")):
            proof = self._signer.attestation(self._clock.now_ns() // NS_PER_S, nonce)
            reply = await self.call(method, path, sealed=False, headers=proof)
            fields = reply.fields
            api_key, secret, passphrase = (str(fields.get(name) or "") for name in ("apiKey", "secret", "passphrase"))
            spoken = f"{api_key}{secret}{passphrase}".isprintable()  # they will stand in headers
            if reply.status == 200 and api_key and secret and spoken:
                self.credentials = Credentials(api_key, Secret(secret), Secret(passphrase))
                self._seal = Seal(self._signer.address, self.credentials)
                return self.credentials
        assert reply is not None
        raise CredentialsRefused(f"the venue gives no credentials: {reply.status} {reply.refusal[:120]}")

    async def refresh_balance(self, token_id: str = "") -> None:
        """Let the venue look at the chain for what we have of a token, or of collateral: what it shows is a memory.

        Raises:
            NoAnswer: none came (venue reference 7.4; 8, row 5).
        """
        asset = f"CONDITIONAL&token_id={token_id}" if token_id else "COLLATERAL"
        query = f"asset_type={asset}&signature_type={int(self.signature_type)}"
        await self.call("GET", "/balance-allowance/update", query=query)

    async def pages(self, path: str, query: str = "") -> list[Any]:
        """Give the orders or trades of all pages of a listing, typed.

        Raises:
            NoAnswer: a page did not come, came as a refusal, or has an entry that cannot be read: a listing with holes
                proves nothing.
        """
        found: list[Any] = []
        cursor = FIRST_CURSOR
        for _ in range(PAGES_MOST):
            asked = f"next_cursor={cursor}"
            reply = await self.call("GET", path, query=f"{query}&{asked}" if query else asked)
            page = reply.message
            if reply.status != 200 or not isinstance(page, clob_rest.Page):
                raise NoAnswer(f"GET {path}: {reply.status} {reply.words[:120]}")
            found += page.messages
            cursor = page.next_cursor
            if cursor in ("", LAST_CURSOR):
                return found
        raise NoAnswer(f"GET {path}: more than {PAGES_MOST} pages")


def pause_asked_s(headers: Any) -> float:
    """Give the seconds that an answer asks us to wait; 0 where it does not say."""
    text = headers.get("Retry-After", "")
    return float(text) if text.replace(".", "", 1).isdecimal() else 0.0
