"""The proof of determinism: one journal, many ways to play it, one hash; and other input, another hash."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evals.proof import Figure, Proof
from infra.proofs.played import DECISIONS, play_stretch, play_to, play_whole

if TYPE_CHECKING:
    from infra.recordings.tape import Tape

ROOT: Final = Path(__file__).resolve().parents[2]
CHUNKS: Final = (1_000, 65_536)
WHOLE_MAX: Final = 8_000_000
"""Rows that are fed as one chunk at most: 512 MB."""
PLAIN_ROWS: Final = 1_500
"""Rows of one stretch without the compiler, which plays some 340 a second."""
FLIPS: Final = 40
"""Single bits flipped in the journal's bytes."""
ROW_FLIPS: Final = 4
"""Single bits flipped in rows on their way into a run."""
STEPS: Final = 13 + ROW_FLIPS

Progress = Callable[[int, int], None]


def prove_determinism(data: Path | None, progress: Progress) -> Proof:
    """Hold that the same journal gives the same run, in every way it can be fed, and another input another run.

    Args:
        data: a journal, a folder of recordings, or a folder that holds recordings; a generated market when None.
        progress: told steps done, of how many.

    Raises:
        SourceRefused, JournalMissing, JournalForeign, JournalDamaged: what was named cannot be played.
    """
    with tempfile.TemporaryDirectory(prefix="updown-determinism-") as home:
        return _Trial(_tape_for(data, Path(home)), Path(home), progress).prove()


def _tape_for(data: Path | None, home: Path) -> "Tape":
    from infra.generated import write_market
    from infra.journal.segments import is_journal
    from infra.recordings.tape import open_tape

    if data is None:
        write_market(home / "journal", name="demo", windows=4, seed=1)
        return open_tape([home / "journal"])
    inside = sorted(each for each in data.iterdir() if each.is_dir()) if data.is_dir() and not is_journal(data) else []
    found = [each for each in inside if is_journal(each)] or [
        data / name for name in ("pm_btc5m_l2_2026-04", "chainlink_btcusd_1hz") if (data / name).is_dir()
    ]
    return open_tape(found[:1] or [data])


class _Trial:
    """One proof under way: the tape, the first run's answer, and the figures so far."""

    def __init__(self, tape: "Tape", home: Path, progress: Progress) -> None:
        self.tape, self.home, self.progress = tape, home, progress
        self.figures: list[Figure] = []
        self.table: list[dict[str, Any]] = []
        self.steps = 0

    def prove(self) -> Proof:
        self.first = self._own("first run", None)
        self._informs("events", self.first["events"])
        for name in DECISIONS:
            self._informs(name, self.first["counts"][name])
        self._holds("decisions to compare", self.first["counts"]["lines"], "> 0", self.first["counts"]["lines"] > 0)
        padding = self.first["padding_set_count"]
        self._holds("bytes between fields that are not zero", padding, "0: the hash covers fields only", padding == 0)
        self._processes()
        for size in self._sizes():
            told = self._own(f"fed in chunks of {size:,}", size)
            self._same(f"fed in chunks of {size:,}", told)
        self._plain()
        self._others()
        self._flips()
        return Proof(
            name="determinism",
            claim="the same journal gives the same hash in two processes, after a restart, and without the compiler",
            figures=tuple(self.figures),
            tables={"Every run and its hash": self.table},
            notes=(
                f"journal: {self.tape.folder.name}, {self.tape.rows_count:,} rows",
                "the hash covers every row of the four ledgers, the whole world and the whole venue, to the last bit",
                "without the compiler: stretches from snapshots, around a settlement and where orders are densest",
            ),
        )

    # --- the ways to play it

    def _processes(self) -> None:
        """Another process; and two that share the way, with a snapshot on disk between them."""
        half = self.first["events"] // 2
        other = self._child("another process")
        self._same("another process", other)
        snapshot = self.home / "half.snapshot"
        before = self._child("up to half-way, then saved", "--until", str(half), "--save", str(snapshot))
        after = self._child("a third process, from the snapshot on", "--load", str(snapshot))
        self._same("after a restart half-way", after)
        apart = before["run_hash"] != self.first["run_hash"] and before["events"] == half
        self._holds("rows played before the restart", before["events"], "half of them, with a hash of their own", apart)

    def _sizes(self) -> tuple[int, ...]:
        """Give the chunk sizes to try: the last is all at once where memory allows."""
        return (*CHUNKS, min(self.first["events"], WHOLE_MAX))

    def _plain(self) -> None:
        """Play stretches with and without the compiler from the same snapshots."""
        told = _stretches(self.tape, self.home)
        played = orders = 0
        with ThreadPoolExecutor(2) as pool:
            running = [
                pool.submit(
                    self._child,
                    f"no compiler, {words}",
                    "--load",
                    str(path),
                    "--until",
                    str(stop),
                    "--unflushed",
                    jit=False,
                )
                for words, _, stop, path in told
            ]
        for (words, start, stop, path), coming in zip(told, running, strict=True):
            plain = coming.result()
            compiled = self._told(f"compiled, {words}", "this process", play_stretch(self.tape, path, stop))
            same = [name for name in DECISIONS if compiled["hashes"][name] == plain["hashes"][name]]
            held = len(same) == len(DECISIONS) and compiled["new"] == plain["new"]
            self._holds(
                f"without the compiler, {words}",
                f"{len(same)} of {len(DECISIONS)} ledgers equal over {stop - start:,} rows",
                "all equal",
                held,
            )
            equal = plain["run_hash"] == compiled["run_hash"]
            self._holds(f"... and memory, {words}", _short(plain), f"= {_short(compiled)}", equal)
            played += stop - start
            orders += sum(plain["new"][name] for name in DECISIONS)
        self._informs("rows played without the compiler", played)
        self._holds("ledger rows written on the way there", orders, "> 0", orders > 0)

    def _others(self) -> None:
        """Play it with another seed and another parameter: a proof that could not fail would be none."""
        from state.params import default_params

        for words, change in (
            ("another seed of the venue", {"seed": 2}),
            ("another parameter (take_edge_bps)", {"params": default_params({"take_edge_bps": 400.0})}),
        ):
            told = self._own(words, None, **change)
            apart = told["run_hash"] != self.first["run_hash"]
            self._holds(f"{words}: hash", _short(told), f"not {_short(self.first)}", apart)
            moved = [name for name in DECISIONS if told["hashes"][name] != self.first["hashes"][name]]
            self._informs(f"{words}: ledgers that differ", ", ".join(moved) or "none, only the memory")

    def _flips(self) -> None:
        """Flip single bits: on disk each must be refused; in rows of memory some must change the run.

        Not all can: a size that nobody looked at before it was replaced has no consequence, and the run's hash is of
        consequences. What names the input is the journal's seal.
        """
        import numpy as np

        refused, why = _flipped_on_disk(self.tape, self.home)
        self._holds("bits flipped in the journal's files: refused", f"{refused} of {FLIPS}", "all", refused == FLIPS)
        self._informs("one of them", why)
        chance = np.random.default_rng(2)
        changed = 0
        rows = [_telling_row(self.tape), *chance.integers(self.tape.rows_count, size=ROW_FLIPS - 1).tolist()]
        for row in rows:
            told = self._own(f"one bit of row {row:,} flipped", None, flip_row=row)
            changed += told["run_hash"] != self.first["run_hash"]
        words = f"{changed} of {ROW_FLIPS}"
        bar = ">= 1 (a settlement's); a row without consequence changes the journal's seal only"
        self._holds("one bit of one row flipped in memory: hash changed", words, bar, changed > 0)

    # --- runs

    def _own(self, words: str, size: int | None, **change: Any) -> dict[str, Any]:
        """Play it all in this process."""
        told = play_whole(self.tape, size, **change)
        return self._told(words, "this process", told)

    def _child(self, words: str, *args: str, jit: bool = True) -> dict[str, Any]:
        """Play it in a process of its own, with a hash seed of its own."""
        env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(1 + self.steps)}
        env |= {} if jit else {"NUMBA_DISABLE_JIT": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "infra.proofs.played", str(self.tape.folder), *args],
            capture_output=True, text=True, check=False, env=env, cwd=self.home,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{words}: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
        return self._told(words, "its own process", json.loads(done.stdout.splitlines()[-1]))

    def _told(self, words: str, where: str, told: dict[str, Any]) -> dict[str, Any]:
        self.steps += 1
        self.progress(self.steps, STEPS)
        row = {"run": words, "where": where, "events": told["events"]} | told["counts"]
        self.table.append(row | {"hash": told["run_hash"][:16]})
        return told

    # --- figures

    def _same(self, words: str, told: dict[str, Any]) -> None:
        same = told["run_hash"] == self.first["run_hash"] and told["hashes"] == self.first["hashes"]
        self._holds(f"{words}: hash", _short(told), f"= {_short(self.first)}", same)

    def _holds(self, name: str, measured: float | int | str, bar: str, holds: bool) -> None:
        self.figures.append(Figure(name=name, measured=measured, bar=bar, holds=holds))

    def _informs(self, name: str, measured: float | int | str) -> None:
        self.figures.append(Figure(name=name, measured=measured, bar="-"))


def _short(told: dict[str, Any]) -> str:
    return str(told["run_hash"])[:16]


def _telling_row(tape: "Tape") -> int:
    """Find a row that must have a consequence: the first settlement, which a ledger tells; else the last row."""
    import numpy as np

    from state.events import Kind

    at = 0
    for chunk in tape.chunks():
        found = np.flatnonzero(chunk["kind_code"] == Kind.SETTLED)
        if len(found):
            return at + int(found[0])
        at += len(chunk)
    return at - 1


def _stretches(tape: "Tape", home: Path) -> list[tuple[str, int, int, Path]]:
    """Save a snapshot before each stretch worth comparing: (words, first row, row after the last, snapshot)."""
    import numpy as np

    from evals.backtest import Backtest, Terms
    from infra.snapshots import save_snapshot
    from state.events import EVENT, Kind
    from state.params import default_params

    seen, settled, at = [], [], 0
    backtest = Backtest(default_params(), Terms())
    for chunk in tape.chunks():
        seen.append(chunk["seen_ns"].copy())
        settled += (at + np.flatnonzero(chunk["kind_code"] == Kind.SETTLED)).tolist()
        at += len(chunk)
        backtest.feed(chunk)
    backtest.feed(np.zeros(0, EVENT), final=True)
    found = backtest.ledgers()
    when = np.concatenate(seen)
    last = max(0, len(when) - PLAIN_ROWS)
    centres = {"around a settlement": settled[0] + PLAIN_ROWS // 4 if settled else at // 2}
    busy = found.orders["at_ns"] if len(found.orders) else found.lines["at_ns"]
    if len(busy):
        rows = np.searchsorted(when, np.sort(busy), side="right")
        inside = np.searchsorted(rows, rows + PLAIN_ROWS // 2) - np.searchsorted(rows, rows - PLAIN_ROWS // 2)
        centres["where orders are densest"] = int(rows[inside.argmax()])
    told: list[tuple[str, int, int, Path]] = []
    for words, centre in sorted(centres.items(), key=lambda item: item[1]):
        start = min(max(0, centre - PLAIN_ROWS // 2), last)
        path = home / f"stretch-{len(told)}.snapshot"
        play_to(backtest := Backtest(default_params(), Terms()), tape, start)
        save_snapshot(path, backtest)
        told.append((words, start, min(start + PLAIN_ROWS, at), path))
    return told


def _flipped_on_disk(tape: "Tape", home: Path) -> tuple[int, str]:
    """Flip one bit at a time in a copy of the journal's first segment; count what is refused, and say one refusal.

    Copies of at most the first eight megabytes: what lies behind them is then refused as cut short, so a longer
    segment is flipped inside a journal made of its first rows.
    """
    import shutil

    import numpy as np

    from infra.journal.errors import JournalError
    from infra.journal.segments import segments
    from infra.journal.writer import Journal
    from infra.recordings.tape import open_tape

    folder = home / "flipped"
    with Journal(folder, created_ns=tape.first_seen_ns, code="proof") as journal:
        for chunk in tape.chunks():
            journal.append_events(chunk)
            if journal.next_row > 100_000:
                break
    open_tape([folder])  # it is sound before a bit is flipped
    ((_, path),) = segments(folder)
    whole = path.read_bytes()
    chance = np.random.default_rng(1)
    refused, why = 0, "none was refused"
    for _ in range(FLIPS):
        place, bit = int(chance.integers(len(whole))), int(chance.integers(8))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        try:
            for _chunk in open_tape([folder]).chunks():
                pass
        except JournalError as error:
            refused, why = refused + 1, str(error).replace(str(home), "...")
    shutil.rmtree(folder)
    return refused, why
