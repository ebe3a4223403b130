"""The hot loop: one event in, commands out. Live, paper, rehearsal, backtest and replay all call this."""

from typing import Any

from numpy.typing import NDArray

from graph.advance import ALL_SLOTS, NO_SLOT, advance, pass_time
from graph.mandates import accept_mandate, change_params
from graph.screen import screen
from state.compiled import compiled
from state.desk import Mandate
from state.events import Event
from state.orders import Command
from state.params import Params
from state.records import Rows
from state.world import SLOTS, World


@compiled
def receive(world: World, event: Event, rulebook: NDArray[Any], commands: Rows[Command]) -> int:
    """Apply one event and look at what it touched; give the number of commands written from row 0 on."""
    slot = advance(world, event, rulebook)
    if slot == NO_SLOT:
        return 0
    if slot != ALL_SLOTS:
        return screen(world, slot, commands, 0)
    return _screen_all(world, commands)


@compiled
def _screen_all(world: World, commands: Rows[Command]) -> int:
    count = 0
    for slot in range(SLOTS):
        count = screen(world, slot, commands, count)
    return count


@compiled
def receive_rows(
    worlds: Rows[World], events: Rows[Event], count: int, rulebook: NDArray[Any], commands: Rows[Command]
) -> int:
    """Receive the first `count` rows of a frame, for callers in Python: arrays cross over cheaply, records do not.

    Stops early when a row's commands leave no room for another's; the caller must do them and call again for the rest.
    Gives the number of commands, which all stem from the last row received; `worlds[0].event_seq` tells which.
    """
    for row in range(count):
        written = receive(worlds[0], events[row], rulebook, commands)
        if written > 0:
            return written
    return 0


@compiled
def receive_mandate(world: World, mandate: Mandate, seen_ns: int, commands: Rows[Command]) -> int:
    """Let a mandate stand from `seen_ns` on, and look at its market at once."""
    world.event_seq += 1
    if seen_ns > world.now_ns:
        world.now_ns = seen_ns
    slot = int(mandate.slot_id)
    if not accept_mandate(world, slot, mandate):
        return 0
    return screen(world, slot, commands, 0)


@compiled
def receive_params(world: World, params: Params, params_hash: int, seen_ns: int, commands: Rows[Command]) -> int:
    """Put new parameters in force from `seen_ns` on, and look at every market at once.

    Time passes first, so that at a boundary a window that has closed is no longer looked at.
    """
    world.event_seq += 1
    if seen_ns > world.now_ns:
        world.now_ns = seen_ns
        pass_time(world)
    change_params(world, params, params_hash)
    return _screen_all(world, commands)
