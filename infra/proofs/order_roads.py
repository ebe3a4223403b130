"""Roads to the venue: the same POST by our lines, by aiohttp's own session and by httpx, in turn, in one run."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from infra.clock import Clock, monotonic_ns
from infra.venues.lines import Lines
from state.units import NS_PER_MS

_NS_PER_US: Final = NS_PER_MS // 1_000

PATH: Final = "/midpoints"
"""Asked without credentials, and answered from memory."""
BODY: Final = b"[" + b",".join(b'{"token_id":"%077d"}' % number for number in range(12)) + b"]"
"""As long as an order is."""
HEADERS: Final = {
    "POLY_ADDRESS": "0x" + "1" * 40, "POLY_SIGNATURE": "s" * 44, "POLY_TIMESTAMP": "1790000000",
    "POLY_API_KEY": "k" * 36, "POLY_PASSPHRASE": "p" * 64,
}  # fmt: skip
"""Headers like those of an order; nobody is asked who we are."""
_JSON: Final = {"Content-Type": "application/json"}
"""Our lines say so of every request by themselves."""
PAUSE_NS: Final = 2 * NS_PER_MS
CONNECT_S: Final = 2.0

Road = Callable[[], Awaitable[int]]
"""Sends the POST and gives the status of its answer."""


@dataclass(slots=True)
class Trip:
    """What one road's requests took, in us of real time."""

    round_us: list[float] = field(default_factory=list)
    work_us: list[float] = field(default_factory=list)
    """Of this process's own time, from sending to the answer read."""
    statuses: set[int] = field(default_factory=set)


async def time_roads(address: str, clock: Clock, count: int) -> dict[str, Trip]:
    """Send so many POSTs by each road in turn; httpx is left out where it is not installed."""
    lines = Lines(address, CONNECT_S)

    async def ours() -> int:
        return (await lines.ask(lines.request("POST", PATH, HEADERS, BODY))).status

    async with aiohttp.ClientSession(headers=_JSON) as session:

        async def by_session() -> int:
            async with session.post(address + PATH, data=BODY, headers=HEADERS) as answer:
                await answer.read()
                return answer.status

        roads: dict[str, Road] = {"our lines": ours, "aiohttp's session": by_session}
        other = _httpx()
        if other is not None:

            async def by_httpx() -> int:
                told: int = (await other.post(address + PATH, content=BODY, headers=HEADERS)).status_code
                return told

            roads["httpx, HTTP/1.1"] = by_httpx
        try:
            return await _in_turn(roads, clock, count)
        finally:
            lines.close()
            if other is not None:
                await other.aclose()


def _httpx() -> Any:
    try:
        import httpx
    except ImportError:
        return None
    return httpx.AsyncClient(headers=_JSON)


async def _in_turn(roads: dict[str, Road], clock: Clock, count: int) -> dict[str, Trip]:
    trips = {name: Trip() for name in roads}
    for number in range(count + 1):
        for name, road in roads.items():
            began_ns, worked_ns = monotonic_ns(), time.thread_time_ns()
            status = await road()
            if number:  # the first makes the connection
                trips[name].work_us.append((time.thread_time_ns() - worked_ns) / _NS_PER_US)
                trips[name].round_us.append((monotonic_ns() - began_ns) / _NS_PER_US)
                trips[name].statuses.add(status)
            await clock.sleep(PAUSE_NS)
    return trips
