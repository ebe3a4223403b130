"""Following: a session's journal read on every second; what is found goes to the exporter and, changed, to people."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from infra.alerts.conditions import Conditions
from infra.alerts.sender import AlertSender
from infra.beat import beat
from infra.clock import now_ns
from infra.language_model.budget import Budget, Spent
from infra.metrics.exporter import Exporter
from infra.metrics.watched import Watched

EVERY_S: Final = 1.0

Say = Callable[[str], None]


async def follow(
    watched: Watched, name: str, exporter: Exporter, sender: AlertSender, budget: Path, stop: asyncio.Event, say: Say
) -> None:
    """Follow until told to stop.

    Args:
        watched: The session, begun.
        name: Its name, for people.
        exporter: Is given each reading.
        sender: Is told of each change.
        budget: Folder of the language model's budget; it need not be there.
        stop: Ends it.
        say: Hears each change as a line.

    Raises:
        JournalForeign, JournalDamaged: it cannot be followed any further.
    """
    conditions = Conditions(name)
    while True:
        await asyncio.to_thread(watched.refresh)
        beat()
        exporter.reading = watched.reading(spent_of(budget))
        for alert in conditions.look(exporter.reading):
            say(alert.line)
            sender.tell(alert)
        exporter.alerts_failed = sender.failed
        if stop.is_set():
            return
        try:
            await asyncio.wait_for(stop.wait(), EVERY_S)
        except TimeoutError:
            continue


def spent_of(folder: Path) -> Spent | None:
    """Give what was spent of the language model's budget today; None where none is kept."""
    if not folder.is_dir():
        return None
    return Budget(folder, 0.0, 0, now_ns).spent()
