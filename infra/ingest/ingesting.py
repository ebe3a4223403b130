"""Running an ingest: a recording of the feeds with its tee in a thread beside it; both live and die together."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from infra.bus.tee import Teed
from infra.bus.teeing import TeeRun

POLL_S: Final = 0.005
"""A desk waits for what is published, so the journal is read on ten times as often as by a tee beside a desk."""
_PIECE_BYTES: Final = 65_536


@dataclass(slots=True)
class Beside:
    """A tee in a thread of its own."""

    run: TeeRun
    teed: Teed | None = None
    error: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def publish(self) -> None:
        """Publish until told to end; whatever ends it sooner ends the recording, too."""
        try:
            self.teed = self.run.run()
        except Exception as error:  # boundary: it is raised again in the thread that ends the recording
            self.error = error
        if not self.ended.is_set():
            os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def published(run: TeeRun) -> Iterator[Beside]:
    """Publish a journal while the block writes it; what the block left is published before this ends.

    Raises:
        BusRefused, JournalDamaged, ...: as `TeeRun.run`, when the block has ended.
    """
    beside = Beside(run)
    beside.run = replace(run, over=beside.ended.is_set, poll_s=POLL_S)
    thread = threading.Thread(target=beside.publish, name="tee", daemon=True)
    thread.start()
    try:
        yield beside
    finally:
        beside.ended.set()
        thread.join()
    if beside.error is not None:
        raise beside.error


def end_with_parent() -> None:
    """Ask this process to end when its standard input does, as it does when a parent dies."""

    def wait() -> None:
        while os.read(0, _PIECE_BYTES):  # the file itself: its reader's lock would outlive this thread
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
