"""The hedge in real sessions next door: the desk takes positions, the perpetual leans against them, and ends flat."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.hedge.ccxt_perp import HedgeRefused
from infra.hedge.settings import HedgeSettings
from infra.proofs.demo_latency import EAGER
from infra.settings import read_params
from infra.shell.face import Face
from infra.shell.live import live
from infra.shell.next_door import Place, place_of
from infra.shell.plan import Plan
from infra.shell.session import notes_of, play_session
from infra.terminal.glance import Mode
from infra.venue_next_door.binance_perp import binance_perp_app
from infra.venue_next_door.bybit_perp import bybit_perp_app
from infra.venue_next_door.markets import generated_market
from infra.venue_next_door.okx_perp import okx_perp_app
from infra.venue_next_door.perp_account import PerpAccount, PerpCustomers
from infra.venue_next_door.server import APPS, VenueServer
from infra.venues.credentials import throwaway_key
from state.units import MICROS

pytestmark = pytest.mark.rehearsal

CASH_MICROS = 100_000 * MICROS
SPEED = 20.0
HEDGED = HedgeSettings(where="paper", notional_most_usd=50_000.0, aversion_per_usd=1.0)
"""Who would pay nearly anything to be rid of variance: the test wants trades, not economy."""


class Perps:
    """The perpetual exchanges of a venue, with their customers in sight."""

    def __init__(self) -> None:
        self.customers = {name: PerpCustomers(opens=True) for name in ("binance", "bybit", "okx")}
        self.calls: list[str] = []
        self.apps = APPS | {
            "binance_usdm": lambda engine: binance_perp_app(engine, self.customers["binance"]),
            "bybit": lambda engine: bybit_perp_app(engine, self.customers["bybit"]),
            "okx": lambda engine: okx_perp_app(engine, self.customers["okx"]),
        }

    def opened(self) -> list[PerpAccount]:
        return [account for each in self.customers.values() for account in each._known.values()]


def plan_at(place: Place, folder: Path, hedge: HedgeSettings, **more: Any) -> Plan:
    given: dict[str, Any] = {
        "mode": "demo", "addresses": place.addresses, "clock": place.clock, "folder": folder,
        "params": read_params(None, EAGER), "cash_micros": CASH_MICROS, "code": "tests", "key": place.key,
        "wallet": place.wallet, "hedge": hedge, "hedge_keys": place.hedge_keys, "seconds": 40.0,
    }  # fmt: skip
    return Plan(**(given | more))


def lived(folder: Path, hedge: HedgeSettings, perps: Perps, lines: list[str] | None = None, **more: Any) -> Any:
    """Run a demo beside its venue in the same loop; gives the session's summary."""

    async def run() -> dict[str, Any]:
        market = generated_market("demo", windows=6, seed=4, speed_ratio=SPEED, now_ns=0)
        opened = VenueServer.open(market, speed_ratio=SPEED, seed=4, cash_micros=CASH_MICROS, apps=perps.apps)
        async with opened as server:
            place = place_of(server.file(), throwaway_key(), "made up")
            name = more.get("mode", "demo")
            mode = Mode(name=name, speed_ratio=SPEED, began_cash_micros=CASH_MICROS, journal=str(folder))
            face = Face(mode, say=lines.append if lines is not None else None)
            await live(plan_at(place, folder, hedge, **more), face)
            return face.summary()

    return asyncio.run(run())


@pytest.fixture(scope="module", autouse=True)
def _loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Live once for nothing: desk and venue share a loop here, and loading the compiled core holds both up."""
    lived(tmp_path_factory.mktemp("loaded") / "journal", HedgeSettings(), Perps(), seconds=2.0)


@pytest.mark.parametrize("where", ["binance", "bybit", "okx"])
def test_a_perpetual_next_door_leans_against_the_desk_and_is_flat_at_the_end(where: str, tmp_path: Path) -> None:
    perps, lines = Perps(), list[str]()
    told = lived(tmp_path / "journal", replace(HEDGED, where=where), perps, lines)
    assert told["orders"]["placed"] > 0, told["desk"]
    hedge = told["hedge"]
    assert hedge["orders_filled"] >= 2, "it went in and out"
    assert hedge["position_coins"] == 0.0 and not hedge["stopped"]
    (account,) = perps.opened()
    assert set(account.positions.values()) == {0.0}
    assert account.fees_usd == pytest.approx(hedge["fees_usd"], rel=0.02)
    assert account.cash_usd - 100_000.0 == pytest.approx(hedge["profit_usd"] + hedge["funding_usd"], abs=0.05)
    played = play_session(tmp_path / "journal")  # the desk's replay knows nothing of it
    assert played.difference == "" and played.core.digest() == told["session"]["run_hash"]
    orders = [note for note in played.notes if note.get("done")]
    for note in orders:
        if note["done"] == "filled" and note["delta_coins"]:
            gap = max(-1e9, abs(note["position_coins"] + note["delta_coins"]))
            bound = HEDGED.notional_most_usd / note["mid_usd"]
            band = HEDGED.band_usd / note["mid_usd"] + 0.001
            assert gap <= band or abs(note["position_coins"]) >= bound - 0.0011, note
    assert [line for line in lines if line.startswith("hedge") and where in line]
    assert list(notes_of(played, "hedge"))[-1] == "ended"


def test_nobody_asked_for_a_hedge_and_no_exchange_heard_of_one(tmp_path: Path) -> None:
    perps, lines = Perps(), list[str]()
    told = lived(tmp_path / "journal", HedgeSettings(), perps, lines, seconds=12.0)
    assert "hedge" not in told and not perps.opened()
    assert not [line for line in lines if "hedge" in line]
    assert not [note for note in play_session(tmp_path / "journal").notes if "hedge" in note]


def test_on_paper_nothing_is_sent(tmp_path: Path) -> None:
    perps = Perps()
    told = lived(tmp_path / "journal", HEDGED, perps)
    assert told["hedge"]["orders_filled"] >= 2 and told["hedge"]["position_coins"] == 0.0
    assert told["hedge"]["fees_usd"] > 0.0 and told["hedge"]["funding_usd"] > 0.0
    assert not perps.opened()


def test_a_paper_session_takes_no_exchange(tmp_path: Path) -> None:
    with pytest.raises(HedgeRefused, match="a paper session sends no order to okx"):
        lived(tmp_path / "journal", replace(HEDGED, where="okx"), Perps(), mode="paper", seconds=5.0)
