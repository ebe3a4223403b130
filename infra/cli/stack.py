"""The command `stack`: the desk as several processes over Kafka, PostgreSQL and Redis, from what this machine has."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.core import Seed, get_ready
from infra.cli.failures import Exit, Misuse
from infra.cli.speech import AsJson, answer, note, say

if TYPE_CHECKING:
    from infra.stack.local import LocalStack

TOLD_S = 30.0


def stack(
    windows: Annotated[int, typer.Option(min=1, max=2016, help="End after so many have settled.")] = 3,
    speed: Annotated[float, typer.Option(min=0.1, max=60.0, help="How fast time runs: 1 is real time.")] = 10.0,
    market: Annotated[str, typer.Option(help="The market next door, by name: see `updown venue --help`.")] = "demo",
    seed: Seed = 4,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="All that it writes; must be new.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a demo as several processes over real servers, without containers.

    Starts Apache Kafka, PostgreSQL and Redis of this machine on loopback, then a venue next door, a desk, a tee of its
    journal to Kafka, an archive of it in PostgreSQL, and its metrics, each a process of its own. Ctrl-C ends it in good
    order. Needs: apt install openjdk-17-jre-headless maven postgresql redis-server; Maven fetches Kafka once.

    Example: updown stack --windows 3
    """
    from infra.clock import now_ns

    folder = out or Path("var") / "stack" / str(now_ns() // 1_000_000_000)
    if folder.exists() and any(folder.iterdir()):
        raise Misuse(f"{folder}: already there; name a new folder")
    get_ready()
    from infra.stack.local import LocalStack, StackPlan

    running = LocalStack(folder, StackPlan(market=market, speed=speed, windows=windows, seed=seed))
    try:
        note("starting Kafka, PostgreSQL, Redis, and five processes of ours ...")
        running.start()
        for line in _addresses(running):
            note(line)
        _follow(running)
        running.finish()
        told = {name: running.processes[name].told() for name in ("desk", "tee", "archive")}
    finally:
        running.close()
    if as_json:
        answer({"folder": str(folder), **told})
    else:
        for line in _words(folder, told):
            say(line)
    if told["tee"]["lag_items_count"] or told["archive"]["lag_items"]:
        raise typer.Exit(int(Exit.DOES_NOT_HOLD))


def _addresses(running: "LocalStack") -> list[str]:
    limit = time.monotonic() + TOLD_S
    metrics = running.processes["metrics"]
    while not metrics.said.read_text() and not metrics.is_over and time.monotonic() < limit:
        time.sleep(0.1)
    shown = metrics.told().get("metrics") if metrics.said.read_text() else None
    if not shown:
        shown = f"not up: {metrics.last_words}" if metrics.is_over else f"still starting, see {metrics.said}"
    return [
        f"Kafka {running.kafka.bootstrap}, PostgreSQL {running.postgres.dsn()}, Redis {running.redis.url}",
        f"metrics {shown}, journal {running.journal}; Ctrl-C ends it",
    ]


def _follow(running: "LocalStack") -> None:
    """Wait for the desk's end; an interrupt ends it."""
    try:
        while not running.desk.is_over:
            time.sleep(0.2)
    except KeyboardInterrupt:
        running.desk.stop()


def _words(folder: Path, told: dict[str, Any]) -> list[str]:
    desk, tee, archive = told["desk"], told["tee"], told["archive"]
    return [
        f"desk: {desk['windows']['settled']} windows settled, {desk['orders']['placed']} orders",
        f"bus: {tee['items_count']:,} items in {tee['messages_count']:,} messages, {tee['lag_items_count']} behind",
        f"database: {archive['rows']:,} rows of {archive['items']:,} items, {archive['lag_items']} behind",
        f"all of it lies in {folder}; the journal replays: updown replay {folder}/journal",
    ]
