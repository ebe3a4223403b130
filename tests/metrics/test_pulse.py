"""The pulse: what a session notes of itself reaches whoever follows its journal, and no replay looks at it."""

import asyncio
from pathlib import Path

from fast_stores import until
from sessions import market, open_shell

from infra.fast_state.redis_store import RedisStore
from infra.fast_state.settings import place_of
from infra.feeds.frames import Wire
from infra.metrics.watched import Watched
from infra.record.session_record import session_record
from infra.shell.face import Face
from infra.shell.pulse import Pulse
from infra.shell.session import play_session
from infra.stack.program import free_port
from infra.streams.intake import Arrived, What
from infra.terminal.glance import Mode


def test_what_a_session_notes_of_itself_is_read_off_its_journal(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    told: list[str] = []

    async def run() -> None:
        rows = market()[:400]
        shell = open_shell(folder, int(rows["seen_ns"][0]))
        face = Face(Mode(), say=told.append)
        face.begin(shell, None)
        with RedisStore(place_of(f"redis://127.0.0.1:{free_port()}"), "desk") as store:
            until(lambda: bool(store.standing().degraded), "nobody is there")
            pulse = Pulse(store, shell, face)
            pulse.look()
            pulse.look()
            shell.tell(rows.copy())
            shell.intake.put(Arrived(What.GAP, Wire.BYBIT, 0, 0))
            pulse.beat()
        shell.close()
        shell.session.close()

    asyncio.run(run())
    assert len(told) == 1 and "orders go on at our share of the rate" in told[0]
    watched = Watched(folder)
    watched.refresh()
    reading = watched.reading()
    assert "redis at 127.0.0.1" in reading.fast_state
    assert (reading.pulse["waiting"], reading.pulse["lost"], reading.pulse["wires"]) == (1, {}, {})
    assert reading.rows >= 400
    played = play_session(folder)
    assert not played.difference and not any("pulse" in note for note in played.notes)
    assert not any("pulse" in note for _, note in session_record(folder).notes)
