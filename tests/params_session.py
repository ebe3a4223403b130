"""A session whose parameters may be changed, driven by hand, and its asker on the other end of the file."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sessions import market, open_shell, stretch

from infra.shell.params_request import Answer, ChangeRefused, ask_change
from infra.shell.retuning import Retuning
from infra.shell.shell import Shell
from infra.venues.gate import Gate
from state.params import default_params
from state.units import NS_PER_S
from tools.retuning import Retune

ROWS = market(2)
OPENING = stretch(ROWS, -700.0, 12.0)
BEGUN_NS = int(OPENING["seen_ns"][0])
OPEN_NS = int(stretch(ROWS, 0.0, 1.0)["seen_ns"][0]) // NS_PER_S * NS_PER_S
CLOSE_NS = OPEN_NS + 300 * NS_PER_S
BEGAN = default_params()


@contextmanager
def session(folder: Path, *, allowed: Retune = Retune.ANY, **more: Any) -> Iterator[tuple[Shell, Retuning, Gate]]:
    """Open a session whose parameters may be changed, with a gate of its own."""
    shell, gate = open_shell(folder, BEGUN_NS, **more), Gate(BEGAN, BEGUN_NS)
    retuning = Retuning(shell, allowed, BEGAN, gate=gate)
    retuning.begin()
    try:
        yield shell, retuning, gate
    finally:
        shell.close()
        shell.session.close()


async def asked(retuning: Retuning, **changes: Any) -> Answer:
    """Ask as the supervisor does, from the file's other end, while the session looks for it."""
    core = retuning.core
    words: dict[str, Any] = {"receipt": f"r{len(changes)}", "before": core.params_hash, "why": "a test"}
    words |= {name: changes.pop(name) for name in (*tuple(words), "undoes") if name in changes}
    asking = asyncio.create_task(ask_change(retuning.folder, changes=changes, **words))
    while not asking.done():
        await retuning.look()
        await asyncio.sleep(0.001)
    return await asking


async def refused(retuning: Retuning, **changes: Any) -> str:
    with pytest.raises(ChangeRefused) as error:
        await asked(retuning, **changes)
    return error.value.code


def at(shell: Shell, second: float) -> None:
    """Let the clock show a second of the window, and a tick pass."""
    clock: Any = shell.clock
    clock.at_ns = OPEN_NS + round(second * NS_PER_S)
    shell.take([])


def pass_s(shell: Shell, seconds: float) -> None:
    """Let some seconds pass."""
    clock: Any = shell.clock
    clock.at_ns += round(seconds * NS_PER_S)
    shell.take([])


def in_force(shell: Shell, name: str) -> float:
    assert shell.core is not None
    assert float(shell.core.world["params"][name]) == float(shell.core.params[name])  # type: ignore[index]
    return float(shell.core.world["params"][name])
