"""Rows about windows and their catalogue: not ready yet, whose strike, how they end, and which token is which."""

from typing import Any, Final

import msgspec

from infra.feeds.frames import Wire
from infra.proofs.fault_days import Seen
from infra.proofs.fault_desks import Unseen
from infra.proofs.venue_faults_desks import HandDesk
from infra.proofs.venue_faults_matches import naive
from infra.proofs.venue_faults_stage import ADDRESSES, Stage
from infra.proofs.venue_faults_table import Row, agree, bought, by_core, by_hand, decided, demand, eager, filled
from infra.streams.discovery import WARN_S
from infra.streams.rest import Answer, Missed
from infra.venue_next_door.faults import Fault, Switch
from state.events import Source, StrikeSource, Token
from state.units import BPS, MICROS, NS_PER_S
from state.world import Phase

BY_SLUG: Final = f"{ADDRESSES.gamma}/events/slug/"
LISTED: Final = f"{ADDRESSES.gamma}/events"


def _market(desk: HandDesk) -> Any:
    """Give the window as the core knows it."""
    return desk.market(desk.slot)


async def _not_hydrated(stage: Stage, desk: HandDesk) -> Seen:
    """Row 21."""
    await stage.pause(25.0)
    refused = await naive(stage, desk, 10 * MICROS, 20 * MICROS)
    window = stage.window
    demand(window.hydrated_ns == 0 and refused == 400, f"the book does not know the tokens yet ({refused})")
    asides = desk.asides_since(0, desk.slot)
    demand(desk.counted("posted") == 0, "the desk sends nothing there")
    books = _market(desk)["books"]["valid"]
    demand(not books.any(), "it has no books")
    stage.faults.clear()
    await stage.until(lambda: window.hydrated_ns > 0, "the order book knows the tokens", 30.0)
    took_s = await stage.until(lambda: bool(desk.account.trades), "the desk trades", 120.0)
    late_s = (window.hydrated_ns - window.listed_ns) / NS_PER_S
    why = ", ".join(sorted(each.name for each in asides)) or "no mandate at all"
    return Seen(
        f"the catalogue listed a window whose tokens the order book did not know for {late_s:.0f} s; an order there "
        f"met {refused}",
        f"without books it gave no order ({why}); traded {took_s:.0f} s after the books were there",
    )


async def _strike(stage: Stage, desk: HandDesk) -> Seen:
    """Row 33."""
    await stage.at(10.0)
    own = float(_market(desk)["strike_usd"])
    source = StrikeSource(int(_market(desk)["strike_code"]))
    demand(source in (StrikeSource.OWN_AVERAGE, StrikeSource.STREAM), f"a strike of its own, not {source.name}")
    late_s = 10 + await stage.until(lambda: _told(desk) is StrikeSource.VENUE, "the venue's strike is heard", 250.0)
    await stage.until(lambda: bool(desk.account.trades), "the desk trades", 150.0)
    venue = stage.window.strike_usd
    binance = stage.price_usd(Source.BINANCE, stage.open_ns)
    spot = stage.price_usd(Source.CHAINLINK, stage.open_ns)
    off, off_spot, off_binance = (abs(each / venue - 1.0) * BPS for each in (own, spot, binance))
    demand(
        off < 0.3 < min(off_spot, off_binance), f"off by {off:.2f} bps; spot {off_spot:.2f}, Binance {off_binance:.2f}"
    )
    return Seen(
        f"the price to beat was published {late_s:.0f} s late; at the open Binance stood {off_binance:.2f} bps and the "
        f"settlement stream's spot {off_spot:.2f} bps from it",
        f"{_OWN[source]}: {off:.2f} bps off; took the venue's when it came, and never Binance's or the spot",
    )


_OWN: Final = {
    StrikeSource.OWN_AVERAGE: "reckoned with its own average of the minute before the open",
    StrikeSource.STREAM: "took the settlement stream's average as it stood at the open",
}


def _told(desk: HandDesk) -> StrikeSource:
    return StrikeSource(int(_market(desk)["strike_code"]))


async def _no_word(stage: Stage, desk: HandDesk) -> Seen:
    """Row 11."""
    await stage.until(lambda: bool(desk.account.trades), "the desk trades", 100.0)
    await stage.at(299.0)
    with stage.on(Fault.UNRESOLVED):
        await stage.at(300.0 + WARN_S + 5.0)
        phase = Phase(int(_market(desk)["phase_code"]))
        demand(phase is Phase.CLOSED, f"the window is closed without an outcome, not {phase.name}")
        before = desk.questions.asked[LISTED]
        complaint = desk.questions.life(Wire.GAMMA).complaint
        demand("no outcome" in complaint, "it says that the outcome is late")
    await stage.until(lambda: stage.window.resolved_ns > 0, "the venue resolves", 60.0)
    took_s = await stage.until(lambda: int(_market(desk)["phase_code"]) == Phase.SETTLED, "the desk settles", 30.0)
    won = desk.books.balances().pending_redemption_micros
    return Seen(
        f"no market_resolved ever came, and the outcome stood in the catalogue only {WARN_S + 5:.0f} s after the close",
        f"asked the catalogue every 5 s ({before} times so far), said so when it was late (`{complaint}`), and settled "
        f"{took_s:.0f} s after it was there, {won / MICROS:g} dollars owed",
    )


async def _closed_only(stage: Stage, desk: HandDesk) -> Seen:
    """Row 34."""
    await decided(stage, desk)
    await stage.pause(15.0)  # what the catalogue remembers of before is gone
    questions, slug = stage.questions(), stage.window.slug
    plain = await stage.asked(questions.get(Wire.GAMMA, BY_SLUG + slug))
    listed = await stage.asked(questions.get(Wire.GAMMA, f"{LISTED}?slug={slug}"))
    demand(isinstance(plain, Missed) and plain.status == 404, "by its name it is not found any more")
    demand(isinstance(listed, Answer) and listed.raw == b"[]", "and among those listed it is not")
    asked = desk.questions.asked[LISTED]
    outcome = desk.books.ask(lambda books: books.outcomes())[slug]
    demand(asked > 0 and outcome is stage.window.outcome, "the outcome is the venue's")
    return Seen(
        "once resolved the window was not found by its name (404), nor in the listing (empty)",
        f"asked with closed=true from the close on ({asked} times) and booked {outcome.name}, as the venue has it",
    )


async def _swapped(stage: Stage, desk: HandDesk) -> Seen:
    """Row 35."""
    window = stage.window
    answer = await stage.asked(stage.questions().get(Wire.GAMMA, BY_SLUG + window.slug))
    if not isinstance(answer, Answer):
        raise Unseen("the catalogue tells of the window")
    market = msgspec.json.decode(answer.raw)["markets"][0]
    labels, ids = market["outcomes"], market["clobTokenIds"]
    demand(isinstance(labels, str) and isinstance(ids, str), "lists are hidden in strings")
    first = msgspec.json.decode(ids)[0]
    demand(msgspec.json.decode(labels)[0] == "Down" and first == window.tokens[Token.DOWN], "Down stands first")
    listing = desk.shell.listings[window.slug]
    demand((listing.up_token, listing.down_token) == window.tokens, "tokens are taken by their labels")
    down = await bought(stage, desk, 7, Token.DOWN)
    agree(desk, down)
    placed = desk.at_venue(down)
    demand(placed is not None and placed.token is Token.DOWN, "an order for DOWN is one for DOWN")
    return Seen(
        f"the catalogue wrote its lists as strings and named Down first ({labels})",
        f"read them as lists and took tokens by their labels: {filled(desk, down):g} shares of DOWN bought as DOWN, "
        "those of UP as UP",
    )


_EVER: Final = 1 << 62
WINDOW_ROWS: Final = (
    Row(11, "end that nobody announces", by_core(_no_word, eager(), into_s=100.0)),
    Row(21, "window not on the order book yet",
        by_core(_not_hydrated, eager(), into_s=5.0, script=(Switch(Fault.NOT_HYDRATED),))),
    Row(33, "strike from the wrong price",
        by_core(_strike, eager(), into_s=-100.0, script=(Switch(Fault.LATE_STRIKE, "", 0, _EVER, 45.0),))),
    Row(34, "resolved window not found", by_hand(_closed_only, into_s=200.0)),
    Row(35, "lists in strings, tokens in another order",
        by_hand(_swapped, script=(Switch(Fault.SWAPPED_OUTCOMES),))),
)  # fmt: skip
