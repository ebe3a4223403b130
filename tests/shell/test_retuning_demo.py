"""Parameters of a whole demo change over real sockets: by a command, at the boundary, over a restart, replayed."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_lives import CASH_MICROS, EAGER, SPEED, Lives

from infra.journal.reader import read_events, read_notes
from infra.shell.params_request import CHANGED, ChangeRefused, ask_change, params_of, read_news
from infra.shell.session import play_session
from infra.venue_next_door.markets import generated_market
from infra.venue_next_door.server import VenueServer
from state.events import Kind
from state.params import params_hash
from state.units import NS_PER_S

pytestmark = pytest.mark.rehearsal

ROOT = Path(__file__).resolve().parents[2]


async def updown(*words: str) -> dict[str, Any]:
    """Run a command as an operator does, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra", *words, "--json", cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    told: dict[str, Any] = json.loads(out)
    return told


def test_a_demo_is_changed_twice_once_over_a_restart_and_replays_to_the_byte(tmp_path: Path) -> None:
    folder = tmp_path / "journal"

    async def run() -> list[int]:
        market = generated_market("demo", windows=6, seed=4, speed_ratio=SPEED, now_ns=0)
        async with VenueServer.open(market, speed_ratio=SPEED, seed=4, cash_micros=CASH_MICROS, script=[]) as server:
            demo = Lives(server, folder)
            demo.begin()
            await demo.until(lambda: demo.mandates() > 20)
            told = await updown("params", "--journal", str(folder), "--ask", "kelly_ratio=0.15", "--why", "a rehearsal")
            assert told["taken"] and told["receipt"] == "operator-1"
            due = [int(told["due_ns"])]
            await demo.until(lambda: demo.noted() == 1)

            before = params_hash(params_of(read_notes(folder, torn_ok=True)))
            with pytest.raises(ChangeRefused, match="operator began with"):
                words: dict[str, Any] = {"receipt": "greedy", "before": before, "why": "more"}
                await ask_change(folder, changes={"position_micros": 2e8, "kelly_ratio": 0.1}, **words)
            answer = await ask_change(
                folder, receipt="supervisor-1", before=before, changes={"take_edge_bps": 40.0}, why="quotes are lifted"
            )
            due.append(answer.due_ns)
            await demo.end()
            demo.begin()
            await demo.until(lambda: demo.changes() == 2)
            mandates = demo.mandates()
            await demo.until(lambda: demo.mandates() > mandates + 5)
            await demo.end()
            return due

    due = asyncio.run(run())
    changed = [each for each in read_news(folder) if each.what == CHANGED]
    assert [(each.receipt, each.changes) for each in changed] == [
        ("operator-1", {"kelly_ratio": (float(EAGER.kelly_ratio), 0.15)}),
        ("supervisor-1", {"take_edge_bps": (float(EAGER.take_edge_bps), 40.0)}),
    ]
    played = play_session(folder)
    assert played.difference == "" and played.changes_count == 2
    assert params_hash(played.core.params) == params_hash(params_of(played.notes)) == changed[-1].after
    rows = np.concatenate(list(read_events(folder, torn_ok=True)))
    seen = rows["seen_ns"][rows["kind_code"] == Kind.PARAMS_CHANGED].tolist()
    assert len(seen) == 2 and seen[0] >= due[0] and due[0] % (300 * NS_PER_S) == 0
    assert seen[0] - due[0] < 10 * NS_PER_S and seen[1] >= due[1]
