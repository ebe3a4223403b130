"""Arming: what an operator's word allows and forbids, and the limit that he armed the desk with.

Every word that stops the desk stands by itself: lifting one leaves the others. What the world calls halted is the
gravest of them. A desk that was never told to observe is armed without a limit: paper, rehearsal and backtest begin so;
a live one is told DISARM first of all.
"""

from typing import Final

from state.compiled import compiled
from state.events import Event, Word
from state.world import World

_HALT: Final = 1 << int(Word.HALT)
_PULL_ALL: Final = 1 << int(Word.PULL_ALL)
_DISARM: Final = 1 << int(Word.DISARM)
_KILL: Final = 1 << int(Word.KILL)
_LEAVE: Final = 1 << int(Word.LEAVE)


@compiled
def apply_word(world: World, event: Event) -> None:
    """Do as an operator says; a word that is none, and arming without a limit, are counted and change nothing."""
    word = int(event.code_id)
    if word == Word.RESUME:
        world.stops_mask &= ~(_HALT | _PULL_ALL)
    elif word == Word.RETURN:
        world.stops_mask &= ~_LEAVE
    elif word == Word.ARM and event.ref_id > 0:
        world.stops_mask &= ~(_DISARM | _KILL)
        world.armed_micros = event.ref_id
    elif word == Word.KILL or word == Word.DISARM:
        world.stops_mask |= 1 << word
        world.armed_micros = 0
    elif word == Word.HALT or word == Word.PULL_ALL or word == Word.LEAVE:
        world.stops_mask |= 1 << word
    else:
        world.refused_count += 1
    world.halted_code = _gravest(int(world.stops_mask))


@compiled
def _gravest(stops_mask: int) -> int:
    if stops_mask & _KILL:
        return int(Word.KILL)
    if stops_mask & _DISARM:
        return int(Word.DISARM)
    if stops_mask & _PULL_ALL:
        return int(Word.PULL_ALL)
    if stops_mask & _HALT:
        return int(Word.HALT)
    return int(Word.LEAVE) if stops_mask & _LEAVE else 0
