"""The command `metrics`: how a session does, for Prometheus, and alerts for people, beside the desk and below it."""

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.core import get_ready
from infra.cli.speech import AsJson, note


def metrics(
    journal: Annotated[Path, typer.Option("--journal", metavar="DIR", help="The session to follow.")],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Of /metrics on 127.0.0.1; 0: any.")] = 9464,
    model_budget: Annotated[
        Path, typer.Option("--model-budget", metavar="DIR", help="Where the language model's budget is kept.")
    ] = Path("var/model"),
    as_json: AsJson = False,
) -> None:
    """Serve a session's metrics, and send alerts.

    Follows the session's journal as it grows, in this process alone: the desk knows nothing of it. Serves Prometheus'
    text at http://127.0.0.1:9464/metrics. When the desk halts, a feed goes stale, a limit is nearly used, the shared
    fast state goes away or the journal stops growing, that is said here once, and once more when it is over; it is also
    sent to UPDOWN_ALERT_WEBHOOK, UPDOWN_ALERT_SLACK, and UPDOWN_ALERT_TELEGRAM_TOKEN with UPDOWN_ALERT_TELEGRAM_CHAT,
    as far as they are set. Ends with Ctrl-C.

    Example: updown metrics --journal var/live
    """
    import asyncio
    import json
    import os

    from infra.alerts.settings import receivers_from
    from infra.quiet import give_way

    receivers = receivers_from(os.environ)
    get_ready()
    give_way()
    from infra.alerts.sender import AlertSender
    from infra.metrics.exporter import HOST, Exporter
    from infra.metrics.following import follow
    from infra.metrics.watched import Watched
    from infra.shell.ending import stopped_by_signals

    watched, exporter = Watched(journal), Exporter()
    bound, _ = exporter.serve(port)

    async def run() -> None:
        stop = asyncio.Event()
        with stopped_by_signals(stop):
            async with AlertSender(receivers, note) as sender:
                if as_json:
                    print(json.dumps({"metrics": f"http://{HOST}:{bound}/metrics"}), flush=True)
                told = ", ".join(str(each.kind) for each in receivers) or "nobody; set UPDOWN_ALERT_WEBHOOK"
                note(f"metrics of {journal} at http://{HOST}:{bound}/metrics; alerts go to {told}; end with Ctrl-C")
                await follow(watched, journal.name, exporter, sender, model_budget, stop, note)

    asyncio.run(run())
