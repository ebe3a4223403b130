"""Live sessions whole: next door over real sockets, on paper, recorded; and what they refuse to do."""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.addresses import PRODUCTION, Addresses
from infra.clock import WALL
from infra.journal.reader import read_events, read_notes, verify
from infra.journal.segments import is_journal
from infra.shell.face import Face
from infra.shell.live import NotNextDoor, live
from infra.shell.next_door import place_of
from infra.shell.plan import Plan
from infra.shell.session import play_session
from infra.terminal.glance import Mode
from infra.venue_next_door.markets import generated_market
from infra.venue_next_door.server import VenueServer
from infra.venues.credentials import throwaway_key
from infra.venues.gateway import Gateway
from infra.version import ROOT
from state.events import Kind, Word
from state.params import default_params
from state.units import MICROS

pytestmark = pytest.mark.rehearsal

CASH_MICROS = 100_000 * MICROS
SPEED = 20.0


def plan(mode: str, folder: Path, **more: Any) -> Plan:
    given: dict[str, Any] = {
        "mode": mode, "addresses": PRODUCTION, "clock": WALL, "folder": folder, "params": default_params(),
        "cash_micros": CASH_MICROS, "code": "tests",
    }  # fmt: skip
    return Plan(**{**given, **more})


@given(st.sampled_from(sorted(asdict(PRODUCTION))))
def test_one_address_off_this_machine_is_enough_to_refuse_a_demo(name: str) -> None:
    """A demo signs orders and sends them: to this machine, or not at all."""
    home = {each: "http://127.0.0.1:1" for each in asdict(PRODUCTION)}
    assert Addresses(**home).abroad() == []
    leaks = replace(Addresses(**home), **{name: asdict(PRODUCTION)[name]})
    with pytest.raises(NotNextDoor, match=f"{name} = .*: a demo sends orders to this machine only"):
        asyncio.run(live(plan("demo", Path("/nowhere"), addresses=leaks, key=throwaway_key()), Face(Mode())))


@pytest.mark.parametrize("mode", ["paper", "record"])
def test_paper_and_record_have_no_gateway_whatever_key_they_are_given(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(Gateway, "__init__", lambda self, *_, **__: made.append(self))
    assert _next_door(mode, tmp_path / "journal", 4.0)["told"]
    assert made == []


def _next_door(mode: str, folder: Path, seconds: float, windows: int = 0) -> dict[str, Any]:
    """Run a session beside a venue in the same loop; gives its summary and what its account looks like there."""

    async def run() -> dict[str, Any]:
        market = generated_market("demo", windows=4, seed=4, speed_ratio=SPEED, now_ns=0)
        async with VenueServer.open(market, speed_ratio=SPEED, seed=4, cash_micros=CASH_MICROS, script=[]) as server:
            place = place_of(server.file(), throwaway_key(), "made up")
            face = Face(Mode(name=mode, speed_ratio=SPEED, began_cash_micros=CASH_MICROS, journal=str(folder)))
            await live(
                plan(
                    mode, folder, addresses=place.addresses, clock=place.clock, key=place.key, wallet=place.wallet,
                    seconds=seconds, windows=windows, keep_frames=mode == "record",
                ),
                face,
            )  # fmt: skip
            return {"told": face.summary(), "accounts": list(server.engine.accounts.values())}

    return asyncio.run(run())


def test_a_demo_meets_the_market_asks_its_desk_and_replays_to_the_byte(tmp_path: Path) -> None:
    """Twenty seconds of the real thing: sockets, signed log-in, LangGraph, journal; then the same again without any."""
    found = _next_door("demo", tmp_path / "journal", 20.0)
    told = found["told"]
    frames = {feed["wire"]: feed["frames"] for feed in told["feeds"]}
    for wire in ("polymarket_market", "polybolt", "binance_spot", "binance_usdm", "bybit", "okx", "coinbase_exchange"):
        assert frames[wire] > 0, wire
    assert told["counts"]["lost"] == told["counts"]["refused"] == 0
    assert told["desk"]["runs"] > 0, "the desk was asked"
    assert len(found["accounts"]) == 1, "one account, by one key"
    played = play_session(tmp_path / "journal")
    assert played.difference == "" and played.core.digest() == told["session"]["run_hash"]
    assert played.mandates_count == told["desk"]["runs"]
    assert verify(tmp_path / "journal").sound


def _notes(folder: Path) -> list[dict[str, Any]]:
    return list(read_notes(folder, torn_ok=True)) if is_journal(folder) else []


def test_a_paper_session_stops_by_the_kill_file_and_goes_on_when_it_is_lifted(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    said: list[dict[str, Any]] = []

    def operator() -> None:
        while "session" not in next(iter(_notes(folder)), {}):
            time.sleep(0.1)
        time.sleep(1.0)
        for more in ([], ["--lift"]):
            words = [sys.executable, "-m", "infra", "kill", "--journal", str(folder), "--json", *more]
            said.append(json.loads(subprocess.run(words, cwd=ROOT, capture_output=True, check=True).stdout))
            time.sleep(2.0)

    async def both() -> None:
        market = generated_market("demo", windows=4, seed=4, speed_ratio=SPEED, now_ns=0)
        async with VenueServer.open(market, speed_ratio=SPEED, seed=4, cash_micros=CASH_MICROS, script=[]) as server:
            place = place_of(server.file(), throwaway_key(), "made up")
            given = plan("paper", folder, addresses=place.addresses, clock=place.clock, seconds=30.0)
            told = asyncio.create_task(live(given, Face(Mode())))
            await asyncio.to_thread(operator)
            await told

    asyncio.run(both())
    assert [each.get("where") or "lifted" for each in said] == ["on paper", "lifted"]
    played = play_session(folder)
    halts = [note for note in played.notes if "halted" in note]
    assert [(note["halted"], note["word"]) for note in halts] == [("killed: the operator killed it", "kill")]
    assert played.difference == "" and not int(played.core.world["stops_mask"]) >> int(Word.KILL) & 1


def test_a_recording_keeps_frames_and_rows_and_can_be_read_as_any_journal(tmp_path: Path) -> None:
    told = _next_door("record", tmp_path / "journal", 16.0)["told"]
    assert told["frames"] > 100 and told["refused"] == []
    kinds = {int(kind) for rows in read_events(tmp_path / "journal") for kind in rows["kind_code"]}
    assert {Kind.MARKET_LISTED, Kind.PRICE_SEEN, Kind.BOOK_CLEARED, Kind.LEVEL_SET} <= kinds
