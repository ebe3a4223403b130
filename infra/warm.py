"""Compile one part of the core into Numba's cache: what `infra.compile_cache` runs, side by side, in processes."""

import sys
from typing import Any

import numpy as np


def warm_venue() -> None:
    """Compile the matching model."""
    from state.events import EVENT, Event
    from state.exchange import Exchange
    from state.orders import Command
    from state.records import one, rows
    from state.rulebook import REGISTRY
    from tools.exchange import open_exchange, run_until, submit
    from tools.parcels import poll

    exchange: Any = one(Exchange)
    open_exchange(exchange, 1, 0, REGISTRY)
    run_until(exchange, np.zeros(0, EVENT), 0, 0)
    submit(exchange, one(Command), 0)
    poll(exchange, 0, rows(Event, 1), 1)


def warm_core() -> None:
    """Compile the hot loop, the view and the fused desk."""
    from graph.fast import decide
    from graph.heart import receive, receive_mandate
    from graph.views import take_view
    from graph.worlds import new_world
    from state.desk import Decision, Mandate
    from state.events import Event
    from state.orders import Command
    from state.params import default_params
    from state.records import one, rows
    from state.rulebook import REGISTRY

    world = new_world(default_params())
    commands: Any = rows(Command, 64)
    receive(world, one(Event), REGISTRY, commands)
    receive_mandate(world, one(Mandate), 0, commands)
    decision = one(Decision)
    take_view(world, 0, decision.market)
    decide(world.params, decision)


def warm_play() -> None:
    """Compile the backtest's loop over both."""
    from evals.backtest import run_backtest
    from state.params import default_params

    run_backtest([], default_params())


if __name__ == "__main__":
    {"venue": warm_venue, "core": warm_core, "play": warm_play}[sys.argv[1]]()
