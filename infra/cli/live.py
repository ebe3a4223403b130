"""The commands `demo`, `paper` and `record`: the desk over real sockets, next door or at the venue."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.core import Changes, ParamsFile, RetuneTo, Seed, get_ready, read_retune, read_settings, where
from infra.cli.failures import Misuse
from infra.cli.speech import AsJson, answer, note, say, table
from infra.ingest import FEEDS

if TYPE_CHECKING:
    from infra.bus.cluster import Cluster
    from infra.fast_state.port import FastState
    from infra.hedge.settings import HedgeSettings
    from infra.shell.plan import Plan

Out = Annotated[Path | None, typer.Option(metavar="DIR", help="The session's journal; goes on where one lies there.")]
Windows = Annotated[int, typer.Option(min=0, max=2016, help="End after so many have settled; 0: when stopped.")]
Plain = Annotated[bool, typer.Option("--plain", help="Lines instead of a screen, also on a terminal.")]
Cash = Annotated[float, typer.Option(min=0.0, max=1e9, metavar="USD", help="Play money that the session begins with.")]
Frames = Annotated[bool, typer.Option("--frames", help="Keep every frame's own bytes in the journal, too.")]
VenueAt = Annotated[
    Path | None, typer.Option("--venue", metavar="FILE", help="What `updown venue --write FILE` wrote: use that venue.")
]
HedgeAt = Annotated[
    str,
    typer.Option(
        "--hedge", metavar="WHERE", help="Hedge with a perpetual: off, paper, binance, bybit or okx; see [hedge]."
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Lift what halted the session of before; look into it first.")]
FeedsFrom = Annotated[
    str,
    typer.Option(
        "--feeds-from", metavar="HOST:PORT", help="Take frames off this bus, where `updown ingest` puts them."
    ),
]
FeedsPrefix = Annotated[
    str, typer.Option("--feeds-prefix", metavar="NAME", help="What the names of its topics begin with.")
]
FeedsClient = Annotated[
    Path | None,
    typer.Option("--feeds-client", metavar="FILE", help="NAME=VALUE lines for its Kafka client (ssl.*, sasl.*)."),
]
Share = Annotated[
    bool,
    typer.Option("--share", help="Trade beside other desks: each window is one desk's, by leases in UPDOWN_REDIS_URL."),
]
Minutes = Annotated[float, typer.Option(min=0.0, help="End after so many minutes; 0: when stopped.")]


def demo(
    windows: Windows = 4,
    minutes: Minutes = 0.0,
    speed: Annotated[float, typer.Option(min=0.1, max=500.0, help="How fast time runs: 1 is real time.")] = 20.0,
    market: Annotated[str, typer.Option(help="The market next door, by name: see `updown venue --help`.")] = "demo",
    seed: Seed = 4,
    out: Out = None,
    venue: VenueAt = None,
    params: ParamsFile = None,
    changes: Changes = None,
    cash: Cash = 100_000.0,
    faults: Annotated[Path | None, typer.Option(metavar="FILE", help="Faults at the venue next door, as TOML.")] = None,
    hedge: HedgeAt = "",
    retune: RetuneTo = "any",
    resume: Resume = False,
    feeds_from: FeedsFrom = "",
    feeds_prefix: FeedsPrefix = FEEDS,
    feeds_client: FeedsClient = None,
    share: Share = False,
    frames: Frames = False,
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Trade several windows next door, over real sockets.

    A venue of our own making is started on this machine, with its exchanges, its oracle and its crowd; the desk
    connects to it as it would to the real one, signs its orders, and trades with play money. No keys, no network. The
    session's journal replays to the byte: `updown replay` proves it.

    Example: updown demo --windows 6 --speed 30
    """
    settings, may = read_settings(params, changes), read_retune(retune)
    from infra.settings import read_hedge

    hedged = read_hedge(params, hedge)
    get_ready()
    from infra.shell.next_door import borrowed_venue, own_venue
    from infra.shell.plan import Plan
    from infra.version import code_name

    folder = out or Path("var/demo") / f"{market}-seed-{seed}-{_stamp()}"
    _hold_demo(folder, venue, faults)
    source = (
        borrowed_venue(venue)
        if venue is not None
        else own_venue(folder, market=market, speed=speed, seed=seed, windows=windows, cash_usd=cash, faults=faults)
    )
    with source as place, shared_store() as store:
        plan = Plan(
            mode="demo", addresses=place.addresses, clock=place.clock, folder=folder, params=settings,
            cash_micros=round(cash * 1e6), code=code_name(), seed=seed, windows=windows,
            seconds=minutes * 60.0, keep_frames=frames, key=place.key, wallet=place.wallet, resume=resume,
            hedge=hedged, hedge_keys=place.hedge_keys, retune=may, store=store, shares_windows=shares(share, store),
            feeds_from=feeds(feeds_from, feeds_prefix, feeds_client), ledger_dsn=ledger_dsn(),
        )  # fmt: skip
        told = run_plan(plan, plain=plain, as_json=as_json, venue="the venue next door", words=[place.words])
    show_session(told, as_json)


def _hold_demo(folder: Path, venue: Path | None, faults: Path | None) -> None:
    """Refuse a demo whose options do not fit each other."""
    from infra.journal.segments import is_journal

    if venue is not None and faults is not None:
        raise Misuse("--faults goes to the venue that this command starts; give it to `updown venue` instead")
    if venue is None and is_journal(folder):
        raise Misuse(f"{folder}: a demo was here, and its venue is gone; name a new folder, or go on with --venue FILE")


def paper(
    windows: Windows = 0,
    minutes: Minutes = 0.0,
    seed: Seed = 1,
    out: Out = None,
    venue: VenueAt = None,
    params: ParamsFile = None,
    changes: Changes = None,
    cash: Cash = 100_000.0,
    hedge: HedgeAt = "",
    retune: RetuneTo = "any",
    resume: Resume = False,
    feeds_from: FeedsFrom = "",
    feeds_prefix: FeedsPrefix = FEEDS,
    feeds_client: FeedsClient = None,
    share: Share = False,
    frames: Frames = False,
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Trade on paper over real feeds.

    Prices and books come from the real sockets; orders go to the matching model in this process, and nothing is ever
    sent. Needs the internet, and no key; with one in UPDOWN_PRIVATE_KEY the settlement prices come from PolyBolt.

    Example: updown paper --minutes 60 --params my.toml
    """
    settings, may = read_settings(params, changes), read_retune(retune)
    hedged = _on_paper(params, hedge)
    get_ready()
    plan = abroad("paper", settings, out, venue, params, windows, minutes, seed, cash, frames, resume=resume)
    with shared_store() as store:
        plan = replace(
            plan, hedge=hedged, retune=may, store=store, shares_windows=shares(share, store),
            feeds_from=feeds(feeds_from, feeds_prefix, feeds_client), ledger_dsn=ledger_dsn(),
        )  # fmt: skip
        told = run_plan(plan, plain=plain, as_json=as_json, venue="real feeds, the matching model as the venue")
    show_session(told, as_json)


def record(
    minutes: Minutes = 0.0,
    out: Out = None,
    venue: VenueAt = None,
    params: ParamsFile = None,
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Write real feeds down: frames as they came, and their rows.

    The journal can be backtested on (`updown backtest`), and the venue next door can replay it as a day. Needs the
    internet.

    Example: updown record --out var/recordings/today
    """
    settings = read_settings(params, None)
    get_ready(whole=False)
    plan = abroad("record", settings, out, venue, params, 0, minutes, 1, 0.0, frames=True)
    show_session(run_plan(plan, plain=plain, as_json=as_json, venue="real feeds"), as_json)


def _on_paper(params: Path | None, where: str) -> "HedgeSettings":
    """Give the hedge of a session that sends nothing: what a file wants at an exchange is done on paper."""
    from infra.hedge.settings import EXCHANGES, PAPER
    from infra.settings import read_hedge

    if where in EXCHANGES:
        raise Misuse(f"--hedge {where}: `updown paper` sends no orders; hedge with --hedge paper")
    told = read_hedge(params, where)
    return replace(told, where=PAPER) if told.where in EXCHANGES else told


def abroad(
    mode: str, settings: Any, out: Path | None, venue: Path | None, params: Path | None, windows: int, minutes: float,
    seed: int, cash_usd: float, frames: bool, resume: bool = False,
) -> "Plan":  # fmt: skip
    """Plan a session on real addresses, or on those of a venue next door that runs already."""
    import os

    from infra.shell.next_door import kept_key
    from infra.shell.plan import Plan
    from infra.venues.credentials import KEY_VARIABLE, key_from
    from infra.version import code_name

    key = key_from(os.environ) if os.environ.get(KEY_VARIABLE) else None
    addresses, clock = where(venue, params)
    if venue is not None:  # who we are there is kept beside its file, so that a restart is the same desk
        key = key or kept_key(venue.with_suffix(".key"))
    return Plan(
        mode=mode, addresses=addresses, clock=clock, folder=out or Path("var") / mode / _stamp(), params=settings,
        cash_micros=round(cash_usd * 1e6), code=code_name(), seed=seed, windows=windows, seconds=minutes * 60.0,
        keep_frames=frames, key=key, resume=resume,
    )  # fmt: skip


def feeds(servers: str, prefix: str, client: Path | None) -> "Cluster | None":
    """Give the bus that feeds a session; None where it has sockets of its own.

    Raises:
        Misuse: its library is not installed, or the client's file cannot be read.
    """
    if not servers:
        return None
    from importlib.util import find_spec

    from infra.bus.client_settings import client_settings
    from infra.bus.cluster import Cluster

    if find_spec("confluent_kafka") is None:
        raise Misuse("--feeds-from needs confluent-kafka: `uv sync --extra stack`")
    return Cluster(servers, prefix, settings=client_settings(client))


def ledger_dsn() -> str:
    """Give the database that keeps books, if the environment names one."""
    import os

    from infra.ledger.places import dsn_from

    return dsn_from(os.environ)


def shares(share: bool, store: "FastState | None") -> bool:
    """Hold that desks which share windows have something to share them by.

    Raises:
        Misuse: they have not.
    """
    if share and store is None:
        raise Misuse("--share needs a Redis that all desks use: set UPDOWN_REDIS_URL")
    return share


@contextmanager
def shared_store() -> "Iterator[FastState | None]":
    """Open the fast state that UPDOWN_REDIS_URL names; None where the session's is its own.

    Raises:
        Misuse: its library is not installed.
        SettingsRefused: the address is none.
    """
    import os
    import socket

    from infra.fast_state.settings import redis_from

    place = redis_from(os.environ)
    if place is None:
        yield None
        return
    try:
        from infra.fast_state.redis_store import RedisStore
    except ModuleNotFoundError:
        raise Misuse("UPDOWN_REDIS_URL is set and redis is not installed: `uv sync --extra stack`") from None
    with RedisStore(place, f"desk@{socket.gethostname()}") as store:
        yield store


def _stamp() -> str:
    """Name a folder by the time, to the second."""
    from datetime import UTC, datetime

    from infra.clock import now_ns

    return datetime.fromtimestamp(now_ns() // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H-%M-%SZ")


def run_plan(
    plan: "Plan", *, plain: bool, as_json: bool, venue: str, words: Any = (), money: str = "simulated"
) -> dict[str, Any]:
    """Live a session to its end, with a screen on a terminal and lines elsewhere; gives its summary."""
    import os

    import uvloop

    from infra.quiet import quiet
    from infra.shell.face import Face
    from infra.shell.live import live
    from infra.terminal.glance import Mode
    from infra.terminal.screen import Screen
    from infra.traces.child import tracer_beside

    began_ns = plan.clock.now_ns()
    mode = Mode(
        name=plan.mode, speed_ratio=plan.clock.speed_ratio, money=money, venue=venue, journal=str(plan.folder),
        began_ns=began_ns, began_cash_micros=plan.cash_micros,
    )  # fmt: skip

    async def run() -> dict[str, Any]:
        face = Face(mode, say=note if as_json else say)
        if not plain and not as_json and Screen.wanted(sys.stdout):
            async with Screen(sys.stdout) as screen:
                face.screen = screen
                await live(plan, face)
        else:
            await live(plan, face)
        return face.summary(words)

    # A recording decides nothing, so nothing of it is traced.
    traced = os.environ if plan.mode != "record" else {}
    with tracer_beside(plan.folder, traced, note), quiet():
        return uvloop.run(run())


def show_session(told: dict[str, Any], as_json: bool) -> None:
    """Say what a session came to."""
    if as_json:
        answer(told)
        return
    if "windows" not in told:
        say(f"{told['session']['mode']}: {told['frames']:,} frames, {told['rows']:,} rows")
        say(f"journal  {told['session']['journal']}")
        return
    from infra.terminal.summary import show_summary

    show_summary(told, say, table)
