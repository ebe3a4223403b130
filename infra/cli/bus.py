"""The commands `tee` and `untee`: a journal onto a Kafka bus beside the desk, and back into a journal."""

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.endings import over
from infra.cli.failures import Exit, Misuse
from infra.cli.speech import AsJson, answer, note, progress, say

Prefix = Annotated[str, typer.Option(metavar="NAME", help="What the topics' names begin with.")]
Settings = Annotated[
    Path | None,
    typer.Option("--client", metavar="FILE", help="NAME=VALUE lines for the Kafka client (ssl.*, sasl.*)."),
]
JournalId = Annotated[str, typer.Option("--journal-id", metavar="ID", help="The journal's name on the bus.")]


def tee(
    journal: Annotated[Path, typer.Option("--journal", metavar="DIR", help="A journal, finished or still growing.")],
    to: Annotated[str, typer.Option("--to", metavar="HOST:PORT", help="A Kafka broker, or several with commas.")],
    follow: Annotated[
        bool, typer.Option("--follow/--once", help="Go on as it grows, until interrupted; or end with what is there.")
    ] = True,
    journal_id: JournalId = "",
    prefix: Prefix = "updown",
    client: Settings = None,
    deadline: Annotated[
        float, typer.Option(min=0.0, help="Seconds that brokers are waited for at the end, and by --once.")
    ] = 30.0,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when standard input ends, as it does when a parent dies.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a journal on a Kafka bus.

    A process of its own that reads what the desk wrote down anyway: the desk never waits for the bus. While brokers are
    away the journal is the buffer, and nothing is dropped. After a crash it goes on from what the brokers hold. Topics:
    PREFIX.frames, .events, .decisions, .orders, .params, .notes. Exits with 1 when something is left behind.

    Example: updown tee --journal var/demo/today --to 127.0.0.1:9092
    """
    from infra.bus.client_settings import client_settings
    from infra.bus.cluster import Cluster
    from infra.bus.teeing import TeeRun
    from infra.journal.segments import is_journal

    if not follow and not is_journal(journal):
        raise Misuse(f"{journal}: no journal; name the folder that holds 000001.journal")
    is_over = over(with_parent).is_set if follow else None
    cluster = Cluster(to, prefix, settings=client_settings(client))
    told = TeeRun(journal, cluster, journal_id, is_over, deadline, note).run()
    answer(told.as_plain()) if as_json else say(told.words)
    if told.lag_items_count:
        raise typer.Exit(int(Exit.DOES_NOT_HOLD))


def untee(
    source: Annotated[str, typer.Option("--from", metavar="HOST:PORT", help="A Kafka broker, or several with commas.")],
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder of the journal; must not be there yet.")],
    journal_id: JournalId = "",
    prefix: Prefix = "updown",
    client: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Make a journal again from what a bus holds of it.

    Every item comes back under its number, byte for byte, so `updown replay DIR` gives the same hashes as the journal
    that was published. Exits with 3 at the first item that is missing.

    Example: updown untee --from 127.0.0.1:9092 --journal-id 1f6c09a3b2d4e587 --to var/restored
    """
    from infra.bus.client_settings import client_settings
    from infra.bus.cluster import Cluster, partitions_of
    from infra.bus.kafka_reading import held
    from infra.bus.restoring import journals_held, restore

    cluster = Cluster(source, prefix, settings=client_settings(client))
    partitions = partitions_of(cluster)
    if not partitions:
        raise Misuse(f"{source} has no topics that begin with {prefix}.; name another --prefix")
    if not journal_id:
        names = journals_held(held(cluster, partitions))
        raise Misuse(f"name one of the journals there with --journal-id: {', '.join(names) or 'none is there'}")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise Misuse(f"{to}: already there; name a new folder, or take this one away first")
    with progress("reading") as share:
        told = restore(held(cluster, partitions, share), journal_id, to)
    answer(told.as_plain()) if as_json else say(told.words)
