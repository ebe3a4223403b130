"""Payouts in a session: its journal, its books, the relayer next door, and the report of it all afterwards."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from gateway_desk import SLOT
from relayer_stage import stage, warmed

from infra.ledger.ledger_book import LedgerBook
from infra.settlements import settlements_of
from infra.shell.core import Core
from infra.shell.payouts import payouts
from infra.shell.session import Session
from infra.shell.shell import Shell
from state.events import EVENT, Kind, Side, Source, Token
from state.orders import Liquidity
from state.params import default_params
from state.units import MICROS

pytestmark = pytest.mark.rehearsal

PAIRS = 3


def test_a_session_is_paid_and_tells_of_it_afterwards(tmp_path: Path) -> None:
    """Three sets are made; by the books three UP were bought at 40 cents and three DOWN at 60."""

    async def story() -> None:
        async with stage(100) as on:
            await on.relayer.split(on.pair, PAIRS * MICROS)
            await on.relayer.close()
            clock, listing, rest = on.venue.clock, on.desk.listing, on.desk.rest
            session = Session(tmp_path / "j", created_ns=clock.now_ns(), code="test")
            book = session.books = LedgerBook()
            shell = Shell(clock=clock, intake=on.desk.intake, session=session, core=None)
            session.begin(Core(default_params({}), on.began), {"mode": "test"}, clock.now_ns())

            def tell(kind: Kind, **columns: int) -> None:
                row = np.zeros(1, EVENT)
                row["kind_code"], row["source_code"], row["slot_id"] = kind, Source.GAMMA, SLOT
                row["at_ns"] = row["seen_ns"] = clock.now_ns()
                for name, value in columns.items():
                    row[name] = value
                session.rows(row, 1)

            tell(Kind.MARKET_LISTED, code_id=0, ref_id=listing.open_ns, span_s=300, price_bps=100)
            session.note({"listed": listing.slug, "condition": listing.condition_id, "slot": SLOT}, clock.now_ns())
            for token, price_bps in ((Token.UP, 4_000), (Token.DOWN, 6_000)):
                tell(
                    Kind.FILLED, ref_id=1, token_code=token, side_code=Side.BUY, price_bps=price_bps,
                    amount_micros=PAIRS * MICROS, code_id=Liquidity.MAKER,
                )  # fmt: skip
            await on.desk.until_true(lambda: on.venue.window.outcome is not None, "the outcome")
            tell(Kind.SETTLED, code_id=Token.UP)
            assert book.balances().pending_redemption_micros == PAIRS * MICROS
            async with payouts(on.venue.addresses, shell, book, rest, on.key, on.wallet) as settling:
                watch = asyncio.create_task(settling.run())
                await on.desk.until_true(lambda: book.balances().pending_redemption_micros == 0, "the payout")
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
            assert book.balances().collateral_micros == on.venue.engine.cash_micros(on.account) == on.began
            shell.close()
            session.close()

    assert warmed()
    asyncio.run(story())
    (found,) = settlements_of(tmp_path / "j")
    assert (found.owed_micros, found.paid_micros, found.by) == (PAIRS * MICROS, PAIRS * MICROS, "the relayer")
