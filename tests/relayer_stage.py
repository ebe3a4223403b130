"""A desk, a bad line, and the relayer next door: what stories of payouts and complete sets are played on."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway_desk import Desk, a_venue, desk_at
from live_venue import LiveVenue, calm_rows, moved
from relayer_between import Line, line_to
from venue_stage import resolved

from infra.venue_next_door.nouns import Account
from infra.venues.credentials import Secret, throwaway_key
from infra.venues.relaying import WalletRelayer
from infra.venues.signing import LocalKey
from infra.venues.wallet_calls import Pair
from infra.wallets import deposit_wallet_of
from state.events import Token
from state.units import MICROS

SPEED = 60.0


def lived(story: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Let a story live in a loop of its own."""

    @functools.wraps(story)
    def test() -> None:
        assert warmed()
        asyncio.run(story())

    return test


@dataclass
class Stage:
    venue: LiveVenue
    desk: Desk
    line: Line
    relayer: WalletRelayer
    pair: Pair
    key: Secret
    wallet: str

    @property
    def account(self) -> Account:
        keys = self.desk.rest.credentials
        assert keys is not None
        return self.venue.engine.accounts[keys.api_key]

    def holding(self) -> tuple[float, float, float]:
        """Dollars spent, UP and DOWN shares, as the venue has them."""
        engine, tokens = self.venue.engine, self.venue.window.tokens
        up, down = (engine.shares_micros(self.account, tokens[token]) / MICROS for token in (Token.UP, Token.DOWN))
        return (engine.cash_micros(self.account) - self.began) / MICROS, up, down

    began: int = 0


async def _warm() -> None:
    """Let a desk and a venue compile what they need, so that no story's minute passes with that."""
    async with a_venue(-20, 1.0) as venue, desk_at(venue):
        pass


@functools.cache
def warmed() -> bool:
    """Do that once a process; before any story."""
    asyncio.run(_warm())
    return True


@asynccontextmanager
async def stage(start_s: float = 10.0, speed: float = SPEED, outcome: Token = Token.UP) -> AsyncIterator[Stage]:
    rows = moved([*calm_rows(prints=False, last_s=340), resolved(315, outcome, 100_001.0)], 0)
    async with AsyncExitStack() as stack:
        venue = await stack.enter_async_context(a_venue(start_s, speed, rows))
        key = throwaway_key()
        desk = await stack.enter_async_context(desk_at(venue, key))
        line = await stack.enter_async_context(line_to(venue.addresses.relayer))
        holder = LocalKey(key)
        wallet = deposit_wallet_of(holder.address)
        relayer = WalletRelayer(line.address, venue.clock, holder, wallet, desk.rest)
        stack.push_async_callback(relayer.close)
        listing = desk.listing
        made = Stage(
            venue, desk, line, relayer, Pair(listing.condition_id), key, wallet
        )  # fmt: skip
        made.began = venue.engine.cash_micros(made.account)
        yield made
