"""How many frames a second each wire gives, over the last seconds of the session's time."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from state.units import NS_PER_S

SPAN_S: Final = 10
"""A rate looks back so long; at first as far as there is."""


@dataclass(slots=True)
class FrameRates:
    """Remembers counts of frames; look at it as often as the screen is drawn."""

    _seen: dict[str, deque[tuple[int, int]]] = field(default_factory=dict)

    def rate(self, wire: str, frames: int, now_ns: int) -> float | None:
        """Take a wire's count and give its frames per second; None before a second has passed.

        Args:
            wire: its name.
            frames: how many there have been since the session began.
            now_ns: the session's time, so that a session at 20x shows the market's rate and not the machine's.
        """
        seen = self._seen.setdefault(wire, deque())
        if not seen or now_ns - seen[-1][0] >= NS_PER_S:
            seen.append((now_ns, frames))
        while len(seen) > 1 and now_ns - seen[1][0] >= SPAN_S * NS_PER_S:
            seen.popleft()
        first_ns, first = seen[0]
        return (frames - first) * NS_PER_S / (now_ns - first_ns) if now_ns - first_ns >= NS_PER_S else None
