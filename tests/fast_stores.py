"""Both stores of the fast state behind one way to open them: one process's own, and a real Redis server's."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from real_parts import program
from sessions import Hand

from infra.fast_state.in_process import InProcess
from infra.fast_state.port import FastState, Rate, Standing
from infra.fast_state.redis_store import RedisStore
from infra.fast_state.settings import place_of
from infra.stack.redis import INSTALL, PROGRAM, RedisHere
from state.units import NS_PER_MS


class Stage(Protocol):
    """A store with several doors, and how its time passes."""

    def door(self, name: str, share: float = 0.5) -> FastState: ...

    def pass_ms(self, span_ms: int) -> None: ...


@dataclass
class OneProcess:
    """Every door is the same store; time is a test's."""

    clock: Hand = field(default_factory=lambda: Hand(10**18))
    store: InProcess = field(init=False)

    def __post_init__(self) -> None:
        self.store = InProcess(self.clock)

    def door(self, name: str, share: float = 0.5) -> FastState:
        del name, share
        return self.store

    def pass_ms(self, span_ms: int) -> None:
        self.clock.at_ns += span_ms * NS_PER_MS


@dataclass
class Shared:
    """Every door is a client of one server; time is the server's."""

    server: RedisHere
    doors: ExitStack = field(default_factory=ExitStack)
    changes: list[Standing] = field(default_factory=list)

    def door(self, name: str, share: float = 0.5) -> RedisStore:
        store = RedisStore(place_of(self.server.url, share), name, self.changes.append)
        return self.doors.enter_context(store)

    def pass_ms(self, span_ms: int) -> None:
        time.sleep(span_ms / 1_000)


@contextmanager
def shared(folder: Path) -> Iterator[Shared]:
    """Run a real server, and close its doors before it."""
    with RedisHere(folder, program=str(program(PROGRAM, INSTALL))) as server:
        stage = Shared(server)
        with stage.doors:
            yield stage


def stages() -> list["pytest.ParameterSet"]:
    """Name both for a test's parameters."""
    return [pytest.param(False, id="in process"), pytest.param(True, id="redis")]


def until(is_so: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    """Wait for something that must come true; fails where it does not."""
    limit = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > limit:
            pytest.fail(f"not within {within_s:g} s: {what}")
        time.sleep(0.002)


@dataclass
class Taken:
    """A taking that succeeded: it happened between two moments, both of the machine's own clock."""

    before_ns: int
    after_ns: int


def take(store: FastState, rate: Rate) -> Taken | None:
    """Take one token, and say between when."""
    before_ns = time.monotonic_ns()
    if not store.take("orders", rate):
        return None
    return Taken(before_ns, time.monotonic_ns())


def over(takings: list[Taken], rate: Rate) -> float:
    """Give by how many tokens some span had more than the burst and what the rate brings in it; 0 or less: none had.

    A span is from where one taking may have begun to where another has ended, so what lies in it certainly was in it.
    """
    begun = np.array(sorted((each.before_ns, each.after_ns) for each in takings))
    worst = -np.inf
    for at in range(len(begun)):
        ends = np.sort(begun[at:, 1])
        most = rate.burst + rate.per_s * (ends - begun[at, 0]) / 1e9
        worst = max(worst, float((np.arange(1, len(ends) + 1) - most).max()))
    return worst
