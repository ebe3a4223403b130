"""A live session whole, next door: it observes, is armed while it runs, trades within its limit, and replays."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from infra.proofs.demo_latency import EAGER
from infra.settings import read_params
from infra.shell.arming import Arming, ask_session
from infra.shell.face import Face
from infra.shell.live import live
from infra.shell.plan import Plan
from infra.shell.session import play_session
from infra.terminal.glance import Mode
from infra.venue_next_door.markets import generated_market
from infra.venue_next_door.server import VenueServer
from infra.venues.credentials import KEY_VARIABLE, throwaway_key
from infra.venues.secrets import identity_from
from state.units import MICROS

pytestmark = pytest.mark.rehearsal

CASH_MICROS = 100_000 * MICROS
SPEED = 20.0
LIMIT_USD = 60.0


def _orders(server: VenueServer) -> list[Any]:
    return [order for account in server.engine.accounts.values() for order in account.orders.values()]


async def _until(come: Any, seconds: float) -> bool:
    for _ in range(round(seconds * 20)):
        if come():
            return True
        await asyncio.sleep(0.05)
    return False


async def _session(server: VenueServer, folder: Path, stages: list[int]) -> None:
    """Observe, arm, let it trade, disarm; `stages` counts the orders that the venue has had after each."""
    identity = identity_from({KEY_VARIABLE: throwaway_key().reveal()})
    arming = Arming(folder, identity.address, "the venue next door", 4_950_000, CASH_MICROS)
    plan = Plan(
        mode="live", addresses=server.addresses, clock=server.clock, folder=folder, params=read_params(None, EAGER),
        cash_micros=CASH_MICROS, code="tests", seconds=120.0, identity=identity, wallet=identity.wallet, arming=arming,
    )  # fmt: skip
    face = Face(Mode(name="live", speed_ratio=SPEED, began_cash_micros=CASH_MICROS, journal=str(folder)))
    session = asyncio.create_task(live(plan, face))
    assert await _until(lambda: face.shell is not None and face.shell.counts.mandates > 20, 40.0), "the desk thinks"
    stages.append(len(_orders(server)))
    words = await ask_session(folder, arm=True, limit_usd=LIMIT_USD, hours=2.0)
    assert words.startswith("armed: at most $60.00 at risk")
    shell: Any = face.shell
    assert not int(shell.core.world["halted_code"]) and shell.door.gate.armed_micros == LIMIT_USD * MICROS
    assert await _until(lambda: _orders(server), 60.0), "an eager desk trades as soon as it may"
    stages.append(len(_orders(server)))
    assert await ask_session(folder, arm=False) == "disarmed: nothing but cancels leaves"
    await asyncio.sleep(0.5)
    stages.append(len(_orders(server)))
    await asyncio.sleep(3.0)
    stages.append(len(_orders(server)))
    await session


def test_it_orders_nothing_before_it_is_armed_nothing_after_it_was_disarmed_and_replays(tmp_path: Path) -> None:
    stages: list[int] = []

    async def run() -> list[Any]:
        market = generated_market("demo", windows=8, seed=4, speed_ratio=SPEED, now_ns=0)
        async with VenueServer.open(market, speed_ratio=SPEED, seed=4, cash_micros=CASH_MICROS) as server:
            await _session(server, tmp_path / "journal", stages)
            return _orders(server)

    orders = asyncio.run(run())
    assert stages[0] == 0, "observing orders nothing"
    assert stages[2] == stages[3] == len(orders), "and disarmed nothing more"
    spent = sum(order.matched_micros * order.price_bps / 10_000 for order in orders)
    assert spent <= LIMIT_USD * MICROS
    assert not any(order.is_open for order in orders), "what rested was pulled"
    played = play_session(tmp_path / "journal")
    assert played.difference == "" and [note for note in played.notes if "armed" in note]
    assert not (tmp_path / "journal" / "live.json").exists(), "a session that has ended can be armed no more"
