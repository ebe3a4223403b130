"""Pages of long lists as the CLOB gives them: a cursor that is a place in base64, from "MA==" to "LTE="."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final

from infra.venue_next_door.refusals import Refusal

END: Final = "LTE="
"""Minus one: there is no more (venue reference 5.1)."""


def page_of(rows: Sequence[Any], cursor: str, size: int) -> tuple[Sequence[Any], str]:
    """Give the rows at a cursor and the cursor of what follows.

    Raises:
        Refusal: the cursor is none.

    >>> page_of("abcde", "", 2), page_of("abcde", "NA==", 2), page_of("abcde", "LTE=", 2)
    (('ab', 'Mg=='), ('e', 'LTE='), ('', 'LTE='))
    """
    try:
        first = int(base64.b64decode(cursor, validate=True)) if cursor else 0
    except (binascii.Error, ValueError) as error:
        raise Refusal("Invalid next_cursor") from error
    if first < 0:
        return rows[:0], END
    last = first + size
    return rows[first:last], base64.b64encode(str(last).encode()).decode() if last < len(rows) else END


def page_body(rows: Sequence[Any], cursor: str, size: int) -> dict[str, Any]:
    """Give a page as it stands in an answer."""
    shown, following = page_of(rows, cursor, size)
    return {"data": list(shown), "next_cursor": following, "limit": size, "count": len(shown)}
