"""A session that runs takes what the supervisor promoted, at a boundary, and gives it back when it breaks its promise.

Session, venue, model's server, check, rehearsal, request, watch and roll-back are the real ones. Handed in are the
rule's verdict (a minute has too few windows to convince it) and the promise: one that no window can keep.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from demo_lives import CASH_MICROS, EAGER, SPEED, Lives

from evals.promotion import Because, Promise, Ruling, Verdict
from infra.journal.reader import read_events, read_notes
from infra.language_model.budget import Budget
from infra.language_model.client import LanguageModel
from infra.language_model.settings import ModelSettings
from infra.model_next_door.script import Say, lines
from infra.model_next_door.server import ModelNextDoor
from infra.shell.params_request import CHANGED, params_of, read_news
from infra.shell.session import play_session
from infra.supervisor.cycle import Ended, Supervisor
from infra.supervisor.watch import live_windows
from infra.venue_next_door.markets import generated_market
from infra.venue_next_door.server import VenueServer
from infra.venues.credentials import Secret
from state.events import Kind
from state.params import params_hash
from state.units import NS_PER_S

pytestmark = pytest.mark.rehearsal

LESS = {
    "halt": False, "changes": [{"name": "kelly_ratio", "value": 0.1}], "hypothesis": "less is safer",
    "metric": "pnl_usd",
}  # fmt: skip
BOUNDARY_NS = 300 * NS_PER_S


@pytest.fixture
def convinced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the rule be convinced, and the promise be one that no window keeps: more than a million dollars each."""
    verdict = Verdict(ruling=Ruling.PROMOTE, because=Because.SHRINKS)
    promise = Promise(mean_micros=1e12, sd_micros=1.0, windows_count=10, bound_micros=-1e12)
    monkeypatch.setattr("infra.supervisor.cycle.promote", lambda *_: verdict)
    monkeypatch.setattr("infra.supervisor.cycle.promise_of", lambda _: promise)


async def cycle(journal: Path, home: Path) -> dict[str, Any]:
    """Run one cycle, whose model proposes less."""
    async with ModelNextDoor(lines(Say(json.dumps(LESS)))) as door:
        settings = ModelSettings(
            model="next-door", base_url=door.base_url, key=Secret("k"), timeout_s=20.0, retries=0,
            usd_per_million_in=1.0,
        )  # fmt: skip
        model = LanguageModel(settings, Budget(None, 5.0, 10**7, lambda: 0))
        supervisor = Supervisor(journal=journal, folder=home, model=model, asking="never", rehearsals=2)
        ended = await supervisor.cycle()
    assert isinstance(ended, Ended)
    return {"cycle": ended.cycle, **ended.receipt.told, "receipts": supervisor.receipts}


def settled_count(journal: Path) -> int:
    return sum(int((rows["kind_code"] == Kind.SETTLED).sum()) for rows in read_events(journal, torn_ok=True))


async def comes(demo: Lives, look: Any) -> None:
    """Wait for what is read in another thread, while the session lives."""
    while not await asyncio.to_thread(look):
        assert demo.task is not None and not demo.task.done(), "it ended before that came"
        await asyncio.sleep(1.0)


@pytest.mark.usefixtures("convinced")
def test_a_promoted_change_is_taken_at_a_boundary_and_given_back_when_it_breaks_its_promise(tmp_path: Path) -> None:
    folder, home = tmp_path / "journal", tmp_path / "supervisor"

    async def story() -> tuple[dict[str, Any], dict[str, Any]]:
        market = generated_market("demo", windows=80, seed=4, speed_ratio=SPEED, now_ns=0)
        async with VenueServer.open(market, speed_ratio=SPEED, seed=4, cash_micros=CASH_MICROS, script=[]) as server:
            demo = Lives(server, folder)
            demo.begin(seconds=900.0)
            await demo.until(lambda: demo.mandates() > 20)
            await comes(demo, lambda: settled_count(folder) >= 2)
            promoted = await cycle(folder, home)
            await demo.until(lambda: demo.changes() == 1)
            await comes(demo, lambda: bool(live_windows(folder, promoted["cycle"])))
            watched = await cycle(folder, home)
            await demo.until(lambda: demo.changes() == 2)
            await comes(demo, lambda: demo.noted() == 2)
            await demo.end()
        return promoted, watched

    promoted, watched = asyncio.run(story())
    assert promoted["applied"]["taken"] and promoted["applied"]["due_ns"] % BOUNDARY_NS == 0
    changed = [each for each in read_news(folder) if each.what == CHANGED]
    assert promoted["applied"]["after"] == changed[0].after != changed[0].before
    (back,) = [each for each in watched["receipts"] if each.told.get("watches") == promoted["cycle"]]
    assert back.told["watched"]["ruling"] == "roll back" and back.told["rolled_back"]["taken"] and back.told["try"] == 1
    assert [(each.receipt, each.changes, each.undoes) for each in changed] == [
        (promoted["cycle"], {"kelly_ratio": (float(EAGER.kelly_ratio), 0.1)}, ""),
        (back.cycle, {"kelly_ratio": (0.1, float(EAGER.kelly_ratio))}, promoted["cycle"]),
    ]
    assert changed[1].after == changed[0].before == params_hash(params_of(list(read_notes(folder, torn_ok=True))))
    played = play_session(folder)
    assert played.difference == "" and played.changes_count == 2
