"""The command `venue`: the venue next door, served until somebody ends it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.core import Seed, get_ready, tape_of
from infra.cli.failures import Misuse
from infra.cli.speech import AsJson, answer, note, say, table

if TYPE_CHECKING:
    from infra.venue_next_door.faults import Switch
    from infra.venue_next_door.markets import Market
    from infra.venue_next_door.server import VenueServer


def venue(
    speed: Annotated[float, typer.Option(min=0.1, max=500.0, help="How fast its time runs: 1 is real time.")] = 1.0,
    market: Annotated[
        str,
        typer.Option(metavar="NAME", help="demo, efficient, late-makers, point-makers, stale-quotes, busy or rushed."),
    ] = "demo",
    windows: Annotated[int, typer.Option(min=1, max=2016, help="Five-minute windows of a generated market.")] = 288,
    replay: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Play a recorded day instead: a journal or its folder.")
    ] = None,
    seed: Seed = 4,
    cash: Annotated[
        float, typer.Option("--cash-usd", min=0.0, max=1e9, metavar="USD", help="Play money of every new account.")
    ] = 100_000.0,
    faults: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="What shall go wrong, when: tables [[fault]].")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write addresses, clock and the admin's token, for you alone.")
    ] = None,
    today: Annotated[
        bool, typer.Option("--today", help="Set its clock to this machine's, for clients that go by their own.")
    ] = False,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when standard input ends, as it does when a parent dies.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Serve the venue next door.

    The venue's real protocols on loopback: catalogue, order book, user and market sockets, settlement prices,
    exchanges, chain and relayer, over a market of our own making or a recorded day. Every account opens with play
    money. Point any client at the addresses. Ends with Ctrl-C, or when the last window has settled.

    A fault script has tables [[fault]] with name, and if wanted where, at_s, for_s, value: at_s counts from the start.

    Example: updown venue --speed 20 --windows 6 --write var/venue.json
    """
    if write is not None and not write.resolve().parent.is_dir():
        raise Misuse(f"{write}: there is no folder {write.parent}; make it first")
    if faults is not None and not faults.is_file():
        raise Misuse(f"{faults}: no such file; write tables [[fault]] into it")
    get_ready()
    import uvloop

    from infra.clock import WALL
    from infra.quiet import quiet

    now_ns = WALL.now_ns() if today else 0
    played = _generated(market, windows, seed, speed, now_ns) if replay is None else _recorded(replay, now_ns)
    script = _script(faults, played.origin_ns)
    settings: dict[str, Any] = {"speed_ratio": speed, "seed": seed, "cash_micros": round(cash * 1e6), "script": script}
    with quiet():
        why = uvloop.run(_serve(played, settings, write, as_json=as_json, with_parent=with_parent))
    note(f"closed: {why}")


def _generated(name: str, windows: int, seed: int, speed_ratio: float, now_ns: int) -> "Market":
    from infra.venue_next_door.markets import generated_market

    try:
        return generated_market(name, windows=windows, seed=seed, speed_ratio=speed_ratio, now_ns=now_ns)
    except ValueError as error:
        raise Misuse(f"--market {name}: {error}") from None


def _recorded(folder: Path, now_ns: int) -> "Market":
    from infra.venue_next_door.markets import recorded_market

    return recorded_market(tape_of([folder]), folder, now_ns)


def _script(faults: Path | None, origin_ns: int) -> "list[Switch]":
    from infra.venue_next_door.fault_script import FaultRefused, read_script

    if faults is None:
        return []
    try:
        return read_script(faults, origin_ns)
    except FaultRefused as error:
        raise Misuse(str(error)) from None


async def _serve(
    market: "Market", settings: dict[str, Any], write: Path | None, *, as_json: bool, with_parent: bool
) -> str:
    """Run the venue until its market is over, a signal comes, or the parent goes; gives which."""
    import asyncio
    import signal

    from infra.venue_next_door.server import VenueServer

    loop = asyncio.get_running_loop()
    ending: asyncio.Future[str] = loop.create_future()

    def end(why: str) -> None:
        if not ending.done():
            ending.set_result(why)

    loop.add_signal_handler(signal.SIGINT, end, "interrupted")
    loop.add_signal_handler(signal.SIGTERM, end, "asked to end")
    watch = asyncio.create_task(_stdin_ends(end)) if with_parent else None
    async with VenueServer.open(market, **settings) as server:
        _tell(server, write, as_json)
        over = asyncio.create_task(server.over())
        try:
            await asyncio.wait([over, ending], return_when=asyncio.FIRST_COMPLETED)
            return over.result() if over.done() else ending.result()
        finally:
            for task in (over, watch):
                if task is not None:
                    task.cancel()
            _take_back(write)


async def _stdin_ends(end: "Callable[[str], None]") -> None:
    """Say so when nobody holds the other end of standard input any more."""
    import asyncio

    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(4096):
        pass
    end("the parent has gone")


def _tell(server: "VenueServer", write: Path | None, as_json: bool) -> None:
    """Say where everything is; the file comes last, so that who waits for it finds all servers up."""
    from dataclasses import asdict

    from infra.venue_next_door.files import write_venue_file

    told = server.file()
    if as_json:
        answer({name: its for name, its in asdict(told).items() if name != "token"})
    else:
        say(f"{told.market}, at {told.speed_ratio:g} times real time")
        table(("server", "address"), [*asdict(told.addresses).items(), ("admin", told.admin)])
    if write is not None:
        write_venue_file(write, told)
        if not as_json:
            say(f"\nclients on this machine read {write.resolve()}")
    sys.stdout.flush()


def _take_back(write: Path | None) -> None:
    """Remove the file of a venue that ends."""
    if write is not None:
        write.unlink(missing_ok=True)
