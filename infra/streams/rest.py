"""Questions over HTTP: one answer or one reason for each, every reason counted; nothing of theirs raises."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from infra.clock import Clock
from infra.feeds.frames import FRAME_BYTES_MAX, Tally, Wire
from infra.streams.life import Life, State

TIMEOUT: Final = ClientTimeout(total=5.0, connect=2.0)
"""Of real time: for no rehearsal makes the machine faster."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, with the moments of asking and of having it, by our clock."""

    raw: bytes
    sent_ns: int
    seen_ns: int


@dataclass(frozen=True, slots=True)
class Missed:
    """Nothing of use came back, in a few words; and when the other side wants to be asked again, if it says so."""

    why: str
    status: int = 0
    after_s: float = 0.0


@dataclass(slots=True)
class Rest:
    """Asks servers and keeps count of how that goes, by wire."""

    session: ClientSession
    clock: Clock
    lives: dict[Wire, Life] = field(default_factory=dict)
    reasons: Tally = field(default_factory=Tally)
    """Why there was no answer: wire, reason."""

    async def get(self, wire: Wire, url: str) -> Answer | Missed:
        """Ask for something."""
        return await self._ask(wire, url, None)

    async def post(self, wire: Wire, url: str, body: bytes) -> Answer | Missed:
        """Ask with a body of JSON."""
        return await self._ask(wire, url, body)

    def missed(self, wire: Wire, why: str, status: int = 0, after_s: float = 0.0) -> Missed:
        """Count a question that brought nothing; for answers, too, that turn out to be of no use."""
        self.life(wire).why = why
        return self.expected(wire, why, status, after_s)

    def expected(self, wire: Wire, why: str, status: int = 0, after_s: float = 0.0) -> Missed:
        """Count an answer that says no more than `not yet`; nothing is wrong with the wire."""
        self.reasons.add(wire.name, why)
        return Missed(why, status, after_s)

    def life(self, wire: Wire) -> Life:
        """Give what is counted of a wire."""
        return self.lives.setdefault(wire, Life())

    async def _ask(self, wire: Wire, url: str, body: bytes | None) -> Answer | Missed:
        life = self.life(wire)
        sent_ns = self.clock.now_ns()
        headers = {"Content-Type": "application/json"} if body is not None else None
        method = "GET" if body is None else "POST"
        try:
            async with self.session.request(method, url, data=body, headers=headers, timeout=TIMEOUT) as response:
                if (response.content_length or 0) > FRAME_BYTES_MAX:
                    return self.missed(wire, "an answer beyond all bounds", response.status)
                raw = await response.read()
                seen_ns = self.clock.now_ns()
                life.last_frame_ns = seen_ns
                if response.status != HTTPStatus.OK:
                    return self._turned_away(wire, response, raw)
        except (TimeoutError, ClientError, OSError) as error:
            if life.state is State.UP:
                life.ends += 1
            life.state = State.DOWN
            return self.missed(wire, f"no answer: {type(error).__name__}")
        life.state = State.UP
        life.frames += 1
        life.octets += len(raw)
        life.last_data_ns = seen_ns
        return Answer(raw, sent_ns, seen_ns)

    def _turned_away(self, wire: Wire, response: ClientResponse, raw: bytes) -> Missed:
        """Put a status that is no success into words; pages of a bot wall are told apart from answers of the API."""
        life = self.life(wire)
        if response.status != HTTPStatus.NOT_FOUND:
            life.state = State.DOWN
        named = response.headers.get("Retry-After", "").strip()
        after_s = float(named) if named.isdecimal() else 0.0
        page = " with a page of HTML" if raw.lstrip()[:1] == b"<" else ""
        return self.missed(wire, f"status {response.status}{page}", response.status, after_s)
