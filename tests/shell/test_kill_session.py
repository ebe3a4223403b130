"""A whole session under the gate and the switch: killed by a file, and its gate's books made again from the journal."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from infra.journal.reader import read_notes
from infra.proofs.demo_latency import EAGER as TAKES
from infra.settings import read_params
from infra.shell.face import Face
from infra.shell.gate_start import gate_from
from infra.shell.kill import KEY_FILE, KILL_FILE, read_switch_file
from infra.shell.live import live
from infra.shell.next_door import place_of
from infra.shell.plan import Plan
from infra.shell.session import play_session
from infra.terminal.glance import Mode
from infra.venue_next_door.markets import generated_market
from infra.venue_next_door.server import VenueServer
from infra.venues.credentials import throwaway_key
from infra.venues.gate import Gate
from state.units import MICROS

pytestmark = pytest.mark.rehearsal

SPEED = 5.0
CASH_MICROS = 100_000 * MICROS
EAGER = read_params(None, (*TAKES, "may_quote_count=1", "quote_edge_bps=10", "keep_edge_bps=0"))
"""A desk that trades as often as it can, so that there is something to kill."""


async def _killed_midway(folder: Path, *, again: bool = False) -> dict[str, Any]:
    """Kill a demo while it trades; `again`: then lift that while nobody runs, and start it anew."""
    market = generated_market("demo", windows=4, seed=4, speed_ratio=SPEED, now_ns=0)
    async with VenueServer.open(market, speed_ratio=SPEED, seed=4, cash_micros=CASH_MICROS, script=[]) as server:
        place = place_of(server.file(), throwaway_key(), "made up")
        face = Face(Mode(name="demo", speed_ratio=SPEED, began_cash_micros=CASH_MICROS, journal=str(folder)))
        plan = Plan(
            mode="demo", addresses=place.addresses, clock=place.clock, folder=folder, params=EAGER,
            cash_micros=CASH_MICROS, code="tests", key=place.key, wallet=place.wallet, seconds=150.0,
        )  # fmt: skip
        session = asyncio.create_task(live(plan, face))

        async def until(what: Any) -> None:
            while not what():
                if session.done():
                    session.result()
                    raise AssertionError("it ended before that came")
                await asyncio.sleep(0.02)

        await until(lambda: bool(server.engine.accounts))
        account = next(iter(server.engine.accounts.values()))
        await until(lambda: len(account.orders) >= 3)
        (folder / KILL_FILE).touch()
        await until(lambda: any("pulled" in note for note in read_notes(folder, torn_ok=True)))
        orders_then = len(account.orders)
        is_open = any(order.is_open for order in account.orders.values())
        await asyncio.sleep(3.0)
        told = {"then": orders_then, "open": is_open, "later": len(account.orders)}
        session.cancel()
        with suppress(asyncio.CancelledError):
            await session
        if again:
            (folder / KILL_FILE).unlink()
            session = asyncio.create_task(live(plan, face))
            await until(lambda: len(account.orders) > told["later"])
            session.cancel()
            with suppress(asyncio.CancelledError):
                await session
        return told


def test_a_demo_that_died_killed_trades_again_once_that_is_lifted(tmp_path: Path) -> None:
    """The journal replays the kill, and nobody arms play money: the file that is gone says that it may live."""
    asyncio.run(_killed_midway(tmp_path / "journal", again=True))
    assert [note for note in read_notes(tmp_path / "journal", torn_ok=True) if "kill lifted" in note]


def test_a_demo_is_killed_by_a_file_and_orders_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gates: list[Gate] = []
    begin = Gate.__init__

    def kept(self: Gate, *args: Any) -> None:
        begin(self, *args)
        gates.append(self)

    monkeypatch.setattr(Gate, "__init__", kept)
    folder = tmp_path / "journal"
    told = asyncio.run(_killed_midway(folder))
    assert told["then"] >= 3 and not told["open"], "it had traded, and nothing rests"
    assert told["later"] == told["then"], "and nothing was sent after"
    notes = read_notes(folder, torn_ok=True)
    assert any(str(note.get("halted", "")).startswith("killed: ") for note in notes)
    assert not [note for note in notes if note.get("gate") not in (None, "killed", "boundary")], "a good core is let be"
    assert read_switch_file(folder).mode == "demo" and (folder / KEY_FILE).exists()

    played = play_session(folder)
    assert played.difference == "", "all of it replays"
    again = gate_from(folder, played, EAGER, played.last_seen_ns)
    lived = gates[0]
    assert again.books.slots == lived.books.slots and again.books.days_micros == lived.books.days_micros
    assert again.books.orders.keys() >= lived.books.orders.keys() and lived.books.orders
