"""A live session next door whose fast state is in Redis, watched from outside as it runs and when Redis dies."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from fast_stores import Shared, shared
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from infra.alerts.conditions import Conditions
from infra.metrics.exporter import Exporter
from infra.metrics.series import exported
from infra.metrics.watched import Watched
from infra.proofs.demo_latency import EAGER
from infra.settings import read_params
from infra.shell.arming import Arming
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


async def _until(come: Callable[[], bool], what: str) -> None:
    for _ in range(800):
        if come():
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"did not come: {what}")


async def _session(server: VenueServer, folder: Path, stage: Shared, told: list[str]) -> Watched:
    identity = identity_from({KEY_VARIABLE: throwaway_key().reveal()})
    arming = Arming(folder, identity.address, "the venue next door", 4_950_000, CASH_MICROS)
    store = stage.door("desk")
    plan = Plan(
        mode="live", addresses=server.addresses, clock=server.clock, folder=folder, params=read_params(None, EAGER),
        cash_micros=CASH_MICROS, code="tests", seconds=25.0, identity=identity, wallet=identity.wallet, arming=arming,
        store=store,
    )  # fmt: skip
    face = Face(Mode(name="live", speed_ratio=SPEED, began_cash_micros=CASH_MICROS, journal=str(folder)))
    session = asyncio.create_task(live(plan, face))
    await _until(lambda: face.shell is not None and face.shell.counts.mandates > 20, "the desk thinks")
    watched, conditions = Watched(folder), Conditions("today")

    def look() -> bool:
        watched.refresh()
        reading = watched.reading()
        told.extend(alert.line for alert in conditions.look(reading))
        return bool(reading.pulse.get("spans", {}).get("desk"))

    await _until(look, "the session's pulse is heard")
    assert watched.reading().fast_state == "" and not any("fast state" in line for line in told)
    stage.server.kill()
    await _until(lambda: look() and "redis at" in watched.reading().fast_state, "the outage is heard of")
    stage.server.start()
    await _until(lambda: look() and not watched.reading().fast_state, "the end of the outage is heard of")
    await session
    look()
    return watched


def test_it_is_watched_as_it_runs_and_an_outage_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []

    async def run(stage: Shared) -> Watched:
        market = generated_market("demo", windows=8, seed=4, speed_ratio=SPEED, now_ns=0)
        async with VenueServer.open(market, speed_ratio=SPEED, seed=4, cash_micros=CASH_MICROS) as server:
            return await _session(server, tmp_path / "journal", stage, told)

    with shared(tmp_path) as stage:
        watched = asyncio.run(run(stage))
    degraded = [line for line in told if "fast state" in line]
    assert [": ALERT: " in line for line in degraded] == [True, False]
    assert not any("halted" in line for line in told), "a session that is not armed is not halted"
    exporter = Exporter()
    exporter.reading = watched.reading()
    text = generate_latest(exporter.registry).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    names = {sample.name for family in families.values() for sample in family.samples}
    assert names <= exported()
    stages = {sample.labels["stage"] for sample in families["updown_stage_seconds"].samples}
    assert {"ingestion", "desk"} <= stages
    assert {sample.value for sample in families["updown_wire_up"].samples} >= {1.0}
    assert play_session(tmp_path / "journal").difference == ""
