"""The watchdog: how old data may get, by wire and by the phase of the window, and what is done about a silent socket.

A socket that is open and answers pings may still say nothing (venue reference 8, rows 9, 10 and 28). How long a
silence is odd depends on the moment: nobody trades in a window that opens in ten minutes; in its last minute a book
that stands still for eight seconds is a dead one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from infra.clock import Clock
from infra.feeds.frames import Wire
from infra.feeds.listings import Listing
from infra.streams.connection import Connection
from infra.streams.life import State
from state.units import NS_PER_MS, NS_PER_S

LOOK_S: Final = 0.5
GRACE_REAL_NS: Final = 250 * NS_PER_MS
"""What our own process may be late by, in real time: at 60x a quarter of a second of this machine is 15 s."""
LAST_S: Final = 60


class Phase(IntEnum):
    """Where the followed windows stand; of several the busiest counts."""

    NONE = 0
    """No window is followed."""
    BEFORE = 1
    """Windows are followed, none is open."""
    ENDED = 2
    """The newest that opened is over."""
    OPEN = 3
    LAST_MINUTE = 4


_STEADY: Final = {Phase.NONE: 60.0, Phase.BEFORE: 20.0, Phase.ENDED: 20.0}

LIMITS_S: Final[Mapping[Wire, Mapping[Phase, float]]] = {
    Wire.POLYMARKET_MARKET: {Phase.BEFORE: 300.0, Phase.ENDED: 120.0, Phase.OPEN: 20.0, Phase.LAST_MINUTE: 8.0},
    Wire.POLYBOLT: _STEADY | {Phase.OPEN: 10.0, Phase.LAST_MINUTE: 5.0},
    Wire.RTDS: _STEADY | {Phase.OPEN: 15.0, Phase.LAST_MINUTE: 10.0},
    Wire.BINANCE_SPOT: _STEADY | {Phase.OPEN: 5.0, Phase.LAST_MINUTE: 3.0},
    Wire.BINANCE_USDM: _STEADY | {Phase.OPEN: 5.0, Phase.LAST_MINUTE: 3.0},
    Wire.BYBIT: _STEADY | {Phase.OPEN: 8.0, Phase.LAST_MINUTE: 6.0},
    Wire.OKX: _STEADY | {Phase.OPEN: 10.0, Phase.LAST_MINUTE: 6.0},
    Wire.COINBASE_EXCHANGE: _STEADY | {Phase.OPEN: 15.0, Phase.LAST_MINUTE: 10.0},
}
"""Longest silence in the clock's seconds; a phase or a wire that is not here may be silent for ever. The figures are
ours: the touch of an open window changes 73 times a minute (reference 2.7), the settlement stream speaks every second
and loses 3 % of them on RTDS (4.3), Bybit repeats itself after 3 s of quiet (6.2)."""

SNAPSHOT_S: Final = 1.0
"""What PolyBolt says within so long of connecting may be its snapshot, which repeats the last price."""
FALLBACK_AFTER_S: Final = 15.0
FALLBACK_UNTIL_S: Final = 30.0
"""RTDS is called in when PolyBolt has said nothing for so long, and let go when it has been well for so long."""


def phase_of(windows: Iterable[Listing], now_ns: int) -> Phase:
    """Give the phase of the busiest window."""
    phase = Phase.NONE
    for each in windows:
        if now_ns < each.open_ns:
            its = Phase.BEFORE
        elif now_ns >= each.close_ns:
            its = Phase.ENDED
        else:
            its = Phase.LAST_MINUTE if now_ns >= each.close_ns - LAST_S * NS_PER_S else Phase.OPEN
        phase = max(phase, its)
    return phase


def limit_ns(wire: Wire, phase: Phase, speed_ratio: float) -> int | None:
    """Give the longest silence that is normal, None for any."""
    limit_s = LIMITS_S.get(wire, {}).get(phase)
    return None if limit_s is None else round(limit_s * NS_PER_S + GRACE_REAL_NS * speed_ratio)


def _nothing() -> None:
    pass


@dataclass(slots=True)
class Watchdog:
    """Looks twice a second at every connection, and cuts those that have fallen silent."""

    clock: Clock
    connections: list[Connection]
    windows: Callable[[], Iterable[Listing]]
    """Gives the followed windows."""
    ask_again: Callable[[], None] = _nothing
    """Asks again for books that did not come."""
    _phase: Phase = Phase.NONE
    _phase_ns: int = 0
    _began_ns: int = 0
    _ill_ns: int = 0
    """When PolyBolt was last found wanting."""
    _spoke_ns: int = 0
    """When PolyBolt last said something that no snapshot says: each connection begins with what was known before."""
    _looked_ns: int = 0

    async def run(self) -> None:
        """Live until cancelled."""
        self._looked_ns = self._began_ns = self.clock.now_ns()
        late_ns = round(GRACE_REAL_NS * self.clock.speed_ratio) + round(2 * LOOK_S * NS_PER_S)
        while True:
            await self.clock.sleep(round(LOOK_S * NS_PER_S))
            now_ns = self.clock.now_ns()
            if now_ns - self._looked_ns <= late_ns:  # else it is we who were away: give the sockets their turn first
                self.look(now_ns)
            self._looked_ns = now_ns

    def look(self, now_ns: int) -> None:
        """Look once."""
        phase = phase_of(self.windows(), now_ns)
        if phase is not self._phase:
            self._phase, self._phase_ns = phase, now_ns
        for each in self.connections:
            self._look_at(each, now_ns)
        self.ask_again()
        self._call_fallback(now_ns)

    def _look_at(self, connection: Connection, now_ns: int) -> None:
        life = connection.life
        if life.state is not State.UP:
            return
        limit = limit_ns(connection.wire, self._phase, self.clock.speed_ratio)
        # A new phase judges only the silence that falls into it: a book may rest until the window opens.
        silent_ns = now_ns - max(life.last_data_ns, life.connected_ns, self._phase_ns)
        if limit is not None and silent_ns > limit:
            phase = self._phase.name.lower().replace("_", " ")
            words = f"silent for {silent_ns / NS_PER_S:.1f} s ({phase}; at most {limit / NS_PER_S:g} s)"
            life.silences += connection.renew(words)

    def _call_fallback(self, now_ns: int) -> None:
        """Let RTDS speak for the settlement stream exactly while PolyBolt does not."""
        by_wire = {each.wire: each for each in self.connections}
        rtds, polybolt = by_wire.get(Wire.RTDS), by_wire.get(Wire.POLYBOLT)
        if rtds is None or polybolt is None:
            return
        patience_ns = round(FALLBACK_AFTER_S * NS_PER_S + GRACE_REAL_NS * self.clock.speed_ratio)
        life = polybolt.life
        snapshot_ns = round(SNAPSHOT_S * NS_PER_S + GRACE_REAL_NS * self.clock.speed_ratio)
        if life.last_data_ns > life.connected_ns + snapshot_ns:
            self._spoke_ns = life.last_data_ns
        heard = now_ns - max(self._spoke_ns, self._began_ns) <= patience_ns
        if life.state is not State.STOPPED and heard:
            if rtds.wanted and life.state is State.UP and now_ns - self._ill_ns > FALLBACK_UNTIL_S * NS_PER_S:
                rtds.want(False, "PolyBolt is back")
        else:
            self._ill_ns = now_ns
            rtds.want(True)
