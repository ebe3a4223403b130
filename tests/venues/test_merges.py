"""Merges: complete sets become dollars, and what came of a merge that nobody told of is learnt from what is held."""

import asyncio
from pathlib import Path

import pytest
from gateway_desk import SLOT, a_desk
from relayer_stage import Stage, lived, stage
from sessions import desk_process
from settling_books import Books

from infra.shell.core import Core
from infra.shell.ending import see_merged
from infra.shell.payouts import resume_merges
from infra.shell.restart import Start
from infra.shell.session import Played, Session
from infra.shell.shell import Shell
from infra.venues.relaying import DEADLINE_S
from infra.venues.settling import Settling
from state.events import Asset, Kind, Side, Token
from state.orders import Reject
from state.params import default_params
from state.units import MICROS, NS_PER_S
from state.world import Phase

pytestmark = pytest.mark.rehearsal


async def holding_sets(on: Stage, sets: int = 9) -> tuple[Books, Settling]:
    """Have complete sets at the venue, and books that know of them since long ago."""
    books = Books(on, on.began)
    listing = on.desk.listing
    books.row(Kind.MARKET_LISTED, code_id=Asset.BTC, ref_id=listing.open_ns, span_s=300, price_bps=100)
    books.add({"listed": listing.slug, "condition": listing.condition_id, "slot": SLOT})
    await on.relayer.split(on.pair, sets * MICROS)
    for order, token in enumerate(Token, start=1):
        for kind in (Kind.FILLED, Kind.FILL_CONFIRMED):
            bought(books, kind, order, token, sets)
    return books, books.settling(on.relayer)


def bought(books: Books, kind: Kind, order: int, token: Token, shares: int) -> None:
    books.row(
        kind, ref_id=order, token_code=token, side_code=Side.BUY, price_bps=5_000, amount_micros=shares * MICROS
    )  # fmt: skip


def booked(books: Books, sets: int) -> None:
    books.row(Kind.MERGED, ref_id=99, amount_micros=sets * MICROS)


@lived
async def test_complete_sets_are_merged_and_a_lost_answer_is_settled_by_what_is_held() -> None:
    async with stage(10) as on:
        books, settling = await holding_sets(on)
        assert await settling.merge(SLOT, 4 * MICROS) == 4 * MICROS
        booked(books, 4)
        on.line.lose_answers = 1
        assert await settling.merge(SLOT, 2 * MICROS) == 2 * MICROS
        booked(books, 2)
        assert await settling.merge(SLOT, 50 * MICROS) == 0  # there are not so many: the chain undoes it
        assert on.holding() == (-3.0, 3.0, 3.0) and not books.halts
        assert await books.settling(None).merge(SLOT, MICROS) == 0


@lived
async def test_what_is_bought_meanwhile_hides_no_merge() -> None:
    """Two sets go by the merge and five come by fills: the venue shows more, and two less than the books."""
    async with stage(10) as on:
        books, settling = await holding_sets(on)
        await on.relayer.merge(on.pair, 2 * MICROS)
        await on.relayer.split(on.pair, 5 * MICROS)
        for order, token in enumerate(Token, start=3):
            bought(books, Kind.FILLED, order, token, 5)
        until_ns = on.venue.clock.now_ns()
        found = asyncio.create_task(settling.merged(on.desk.listing.slug, 2 * MICROS, until_ns, "a test"))
        await on.venue.clock.sleep(20 * NS_PER_S)
        assert not found.done(), "the fills are young: nobody can say what is on its way"
        for order, token in enumerate(Token, start=3):
            bought(books, Kind.FILL_CONFIRMED, order, token, 5)
        assert await found == 2 * MICROS and not books.halts


@lived
async def test_that_nothing_was_merged_is_said_only_when_nothing_can_be_merged_any_more() -> None:
    async with stage(10) as on:
        books, settling = await holding_sets(on)
        until_ns = on.venue.clock.now_ns() + 30 * NS_PER_S
        assert await settling.merged(on.desk.listing.slug, 2 * MICROS, until_ns, "a test") == 0
        assert on.venue.clock.now_ns() >= until_ns and not books.halts


@lived
async def test_holdings_that_no_merge_explains_halt() -> None:
    async with stage(10) as on:
        books, settling = await holding_sets(on)
        await on.relayer.merge(on.pair, 1 * MICROS)
        slug = on.desk.listing.slug
        assert await settling.merged(slug, 2 * MICROS, on.venue.clock.now_ns(), "the answer was lost") == 0
        assert books.halts == [f"{slug}: nobody can say whether 2.00 sets were merged: the answer was lost"]


@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
def test_a_merge_under_way_when_the_session_ended_is_told_of_by_the_next_start(done: bool) -> None:
    """Without a word on it the core would wait for ever, and books and venue would differ by the sets."""

    @lived
    async def story() -> None:
        async with stage(10) as on:
            books, settling = await holding_sets(on)
            core = Core(default_params(), 1_000 * MICROS)
            market, listing = core.worlds["markets"][0][SLOT], on.desk.listing
            market["asset_code"], market["open_ns"], market["close_ns"] = Asset.BTC, listing.open_ns, listing.close_ns
            market["merge_id"], market["merge_micros"] = 7, 4 * MICROS
            if done:
                await on.relayer.merge(on.pair, 4 * MICROS)
            ended_ns = on.venue.clock.now_ns()
            resume_merges(settling, on.desk.gateway, Start(core, Played(core, last_seen_ns=ended_ns)))
            await on.desk.until_true(lambda: (on.desk.rows["kind_code"] == Kind.MERGED).any(), "what came of it")
            (row,) = on.desk.rows[on.desk.rows["kind_code"] == Kind.MERGED]
            came = int(row["ref_id"]), int(row["amount_micros"]), Reject(int(row["flags_mask"]))
            assert came == ((7, 4 * MICROS, Reject.NONE) if done else (7, 0, Reject.FAILED))
            waited_ns = on.venue.clock.now_ns() - ended_ns
            assert done or waited_ns >= DEADLINE_S * NS_PER_S, "its batch could be done until then"
            assert not books.halts and not on.desk.gateway.merges_count

    story()


def test_a_stop_waits_for_a_merge_under_way_and_the_core_hears_of_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_desk() as desk:
            clock, core = desk.venue.clock, Core(default_params(), 1_000 * MICROS)
            session = Session(tmp_path, created_ns=clock.now_ns(), code="tests")
            session.begin(core, {"mode": "demo"}, clock.now_ns())
            shell = Shell(
                desk=desk_process(), clock=clock, intake=desk.intake, session=session, core=core, door=desk.gateway
            )
            market = core.worlds["markets"][0][SLOT]
            market["phase_code"], market["merge_id"], market["merge_micros"] = Phase.OPEN, 7, 4 * MICROS

            async def merge() -> int:
                await clock.sleep(10 * NS_PER_S)
                return 4 * MICROS

            desk.gateway.resume_merge(SLOT, 7, merge())
            await asyncio.sleep(0)
            await see_merged(shell, desk.gateway)
            assert not desk.gateway.merges_count and not int(core.worlds["markets"][0]["merge_id"][SLOT])
            shell.close()
            session.close()

    asyncio.run(story())
