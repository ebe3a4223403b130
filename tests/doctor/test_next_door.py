"""The doctor at the real venue next door: a good world, and the same world gone wrong in one way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from infra.doctor.check import Check, State, refusals
from infra.doctor.doctor import Findings, Visit, examine
from infra.shell.lease import Lease
from infra.venue_next_door.faults import Fault, Switch
from infra.venue_next_door.markets import generated_market
from infra.venue_next_door.server import VenueServer
from infra.venues.credentials import KEY_VARIABLE, throwaway_key
from infra.venues.secrets import identity_from
from state.params import default_params
from state.units import MICROS, NS_PER_S

pytestmark = pytest.mark.rehearsal

SPEED = 2.0
CACHED_NS = 4 * NS_PER_S
"""The catalogue's answers may be so old."""
T = TypeVar("T")


async def checks_of(visit: Visit) -> tuple[Check, ...]:
    return tuple((await examine(visit)).checks)


@asynccontextmanager
async def at_a_venue(folder: Path, **more: Any) -> AsyncIterator[tuple[VenueServer, Visit]]:
    """Open a venue in this loop, and plan a visit there with a key that nobody else has."""
    market = generated_market("demo", windows=6, seed=4, speed_ratio=SPEED, now_ns=0)
    async with VenueServer.open(market, speed_ratio=SPEED, seed=4, cash_micros=100_000 * MICROS) as server:
        identity = identity_from({KEY_VARIABLE: throwaway_key().reveal()})
        visit = Visit(
            addresses=server.addresses, clock=server.clock, params=default_params(), identity=identity,
            folder=folder / "journal", leases=folder / "leases", **more,
        )  # fmt: skip
        yield server, visit


def at(folder: Path, do: Callable[[VenueServer, Visit], Awaitable[T]], **more: Any) -> T:
    async def run() -> T:
        async with at_a_venue(folder, **more) as (server, visit):
            return await do(server, visit)

    return asyncio.run(run())


def switch_on(server: VenueServer, fault: Fault, value: float = 1.0, where: str = "") -> None:
    server.faults.add(Switch(fault, where, 0, 1 << 62, value))


def orders_of(server: VenueServer) -> int:
    return sum(len(account.orders) for account in server.engine.accounts.values())


def test_in_a_good_world_everything_is_ready_and_no_order_was_needed_for_that(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []

    async def look(server: VenueServer, visit: Visit) -> tuple[Findings, int]:
        return await examine(visit), orders_of(server)

    found, orders = at(tmp_path, look, told=lambda count, of: done.append((count, of)))
    assert found.holds and refusals(found.checks) == (), [check.line for check in found.checks]
    names = [check.name for check in found.checks]
    assert names[:14] == [
        "geoblock", "version", "clock", "rules", "settings", "signing", "key", "lease", "credentials", "closed-only",
        "wallet", "allowances", "funds", "disk",
    ]  # fmt: skip
    assert {"feed: polybolt", "feed: polymarket_user", "feed: binance_spot"} <= set(names)
    assert orders == 0 and found.cash_micros == 100_000 * MICROS and found.market is not None
    assert done == sorted(done) and done[-1] == (14, 14), "progress only ever goes on"
    assert not (tmp_path / "journal").exists(), "to look leaves nothing behind"


BAD_WORLDS = (
    (Fault.UNKNOWN_FEE, 0.09, "rules", "FEE_RATE_PPM = 90,000"),
    (Fault.GEOBLOCKED, 1.0, "geoblock", "trading is not allowed from US NY"),
    (Fault.CLOSED_ONLY, 1.0, "closed-only", "may only close positions"),
    (Fault.VERSION_MISMATCH, 3.0, "version", "speaks version 3"),
    (Fault.UNKNOWN_LOOKBACK, 30.0, "rules", "LOOKBACK_S = 30"),
    (Fault.CLOCK_SKEW, -5_000.0, "clock", "at most 2 s"),
    (Fault.NO_ALLOWANCE, 1.0, "allowances", "missing: to buy"),
    (Fault.NOT_DEPLOYED, 1.0, "wallet", "nothing stands at that address"),
    (Fault.MARKET_VERSION, 9.0, "rules", "ORDER_VERSION"),
    (Fault.PHANTOM_LOCK, 1e8, "funds", "less than the smallest order"),
    (Fault.UNAUTHORIZED, 1.0, "credentials", "does not take them: 401"),
)


def test_each_thing_that_can_be_wrong_is_the_one_that_is_refused(tmp_path: Path) -> None:
    """One venue, one fault after another: each check sees its own world and no other's."""

    async def look(server: VenueServer, visit: Visit) -> dict[Fault, tuple[Check, ...]]:
        found = {}
        for fault, value, _, _ in BAD_WORLDS:
            switch_on(server, fault, value)
            found[fault] = refusals(await checks_of(visit))
            server.faults.clear()
            await server.clock.sleep(CACHED_NS)
        assert orders_of(server) == 0
        return found

    found = at(tmp_path, look, feeds_s=0.0)
    for fault, _, name, words in BAD_WORLDS:
        assert [check.name for check in found[fault]] == [name], fault
        assert words in found[fault][0].line and found[fault][0].mend, fault


def test_a_feed_that_refuses_connections_is_named(tmp_path: Path) -> None:
    async def look(server: VenueServer, visit: Visit) -> tuple[Check, ...]:
        switch_on(server, Fault.REFUSE, where="polybolt")
        switch_on(server, Fault.REFUSE, where="okx")
        return await checks_of(visit)

    found = {check.name: check for check in at(tmp_path, look, feeds_s=2.0)}
    assert found["feed: polybolt"].state is State.REFUSED
    assert found["feed: okx"].state is State.WARNING


def test_a_venue_that_is_away_is_refused_line_by_line_and_nothing_raises(tmp_path: Path) -> None:
    async def look(server: VenueServer, visit: Visit) -> Findings:
        gone = replace(visit.addresses, **dict.fromkeys(("clob", "gamma", "geoblock"), "http://127.0.0.1:1"))
        return await examine(replace(visit, addresses=gone, feeds_s=0.0))

    found = at(tmp_path, look)
    assert not found.holds
    assert {"geoblock", "version", "clock", "rules", "settings", "credentials"} <= {
        check.name for check in refusals(found.checks)
    }


def test_without_a_key_everything_that_needs_none_is_still_looked_at(tmp_path: Path) -> None:
    async def look(_: VenueServer, visit: Visit) -> tuple[Check, ...]:
        return await checks_of(replace(visit, identity=None, why_no_identity="no key to sign with: set it"))

    found = at(tmp_path, look, feeds_s=3.0)
    assert [check.line for check in refusals(found)] == ["key: no key to sign with: set it"]
    assert {"geoblock", "rules", "feed: rtds"} <= {check.name for check in found if check.state is State.READY}


def test_the_lease_of_a_running_engine_is_seen_before_anything_is_taken(tmp_path: Path) -> None:
    async def look(_: VenueServer, visit: Visit) -> tuple[Check, ...]:
        assert visit.identity is not None
        with Lease.take(visit.leases, visit.identity.address, now_ns=1, journal="elsewhere"):
            return await checks_of(replace(visit, feeds_s=0.0))

    (refused,) = refusals(at(tmp_path, look))
    assert refused.name == "lease" and "journal elsewhere" in refused.words
