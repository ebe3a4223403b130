"""What runs beside the shell: when it fails the session ends, and says with what."""

import asyncio
from typing import Any

import pytest
from sessions import Hand

from infra.shell.parts import begin_part
from infra.shell.shell import Shell
from infra.streams.intake import Intake


class Silent:
    """A journal that nobody reads."""

    def rows(self, *_: Any) -> None:
        """Write nothing."""


def a_shell() -> Shell:
    clock = Hand(10**9)
    journal: Any = Silent()
    return Shell(clock=clock, intake=Intake(clock), session=journal, core=None)


@pytest.mark.parametrize("early", [True, False])
def test_a_part_that_fails_ends_the_session_with_its_fault(early: bool) -> None:
    """Nobody would look again for the operator's words, or at the file KILL: a desk that goes on would be deaf."""

    async def deaf() -> None:
        await asyncio.sleep(0)
        raise PermissionError("a file of root's")

    async def run() -> None:
        shell = a_shell()
        part = begin_part(shell if early else lambda: shell, deaf())
        with pytest.raises(PermissionError, match="a file of root's"):
            await asyncio.wait_for(shell.run(asyncio.Event()), 10.0)
        assert part.done()

    asyncio.run(run())


def test_a_part_that_is_cancelled_or_done_ends_nothing() -> None:
    async def run() -> None:
        shell = a_shell()
        done, endless = begin_part(shell, asyncio.sleep(0)), begin_part(shell, asyncio.sleep(3_600))
        await done
        endless.cancel()
        await asyncio.gather(endless, return_exceptions=True)
        await asyncio.sleep(0)
        assert shell.fault is None

    asyncio.run(run())
