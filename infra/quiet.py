"""Who goes first: a quiet process, with fewer pauses of its own making, and those beside it that give way to it."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

YOUNG: Final = 20_000
"""Objects made before the collector looks at the young ones; its default, 700 to 2,000, is one message's worth."""
SWITCH_S: Final = 0.00005
"""After so long a thread hands over to one that waits; by default it keeps it waiting for 5 ms.

So short that the journal's thread sends the disk to work while an order is being signed, not when it has been."""
LAST: Final = 19


def give_way() -> None:
    """Take only what the desk and everybody else leave of the processors, in this thread and those it begins."""
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except (AttributeError, OSError):  # another system, or one that does not let us
        os.nice(LAST)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the collector away from all that is loaded by now, and background threads from holding up the loop.

    Entered once, when a process has loaded what it needs and before it serves. At its end all is given back to the
    collector: libraries that look for leaks as the interpreter ends would find everything that is frozen.
    """
    threshold, switch_s = gc.get_threshold(), sys.getswitchinterval()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)
        sys.setswitchinterval(switch_s)
