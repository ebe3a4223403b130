"""The command `ingest`: hear the feeds once, write them down, and publish them for desks in other processes."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from infra.cli.bus import Prefix, Settings
from infra.cli.core import ParamsFile, get_ready, read_settings
from infra.cli.failures import Exit
from infra.cli.live import Minutes, Out, VenueAt, abroad, run_plan
from infra.cli.speech import AsJson, answer, note, say
from infra.ingest import FEEDS


def ingest(
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="A Kafka broker, or several with commas.")],
    out: Out = None,
    venue: VenueAt = None,
    minutes: Minutes = 0.0,
    prefix: Prefix = FEEDS,
    client: Settings = None,
    params: ParamsFile = None,
    deadline: Annotated[float, typer.Option(min=0.0, help="Seconds that brokers are waited for at the end.")] = 30.0,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when standard input ends, as it does when a parent dies.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hear the feeds once for several desks, and publish their frames on a Kafka bus.

    A recording of the feeds (`updown record`) with a tee: its journal is the buffer while brokers are away, and can be
    backtested on. Desks take the frames with `--feeds-from HOST:PORT`; their orders, and news of them, go between them
    and the venue. It sends no order and needs no key that signs orders; with one in UPDOWN_PRIVATE_KEY settlement
    prices come from PolyBolt. Needs the internet, or --venue. Exits with 1 when something is left behind.

    Example: updown ingest --to 127.0.0.1:9092 --venue var/venue.json
    """
    settings = read_settings(params, None)
    get_ready(whole=False)
    from infra.bus.client_settings import client_settings
    from infra.bus.cluster import Cluster
    from infra.bus.teeing import TeeRun
    from infra.ingest.ingesting import end_with_parent, published

    plan = abroad("record", settings, out, venue, params, 0, minutes, 1, 0.0, frames=True)
    cluster = Cluster(to, prefix, settings=client_settings(client))
    if with_parent:
        end_with_parent()
    with published(TeeRun(plan.folder, cluster, "", None, deadline, note)) as beside:
        told: dict[str, Any] = run_plan(plan, plain=True, as_json=as_json, venue="real feeds")
    assert beside.teed is not None, "a tee that failed has raised"
    if as_json:
        answer(told | {"tee": asdict(beside.teed)})
    else:
        say(f"ingest: {told['frames']:,} frames; {beside.teed.words}")
        say(f"journal  {told['session']['journal']}")
    if beside.teed.lag_items_count:
        raise typer.Exit(int(Exit.DOES_NOT_HOLD))
