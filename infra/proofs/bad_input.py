"""The proof on bad input: every kind of it through the real command line, each in a process of its own."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evals.proof import Figure, Proof
from infra.proofs.spoiled import Spoiler, spoilers

ROOT: Final = Path(__file__).resolve().parents[2]
SIDE_BY_SIDE: Final = 2
TRACE: Final = re.compile(r"Traceback|^\s+File \"", re.MULTILINE)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One bad input: how it is made, the words of the command, and how that must end."""

    what: str
    words: tuple[str, ...]
    """`{bad}` is what the spoiler made, `{journal}` a sound journal."""
    code: int
    says: str
    """Words that the line must hold."""
    spoil: str = "nothing"
    """Name of what makes the bad input, in `infra.proofs.spoiled`."""
    seed: int = 0


FLIPPED: Final = tuple(
    Case(what=f"one bit flipped in a journal (draw {seed})", words=("backtest", "{bad}"), code=3,
         says="", spoil="flipped", seed=seed)
    for seed in range(1, 5)
)  # fmt: skip

CASES: Final = (
    Case(what="journal cut off in its middle", words=("backtest", "{bad}"), code=3,
         says="open it for writing once to recover it", spoil="truncated"),
    Case(what="journal without its last ten bytes", words=("backtest", "{bad}"), code=3,
         says="no block", spoil="clipped"),
    Case(what="journal of no bytes", words=("backtest", "{bad}"), code=3, says="the file is empty", spoil="emptied"),
    Case(what="journal with a segment gone", words=("backtest", "{bad}"), code=3, says="lost from item",
         spoil="segment_gone"),
    *FLIPPED,
    Case(what="replay of a flipped bit", words=("replay", "{bad}"), code=3, says="", spoil="flipped", seed=9),
    Case(what="another program's file under a journal's name", words=("backtest", "{bad}"), code=3,
         says="not a journal segment", spoil="foreign_file"),
    Case(what="journal of another format version", words=("backtest", "{bad}"), code=3, says="this code reads format",
         spoil="other_version"),
    Case(what="journal of another record layout", words=("backtest", "{bad}"), code=3, says="events of layout",
         spoil="other_layout"),
    Case(what="folder of something else", words=("backtest", "{bad}"), code=3, says="no recording that we can import",
         spoil="foreign_folder"),
    Case(what="empty folder", words=("backtest", "{bad}"), code=3, says="", spoil="empty_folder"),
    Case(what="missing folder", words=("backtest", "{bad}"), code=2, says="no such folder"),
    Case(what="a file where a folder belongs", words=("backtest", "{bad}"), code=2, says="not a folder",
         spoil="plain_file"),
    Case(what="Parquet file of random bytes", words=("backtest", "{bad}"), code=3, says="cannot be read as Parquet",
         spoil="corrupt_parquet"),
    Case(what="Parquet file of another schema", words=("backtest", "{bad}"), code=3, says="", spoil="other_schema"),
    Case(what="unknown parameter", words=("backtest", "{journal}", "--set", "take_edge=1"), code=2,
         says="take_edge_bps"),
    Case(what="value out of bounds", words=("backtest", "{journal}", "--set", "take_edge_bps=1"), code=2,
         says="outside"),
    Case(what="value that is no number", words=("backtest", "{journal}", "--set", "take_edge_bps=much"), code=2,
         says="name=value"),
    Case(what="value that is nan", words=("backtest", "{journal}", "--set", "take_edge_bps=nan"), code=2, says="nan"),
    Case(what="settings that are not TOML", words=("backtest", "{journal}", "--params", "{bad}"), code=2,
         says="not TOML", spoil="plain_file"),
    Case(what="unknown claim", words=("prove", "everything"), code=2, says="there are"),
    Case(what="unknown command", words=("trade",), code=2, says="no such command"),
    Case(what="rules of an unknown asset", words=("rules", "--asset", "DOGE"), code=2, says="there are BTC"),
    Case(what="rules of no date", words=("rules", "--at", "yesterday"), code=2, says="is no date"),
    Case(what="rules that nobody has stated", words=("rules", "--at", "2026-02-01"), code=1,
         says="nobody has stated"),
    Case(what="run over somebody's folder", words=("backtest", "{journal}", "--out", "{bad}"), code=2,
         says="already there", spoil="foreign_folder"),
    Case(what="import over something", words=("import", "{journal}", "--to", "{bad}"), code=2, says="already there",
         spoil="foreign_folder"),
    Case(what="second writer of a journal", words=("{writer}", "{bad}"), code=2, says="is writing this journal",
         spoil="being_written"),
)  # fmt: skip

UNKNOWN_RULE: Final = "market whose data state an unknown settlement rule"


def prove_bad_input(data: Path | None, progress: Progress) -> Proof:
    """Hold that bad input ends in one clear line and its exit code, and that nothing is lost or left behind.

    Args:
        data: a journal or a folder of recordings whose first rows are spoiled; a generated market when None.
        progress: told cases done, of how many.

    Raises:
        SourceRefused, JournalMissing, JournalForeign, JournalDamaged: what was named cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="updown-bad-input-") as place:
        home = Path(place).resolve()
        made = spoilers(data, home / "sound")
        cache = _cache_beside(home)
        done = 0

        def one(case: Case) -> dict[str, Any]:
            nonlocal done
            found = _try(case, made, home / f"case-{CASES.index(case)}", cache)
            done += 1
            progress(done, len(CASES) + 1)
            return found

        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            table = list(pool.map(one, CASES))
        table.append(_unknown_rule(made, home / "unknown-rule", cache))
        progress(len(CASES) + 1, len(CASES) + 1)
    return _judge(table)


def _judge(table: list[dict[str, Any]]) -> Proof:
    refused = table[:-1]
    figures = []
    for name, column in (
        ("ended with the documented code", "code_ok"),
        ("said exactly one line, without a trace", "line_ok"),
        ("left every byte as it was, and nothing half-written", "kept_ok"),
    ):
        count = sum(row[column] for row in refused)
        figures.append(Figure(name=name, measured=f"{count} of {len(refused)}", bar="all", holds=count == len(refused)))
    last = table[-1]
    figures.append(
        Figure(
            name=UNKNOWN_RULE,
            measured=last["line"],
            bar="the run goes on (exit 0), refuses that market as RULES_UNKNOWN, sends it no order",
            holds=bool(last["code_ok"] and last["line_ok"] and last["kept_ok"]),
        )
    )
    shown = [{name: row[name] for name in ("what", "exit", "line", "kept")} for row in table]
    return Proof(
        name="bad-input",
        claim="bad input is refused in one clear line with a non-zero exit, and nothing is lost",
        figures=tuple(figures),
        tables={"What was done, how it ended": shown},
        notes=(
            "each row is a process of the real command line in a folder of its own; the second writer is the journal's",
            "kept: SHA-256 of every file before and after, in the input, the working folder and the cache of imports",
        ),
    )


def _cache_beside(home: Path) -> Path:
    """Make a cache of imports of our own that shares the machine code."""
    from infra.compile_cache import cache_folder

    cache = home / "cache"
    (cache / "updown").mkdir(parents=True)
    real = cache_folder().parents[1]
    for name in ("numba", "layouts"):
        (real / name).mkdir(parents=True, exist_ok=True)
        (cache / "updown" / name).symlink_to(real / name)
    return cache


def _run(words: list[str], folder: Path, cache: Path) -> "subprocess.CompletedProcess[str]":
    env = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache), "COLUMNS": "200"}
    module = "infra" if words[0] != "{writer}" else "infra.proofs.bad_input"
    words = words if words[0] != "{writer}" else words[1:]
    return subprocess.run(
        [sys.executable, "-m", module, *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def _try(case: Case, made: Spoiler, folder: Path, cache: Path) -> dict[str, Any]:
    folder.mkdir()
    with made.spoiled(case.spoil, folder / "input", case.seed) as bad:
        recordings = cache / "updown" / "recordings"
        before = _files(folder), _files(made.journal)
        names = {"{bad}": str(bad), "{journal}": str(made.journal)}
        done = _run([names.get(word, word) for word in case.words], folder, cache)
        kept = (_files(folder), _files(made.journal)) == before and not any(recordings.glob("*"))
    lines = done.stderr.strip().splitlines()
    one = len(lines) == 1 and lines[0].startswith("updown: ") and not TRACE.search(done.stderr)
    line = " / ".join(lines[:3]).removeprefix("updown: ").replace(f"{folder}/", "").replace(str(folder.parent), "...")
    return {
        "what": case.what,
        "exit": done.returncode,
        "line": line,
        "kept": f"{len(before[0]) + len(before[1])} files, all as before" if kept else "CHANGED",
        "code_ok": done.returncode == case.code and done.returncode != 0,
        "line_ok": one and case.says in lines[0],
        "kept_ok": kept,
    }


def _unknown_rule(made: Spoiler, folder: Path, cache: Path) -> dict[str, Any]:
    """Run over two markets of which the data give one an unknown settlement rule; the other must go on."""
    import duckdb

    folder.mkdir()
    with made.spoiled("unknown_rule", folder / "input", 0) as bad:
        before = _files(folder)
        done = _run(["backtest", str(bad), "--out", "run", "--no-report", "--json"], folder, cache)
        kept = {path: digest for path, digest in _files(folder).items() if path.is_relative_to(bad)} == before
    reasons: dict[str, int] = {}
    sent: dict[int, int] = {}
    windows: list[tuple[int, int]] = []
    if done.returncode == 0:
        reasons = {row["reason"]: row["count"] for row in json.loads(done.stdout)["refusals"]}
        query = f"SELECT slot_id, count(*) FROM '{folder}/run/orders.parquet' GROUP BY 1"
        sent = dict(duckdb.execute(query).fetchall())
        query = f"SELECT slot_id, refused_code FROM '{folder}/run/windows.parquet' ORDER BY open_s"
        windows = duckdb.execute(query).fetchall()
    refused = [slot for slot, code in windows if code]
    went_on = len(windows) == 2 and len(refused) == 1 and not any(slot in sent for slot in refused)
    others = sum(count for slot, count in sent.items() if slot not in refused)
    return {
        "what": UNKNOWN_RULE,
        "exit": done.returncode,
        "line": (
            f"{reasons.get('RULES_UNKNOWN', 0):,} runs of the desk refused as RULES_UNKNOWN; "
            f"{len(windows)} windows settled, {len(refused)} of them refused; orders: {others} in the other"
        ),
        "kept": f"{len(before)} files, all as before; the run was written" if kept else "CHANGED",
        "code_ok": done.returncode == 0,
        "line_ok": went_on and (reasons.get("RULES_UNKNOWN", 0) > 0) and not TRACE.search(done.stderr),
        "kept_ok": kept,
    }


def _files(folder: Path) -> dict[Path, str]:
    """Give every file and folder under a place, each file with its SHA-256."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def write_second(folder: Path) -> None:
    """Open a journal for writing as any command that records would; what is refused ends as commands do."""
    from infra.cli.failures import fail
    from infra.journal.errors import JournalError
    from infra.journal.writer import Journal

    try:
        Journal(folder, created_ns=0, code="second writer").close()
    except JournalError as error:
        fail(error, as_json=False)


if __name__ == "__main__":
    from typer import Exit

    try:
        write_second(Path(sys.argv[1]))
    except Exit as end:
        sys.exit(end.exit_code)
