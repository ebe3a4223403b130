"""The CLOB's counter from tests: a stage with two books, served over HTTP, and a customer who has logged in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from venue_customers import Customer
from venue_stage import HandClock, Rows, Stage, change, cleared, listed

from infra.venue_next_door.clob import clob_app
from infra.venue_next_door.engine import Engine
from state.events import Side, Token
from state.units import NS_PER_S

UP_BOOK = ((Side.BUY, 4700, 300.0), (Side.BUY, 4800, 100.0), (Side.SELL, 5300, 300.0), (Side.SELL, 5200, 100.0))
DOWN_BOOK = tuple((Side(1 - side), 10_000 - bps, shares) for side, bps, shares in UP_BOOK)


class WaitingClock(HandClock):
    """A clock moved by hand for which others may wait."""

    async def sleep(self, span_ns: int) -> None:
        due_ns = self.at_ns + span_ns
        while self.at_ns < due_ns:  # noqa: ASYNC110 (nothing tells of a hand that moves)
            await asyncio.sleep(0)


async def pass_time(stage: Stage, span_s: float) -> None:
    """Let the venue live for so many seconds, and whoever waits for its clock too."""
    end_ns = stage.clock.at_ns + round(span_s * NS_PER_S)
    while stage.clock.at_ns < end_ns:
        stage.clock.at_ns = min(stage.clock.at_ns + NS_PER_S // 4, end_ns)
        stage.engine.step()
        for _ in range(5):
            await asyncio.sleep(0)


def market_rows() -> list[Rows]:
    """Give a window whose Up stands at 48 to 52 cents from ten minutes before its start, and a change now and then."""
    books = [cleared(-590, Token.UP, *UP_BOOK), cleared(-590, Token.DOWN, *DOWN_BOOK)]
    changes = [change(at_s, Side.BUY, 4600, 50.0 + at_s % 7) for at_s in range(-580, 400, 5)]
    return [listed(), *books, *changes]


@asynccontextmanager
async def counter(
    *more: Rows, serve: Callable[[Engine], web.Application] = clob_app, signature_type: int = 3
) -> AsyncIterator[tuple[Stage, Customer]]:
    """Open the CLOB half a minute before the window starts, with a customer who has keys."""
    stage = Stage([*market_rows(), *more], serve)
    stage.clock.__class__ = WaitingClock
    async with stage.open():
        stage.live_until(-30)
        customer = Customer(stage.url, stage.session, stage.clock, signature_type=signature_type)
        await customer.log_in()
        yield stage, customer
