"""The commands by name, and the root's help with the exit codes."""

from collections.abc import Callable
from typing import Any, Final

import typer
from typer.core import TyperGroup

from infra.cli.archive import archive
from infra.cli.backtest import backtest, generate, report
from infra.cli.bus import tee, untee
from infra.cli.chat import chat
from infra.cli.desk import graph, step
from infra.cli.doctor import doctor
from infra.cli.evals import evals
from infra.cli.failures import CODES, UsageError, fail, guarded
from infra.cli.ingest import ingest
from infra.cli.journals import import_sources, show, verify
from infra.cli.kill import kill
from infra.cli.ledger import ledger, statement
from infra.cli.live import demo, paper, record
from infra.cli.live_mode import arm, disarm, live
from infra.cli.log import log
from infra.cli.mcp import mcp
from infra.cli.metrics import metrics
from infra.cli.params import params
from infra.cli.prove import bench, prove
from infra.cli.realism import realism
from infra.cli.replay import replay
from infra.cli.rules import rules
from infra.cli.settlements import settlements
from infra.cli.stack import stack
from infra.cli.supervise import proposals, supervise
from infra.cli.sweep import sweep
from infra.cli.traces import show as show_traces
from infra.cli.traces import sink, trace
from infra.cli.venue import venue
from infra.cli.version import version
from infra.cli.why import ask, why

ROOT_HELP: Final = """\
A trading desk for up/down markets that proves itself on replay: recordings in, decisions and an honest report out.

Begin with `updown demo`: it needs no data, no keys and no network.

\b
Exit codes:
""" + "\n".join(f"  {int(code)}  {words}" for code, words in CODES.items())

COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "demo": demo,
    "paper": paper,
    "record": record,
    "doctor": doctor,
    "kill": kill,
    "live": live,
    "arm": arm,
    "disarm": disarm,
    "params": params,
    "supervise": supervise,
    "proposals": proposals,
    "ledger": ledger,
    "statement": statement,
    "settlements": settlements,
    "venue": venue,
    "realism": realism,
    "backtest": backtest,
    "generate": generate,
    "sweep": sweep,
    "replay": replay,
    "report": report,
    "import": import_sources,
    "prove": prove,
    "bench": bench,
    "rules": rules,
    "graph": graph,
    "step": step,
    "why": why,
    "ask": ask,
    "chat": chat,
    "evals": evals,
    "mcp": mcp,
    "trace": trace,
    "ingest": ingest,
    "tee": tee,
    "untee": untee,
    "metrics": metrics,
    "log": log,
    "archive": archive,
    "stack": stack,
    "version": version,
}
JOURNAL_COMMANDS: Final[dict[str, Callable[..., None]]] = {"verify": verify, "show": show}
TRACE_COMMANDS: Final[dict[str, Callable[..., None]]] = {"sink": sink, "show": show_traces}


class OneLineGroup(TyperGroup):
    """Commands whose usage errors are one line, as all our errors are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the root's own words."""
        try:
            return super().parse_args(ctx, args)
        except UsageError as error:
            return self._refuse(error, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        words = [*getattr(ctx, "_protected_args", ()), *ctx.args]
        try:
            return super().invoke(ctx)
        except UsageError as error:
            return self._refuse(error, words)

    def list_commands(self, ctx: Any) -> list[str]:
        """Keep the order in which a newcomer meets the commands."""
        return list(self.commands)

    @staticmethod
    def _refuse(error: Any, words: list[str]) -> list[str]:
        if not error.format_message() or not words:  # nothing was asked: the help has been shown
            raise error
        fail(error, as_json="--json" in words)


def _app() -> typer.Typer:
    settings: dict[str, Any] = {
        "cls": OneLineGroup,
        "add_completion": False,
        "no_args_is_help": True,
        "pretty_exceptions_enable": False,
        "rich_markup_mode": None,
        "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 110},
    }
    app = typer.Typer(help=ROOT_HELP, **settings)
    for name, command in COMMANDS.items():
        app.command(name)(guarded(command))
    journal = typer.Typer(help="Look into a journal: verify it, show it.", **settings)
    for name, command in JOURNAL_COMMANDS.items():
        journal.command(name)(guarded(command))
    app.add_typer(journal, name="journal")
    traces = typer.Typer(help="Collect traces on this machine, and look at them.", **settings)
    for name, command in TRACE_COMMANDS.items():
        traces.command(name)(guarded(command))
    app.add_typer(traces, name="traces")

    @app.callback()
    def root() -> None:
        """Take no options of its own."""

    root.__doc__ = None
    return app


app = _app()
