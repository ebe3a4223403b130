"""Feeds: each stream is connected for a moment, to see that it can be reached and says something."""

import asyncio
from collections.abc import Sequence
from typing import Final

from infra.addresses import Addresses
from infra.clock import Clock, monotonic_ns
from infra.doctor.check import Check, ready, refused, warning
from infra.feeds.frames import Wire
from infra.streams.endpoints import EVERY, PRIVATE
from infra.streams.intake import Intake
from infra.streams.life import Health, State
from infra.streams.streams import Streams
from infra.venues.credentials import Credentials
from state.units import NS_PER_S

POLL_S: Final = 0.1
EXCHANGES: Final = frozenset(
    {Wire.BINANCE_SPOT, Wire.BINANCE_USDM, Wire.BYBIT, Wire.OKX, Wire.COINBASE_EXCHANGE, Wire.COINBASE}
)
QUIET: Final = frozenset({Wire.POLYMARKET_USER})
"""Says nothing while no order of ours does anything."""
SIGNS: Final = frozenset({Wire.POLYGON, Wire.RTDS})
"""Informs, and nothing depends on it: PolyBolt tells the settlement prices where there are credentials."""


async def look_at_feeds(
    addresses: Addresses, clock: Clock, credentials: Credentials | None, patience_s: float
) -> tuple[Check, ...]:
    """Connect every stream until each has spoken, or as long as patience lasts in real seconds; then judge."""
    wires = EVERY if credentials is not None else EVERY - PRIVATE
    intake = Intake(clock)
    until_ns = monotonic_ns() + round(patience_s * NS_PER_S)
    async with Streams(addresses, clock, intake, credentials, wires=wires) as streams:
        while monotonic_ns() < until_ns and not all(_speaks(each) for each in streams.health()):
            await asyncio.sleep(POLL_S)
            intake.drain(1 << 20)
        return judge_feeds(streams.health())


def _speaks(health: Health) -> bool:
    if health.state is State.IDLE:
        return health.wire is Wire.RTDS
    return health.state is State.UP and (health.age_s >= 0.0 or health.wire in QUIET)


def judge_feeds(every: Sequence[Health]) -> tuple[Check, ...]:
    """Judge each stream; an exchange may be missing, all of them may not."""
    checks = [_judge(each) for each in every]
    exchanges = [each for each in every if each.wire in EXCHANGES]
    if exchanges and not any(_speaks(each) for each in exchanges):
        checks.append(refused("feed: exchanges", "no exchange can be reached", "check the connection"))
    return tuple(checks)


def _judge(health: Health) -> Check:
    name = f"feed: {health.wire.name.lower()}"
    if _speaks(health):
        return ready(name, _words(health))
    why = health.why or health.complaint or "it is connected and says nothing"
    words = f"{health.state}: {why}" if health.state is not State.UP else why
    mend = "look whether the address in the settings is right and the other side is up"
    if health.wire in EXCHANGES | SIGNS:
        return warning(name, words, mend)
    return refused(name, words, mend)


def _words(health: Health) -> str:
    if health.state is State.IDLE:
        return "stands by for PolyBolt"
    if health.age_s < 0.0:
        return "connected; it speaks when an order of ours does something"
    return f"{health.frames:,} frames, the last {health.age_s:.2f} s ago"
