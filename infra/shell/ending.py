"""How a session ends: told to by a signal, everything pulled and seen gone, merges waited for, all of it bounded."""

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from infra.clock import monotonic_ns
from infra.shell.core import Core
from infra.shell.shell import Shell
from infra.venues.gateway import Gateway
from infra.venues.pulling import pull_everything
from infra.venues.rest import Rest
from state.events import Word
from state.orders import OrderState
from state.units import NS_PER_S

FAREWELL_S: Final = 3.0
"""How long a stop waits for the venue to take our orders out, in real time."""
MERGE_FAREWELL_S: Final = 15.0
"""And for a merge to be done, whose orders are out by then."""


async def wind_down(shell: Shell, gateway: Gateway | None) -> None:
    """Pull every order and wait until the venue has said so, or as long as a stop may take."""
    if shell.core is None:
        return
    shell.say(Word.LEAVE)
    until_ns = monotonic_ns() + int(FAREWELL_S * NS_PER_S)
    while monotonic_ns() < until_ns and has_open_orders(shell.core):
        await shell.intake.wait(shell.clock.now_ns() + int(0.02 * NS_PER_S * shell.clock.speed_ratio))
        shell.take(shell.intake.drain(64))
    if gateway is not None:
        await see_merged(shell, gateway)


async def see_pulled(shell: Shell, gateway: Gateway, rest: Rest) -> str:
    """Cancel all at the venue and see it gone, as long as a stop may take; says what may rest there, if anything."""
    pulled = await pull_everything(rest, gateway.cancel_all, FAREWELL_S)
    shell.take(shell.intake.drain(1 << 20))
    note = {"pulled": pulled.is_verified, "open": pulled.open_count, "words": pulled.words}
    shell.session.note(note, shell.clock.now_ns())
    return "" if pulled.is_verified else f"orders may rest at the venue: {pulled.words}; `updown kill` cancels them"


async def see_merged(shell: Shell, gateway: Gateway) -> None:
    """Wait a while for merges under way: what is not heard of now is for the next start to find out."""
    until_ns = monotonic_ns() + int(MERGE_FAREWELL_S * NS_PER_S)
    while gateway.merges_count and monotonic_ns() < until_ns:
        await shell.intake.wait(shell.clock.now_ns() + int(0.02 * NS_PER_S * shell.clock.speed_ratio))
        shell.take(shell.intake.drain(64))


def has_open_orders(core: Core) -> bool:
    """Say whether any order of ours may still match."""
    return bool((core.worlds["orders"][0]["state_code"] != OrderState.NONE).any())


class stopped_by_signals:
    """Let Ctrl-C and SIGTERM ask for a graceful stop; a second one stops at once."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(each, self._asked, each)

    def _asked(self, which: int) -> None:
        asyncio.get_running_loop().remove_signal_handler(which)
        self._stop.set()

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(each)


def still_halted(mode: str, folder: Path, why: str) -> str:
    """Say in a line that a session is halted from its start, why, and what lifts that."""
    if mode == "live":
        mend = f"look into it, then `updown arm --limit-usd N --resume --journal {folder}`"
    else:
        mend = "look into it, then start it with --resume"
    return f"halted: {why}; nothing but cancels leaves; {mend}"
