"""The commands `trace` and `traces`: send a session's traces, collect them on this machine, and look at them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from infra.cli.core import get_ready
from infra.cli.endings import over
from infra.cli.failures import Exit, Misuse
from infra.cli.speech import AsJson, answer, note, progress, say

if TYPE_CHECKING:
    from infra.traces.kept import KeptRun

HOME: Final = Path("var/traces")

Journal = Annotated[
    Path | None, typer.Option("--journal", metavar="DIR", help="A session's journal, finished or still growing.")
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where a sink keeps traces.")]


def trace(
    journal: Journal = None,
    run: Annotated[Path | None, typer.Option("--run", metavar="DIR", help="A backtest's run instead.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as it grows, until interrupted.")] = False,
    share: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Share of those that neither traded nor nearly did.")
    ] = None,
    deadline: Annotated[float, typer.Option(min=0.0, help="Seconds that unsent traces may take at the end.")] = 30.0,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when standard input ends, as it does when a parent dies.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send the decisions of a session as traces.

    One run tree for each decision that traded or nearly did, and a share of the others; what became of it follows as
    feedback when its window has settled. Goes where the usual variables say: LANGSMITH_ENDPOINT, LANGSMITH_API_KEY,
    LANGSMITH_PROJECT, or OTEL_EXPORTER_OTLP_ENDPOINT with LANGSMITH_TRACING_MODE=otel. With LANGSMITH_TRACING=true the
    sessions of demo, paper and live start this themselves. Sending the same journal twice sends the same ids.

    Example: updown traces sink &  LANGSMITH_ENDPOINT=http://127.0.0.1:1984 updown trace --journal var/demo/today
    """
    if (journal is None) == (run is None):
        raise Misuse("name what to trace: --journal DIR, or --run DIR")
    if run is not None and follow:
        raise Misuse("a run has ended; leave --follow away")
    if with_parent:
        from infra.quiet import give_way

        give_way()
    from dataclasses import replace

    from infra.traces.settings import settings_of

    tracing = settings_of(os.environ)
    tracing = tracing if share is None else replace(tracing, share=share)
    get_ready(whole=run is not None)
    from infra.traces.tracer import open_sender, trace_journal

    sender = open_sender(tracing, os.environ, note)
    if journal is not None:
        is_over = over(with_parent).is_set if follow else None
        told = trace_journal(journal, tracing, sender, is_over=is_over, deadline_s=deadline)
    else:
        from infra.traces.run_trace import trace_run

        assert run is not None
        with progress("playing again") as share_done:
            told = trace_run(run, tracing, sender, share_done, deadline_s=deadline)
    answer(told.as_plain()) if as_json else say(told.words)
    if told.counts.left or told.counts.refused:
        raise typer.Exit(int(Exit.DOES_NOT_HOLD))


def sink(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any that is free.")] = 1984,
    out: Out = HOME,
    as_json: AsJson = False,
) -> None:
    """Collect traces on this machine.

    Speaks what LangSmith's client and OTLP exporters send, and keeps it as lines of JSON. No account and no network
    are needed: point LANGSMITH_ENDPOINT (or OTEL_EXPORTER_OTLP_ENDPOINT) at it. Ends with Ctrl-C.

    Example: updown traces sink --port 1984
    """
    import asyncio

    from infra.shell.ending import stopped_by_signals
    from infra.traces.kept import FILE
    from infra.traces.serving import serve
    from infra.traces.sink import HOST, Sink

    kept = Sink(out)

    async def run() -> None:
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        with stopped_by_signals(stop):
            task = asyncio.create_task(serve(kept, port, ready, stop))
            while not ready.done() and not task.done():  # noqa: ASYNC110 - whichever comes first
                await asyncio.sleep(0.01)
            if ready.done():
                where = f"http://{HOST}:{ready.result()}"
                if as_json:
                    print(f'{{"endpoint": "{where}"}}', flush=True)
                note(f"collecting at {where} into {out / FILE}; end with Ctrl-C")
                note(f"send there with: LANGSMITH_TRACING=true LANGSMITH_ENDPOINT={where} updown demo")
            await task

    asyncio.run(run())
    note("kept " + (", ".join(f"{count} {kind}" for kind, count in kept.counts.items()) or "nothing"))


def show(
    out: Out = HOME,
    tag: Annotated[str, typer.Option(help="Only trees with a tag that contains this.")] = "",
    most: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 10,
    whole: Annotated[bool, typer.Option("--whole", help="With all that went in and came out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show collected traces.

    Each tree as lines: what was decided and why, stage by stage, with gates, orders and the feedback that came later.

    Example: updown traces show --tag fired --most 3
    """
    from infra.traces.kept import FILE, kept_lines, trees_of
    from infra.traces.shown import as_plain, lines_of

    file = out / FILE
    if not file.is_file():
        raise Misuse(f"{file}: nothing was collected here; run `updown traces sink` and send traces to it")
    found = [tree for tree in trees_of(kept_lines(file)) if not tag or any(tag in each for each in tree.tags)]
    shown: list[KeptRun] = found[-most:]
    if as_json:
        told: dict[str, Any] = {"trees": len(found), "shown": [as_plain(tree) for tree in shown]}
        answer(told)
        return
    for tree in shown:
        say("\n".join(lines_of(tree, whole)))
    say(f"{len(shown)} of {len(found)} traces")
