"""A sweep's cells on this machine: a crew of processes, and what is done when one of them dies."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final

from infra.sweep.player import answer, settle_in

DIED: Final = "the process that played it died (no memory left, or a fault of ours)"

Request = dict[str, Any]
Answer = dict[str, Any]
Play = Callable[[Request], Answer]


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def played_here(requests: Iterable[Request], workers: int, play: Play = answer) -> Iterator[tuple[Request, Answer]]:
    """Play cells in processes of this machine and give each with its answer, as they are done.

    A process that dies takes all in flight with it and says nothing of which killed it. So these are played again, each
    alone, and only one that dies alone has failed.

    Args:
        requests: what `play` is given; taken only as processes are free.
        workers: processes.
        play: what they do; importable by name.
    """
    coming = iter(requests)
    while True:
        suspects: list[Request] = []
        yield from _crew(coming, workers, play, suspects)
        if not suspects:
            return
        for suspect in suspects:
            dead: list[Request] = []
            yield from _crew(iter([suspect]), 1, play, dead)
            for request in dead:
                yield request, {"failed": DIED}


def _crew(
    coming: Iterator[Request], workers: int, play: Play, suspects: list[Request]
) -> Iterator[tuple[Request, Answer]]:
    """Play until all is done or the crew is broken; what was in flight then is left among the suspects."""
    spawn = multiprocessing.get_context("spawn")
    flying: dict[Future[Answer], Request] = {}
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=settle_in)
    broken = False
    try:
        while not broken:
            for request in coming:
                flying[pool.submit(play, request)] = request
                if len(flying) >= workers:
                    break
            if not flying:
                return
            for done in wait(flying, return_when=FIRST_COMPLETED).done:
                request = flying.pop(done)
                if isinstance(done.exception(), BrokenProcessPool):
                    suspects.append(request)
                    broken = True
                else:
                    yield request, done.result()
        suspects += flying.values()
    finally:
        if flying and not broken:  # left in the middle: nobody waits for what they still play
            for process in list((pool._processes or {}).values()):
                process.kill()
        pool.shutdown(cancel_futures=True)
