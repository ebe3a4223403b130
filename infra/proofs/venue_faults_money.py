"""Rows about money that is not what it seems: matches that fail, locks, shares not to be sold yet, late payouts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec

from infra.feeds.frames import Wire
from infra.ledger.entries import TokenKey
from infra.ledger.ledger_book import REDEEMED
from infra.ledger.session_books import hold_against_venue
from infra.proofs.fault_days import Seen
from infra.proofs.venue_faults_desks import HandDesk, key_of
from infra.proofs.venue_faults_stage import ADDRESSES, Stage
from infra.proofs.venue_faults_table import (
    Row,
    agree,
    by_core,
    by_hand,
    decided,
    demand,
    dollars,
    eager,
    filled,
    freed,
    rest,
    sell,
    take,
)
from infra.proofs.venue_faults_wires import WAY_NS, HandRelayer
from infra.streams.rest import Answer
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.nouns import TradeStatus
from infra.venues.settling import SWEEP_S, Settling
from infra.venues.signing import LocalKey
from state.events import Kind, Side, Token
from state.platform import PlatformCode
from state.reasons import Reason
from state.units import MICROS

FAILED: Final = b'"status":"FAILED"'


# ---- matches that fail


async def _ghost(stage: Stage, desk: HandDesk) -> Seen:
    """Row 1."""
    await _confirmed(stage, desk)
    before = desk.books.balances()
    sure = desk.books.equity().confirmed_micros
    with stage.on(Fault.FAILED_TRADE):
        told = take(stage, desk)
        await stage.heard(desk, told, "FILLED")
        await stage.pause(0.2)
        pending = desk.books.equity()
        demand(pending.provisional_micros > 0, "a match is provisional at first")
        demand(pending.confirmed_micros <= sure, "and nothing of it is counted as sure")
        told_s = await stage.heard(desk, told, "REVERSED", 60.0)
        desk.roads = lambda raw: () if FAILED in raw else (WAY_NS,)
        looked = desk.counted("reconciliations")
        untold = take(stage, desk)
        await stage.heard(desk, untold, "FILLED")
        untold_s = await stage.heard(desk, untold, "REVERSED", 90.0)
    looked = desk.counted("reconciliations") - looked
    demand(looked > 0, "all was held against the venue though nothing seemed amiss")
    await stage.pause(1.0)
    after = desk.books.balances()
    failed = sum(trade.status is TradeStatus.FAILED for trade in desk.account.trades.values())
    demand(failed >= 2 and filled(desk, told) == filled(desk, untold) == 0, "both failed at the venue and are undone")
    demand((after.collateral_micros, after.fees_micros) == (before.collateral_micros, before.fees_micros), "as before")
    return Seen(
        f"{failed} matches turned out FAILED on chain; of the second nobody told",
        f"booked as provisional ({dollars(pending.provisional_micros)}), undone with their fees: one {told_s:.0f} s "
        f"after the match when it was told, the other after {untold_s:.0f} s, when all was held against the venue",
    )


async def _confirmed(stage: Stage, desk: HandDesk) -> None:
    """Wait until all matches so far are confirmed, here and there."""
    matches = desk.gateway.news.matches
    await stage.until(lambda: all(match.is_final for match in matches.values()), "what was bought is confirmed", 60.0)
    await stage.pause(0.2)


async def _drained(stage: Stage, desk: HandDesk) -> Seen:
    """Row 2."""
    core = desk.shell.core
    assert core is not None, "the core trades here"
    bit = 1 << PlatformCode.TRADES_FAIL

    def failing() -> bool:
        return bool(int(core.world["platform"]["faults_mask"]) & bit)

    await stage.until(lambda: bool(desk.account.trades), "the desk trades", 100.0)
    with stage.on(Fault.FAILED_TRADE):
        await stage.until(failing, "the rate of failures is too high", 200.0)
        stopped_ns, posted = stage.clock.now_ns(), desk.counted("posted")
        await stage.until(lambda: Reason.TRADES_FAIL in desk.asides_since(stopped_ns), "the desk stands aside", 10.0)
        await stage.pause(20.0)
    failed = sum(trade.status is TradeStatus.FAILED for trade in desk.account.trades.values())
    reversed_rows = len(desk.rows_since(0, Kind.FILL_REVERSED))
    demand(failed > 0 and reversed_rows >= failed, f"each of {failed} failures was heard, not {reversed_rows}")
    demand(desk.counted("posted") == posted, "no order leaves while trades fail")
    return Seen(
        f"counterparties drew their money out: {failed} matches of the desk's own orders failed, one after another",
        f"each undone ({reversed_rows} reversals); stood aside (TRADES_FAIL) once the rate was too high, and "
        "sent no order in the 20 s after",
    )


# ---- locks


async def _phantom(stage: Stage, desk: HandDesk) -> Seen:
    """Row 5."""
    resting = rest(stage, desk)
    await stage.heard(desk, resting, "RESTING")
    with stage.on(Fault.PHANTOM_LOCK, "", 1e9):
        posted = desk.counted("posted")
        first = rest(stage, desk)
        await stage.heard(desk, first, "NOT_ENOUGH_BALANCE")
        spun = rest(stage, desk)
        await stage.heard(desk, spun, "NOT_ENOUGH_BALANCE")
        demand(desk.counted("posted") == posted + 1, "nothing is sent at once again")
        await freed(stage, desk)
        second = rest(stage, desk)
        await stage.heard(desk, second, "NOT_ENOUGH_BALANCE")
        await stage.heard(desk, resting, "DONE")
        refreshed = desk.rest.count("GET", "/balance-allowance/update", 200)
        pulled = desk.rest.count("DELETE", "/cancel-market-orders", 200)
    alarms = desk.noted("alarm")
    demand(refreshed == 2 and pulled == 1 and len(alarms) == 1, "refreshed twice, pulled the market once, alarmed once")
    await freed(stage, desk)
    third = rest(stage, desk)
    await stage.heard(desk, third, "RESTING")
    return Seen(
        "the venue counted money as locked by orders that were gone, and refused for want of balance",
        f"did not spin (2 of 3 orders left); had the balance looked at again ({refreshed} times); the second time in a "
        f"row pulled the market's orders and raised an alarm; an order rested when the lock was gone",
    )


async def _unsettled(stage: Stage, desk: HandDesk) -> Seen:
    """Row 6."""
    with stage.on(Fault.UNSETTLED_SHARES):
        early = sell(stage, desk, 10)
        await stage.heard(desk, early, "NOT_ENOUGH_BALANCE")
        refreshed = desk.rest.count("GET", "/balance-allowance/update", 200)
        await stage.until(lambda: desk.rest.count("GET", "/balance-allowance/update", 200) > 0, "it is refreshed", 5.0)
        refreshed = desk.rest.count("GET", "/balance-allowance/update", 200)
        posted = desk.counted("posted")
        await freed(stage, desk)
        other = take(stage, desk, 10, Token.DOWN)
        await stage.heard(desk, other, "DONE")
        await _confirmed(stage, desk)
        late = sell(stage, desk, 10)
        await stage.heard(desk, late, "DONE")
    demand(desk.rest.count("POST", "/order", 400) == 1, "the venue refused the early sale, and only that")
    demand(
        desk.counted("posted") == posted + 2 and filled(desk, late) == 10, "the sale went once the shares were there"
    )
    agree(desk, other)
    return Seen(
        "shares just bought could not be sold before their match was on chain",
        f"refused once (NOT_ENOUGH_BALANCE), the balance of the token refreshed ({refreshed} time), no spinning; the "
        f"other token was bought to get out ({filled(desk, other):g} shares), and the sale went through once confirmed",
    )


# ---- payouts


@asynccontextmanager
async def _settling(stage: Stage, desk: HandDesk) -> AsyncIterator[HandRelayer]:
    """Have payouts watched over while the block lasts, as a session does."""
    clock, shell = stage.clock, desk.shell
    relayer = HandRelayer(stage.apps["relayer"], clock, LocalKey(key_of("desk")), desk.signer.wallet, desk.rest)
    settling = Settling(
        desk.books, desk.rest, relayer, clock, note=lambda note: desk.journal.note(note, clock.now_ns()),
        listings=lambda: shell.listings, slug_of=lambda _: stage.window.slug,
        halt=lambda why: desk.gateway.halt(why),
    )  # fmt: skip
    watching = asyncio.create_task(settling.run())
    try:
        yield relayer
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await stage.asked(relayer.close())


async def _late_payout(stage: Stage, desk: HandDesk) -> Seen:
    """Row 32."""
    async with _settling(stage, desk) as relayer:
        await decided(stage, desk)
        owed = desk.books.balances().pending_redemption_micros
        demand(owed > 0, "the desk's side has won")
        worth = desk.books.equity().total_micros
        waited_s = await stage.until(lambda: bool(desk.noted(REDEEMED)), "it is redeemed", 170.0)
        await stage.pause(15.0)
        submits = relayer.asked["POST", "/submit"]
    paid = desk.noted(REDEEMED)
    demand(waited_s >= SWEEP_S - 5 and submits == 1 and len(paid) == 1, "the venue had its time; redeemed once")
    demand(paid[0]["by"] == "the relayer" and paid[0]["amount_micros"] == owed, "all of it, by the relayer")
    demand(desk.books.equity().total_micros == worth, "what all is worth did not change by it")
    return Seen(
        f"the venue did not pay {dollars(owed)} of winnings by itself",
        f"counted as pending redemption and as part of what all is worth; after {waited_s:.0f} s redeemed through the "
        f"relayer, in {submits} submission, and booked once",
    )


async def _dust(stage: Stage, desk: HandDesk) -> Seen:
    """Row 20."""
    await _confirmed(stage, desk)
    most = sell(stage, desk, 17.5)
    await stage.heard(desk, most, "DONE")
    await _confirmed(stage, desk)
    await stage.pause(0.5)
    key = TokenKey(stage.window.slug, Token.UP)
    left = desk.books.balances().shares[key]
    demand(0 < left < 5 * MICROS, f"less than the least that may rest is left, not {left / MICROS:g}")
    small = desk.place(stage.window, 9_900, left / MICROS, side=Side.SELL)
    await stage.heard(desk, small, "REJECTED (BELOW_MIN_SHARES)")
    demand(desk.rest.count("POST", "/order", 400) == 1, "the venue refused it")
    posted = desk.counted("posted")
    refused = desk.story_of(small)[-1]
    async with _settling(stage, desk):
        await decided(stage, desk)
        owed = desk.books.balances().pending_redemption_micros
        await stage.until(lambda: bool(desk.noted(REDEEMED)), "the sweep is recognised", 170.0)
    paid = desk.noted(REDEEMED)[0]
    demand(desk.counted("posted") == posted, "no order was tried again")
    demand(paid["by"] == "the venue" and paid["amount_micros"] == owed == left, "all of it came with the settlement")
    return Seen(
        f"{left / MICROS:g} shares were left of a position: too few to be offered",
        f"{refused}, tried once and left alone ({desk.counted('posted') - posted} orders after it); {dollars(owed)} "
        "came with the settlement, swept by the venue and booked once",
    )


# ---- false news of positions


async def _stale_index(stage: Stage, desk: HandDesk) -> Seen:
    """Row 27."""
    await _confirmed(stage, desk)
    flat = await _indexed(stage, desk)
    ours = desk.books.balances().shares[TokenKey(stage.window.slug, Token.UP)] / MICROS
    differ = await _differences(stage, desk)
    demand(flat == 0 < ours and not differ, "flat by the index, held by the desk and by the order book")
    await stage.pause(75.0)
    gone = sell(stage, desk, ours)
    await stage.heard(desk, gone, "DONE")
    await _confirmed(stage, desk)
    held = await _indexed(stage, desk)
    left = ours - filled(desk, gone)
    differ = await _differences(stage, desk)
    demand(held == ours and left < ours and not differ, f"the index still has {held:g} of {ours:g}")
    asked = sum(n for url, n in desk.questions.asked.items() if url.startswith(ADDRESSES.data_api))
    demand(asked == 0, "the desk itself never asks the index")
    return Seen(
        f"the data API said flat while {ours:g} shares were held, and {held:g} held when {left:g} were left",
        "asked its own books and the order book instead, which agreed both times; it put "
        f"{asked} questions to the data API",
    )


async def _indexed(stage: Stage, desk: HandDesk) -> float:
    """Ask the data API how many shares we hold, as a bot might."""
    questions = stage.questions()
    url = f"{ADDRESSES.data_api}/v2/positions?user={desk.signer.wallet}"
    answer = await stage.asked(questions.get(Wire.CLOB_REST, url))
    assert isinstance(answer, Answer), answer
    rows = msgspec.json.decode(answer.raw)["data"]
    return float(sum(float(each["current_size"]) for each in rows))


async def _differences(stage: Stage, desk: HandDesk) -> list[str]:
    """Hold the desk's books against the order book's word, as a session does."""
    window = stage.window
    tokens = {TokenKey(window.slug, token): window.tokens[token] for token in Token}
    found = await stage.asked(
        hold_against_venue(
            desk.books, desk.rest, stage.clock, names=lambda: desk.gateway.news.hashes, tokens=lambda: tokens
        )
    )
    return [each.words for each in found]


MONEY_ROWS: Final = (
    Row(1, "match that fails", by_hand(_ghost)),
    Row(2, "counterparty draws its money out", by_core(_drained, eager())),
    Row(5, "phantom lock", by_hand(_phantom)),
    Row(6, "sale before settlement", by_hand(_unsettled)),
    Row(20, "dust that cannot be sold", by_hand(_dust, into_s=190.0, auto_redeem_s=40.0)),
    Row(27, "index that lags", by_hand(_stale_index)),
    Row(32, "payout not credited", by_hand(_late_payout, into_s=190.0)),
)
