"""A live session's journal, opened for questions: while it grows, and when it has ended."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.journal.errors import JournalMissing
from infra.record.answers import Answers
from infra.record.opening import NothingRecorded, open_record
from infra.record.record import Record
from infra.shell.face import Face
from infra.shell.live import live
from infra.shell.next_door import place_of
from infra.shell.plan import Plan
from infra.terminal.glance import Mode
from infra.venue_next_door.markets import generated_market
from infra.venue_next_door.server import VenueServer
from infra.venues.credentials import throwaway_key
from state.params import default_params
from state.records import as_dict
from state.units import MICROS

pytestmark = pytest.mark.rehearsal

SPEED = 20.0
EAGER = {"fair_weight_ratio": 1.5, "interval_z": 0.25, "hold_sd_ratio": 0.0, "take_edge_bps": 10.0, "order_micros": 2e7}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record, dict[str, Any], list[int]]:
    """A session of some windows at 20x that trades much, and a record that was read while it went on."""
    folder = tmp_path_factory.mktemp("session") / "journal"
    seen: list[int] = []
    growing: list[Record] = []

    async def watch() -> None:
        while True:
            await asyncio.sleep(4.0)
            if not growing:
                with suppress(JournalMissing, NothingRecorded):  # nothing is on disk in its first moments
                    growing.append(await asyncio.to_thread(open_record, folder))
            else:
                await asyncio.to_thread(growing[0].refresh)
                seen.append(len(growing[0].lines))

    async def story() -> dict[str, Any]:
        market = generated_market("demo", windows=8, seed=4, speed_ratio=SPEED, now_ns=0)
        async with VenueServer.open(market, speed_ratio=SPEED, seed=4, cash_micros=10**11, script=[]) as server:
            place = place_of(server.file(), throwaway_key(), "made up")
            face = Face(Mode(name="demo", speed_ratio=SPEED, began_cash_micros=10**11, journal=str(folder)))
            plan = Plan(
                mode="demo", addresses=place.addresses, clock=place.clock, folder=folder, params=default_params(EAGER),
                cash_micros=10**11, code="tests", key=place.key, wallet=place.wallet, seconds=40.0,
            )  # fmt: skip
            watching = asyncio.create_task(watch())
            try:
                await live(plan, face)
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
            return face.summary()

    summary = asyncio.run(story())
    growing[0].refresh()
    return folder, growing[0], summary, seen


def test_a_record_that_grew_beside_the_session_is_the_one_that_is_read_whole(told: Any) -> None:
    folder, grown, _, seen = told
    whole = open_record(folder)
    assert seen == sorted(seen) and 0 < seen[0] < len(whole.lines), "it was read while it grew"
    assert (np.asarray(grown.lines) == np.asarray(whole.lines)).all()
    assert grown.orders == whole.orders
    assert grown.windows == whole.windows
    for number in whole.lines["mandate_id"][::50].tolist():
        assert as_dict(grown.decision(number)) == as_dict(whole.decision(number))


def test_it_tells_what_the_session_told_of_itself(told: Any) -> None:
    _, record, summary, _ = told
    sent = sum(order.state not in ("sent",) or bool(order.fills) for order in record.orders.values())
    assert record.mode == "demo" and len(record.orders) >= sent > 0
    filled = sum(order.filled_micros for order in record.orders.values()) / MICROS
    assert filled > 0 and not summary["orders"]["open"]
    answers = Answers(record)
    health = answers.answer("feeds_and_health", {})
    assert {"polymarket_user", "polymarket_market", "binance_spot"} <= set(health["feeds"])
    assert answers.answer("parameter_history", {})["in_force"]["interval_z"] == 0.25
    assert 0.0 <= answers.answer("risk_state", {})["limits"]["position"]["used_ratio"] < 1.0


def test_every_decision_can_be_explained_and_fills_have_their_markouts(told: Any) -> None:
    _, record, _, _ = told
    answers = Answers(record)
    numbers = record.lines["mandate_id"].tolist()
    assert len(numbers) > 100
    for number in {*numbers[:: max(len(numbers) // 150, 1)], *record.traded}:
        assert f"Decision {number} (" in answers.explanation(number)["words"]
    for order in record.orders.values():
        assert "none -> wanted" in order.story[0], order
        assert order.state in ("sent",) or len(order.story) > 1
    marks = [fill.markouts_bps for order in record.orders.values() for fill in order.fills]
    assert any(1 in each for each in marks)


def test_the_trades_of_a_window_answer_for_bids_that_were_never_posted(told: Any) -> None:
    _, record, _, _ = told
    number = max(record.traded)
    found = Answers(record).answer("counterfactual", {"decision": number, "posted_at_bps": 5_000})
    assert "cannot" not in found and found["like_count"] > 10, found
    assert found["probability_low"] <= found["probability"] <= found["probability_high"]
