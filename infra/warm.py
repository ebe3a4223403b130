"""Compile one part of the core into Numba's cache: what `infra.compile_cache` runs, side by side, in processes.

A compiler's process lives for a minute and frees nothing worth the search: the garbage collector stays off, and nobody
listens to Numba's own event reports.
"""

import gc
import sys
from typing import Any

import numpy as np
from numba.core import event


def warm_sides() -> None:
    """Compile what stands beside the hot loop: the matching model, the view and the fused desk."""
    from graph.fast import decide
    from graph.views import take_view
    from state.desk import Decision
    from state.events import EVENT, Event
    from state.exchange import Exchange
    from state.orders import Command
    from state.params import Params
    from state.records import one, rows
    from state.rulebook import REGISTRY
    from state.world import World
    from tools.exchange import open_exchange, run_until, submit
    from tools.parcels import poll

    exchange: Any = one(Exchange)
    open_exchange(exchange, 1, 0, REGISTRY)
    run_until(exchange, np.zeros(0, EVENT), 0, 0)
    submit(exchange, one(Command), 0)
    poll(exchange, 0, rows(Event, 1), 1)
    decision = one(Decision)
    take_view(one(World), 0, decision.market)
    decide(one(Params), decision)


def warm_core() -> None:
    """Compile the hot loop."""
    from graph.heart import receive, receive_mandate, receive_params
    from graph.worlds import new_world
    from state.desk import Mandate
    from state.events import Event
    from state.orders import COMMANDS, Command
    from state.params import default_params
    from state.records import one, rows
    from state.rulebook import REGISTRY

    world = new_world(default_params())
    commands: Any = rows(Command, COMMANDS)
    receive(world, one(Event), REGISTRY, commands)
    receive_mandate(world, one(Mandate), 0, commands)
    receive_params(world, default_params(), 0, 0, commands)


def warm_play() -> None:
    """Compile the backtest's loop over both."""
    from evals.backtest import run_backtest
    from state.params import default_params

    run_backtest([], default_params())


def _unheard(_: Any) -> None:
    """Hear no event."""


if __name__ == "__main__":
    gc.disable()
    event.broadcast = _unheard
    {"sides": warm_sides, "core": warm_core, "play": warm_play}[sys.argv[1]]()
