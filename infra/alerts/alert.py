"""An alert: one change that a person should know of."""

from dataclasses import dataclass
from typing import Final

WORDS_MOST: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One change."""

    key: str
    """Names the condition: halted, silent, degraded, feed NAME, limit NAME."""
    began: bool
    """False: it is over."""
    words: str
    session: str
    mode: str

    @property
    def line(self) -> str:
        """Say it in a line."""
        mark = "ALERT" if self.began else "over"
        return f"updown {self.mode} session {self.session}: {mark}: {self.words}"[:WORDS_MOST]

    @property
    def plain(self) -> dict[str, str | bool]:
        """Give it as JSON can hold it."""
        return {
            "key": self.key, "began": self.began, "words": self.words[:WORDS_MOST], "session": self.session,
            "mode": self.mode,
        }  # fmt: skip
