"""The last trades of every token as the public has seen them, for the endpoints that tell of them."""

from collections import deque
from typing import Any, Final

from numpy.typing import NDArray

from infra.venue_next_door.engine import Engine
from state.events import Kind, Side
from state.units import NS_PER_S

_TRADE_SEEN: Final = int(Kind.TRADE_SEEN)
TOKENS_MAX: Final = 1024
"""Tokens that are remembered: those longest without a trade go first."""
MINUTES_MAX: Final = 1440


class LastTrades:
    """Listens to the public rows and keeps, by token, the last trade and one price a minute."""

    def __init__(self, engine: Engine) -> None:
        """Begin to listen."""
        self._engine = engine
        self._last: dict[str, tuple[int, Side]] = {}
        self._minutes: dict[str, deque[tuple[int, int]]] = {}
        engine.on_public(self.see)

    def see(self, rows: NDArray[Any]) -> None:
        """Take up the trades among rows."""
        for row in rows[rows["kind_code"] == _TRADE_SEEN]:
            window = self._engine.window_of_slot(int(row["slot_id"]))
            if window is None:
                continue
            token_id = window.tokens[int(row["token_code"])]
            price_bps = int(row["price_bps"])
            self._last.pop(token_id, None)  # so that what is written last stands last
            self._last[token_id] = price_bps, Side(int(row["side_code"]))
            minutes = self._minutes.setdefault(token_id, deque(maxlen=MINUTES_MAX))
            minute_s = int(row["at_ns"]) // NS_PER_S // 60 * 60
            if minutes and minutes[-1][0] == minute_s:
                minutes.pop()
            minutes.append((minute_s, price_bps))
            if len(self._last) > TOKENS_MAX:
                eldest = next(iter(self._last))
                del self._last[eldest]
                del self._minutes[eldest]

    def last(self, token_id: str) -> tuple[int, Side] | None:
        """Give price in bps and the taker's side of a token's last trade, or None before the first."""
        return self._last.get(token_id)

    def minutes(self, token_id: str, first_s: int, last_s: int, step_s: int) -> list[tuple[int, int]]:
        """Give (second, price in bps): the last trade of each minute, thinned to one a step."""
        told: list[tuple[int, int]] = []
        for minute_s, price_bps in self._minutes.get(token_id, ()):
            if not first_s <= minute_s <= last_s:
                continue
            if told and told[-1][0] // step_s == minute_s // step_s:
                told.pop()
            told.append((minute_s, price_bps))
        return told
