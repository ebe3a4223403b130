"""Repricing: how soon a post-only order may be tried again after one that would have crossed the book.

Such a refusal is normal: the book moved while the order was on its way (venue reference 8, row 22). The core reprices
by itself. It may do so once at once; when that crosses too, the token rests for a while, which grows until an order
stays in the book, so that a falling market is not chased with requests.
"""

from dataclasses import dataclass, field
from typing import Final

from state.units import NS_PER_S

REST_NS: Final = NS_PER_S // 2
REST_MOST_NS: Final = 8 * NS_PER_S
FREE: Final = 1
"""Crossings in a row that cost nothing."""


@dataclass(slots=True)
class Repricing:
    """Counts crossings in a row, by token."""

    _crossed: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Token id -> how often in a row, and until when it rests."""

    def crossed(self, token_id: str, now_ns: int) -> None:
        """Note that a post-only order would have crossed."""
        count = self._crossed.get(token_id, (0, 0))[0] + 1
        rest_ns = min(REST_NS << min(count - FREE - 1, 10), REST_MOST_NS) if count > FREE else 0
        self._crossed[token_id] = count, now_ns + rest_ns

    def rested(self, token_id: str) -> None:
        """Note that an order stays in the book."""
        self._crossed.pop(token_id, None)

    def must_wait(self, token_id: str, now_ns: int) -> bool:
        """Say whether the next post-only order for a token must wait."""
        return now_ns < self._crossed.get(token_id, (0, 0))[1]
