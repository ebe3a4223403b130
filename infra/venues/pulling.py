"""Pulling everything: every order of an account is cancelled, and then seen to be gone; told when it is not."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from infra.clock import monotonic_ns
from infra.venues.rest import NoAnswer, Rest
from state.units import NS_PER_S

PATIENCE_S: Final = 20.0
AGAIN_S: Final = 0.25
"""Between two looks, in real time; an order that was held or on its way at the first look has come to rest by then."""
LOOKS: Final = 2
"""So many looks in a row must find nothing."""

CancelAll = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Pulled:
    """What came of it."""

    is_verified: bool
    """The venue itself lists no open order, twice in a row."""
    tries_count: int
    open_count: int
    """Orders that it listed last; -1 when it never answered."""
    words: str
    """Why it could not be verified; empty when it was."""


async def pull_everything(rest: Rest, cancel_all: CancelAll | None = None, patience_s: float = PATIENCE_S) -> Pulled:
    """Cancel and look, again and again, until nothing is open or patience ends; never raises for what the venue does.

    Args:
        rest: The venue, with credentials.
        cancel_all: Who cancels; by itself `rest` is asked to.
        patience_s: Real seconds.
    """
    until_ns = monotonic_ns() + round(patience_s * NS_PER_S)
    tries = clean_looks = 0
    open_count, words = -1, ""
    while True:
        tries += 1
        try:
            if not await (cancel_all() if cancel_all is not None else _cancel_all(rest)):
                words = "the venue does not take the cancel"
            open_count = len(await rest.pages("/data/orders"))
            clean_looks = clean_looks + 1 if open_count == 0 else 0
            if open_count:
                words = f"{open_count} orders are still open"
        except NoAnswer as error:
            clean_looks, words = 0, str(error)
        if clean_looks >= LOOKS:
            return Pulled(True, tries, 0, "")
        if monotonic_ns() >= until_ns:
            return Pulled(False, tries, open_count, words or "no time was left to look twice")
        await asyncio.sleep(AGAIN_S)


async def _cancel_all(rest: Rest) -> bool:
    return (await rest.call("DELETE", "/cancel-all")).status == 200
