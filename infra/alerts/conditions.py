"""Conditions: what a person should know of, found in a session's reading; told when it begins and when it ends."""

from dataclasses import dataclass, field
from typing import Final

from infra.alerts.alert import Alert
from infra.metrics.watched import Reading

NEAR_RATIO: Final = 0.9
"""A limit is near from here on ..."""
CLEAR_RATIO: Final = 0.8
"""... and no longer near below here: a figure that trembles about one line is told once."""
IDLE_S: Final = 30.0
"""A journal that has not grown for so long: the session hangs or has ended. Rows come many times a second."""
BAD: Final = frozenset({"stale", "down"})
LOOKS: Final = 3
"""A feed must be found bad so many times in a row: a reconnection of a second is nobody's business."""


@dataclass(slots=True)
class Conditions:
    """What stands now, of one session."""

    session: str
    standing: dict[str, str] = field(default_factory=dict)
    """By key, in the words that it was told with."""
    _bad_looks: dict[str, int] = field(default_factory=dict)

    def look(self, reading: Reading) -> list[Alert]:
        """Give what has changed since the last look."""
        found = self._found(reading)
        began = [(key, True, words) for key, words in found.items() if key not in self.standing]
        ended = [(key, False, words) for key, words in self.standing.items() if key not in found]
        kept = {key: self.standing.get(key, words) for key, words in found.items()}
        self.standing = kept
        return [
            Alert(key=key, began=begins, words=words, session=self.session, mode=reading.mode)
            for key, begins, words in (*began, *ended)
        ]

    def _found(self, reading: Reading) -> dict[str, str]:
        found: dict[str, str] = {}
        if reading.halted:
            found["halted"] = f"the desk is halted ({reading.halted})"
        if reading.fast_state:
            found["degraded"] = f"the shared fast state is away ({reading.fast_state})"
        if reading.idle_s > IDLE_S:
            found["silent"] = f"nothing was written to its journal for {IDLE_S:g} s: it hangs or has ended"
            return found | {key: words for key, words in self.standing.items() if key.startswith(("feed ", "limit "))}
        return found | self._feeds(reading) | self._limits(reading)

    def _feeds(self, reading: Reading) -> dict[str, str]:
        found = {}
        for feed in reading.glance.feeds:
            looks = self._bad_looks.get(feed.name, 0) + 1 if feed.quality in BAD else 0
            self._bad_looks[feed.name] = looks
            if looks >= LOOKS:
                found[f"feed {feed.name}"] = f"the feed {feed.name} is {feed.quality}"
        return found

    def _limits(self, reading: Reading) -> dict[str, str]:
        found = {}
        for limit in reading.glance.limits:
            key = f"limit {limit.name}"
            line = CLEAR_RATIO if key in self.standing else NEAR_RATIO
            if not limit.is_floor and limit.unit != "windows" and limit.most > 0.0 and limit.ratio >= line:
                found[key] = (
                    f"the limit '{limit.name}' is {limit.ratio:.0%} used ({limit.used:,.2f} of {limit.most:,.2f})"
                )
        return found
