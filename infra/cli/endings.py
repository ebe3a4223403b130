"""How a command that follows something hears that it is over: an interrupt, or the end of its input."""

import os
import signal
import threading
from typing import Final

_PIECE_BYTES: Final = 65_536


def over(with_parent: bool) -> threading.Event:
    """Give what is set when there is nothing more to follow: a parent that is gone, or an interrupt."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    if with_parent:

        def wait() -> None:
            while os.read(0, _PIECE_BYTES):  # the file itself: its reader's lock would outlive this thread
                pass
            ended.set()

        threading.Thread(target=wait, name="parent", daemon=True).start()
    return ended
