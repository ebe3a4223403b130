"""A round trip at a calm market next door: seen on every way, nothing left behind, and an honest word when it fails."""

import asyncio
import re
from typing import Any

import pytest
from gateway_desk import a_venue, listing_at
from live_venue import LiveVenue

from infra.doctor.round_trip import Trip, go_round
from infra.venue_next_door.faults import Fault
from infra.venues.credentials import KEY_VARIABLE, throwaway_key
from infra.venues.secrets import identity_from
from state.units import MICROS

pytestmark = pytest.mark.rehearsal

SPEED = 4.0


def trip(fault: Fault | None = None, value: float = 1.0, where: str = "", *, spend: bool = False) -> tuple[Trip, Any]:
    """Go round at a venue where something may be wrong; gives the trip, and the account as the venue has it then."""

    async def run() -> tuple[Trip, Any]:
        async with a_venue(start_s=5, speed=SPEED) as venue:
            listing = await listing_at(venue)
            if fault is not None:
                venue.on(fault, value, where)
            identity = identity_from({KEY_VARIABLE: throwaway_key().reveal()})
            went = await go_round(venue.addresses, venue.clock, identity, listing, spend=spend)
            return went, _account(venue)

    return asyncio.run(run())


def _account(venue: LiveVenue) -> Any:
    (account,) = venue.engine.accounts.values()
    return account


def test_it_is_seen_on_every_way_and_leaves_nothing_at_the_venue() -> None:
    went, account = trip(spend=True)
    assert went.holds, went.words
    assert [step.step for step in went.steps] == [
        "built and signed", "post answered", "seen on the user channel", "seen resting by REST", "cancel answered",
        "cancel seen on the user channel", "seen gone by REST", "built and signed", "post answered",
        "trade seen on the user channel", "trade seen by REST", "trade settled",
    ]  # fmt: skip
    assert all(step.took_ms is not None and step.took_ms >= 0.0 for step in went.steps)
    rested, bought = account.orders.values()
    assert not rested.is_open and rested.matched_micros == 0
    assert rested.amount_micros * rested.price_bps / 10_000 == 0.05 * MICROS, "five cents were at stake"
    assert 0 < bought.matched_micros * bought.price_bps / 10_000 < 1.1 * MICROS and len(account.trades) >= 1
    assert went.values()["holds"] and "nothing of it rests" in went.words


def test_unasked_it_spends_nothing() -> None:
    went, account = trip()
    assert went.holds and len(account.orders) == 1 and len(account.trades) == 0


@pytest.mark.parametrize(
    ("fault", "value", "where", "words"),
    [
        (Fault.CLOSED_ONLY, 1.0, "", "the order was not taken: 400"),
        (Fault.NO_ALLOWANCE, 1.0, "", "not enough balance / allowance"),
        (Fault.DELAYED_STATUS, 600_000.0, "", "the user channel never told of the order"),
        (Fault.TIMEOUT_AFTER_ACCEPTANCE, 30.0, "/order", "no answer"),
        (Fault.UNAUTHORIZED, 1.0, "/order", "the order was not taken: 401"),
        (Fault.SERVER_ERROR, 1.0, "/order", "(nobody can say whether the order was taken|look for 0x)"),
    ],
)
def test_one_that_fails_says_where_and_takes_its_order_out(
    fault: Fault, value: float, where: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens after it left, the order is cancelled; and it is never sent twice."""
    monkeypatch.setattr("infra.doctor.round_trip.PATIENCE_S", 1.5)
    went, account = trip(fault, value, where)
    assert not went.holds and re.search(words, went.words), went.words
    assert len(account.orders) <= 1 and not any(order.is_open for order in account.orders.values())
