"""Spoiled input: a sound journal, and every way to spoil a copy of it, for the proof on bad input."""

import json
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from infra.journal.blocks import HEADER_BYTES, TITLE, Block, Marks, pack_plain, payload_of, walk
from infra.journal.segments import segments
from infra.journal.writer import Journal

ROWS: Final = 40_000
"""Rows of a recording that are taken to be spoiled."""
SEGMENT_BYTES: Final = 128 << 10


def spoilers(data: Path | None, folder: Path) -> "Spoiler":
    """Write the sound journals that will be spoiled: of a recording's first rows, or of a generated market's."""
    from dataclasses import replace

    from evals.generator import SPECS, generate
    from infra.recordings.tape import open_tape

    market = generate(replace(SPECS["demo"], windows=2), 1)
    rows: Sequence[NDArray[Any]] = [market[:ROWS]]
    if data is not None:
        rows = []
        for chunk in open_tape([data]).chunks():
            rows.append(chunk)
            if sum(map(len, rows)) >= ROWS:
                break
    _write(folder / "journal", rows)
    return Spoiler(folder / "journal", market)


def _write(folder: Path, rows: Sequence[NDArray[Any]]) -> None:
    created_ns = int(rows[0]["seen_ns"][0])
    with Journal(folder, created_ns=created_ns, code="proof", segment_bytes=SEGMENT_BYTES) as journal:
        for chunk in rows:
            for at in range(0, len(chunk), 4_096):
                journal.append_events(chunk[at : at + 4_096])
                journal.flush()
    (folder / "lock").unlink(missing_ok=True)


class Spoiler:
    """Makes bad input of good: each method spoils a new copy and never the journal itself."""

    def __init__(self, journal: Path, market: NDArray[Any]) -> None:
        """Keep the sound journal, and a market's rows for what must be put into events."""
        self.journal = journal
        self.market = market

    @contextmanager
    def spoiled(self, name: str, to: Path, seed: int) -> Iterator[Path]:
        """Make one bad input by its name and give where it lies, for as long as it lasts."""
        if name == "being_written":
            with Journal(to, created_ns=1, code="first writer") as journal:
                journal.append_events(self.market[:1_000])
                journal.flush(sync=True)
                yield to
            return
        getattr(self, name)(to, np.random.default_rng(seed))
        yield to

    def nothing(self, to: Path, chance: np.random.Generator) -> None:
        """Leave the place empty."""

    def truncated(self, to: Path, chance: np.random.Generator) -> None:
        """Cut the last segment in two."""
        path = self._copy(to)[-1]
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def clipped(self, to: Path, chance: np.random.Generator) -> None:
        """Take the last ten bytes away: the seal is torn."""
        path = self._copy(to)[-1]
        path.write_bytes(path.read_bytes()[:-10])

    def emptied(self, to: Path, chance: np.random.Generator) -> None:
        """Leave one segment file without a byte."""
        for path in (paths := self._copy(to))[1:]:
            path.unlink()
        paths[0].write_bytes(b"")

    def segment_gone(self, to: Path, chance: np.random.Generator) -> None:
        """Take a segment away that is neither the first nor the last."""
        paths = self._copy(to)
        paths[len(paths) // 2].unlink()

    def flipped(self, to: Path, chance: np.random.Generator) -> None:
        """Flip one bit anywhere in one segment."""
        paths = self._copy(to)
        path = paths[int(chance.integers(len(paths)))]
        data = bytearray(path.read_bytes())
        data[int(chance.integers(len(data)))] ^= 1 << int(chance.integers(8))
        path.write_bytes(data)

    def foreign_file(self, to: Path, chance: np.random.Generator) -> None:
        """Put another program's file under a segment's name."""
        to.mkdir()
        (to / "000001.journal").write_bytes(b"SQLite format 3\0" * 64)

    def other_version(self, to: Path, chance: np.random.Generator) -> None:
        """Let the first block claim another format, checksum and all."""
        path = self._copy(to)[0]
        data = bytearray(path.read_bytes())
        first = _first(data)
        data[4:6] = (99).to_bytes(2, "little")
        crc = zlib.crc32(data[HEADER_BYTES : first.end], zlib.crc32(data[: HEADER_BYTES - 4]))
        data[HEADER_BYTES - 4 : HEADER_BYTES] = crc.to_bytes(4, "little")
        path.write_bytes(data)

    def other_layout(self, to: Path, chance: np.random.Generator) -> None:
        """Let the title name another layout of events, checksum and all."""
        path = self._copy(to)[0]
        data = path.read_bytes()
        first = _first(data)
        told = json.loads(payload_of(data, first))
        told["layouts"]["Event"] = "0123456789abcdef"
        path.write_bytes(pack_plain(TITLE, json.dumps(told, sort_keys=True).encode(), Marks()) + data[first.end :])

    def foreign_folder(self, to: Path, chance: np.random.Generator) -> None:
        """Make a folder of somebody else's files."""
        to.mkdir()
        (to / "letter.txt").write_text("nothing to import")

    def empty_folder(self, to: Path, chance: np.random.Generator) -> None:
        """Make a folder of nothing."""
        to.mkdir()

    def plain_file(self, to: Path, chance: np.random.Generator) -> None:
        """Make a file that is neither a folder nor settings."""
        to.write_text("= neither a folder nor settings\n")

    def corrupt_parquet(self, to: Path, chance: np.random.Generator) -> None:
        """Make a recording's files with nothing but chance in them."""
        to.mkdir()
        for name in ("ticks_2026-06-08.parquet", "markets_2026-06-08.parquet"):
            (to / name).write_bytes(b"PAR1" + chance.bytes(4_000) + b"PAR1")

    def other_schema(self, to: Path, chance: np.random.Generator) -> None:
        """Make a recording's files with other columns than its schema's."""
        import duckdb

        to.mkdir()
        for name in ("ticks_2026-06-08.parquet", "markets_2026-06-08.parquet"):
            duckdb.execute(f"COPY (SELECT range AS apples FROM range(9)) TO '{to / name}' (FORMAT parquet)")

    def unknown_rule(self, to: Path, chance: np.random.Generator) -> None:
        """Let the venue's own data give the first of two markets a settlement rule that nobody knows."""
        from state.events import EVENT, Kind
        from state.rules import Rule

        rows = self.market
        at = int(np.flatnonzero(rows["kind_code"] == Kind.MARKET_LISTED)[0])
        given = np.zeros(1, EVENT)
        for name in ("at_ns", "seen_ns", "slot_id", "source_code"):
            given[name] = rows[name][at]
        given["kind_code"], given["code_id"], given["ref_id"] = Kind.RULE_GIVEN, Rule.SETTLEMENT, 99
        _write(to, [rows[: at + 1], given, rows[at + 1 :]])

    def _copy(self, to: Path) -> list[Path]:
        shutil.copytree(self.journal, to)
        return [path for _, path in segments(to)]


def _first(data: bytes | bytearray) -> Block:
    found = next(walk(bytes(data)))
    assert isinstance(found, Block), "the sound journal does not begin with a block"
    return found
