"""The table of the venue's faults: what a row is, how it is played, and how two ledgers are held against each other."""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from infra.ledger.balances import Balances
from infra.ledger.entries import TokenKey
from infra.ledger.ledger_book import FILE
from infra.ledger.ledger_file import read_balances
from infra.proofs.fault_days import Seen
from infra.proofs.fault_desks import Unseen
from infra.proofs.venue_faults_desks import HandDesk
from infra.proofs.venue_faults_stage import Stage, a_stage, is_settled
from infra.venue_next_door.engine import Engine
from infra.venue_next_door.ledger import FEES
from infra.venue_next_door.nouns import Account, TradeStatus
from infra.version import ROOT
from state.events import Kind, Side, Token, Word
from state.orders import TimeInForce
from state.params import Params, default_params
from state.units import MICROS, NS_PER_MS, NS_PER_S

FAK: Final = TimeInForce.FAK
SHARES: Final = 20
ABOVE_BPS: Final = 300
"""A take's limit lies so far above the best offer, so that it is there still after the taker hold."""
BELOW_BPS: Final = 1_400
"""A bid that shall rest lies so far below the best one."""
SETTLED_S: Final = 150.0


# ---- two ledgers


@dataclass(frozen=True, slots=True)
class Compared:
    """The desk's ledger, as its file has it, beside the venue's own."""

    lines: tuple[tuple[str, int, int], ...]
    """What, the desk's micros, the venue's."""
    trades_count: int
    """Matches that the venue has of the account, those that failed included."""

    @property
    def equal(self) -> bool:
        """Say whether they are the same to the micro."""
        return all(ours == theirs for _, ours, theirs in self.lines)

    @property
    def words(self) -> str:
        """Say it: one figure where they agree, both where they do not."""
        if self.equal:
            told = ", ".join(f"{what} {ours / MICROS:,.6f}" for what, ours, _ in self.lines)
            return f"equal: {told}"
        odd = [(what, ours, theirs) for what, ours, theirs in self.lines if ours != theirs]
        return "DIFFER: " + "; ".join(
            f"{what}: the desk {ours / MICROS:,.6f}, the venue {theirs / MICROS:,.6f} ({theirs - ours:+,} micros)"
            for what, ours, theirs in odd
        )


def compare(ours: Balances, engine: Engine, account: Account) -> Compared:
    """Hold what a desk's file adds up to against the venue's ledger: collateral, fees, every token, and payouts."""
    ledger, key = engine.ledger, account.api_key
    lines = [
        ("dollars", ours.collateral_micros, ledger.balance(key)),
        ("fees", ours.fees_micros, _fees(engine, account)),
        ("owed", ours.pending_redemption_micros, ledger.all_redeemable(key)),
    ]
    held = dict(ours.shares)
    for window in engine.windows.values():
        for token in Token:
            mine = held.pop(TokenKey(window.slug, token), 0)
            theirs = ledger.shares(key, window.condition_id, token) if window.outcome is None else 0
            if mine or theirs:
                lines.append((token.name, mine, theirs))
    lines += [(each.commodity, micros, 0) for each, micros in held.items()]
    return Compared(tuple(lines), len(account.trades))


def _fees(engine: Engine, account: Account) -> int:
    """Give what an account paid in fees; where it is the only one, the venue's own account of them says it."""
    if len(engine.accounts) == 1:
        return engine.ledger.balance(FEES)
    return sum(trade.fee_micros for trade in account.trades.values() if trade.status is not TradeStatus.FAILED)


# ---- rows


@dataclass(frozen=True, slots=True)
class Told:
    """How a row ended."""

    number: int
    name: str
    venue: str
    desk: str
    ledger: str
    equal: bool
    """The two ledgers are the same, and something was traded."""
    holds: bool

    def row(self) -> dict[str, Any]:
        """Give it as a row of the proof's table."""
        return {
            "#": self.number, "failure": self.name, "at the venue": self.venue, "what the desk did": self.desk,
            "ledger": self.ledger, "holds": "yes" if self.holds else "NO",
        }  # fmt: skip


Play = Callable[[Path], Awaitable[tuple[Seen, Compared]]]
"""Plays a row in a folder; raises `Unseen` when something that it demands did not happen."""
Story = Callable[[Stage, HandDesk], Awaitable[Seen]]


@dataclass(frozen=True, slots=True)
class Row:
    """One failure of the venue reference's section 8, by its number there and a name of ours."""

    number: int
    name: str
    play: Play


async def told(row: Row, folder: Path) -> Told:
    """Play a row and judge it: all that it demands was seen, it traded, and the ledgers are the same."""
    try:
        seen, compared = await row.play(folder)
    except Unseen as unseen:
        return Told(
            row.number, row.name, "as switched on", f"NOT SEEN: {unseen}", "not compared", equal=False, holds=False
        )
    words = compared.words if compared.trades_count else "nothing was traded, so it proves nothing"
    equal = compared.equal and compared.trades_count > 0
    return Told(row.number, row.name, seen.venue, seen.desk, words, equal=equal, holds=equal)


def by_hand(story: Story, **stage: Any) -> Play:
    """Give a row in which a hand says which order leaves: one take first, so that there is something in the books."""

    async def taken_first(there: Stage, desk: HandDesk) -> Seen:
        await bought(there, desk)
        return await story(there, desk)

    return partial(_play, taken_first, None, stage)


def by_core(story: Story, params: Params, **stage: Any) -> Play:
    """Give a row in which the core itself trades."""
    return partial(_play, story, params, stage)


async def _play(story: Story, params: Params | None, parts: dict[str, Any], folder: Path) -> tuple[Seen, Compared]:
    async with a_stage(folder, **parts) as stage:
        async with stage.desk(params=params) as desk:
            seen = await story(stage, desk)
            await wind_down(stage, desk)
            account = desk.account
        return seen, compare(read_balances(desk.folder / FILE), stage.engine, account)


async def wind_down(stage: Stage, desk: HandDesk) -> None:
    """Switch everything off, pull what rests, and wait until nothing is under way.

    Raises:
        Unseen: something does not come to an end.
    """
    stage.faults.clear()
    if desk.shell.core is not None:
        desk.shell.halt("the story is over", Word.PULL_ALL)
    else:
        await stage.asked(desk.gateway.cancel_all())

    def over() -> bool:
        matches = desk.gateway.news.matches.values()
        known = all(order.is_over for order in desk.gateway.news.orders.values())
        return is_settled(desk.account) and known and all(match.is_final for match in matches)

    with suppress(Unseen):  # the ledgers say what is wrong then
        await stage.until(over, "all is settled", SETTLED_S)
    await stage.pause(2.0)


def eager(**changed: float) -> Params:
    """Give settings under which the core acts at the least edge, so that faults find orders of its own."""
    drawn = {
        "position_micros": 400.0 * MICROS, "order_micros": 20.0 * MICROS, "take_edge_bps": 10.0,
        "quote_edge_bps": 10.0, "keep_edge_bps": 0.0, "cooldown_ns": 100.0 * NS_PER_MS, "arm_bps": 500.0,
        "requote_ns": 50.0 * NS_PER_MS, "interval_z": 0.5, "hold_sd_ratio": 0.0, "fair_weight_ratio": 1.0,
        "liquidity_micros": 10_000.0 * MICROS, "pause_e_log": 10.0, "platform_calm_ns": 1.0 * NS_PER_S,
    }  # fmt: skip
    return default_params(drawn | changed)


# ---- what stories do


def far_bps(stage: Stage) -> int:
    """Give a price at which a bid rests for as long as a story lasts."""
    return max(stage.book().bids[-1].price_bps // 100 * 100 - BELOW_BPS, 100)


def near_bps(stage: Stage, token: Token = Token.UP) -> int:
    """Give a limit at which a take finds its shares."""
    return stage.book(token).asks[-1].price_bps // 100 * 100 + ABOVE_BPS


def rest(stage: Stage, desk: HandDesk, shares: float = SHARES) -> int:
    """Place a bid that rests."""
    return desk.place(stage.window, far_bps(stage), shares)


def take(stage: Stage, desk: HandDesk, shares: float = SHARES, token: Token = Token.UP) -> int:
    """Take what is offered."""
    return desk.place(stage.window, near_bps(stage, token), shares, token=token, tif=FAK)


def sell(stage: Stage, desk: HandDesk, shares: float, token: Token = Token.UP) -> int:
    """Sell to who bids."""
    price_bps = max(stage.book(token).bids[-1].price_bps // 100 * 100 - ABOVE_BPS, 100)
    return desk.place(stage.window, price_bps, shares, token=token, side=Side.SELL, tif=FAK)


async def bought(stage: Stage, desk: HandDesk, shares: float = SHARES, token: Token = Token.UP) -> int:
    """Take and wait until that is over."""
    order = take(stage, desk, shares, token)
    await stage.heard(desk, order, "DONE")
    return order


async def decided(stage: Stage, desk: HandDesk) -> None:
    """Wait until the desk has heard who won."""
    slug = stage.window.slug
    await stage.until(lambda: slug in desk.books.ask(lambda books: books.outcomes()), "the outcome is heard", 600.0)


async def freed(stage: Stage, desk: HandDesk) -> None:
    """Wait until no pause holds orders up."""
    await stage.until(lambda: stage.clock.now_ns() > desk.gateway.throttle.pause_until_ns, "pauses end", 200.0)


def demand(holds: bool, what: str) -> None:
    """Hold that something is so.

    Raises:
        Unseen: it is not.
    """
    if not holds:
        raise Unseen(what)


def filled(desk: HandDesk, order: int) -> float:
    """Give the shares that were booked for an order, those that failed again taken off."""
    signs = {int(Kind.FILLED): 1, int(Kind.FILL_REVERSED): -1}
    rows = [row for row in desk.rows_since(0, Kind.FILLED, Kind.FILL_REVERSED) if int(row["ref_id"]) == order]
    return sum(signs[int(row["kind_code"])] * int(row["amount_micros"]) for row in rows) / MICROS


def agree(desk: HandDesk, order: int) -> None:
    """Hold that what was heard of an order is what the venue has of it.

    Raises:
        Unseen: it is not.
    """
    placed = desk.at_venue(order)
    there = 0.0 if placed is None else placed.matched_micros / MICROS
    demand(filled(desk, order) == there, f"order {order}: booked {filled(desk, order):g}, the venue has {there:g}")


def dollars(micros: int) -> str:
    """Show an amount of money."""
    return f"${micros / MICROS:,.2f}"


TRADING: Final = ("venues", "shell", "streams", "feeds", "ledger")
"""Folders of infra that a live session is made of."""


def users_of(*packages: str) -> list[str]:
    """Name the files of a live session that import one of some packages."""
    wanted = re.compile(rf"^\s*(?:import|from) (?:{'|'.join(packages)})\b", re.MULTILINE)
    files = (path for folder in TRADING for path in sorted((ROOT / "infra" / folder).glob("*.py")))
    return [path.name for path in files if wanted.search(path.read_text(encoding="utf-8"))]
