"""Run folders: the ledgers of a run as Parquet and what it was made of as JSON, enough to make it again."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from evals.backtest import LEDGERS, Backtest, Ledgers, Terms
from evals.census import Census
from evals.limits import limits_of
from infra.accounts import kinds_of
from infra.clock import monotonic_ns, now_ns
from infra.journal.blocks import SEAL, Block, payload_of, walk
from infra.journal.segments import is_journal, open_bytes, segments
from infra.recordings.tape import Tape, open_tape
from infra.version import about_code
from state.events import EVENT, Kind, Source
from state.params import Params, default_params
from state.params import params_hash as hash_of
from state.records import as_dict, fill, layout
from state.units import NS_PER_S

RUN_FILE: Final = "run.json"
RUN_VERSION: Final = 1

Progress = Callable[[int, int], None]


class RunMissing(Exception):
    """There is no run in that folder."""


class RunDamaged(Exception):
    """A run's files cannot be read back, or its journal is not the one it was made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run folder says of itself."""

    folder: Path
    about: Mapping[str, Any]

    @property
    def params(self) -> Params:
        """Give its parameters."""
        return default_params(self.about["params"])

    @property
    def terms(self) -> Terms:
        """Give its terms."""
        return Terms(**self.about["terms"])

    @property
    def run_hash(self) -> str:
        """Give the hash that it ended in."""
        return str(self.about["run_hash"])

    @property
    def title(self) -> str:
        """Name it for people."""
        return str(self.about["title"])

    @property
    def sources(self) -> list[Path]:
        """Give what it was run over."""
        return [Path(source) for source in self.about["sources"]]


def play_tape(
    tape: Tape, params: Params, terms: Terms, progress: Progress, census: Census | None = None
) -> tuple[Ledgers, float]:
    """Run the desk over a tape and give its ledgers with the seconds it took, reading included.

    Args:
        tape: the rows.
        params: the desk's parameters.
        terms: what the run assumes beyond them.
        progress: told rows done, of how many.
        census: counts the rows on their way, for the report.

    Raises:
        JournalDamaged: the tape has a hole; nothing of the run is kept.
    """
    began_ns = monotonic_ns()
    backtest = Backtest(params, terms)
    done = 0
    for chunk in census.watch(tape.chunks()) if census else tape.chunks():
        backtest.feed(chunk)
        done += len(chunk)
        progress(done, tape.rows_count)
    backtest.feed(np.zeros(0, EVENT), final=True)
    ledgers = backtest.ledgers()
    return ledgers, (monotonic_ns() - began_ns) / NS_PER_S


def trades_known(tape: Tape) -> bool:
    """Tell whether the venue's trades stand beside its books on a tape; else maker fills can only be inferred.

    A recording whose kind has no prints settles it; other tapes are read until the first print, or to their end. A tape
    without books needs none.
    """
    if any(limits.printless for limits in limits_of(kinds_of(tape.folder))):
        return False
    has_levels = False
    for chunk in tape.chunks():
        of_venue = chunk["kind_code"][chunk["source_code"] == Source.POLYMARKET_BOOK]
        if (of_venue == Kind.TRADE_SEEN).any():
            return True
        has_levels |= bool((of_venue == Kind.LEVEL_SET).any())
    return not has_levels


def title_of(sources: Sequence[Path], tape: Tape, params: Params, terms: Terms) -> str:
    """Name a run after what goes into it, so that the same run has the same name and another has another."""
    told = [journal_seal(tape.folder), hash_of(params), *(str(value) for value in asdict(terms).values())]
    digest = hashlib.sha256("\n".join(told).encode()).hexdigest()[:8]
    places = [source.resolve() for source in sources]
    names = [place.parent.name if place.name == "journal" else place.name for place in places]
    return f"{'+'.join(names)[:80]}-{digest}"


def journal_seal(folder: Path) -> str:
    """Give the hash that closes a journal's chain of segments: the same hash, the same journal; "" if unsealed."""
    _, last = segments(folder)[-1]
    data = open_bytes(last)
    for found in walk(data):
        if isinstance(found, Block) and found.head.flags_mask & SEAL:
            return str(json.loads(payload_of(data, found))["sha256"])
    return ""


def about_run(title: str, sources: Sequence[Path], tape: Tape, ledgers: Ledgers, took_s: float) -> dict[str, Any]:
    """Say what a run was made of and what it came to, as plain values."""
    terms: Terms = ledgers.terms
    return {
        "format": RUN_VERSION,
        "title": title,
        "run_hash": ledgers.run_hash,
        "made_ns": now_ns(),
        "took_s": round(took_s, 3),
        "sources": [str(source.resolve()) for source in sources],
        "journal": {
            "folder": str(tape.folder.resolve()),
            "seal": journal_seal(tape.folder),
            "rows": tape.rows_count,
            "first_seen_ns": tape.first_seen_ns,
            "last_seen_ns": tape.last_seen_ns,
            "notes": list(tape.notes),
        },
        "params": as_dict(ledgers.params),
        "params_hash": hash_of(ledgers.params),
        "terms": asdict(terms),
        "counts": {name: len(getattr(ledgers, name)) for name in LEDGERS} | {"events": ledgers.events_count},
        "tally": as_dict(ledgers.exchange.tally),
        "refused_count": int(ledgers.world.refused_count),
        "code": about_code(),
    }


def save_run(folder: Path, about: Mapping[str, Any], ledgers: Ledgers, pages: Mapping[str, str]) -> None:
    """Write a run folder whole or not at all; a run that was there is replaced, anything else is not touched.

    Args:
        folder: Made when absent.
        about: As `about_run` gives it.
        ledgers: Each becomes `<name>.parquet`.
        pages: Further text files by name.

    Raises:
        RunMissing: the folder holds something that is no run.
    """
    hold_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.part-", dir=folder.parent))
    try:
        for name in LEDGERS:
            _write_ledger(part / f"{name}.parquet", getattr(ledgers, name))
        for name, text in pages.items():
            (part / name).write_text(text, encoding="utf-8")
        (part / RUN_FILE).write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        part.chmod(0o755)
        if folder.exists():
            for old in folder.iterdir():  # a journal that lies in the folder stays where it is
                if old.is_dir():
                    shutil.move(str(old), part / old.name)
            shutil.rmtree(folder)
        os.rename(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def hold_free(folder: Path) -> None:
    """Refuse a folder that holds files of somebody else; an empty one and an older run are free.

    Raises:
        RunMissing: it holds something that is no run.
    """
    if not folder.exists() or (folder / RUN_FILE).is_file():
        return
    if not folder.is_dir() or any(not is_journal(child) for child in folder.iterdir()):
        raise RunMissing(f"{folder}: already there, and no run; name a new folder with --out")


def read_run(folder: Path) -> Run:
    """Give what a run folder says of itself.

    Raises:
        RunMissing: there is none.
        RunDamaged: it cannot be read.
    """
    file = folder / RUN_FILE
    if not file.is_file():
        raise RunMissing(f"{folder}: no run in it (no {RUN_FILE}); name a folder that `updown backtest` wrote")
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        run = Run(folder=folder, about=about)
        known = about["format"] == RUN_VERSION
        _ = run.params, run.terms, run.run_hash, run.sources, about["journal"]["seal"]
    except (ValueError, KeyError, TypeError) as error:
        words = " ".join(str(error).split())
        raise RunDamaged(f"{file}: cannot be read ({words}); run the backtest again") from error
    if not known:
        raise RunDamaged(f"{file}: format {about['format']}, this code reads {RUN_VERSION}; run the backtest again")
    return run


def run_tape(run: Run, progress: Progress) -> Tape:
    """Open the rows that a run was made from, importing them again where the import is gone.

    Raises:
        RunDamaged: what lies there now has other bytes.
    """
    folder = Path(run.about["journal"]["folder"])
    tape = open_tape([folder] if is_journal(folder) else run.sources, progress=progress)
    seal = journal_seal(tape.folder)
    if seal != run.about["journal"]["seal"] or tape.rows_count != run.about["journal"]["rows"]:
        raise RunDamaged(
            f"{tape.folder}: not the journal that {run.folder} was made from (seal {seal[:12] or 'missing'} and "
            f"{tape.rows_count} rows, not {run.about['journal']['seal'][:12] or 'missing'} and "
            f"{run.about['journal']['rows']}); bring that back, or run the backtest again"
        )
    return tape


def read_ledgers(run: Run) -> dict[str, NDArray[Any]]:
    """Read a run's ledgers back as record arrays.

    Raises:
        RunDamaged: a file is gone, damaged, or of another layout.
    """
    return {name: _read_ledger(run.folder / f"{name}.parquet", layout(record)) for name, record in LEDGERS.items()}


def ledgers_of(run: Run) -> Ledgers:
    """Give a run's ledgers as its backtest gave them; of the world and the venue, only their counts were kept."""
    exchange = Backtest(run.params, run.terms).exchange
    fill(exchange.tally, run.about["tally"])
    return Ledgers(
        **read_ledgers(run),
        events_count=int(run.about["counts"]["events"]),
        run_hash=run.run_hash,
        world=SimpleNamespace(refused_count=run.about["refused_count"]),
        exchange=exchange,
        params=run.params,
        terms=run.terms,
    )


def newest_run(home: Path) -> Path:
    """Give the run folder that was written last.

    Raises:
        RunMissing: there is none.
    """
    found = sorted(home.glob(f"*/*/{RUN_FILE}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise RunMissing(
            f"{home}: no run in it; make one with `updown generate` or `updown backtest`, or name a run folder"
        )
    return found[-1].parent


def _columns(dtype: np.dtype[Any]) -> list[tuple[str, str, int | None]]:
    """Name the Parquet columns of a record: column, field, place in the field."""
    found: list[tuple[str, str, int | None]] = []
    for field in dtype.names or ():
        shape = dtype[field].shape
        assert len(shape) <= 1, f"{field}: no column can hold that"
        places: list[int | None] = list(range(shape[0])) if shape else [None]
        found += [(field if place is None else f"{field}_{place}", field, place) for place in places]
    return found


def _write_ledger(path: Path, ledger: NDArray[Any]) -> None:
    table = {
        column: np.ascontiguousarray(ledger[field] if place is None else ledger[field][:, place])
        for column, field, place in _columns(ledger.dtype)
    }
    with duckdb.connect() as door:
        door.register("ledger", table)
        door.execute(f"COPY ledger TO '{_quoted(path)}' (FORMAT parquet, COMPRESSION zstd)")


def _read_ledger(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    if not path.is_file():
        raise RunDamaged(f"{path}: the ledger is gone; run the backtest again")
    names = ", ".join(f'"{column}"' for column, _, _ in _columns(dtype))
    try:
        with duckdb.connect() as door:
            found = door.execute(f"SELECT {names} FROM read_parquet('{_quoted(path)}')").fetchnumpy()
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise RunDamaged(f"{path}: cannot be read ({first}); run the backtest again") from error
    count = len(next(iter(found.values())))
    ledger = np.zeros(count, dtype)
    for column, field, place in _columns(dtype):
        values = found[column]
        if isinstance(values, np.ma.MaskedArray):  # NaN travels as null
            values = values.filled(np.nan) if values.dtype.kind == "f" else values.data
        if place is None:
            ledger[field] = values
        else:
            ledger[field][:, place] = values
    return ledger


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def first_difference(recorded: NDArray[Any], came: NDArray[Any]) -> int | None:
    """Find the first row in which two ledgers differ, by value (NaN equals NaN); None when they are equal.

    Where one ends before the other, the row after the shorter one's last is the difference.
    """
    shorter = min(len(recorded), len(came))
    same = np.ones(shorter, bool)
    for field in recorded.dtype.names or ():
        one, other = recorded[field][:shorter], came[field][:shorter]
        equal = (one == other) | ((one != one) & (other != other))
        same &= equal if equal.ndim == 1 else equal.all(axis=1)
    if not same.all():
        return int(np.argmin(same))
    return None if len(recorded) == len(came) else shorter
