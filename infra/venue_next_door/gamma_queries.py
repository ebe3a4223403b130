"""Gamma's queries: which windows an address asks for, in which order, and which page of them.

Venue reference 2.2: pages hold a hundred at most, offsets end at about two thousand, keysets go on from a cursor, and
what is resolved is not to be seen unless `closed=true` asks for it.
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from multidict import MultiMapping

from infra.feeds.figures import ns_of_iso
from infra.feeds.frames import Offbeat
from infra.venue_next_door.gamma_objects import TAGS, is_closed, listed_ns
from infra.venue_next_door.nouns import Window
from infra.venue_next_door.window_words import event_id_of, series_id_of, series_slug_of

PAGE_MOST: Final = 100
PAGE_USUAL: Final = 20
OFFSET_MOST: Final = 2000

Query = MultiMapping[str]


class Unprocessable(Exception):
    """A query that Gamma answers with 422."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the page before ended: the sort key and id of its last window, and the order it was made for."""

    order: str
    ascending: bool
    key: int | float
    gamma_id: int

    def text(self) -> str:
        """Give it as an opaque text."""
        fields = [self.order, self.ascending, self.key, self.gamma_id]
        return base64.urlsafe_b64encode(msgspec.json.encode(fields)).decode()

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """Read it back.

        Raises:
            Unprocessable: it is none of ours.
        """
        try:
            raw = base64.urlsafe_b64decode(text)
            return cls(*msgspec.json.decode(raw, type=tuple[str, bool, int | float, int]))
        except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
            raise Unprocessable("invalid after_cursor") from error


_ORDERS: Final[dict[str, Callable[[Window], float]]] = {
    "id": lambda window: window.gamma_id,
    "createdAt": listed_ns,
    "startDate": listed_ns,
    "startTime": lambda window: window.open_ns,
    "eventStartTime": lambda window: window.open_ns,
    "endDate": lambda window: window.close_ns,
    "closedTime": lambda window: window.resolved_ns,
    "slug": lambda window: window.open_ns,
}
_BY_VOLUME: Final = frozenset({"volume", "volumeNum", "volume24hr", "volume1wk", "volume1mo", "volume1yr"})
_BY_NOTHING: Final = frozenset({"liquidity", "liquidityNum", "competitive", "featuredOrder"})
"""Orders that Gamma knows and that mean nothing here: by id."""


def _flag(query: Query, name: str) -> bool | None:
    text = query.get(name)
    if text is None or text == "":
        return None
    if text.lower() not in ("true", "false"):
        raise Unprocessable(f"invalid {name}: must be a boolean")
    return text.lower() == "true"


def _whole(query: Query, name: str, usual: int) -> int:
    text = query.get(name)
    if text is None:
        return usual
    if not text.isdecimal():
        raise Unprocessable(f"invalid {name}: must be a non-negative integer")
    return int(text)


def _time_ns(query: Query, name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    try:
        return ns_of_iso(text if len(text) > 10 else f"{text}T00:00:00Z")
    except Offbeat as error:
        raise Unprocessable(f"invalid {name}: must be a date") from error


_NAMED: Final[dict[str, Callable[[Window], Iterable[str]]]] = {
    "slug": lambda window: (window.slug,),
    "condition_ids": lambda window: (window.condition_id,),
    "clob_token_ids": lambda window: window.tokens,
    "position_ids": lambda window: window.tokens,
    "question_ids": lambda window: (window.question_id,),
    "series_slug": lambda window: (series_slug_of(window),),
    "series_id": lambda window: (series_id_of(window),),
    "version": lambda window: (window.version,),
    "tag_id": lambda window: [tag["id"] for tag in TAGS],
    "tag_slug": lambda window: [tag["slug"] for tag in TAGS],
}
"""Parameter -> what a window has of it; one of the values asked for must be among them."""

_DATED: Final[dict[str, Callable[[Window], int]]] = {
    "end_date": lambda window: window.close_ns,
    "start_date": listed_ns,
    "start_time": lambda window: window.open_ns,
}


Test = Callable[[Window], bool]


def _has_one_of(wanted: frozenset[str], values_of: Callable[[Window], Iterable[str]]) -> Test:
    return lambda window: not wanted.isdisjoint(values_of(window))


def _lies_between(least: int | None, most: int | None, ns_of: Callable[[Window], int]) -> Test:
    return lambda window: (least is None or ns_of(window) >= least) and (most is None or ns_of(window) <= most)


def select(windows: Iterable[Window], query: Query, now_ns: int, *, events: bool) -> list[Window]:
    """Give the windows that a query asks for, in no order.

    Raises:
        Unprocessable: a parameter cannot be read.
    """
    closed = bool(_flag(query, "closed"))
    if _flag(query, "archived") or _flag(query, "active") is False:
        return []
    named = _NAMED | {"id": lambda window: (event_id_of(window) if events else str(window.gamma_id),)}
    tests: list[Test] = [lambda window: is_closed(window, now_ns) is closed]
    for name, values_of in named.items():
        wanted = frozenset(query.getall(name, ()))
        if wanted:
            tests.append(_has_one_of(wanted, values_of))
    for name, ns_of in _DATED.items():
        tests.append(_lies_between(_time_ns(query, f"{name}_min"), _time_ns(query, f"{name}_max"), ns_of))
    return [window for window in windows if all(test(window) for test in tests)]


def order_of(query: Query, volume_of: Callable[[Window], float]) -> tuple[str, Callable[[Window], float], bool]:
    """Give what a query sorts by: its name, the key, and whether upwards.

    Raises:
        Unprocessable: an order that Gamma does not know.
    """
    name = query.get("order", "id").split(",")[0].strip() or "id"
    ascending = _flag(query, "ascending")
    if name in _BY_VOLUME:
        key: Callable[[Window], float] = volume_of
    elif name in _BY_NOTHING:
        key = _ORDERS["id"]
    elif name in _ORDERS:
        key = _ORDERS[name]
    else:
        raise Unprocessable("order fields are not valid")
    return name, key, ascending is not False


def limit_of(query: Query) -> int:
    """Give how many a page may hold; more than a hundred are cut to a hundred."""
    return min(_whole(query, "limit", PAGE_USUAL), PAGE_MOST)


def page_by_offset(windows: list[Window], query: Query, volume_of: Callable[[Window], float]) -> list[Window]:
    """Give one page of a listing by limit and offset.

    Raises:
        Unprocessable: the offset is too large, or something else cannot be read.
    """
    offset = _whole(query, "offset", 0)
    if offset > OFFSET_MOST:
        raise Unprocessable(f"offset exceeds maximum allowed value of {OFFSET_MOST}, use keyset pagination")
    _, key, ascending = order_of(query, volume_of)
    ordered = sorted(windows, key=lambda window: (key(window), window.gamma_id), reverse=not ascending)
    return ordered[offset : offset + limit_of(query)]


def page_by_keyset(
    windows: list[Window], query: Query, volume_of: Callable[[Window], float]
) -> tuple[list[Window], str | None]:
    """Give one page of a listing by cursor, and the cursor of the next; None: there is no more.

    Raises:
        Unprocessable: the cursor is none, or was made for another order, or an offset came with it.
    """
    if "offset" in query:
        raise Unprocessable("offset is not supported, use after_cursor")
    name, key, ascending = order_of(query, volume_of)
    keyed: list[tuple[Any, ...]] = sorted(
        ((key(window), window.gamma_id, window) for window in windows), key=lambda one: one[:2], reverse=not ascending
    )
    text = query.get("after_cursor")
    if text:
        cursor = Cursor.read(text)
        if (cursor.order, cursor.ascending) != (name, ascending):
            raise Unprocessable("after_cursor belongs to another order")
        last = (cursor.key, cursor.gamma_id)
        keyed = [one for one in keyed if (one[:2] > last if ascending else one[:2] < last)]
    page = keyed[: limit_of(query)]
    more = len(keyed) > len(page) and page
    following = Cursor(name, ascending, page[-1][0], page[-1][1]).text() if more else None
    return [window for _, _, window in page], following
