"""The commands `prove` and `bench`: every claim with its bar, its figures, and an exit code."""

import importlib
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from infra.cli.core import get_ready, hold_sources
from infra.cli.failures import Exit, Misuse, code_of, one_line
from infra.cli.speech import AsJson, Progress, answer, note, progress, records, say, table, tick

if TYPE_CHECKING:
    from evals.proof import Proof

RECORDINGS: Final = "UPDOWN_RECORDINGS"
"""Environment variable that names the folder of all recordings."""

BOOKS: Final = "pm_btc5m_l2_2026-04"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One row of the registry: what is claimed, on which recording, and who proves it."""

    claim: str
    where: str
    """Module and function, `(folder or None, progress) -> Proof`; imported when it is asked for."""
    recording: str = ""
    """Name of the recording's folder."""
    marks: tuple[str, ...] = ()
    """Files by which a folder is recognised as such a recording."""
    needed: bool = True
    """False for a proof that generates its own data where no recording is given."""


CLAIMS: Final[dict[str, Claim]] = {
    "frames": Claim(
        claim="every recorded frame is read or refused with a reason; books show the prices that frames carry",
        where="infra.cli.prove:_frames",
        recording="raw_frames",
        marks=("*.jsonl.zst",),
    ),
    "l2": Claim(
        claim="replayed level changes reproduce every recorded touch",
        where="infra.cli.prove:_l2",
        recording=BOOKS,
        marks=("l2_changes.parquet",),
    ),
    "settlement": Claim(
        claim="real strikes and outcomes follow from the ticks by the rule of their day",
        where="infra.cli.prove:_settlement",
        recording="chainlink_btcusd_1hz",
        marks=("ticks_*.parquet", "markets_*.parquet"),
    ),
    "pricing": Claim(
        claim="fair value on averages beats the point-price model in the last minute, and is calibrated",
        where="infra.cli.prove:_pricing",
        recording="chainlink_btcusd_1hz",
        marks=("ticks_*.parquet", "markets_*.parquet"),
    ),
    "determinism": Claim(
        claim="the same journal gives the same hash in two processes, after a restart, and without the compiler",
        where="infra.proofs.determinism:prove_determinism",
        recording=BOOKS,
        marks=("l2_changes.parquet", "*.journal"),
        needed=False,
    ),
    "speed": Claim(
        claim="the core, a whole backtest, a live frame, the desk, the journal and the start are as fast as stated",
        where="infra.bench:prove_speed",
        recording=BOOKS,
        marks=("l2_changes.parquet", "*.journal"),
        needed=False,
    ),
    "conformance": Claim(
        claim="the venue next door speaks as the venue does: each endpoint and message, by client or recorded frame",
        where="infra.proofs.conformance:prove_conformance",
        recording="raw_frames",
        marks=("*.jsonl.zst",),
        needed=False,
    ),
    "faults": Claim(
        claim="whatever goes wrong at the venue, the desk does the right thing and says so",
        where="infra.proofs.faults:prove_faults",
        needed=False,
    ),
    "throughput": Claim(
        claim="a desk's journal at 50,000 rows/s for a minute reaches bus and database whole and in time",
        where="infra.proofs.throughput:prove_throughput",
        needed=False,
    ),
    "demo-latency": Claim(
        claim="at real time and real rates the desk stays cool, and a tick becomes a taken order within milliseconds",
        where="infra.proofs.demo_latency:prove_demo_latency",
        needed=False,
    ),
    "order-speed": Claim(
        claim="an order is made in 80 us, and its bytes are on the socket a millisecond after it was decided",
        where="infra.proofs.order_speed:prove_order_speed",
        needed=False,
    ),
    "live-refusals": Claim(
        claim="live refuses to start when it must not trade, says why in one line, and no order reaches the venue",
        where="infra.proofs.live_refusals:prove_live_refusals",
        needed=False,
    ),
    "storm": Claim(
        claim="in thousands of seeded runs with faults of venue, network and messages no law of orders or money breaks",
        where="infra.proofs.storm:prove_storm",
        needed=False,
    ),
    "kill-points": Claim(
        claim="killed at 200 random instants of a busy run, the desk sends no order twice and loses no fill",
        where="infra.proofs.kill_points:prove_kill_points",
        needed=False,
    ),
    "venue-faults": Claim(
        claim="the 36 known failures of the venue are each met as they must be, and leave no ledger off by a micro",
        where="infra.proofs.venue_faults:prove_venue_faults",
        needed=False,
    ),
    "load": Claim(
        claim="ten times the real rates for ten minutes lose nothing in silence; 100 windows leave memory as it was",
        where="infra.proofs.load:prove_load",
        needed=False,
    ),
    "multi-process": Claim(
        claim="over real Kafka, PostgreSQL and Redis, with each process killed in turn, nothing is lost or doubled",
        where="infra.proofs.multi_process:prove_multi_process",
        needed=False,
    ),
    "contracts": Claim(
        claim="each port's contract is kept by its embedded kind and by the real servers",
        where="infra.proofs.contracts:prove_contracts",
        needed=False,
    ),
    "outages": Claim(
        claim="broker, database or Redis may be away for 30 s under load: the desk trades on, nothing is lost",
        where="infra.proofs.outages:prove_outages",
        needed=False,
    ),
    "demo-replay": Claim(
        claim="a demo replays to the same hash; one that was killed in the middle of a window starts again and goes on",
        where="infra.proofs.demo_replay:prove_demo_replay",
        needed=False,
    ),
    "studio": Claim(
        claim="langgraph dev serves desk, supervisor and chat offline, and its desk decides as the compiled core does",
        where="infra.proofs.studio:prove_studio",
        needed=False,
    ),
    "agent-evals": Claim(
        claim="no figure in any explanation is absent from its record, and the scores tell speakers apart",
        where="infra.proofs.agent_evals:prove_agent_evals",
        needed=False,
    ),
    "traces": Claim(
        claim="traces of a demo arrive whole, with tags and feedback, and leave the desk's latency as it was",
        where="infra.proofs.traces:prove_traces",
        needed=False,
    ),
    "llm-isolation": Claim(
        claim="with its language model dead, slow or hostile the desk decides the same, as quickly",
        where="infra.proofs.llm_isolation:prove_llm_isolation",
        needed=False,
    ),
    "bad-input": Claim(
        claim="bad input is refused in one clear line with a non-zero exit, and nothing is lost",
        where="infra.proofs.bad_input:prove_bad_input",
        recording=BOOKS,
        marks=("l2_changes.parquet", "*.journal"),
        needed=False,
    ),
}


def prove(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Which claims; see --list.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every claim.")] = False,
    list_them: Annotated[bool, typer.Option("--list", help="Name the claims.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=f"A recording, or the folder that holds all of them; else ${RECORDINGS}."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold claims against recordings.

    Figures with their bars, and exit 0 only when every one holds. Any folder of the same schema will do. Claims
    that need no recording work on generated data.

    Example: updown prove settlement --data ../shared/data
    """
    if list_them:
        _list(as_json)
        return
    unknown = [name for name in names or () if name not in CLAIMS]
    if unknown:
        raise Misuse(f"no claim {unknown[0]!r}; there are {', '.join(CLAIMS)} (updown prove --list)")
    wanted = list(CLAIMS) if every else list(names or ())
    if not wanted:
        raise Misuse(f"say which claim: --all, or some of {', '.join(CLAIMS)} (updown prove --list)")
    folders = {name: _lenient(name, data) if every else folder_of(name, data) for name in wanted}
    get_ready(whole=any(not CLAIMS[name].needed for name in wanted))
    proofs: list[dict[str, Any]] = []
    worst = Exit.DONE
    for name in wanted:
        told = _prove_one(name, folders[name], alone=len(wanted) == 1)
        proofs.append(told)
        if not as_json:
            show_proof(told)
        worst = max(
            worst, Exit.DOES_NOT_HOLD if told["holds"] is False and "error" not in told else told.get("exit", 0)
        )
    if as_json:
        answer({"holds": all(told["holds"] for told in proofs), "proofs": proofs})
    elif len(proofs) > 1:
        table(("claim", "holds"), [(told["name"], tick(told["holds"])) for told in proofs], "All claims")
    if worst:
        raise typer.Exit(int(worst))


def _list(as_json: bool) -> None:
    rows = [
        {"name": name, "claim": row.claim, "recording": row.recording, "needed": row.needed}
        for name, row in CLAIMS.items()
    ]
    if as_json:
        answer({"claims": rows})
    else:
        records(rows)


def _prove_one(name: str, folder: "Path | Misuse | None", *, alone: bool) -> dict[str, Any]:
    """Run one proof; beside others, one that cannot be run is told as such and does not hide the rest."""
    from infra.clock import monotonic_ns
    from state.units import NS_PER_S

    if isinstance(folder, Misuse):
        return _cannot(name, folder)
    began_ns = monotonic_ns()
    try:
        with progress(name) as told:
            proof = prover(name)(folder, told)
    except Exception as error:  # boundary: one proof that fails must not silence those after it
        if alone or code_of(error) is Exit.OUR_FAULT:
            raise
        return _cannot(name, error)
    took_s = (monotonic_ns() - began_ns) / NS_PER_S
    return proof_values(proof) | {"took_s": round(took_s, 2), "data": str(folder) if folder else None}


def _cannot(name: str, error: Exception) -> dict[str, Any]:
    told = {"name": name, "claim": CLAIMS[name].claim, "holds": False, "figures": [], "tables": {}, "notes": []}
    return told | {"error": one_line(error), "exit": int(code_of(error))}


def proof_values(proof: "Proof") -> dict[str, Any]:
    """Give a proof as plain values."""
    return asdict(proof) | {"holds": proof.holds}


def prover(name: str) -> Callable[[Path | None, Progress], "Proof"]:
    """Import the function that proves a claim."""
    module, _, function = CLAIMS[name].where.partition(":")
    found: Callable[[Path | None, Progress], Proof] = getattr(importlib.import_module(module), function)
    return found


def folder_of(name: str, data: Path | None) -> Path | None:
    """Find the recording of a claim: the folder itself, or in the folder of all recordings.

    Raises:
        Misuse: it is nowhere; the line says what to give.
    """
    claim = CLAIMS[name]
    given = data or (Path(os.environ[RECORDINGS]) if os.environ.get(RECORDINGS) else None)
    if given is not None and not given.is_dir():
        raise Misuse(f"{given}: no such folder; name a recording, or the folder that holds all of them")
    if given is None and not claim.needed:
        return None
    if given is None:
        raise Misuse(f"{name} needs the recording {claim.recording}: give --data DIR, or set {RECORDINGS}")
    if (given / claim.recording).is_dir():
        return given / claim.recording
    if any(next(given.glob(mark), None) for mark in claim.marks):
        return given
    if not claim.needed and data is None:
        return None
    raise Misuse(f"{given}: holds neither {claim.recording}/ nor {' and '.join(claim.marks)}, which {name} needs")


def _lenient(name: str, data: Path | None) -> "Path | Misuse | None":
    try:
        return folder_of(name, data)
    except Misuse as error:
        return error if CLAIMS[name].needed else None  # the rest of the claims decides what this folder is for


def show_proof(told: dict[str, Any]) -> None:
    """Print a proof: figures with their bars, then its tables and notes."""
    say(f"\n{tick(told['holds'])} {told['name']}: {told['claim']}")
    if "error" in told:
        say(f"  cannot be held here: {told['error']}")
        return
    figures = [
        (
            "" if row["bar"] == "-" else tick(row["holds"]),
            row["name"],
            row["measured"],
            "" if row["bar"] == "-" else row["bar"],
        )
        for row in told["figures"]
    ]
    table(("", "figure", "measured", "bar"), figures)
    for title, rows in told["tables"].items():
        records(rows, title)
    if told["notes"]:
        say()
    for line in told["notes"]:
        say(f"  {line}")


def bench(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A journal or a recording to measure on; else a generated one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the stated speeds on this machine.

    Medians with their spread, beside the bars.

    Example: updown bench --json
    """
    if data is not None:
        hold_sources([data])
    get_ready()
    from infra.bench import run_bench

    with progress("measuring") as told:
        proof = run_bench(data, told)
    values = proof_values(proof)
    if as_json:
        answer(values)
    else:
        show_proof(values)
    if not proof.holds:
        note("some figures are below their bars on this machine")
        raise typer.Exit(int(Exit.DOES_NOT_HOLD))


def _frames(folder: Path, told: Progress) -> "Proof":
    from infra.feeds.audit import audit_frames

    return audit_frames(folder, told)


def _l2(folder: Path, told: Progress) -> "Proof":
    from infra.recordings.l2_audit import audit_l2

    return audit_l2(folder, told)


def _settlement(folder: Path, told: Progress) -> "Proof":
    from evals.settlement import settle_proof
    from infra.recordings.settlement_day import read_day

    told(0, 1)
    return settle_proof(read_day(folder))


def _pricing(folder: Path, told: Progress) -> "Proof":
    from evals.pricing import pricing_proof
    from infra.recordings.settlement_day import read_day

    told(0, 1)
    return pricing_proof(read_day(folder))
