"""Import raw messages as frames: the bytes as they were kept, the source by the file's name, one connection a file.

Frames lie in the journal file by file, in the order of their lines: the files are years apart and share no clock.
Messages that the recorder itself sent are left out; fixtures have no time and carry 0.
"""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import zstandard

from infra.journal.writer import Journal
from infra.recordings.tables import SourceRefused
from state.events import Source
from state.units import NS_PER_S

_SOURCES: Final = (
    ("binance_usdm", Source.BINANCE_PERP),
    ("binance_coinm", Source.BINANCE_PERP),
    ("binance", Source.BINANCE),
    ("bybit", Source.BYBIT),
    ("okx", Source.OKX),
    ("coinbase", Source.COINBASE),
    ("polymarket_clob", Source.POLYMARKET_BOOK),
    ("polymarket_rtds", Source.CHAINLINK),
    ("polymarket_rest", Source.GAMMA),
    ("polymarket_ws_user", Source.POLYMARKET_USER),
)


def source_of(path: Path) -> Source:
    """Tell a file's source by its name.

    Raises:
        SourceRefused: the name begins like none we know.
    """
    for start, source in _SOURCES:
        if path.name.startswith(start):
            return source
    known = ", ".join(start for start, _ in _SOURCES)
    raise SourceRefused(f"{path}: no source begins like that; known are {known}")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Give the lines of a file of frames as they lie.

    Raises:
        SourceRefused: not zstd, cut short, or a line that is no JSON object with `raw`.
    """
    number = 0
    try:
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            for number, line in enumerate(io.TextIOWrapper(stream, encoding="utf-8"), 1):
                told = json.loads(line)
                if not isinstance(told, dict) or not isinstance(told.get("raw"), str):
                    raise SourceRefused(f"{path}: line {number} has no text in `raw`; fetch the file again")
                yield told
    except (zstandard.ZstdError, ValueError) as error:
        raise SourceRefused(f"{path}: line {number + 1} cannot be read ({error}); fetch the file again") from error


def seen_ns_of(told: dict[str, Any]) -> int:
    """Give the time a line was received, 0 where the recorder kept none."""
    if "recv_ns" in told:
        return int(told["recv_ns"])
    stamp = told.get("recv_s", told.get("ts_s"))
    return round(float(stamp) * 1_000_000) * (NS_PER_S // 1_000_000) if stamp is not None else 0


def write_frames(folder: Path, journal: Journal, progress: Callable[[int, int], None]) -> dict[str, int]:
    """Write every frame of a folder into a journal, with a note that names each connection's file.

    Args:
        folder: Holds `*.jsonl.zst`.
        journal: Open for writing.
        progress: Told how many bytes of how many have been read.

    Returns:
        Frames by file name.
    """
    paths = sorted(folder.glob("*.jsonl.zst"))
    total = sum(path.stat().st_size for path in paths)
    counts: dict[str, int] = {}
    done = 0
    for connection, path in enumerate(paths, 1):
        source = source_of(path)
        journal.append_note({"connection": connection, "file": path.name, "source": source.name}, 0)
        count = 0
        for told in read_lines(path):
            if told.get("dir") != "sent":
                journal.append_frame(source, connection, seen_ns_of(told), told["raw"].encode())
                count += 1
        if count == 0:
            raise SourceRefused(f"{path}: no frame in it; fetch the file again, or leave it out")
        counts[path.name] = count
        done += path.stat().st_size
        progress(done, total)
    return counts
