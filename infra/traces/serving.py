"""Serve a sink: for a command until it is ended, or beside a test or a proof in a thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

from infra.quiet import give_way
from infra.traces.sink import HOST, Sink

UP_S: Final = 30.0


async def serve(sink: Sink, port: int, ready: "asyncio.Future[int]", stop: asyncio.Event) -> None:
    """Serve until told to stop; `ready` gets the port, which is drawn by the system when 0 is asked for."""
    # The sink unpacks for itself: the server would need one more package for zstd, and knows no bound.
    runner = web.AppRunner(sink.app(), access_log=None, auto_decompress=False)
    sink.open()
    try:
        await runner.setup()
        site = web.TCPSite(runner, HOST, port)
        await site.start()
        ready.set_result(int(runner.addresses[0][1]))
        await stop.wait()
    finally:
        await runner.cleanup()
        sink.close()


@contextmanager
def sink_beside(folder: Path, *, gives_way: bool = False) -> Iterator[tuple[str, Sink]]:
    """Serve a sink in a thread while the block lasts; gives its address and itself.

    Args:
        folder: where it keeps what comes.
        gives_way: take only what all others leave of the processors, as a collector on another machine would.
    """
    sink = Sink(folder)
    up = threading.Event()
    ports: list[int] = []
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        task = asyncio.create_task(serve(sink, 0, ready, stop))
        ports.append(await ready)
        ends.append((asyncio.get_running_loop(), stop))
        up.set()
        await task

    def work() -> None:
        if gives_way:
            give_way()
        asyncio.run(run())

    thread = threading.Thread(target=work, name="sink", daemon=True)
    thread.start()
    assert up.wait(UP_S), "the sink came up"
    try:
        yield f"http://{HOST}:{ports[0]}", sink
    finally:
        for loop, stop in ends:
            loop.call_soon_threadsafe(stop.set)
        thread.join(UP_S)
