"""Play a journal, or a stretch of it, and say what came: the hashes of a run, in this process or in one of its own.

`python -m infra.proofs.played JOURNAL ...` says it as JSON.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evals.backtest import Backtest
    from infra.recordings.tape import Tape

DECISIONS: Final = ("lines", "orders", "messages", "windows")
"""The ledgers of a run."""


def play_whole(
    tape: "Tape", size: int | None = None, *, seed: int = 1, params: Any = None, flip_row: int | None = None
) -> dict[str, Any]:
    """Play a whole tape in chunks of one size (None: as its blocks lie) and give what `answer_of` says."""
    import numpy as np

    from evals.backtest import Backtest, Terms
    from state.events import EVENT
    from state.params import default_params

    backtest = Backtest(default_params() if params is None else params, Terms(seed=seed))
    for chunk in _resized(tape.chunks() if flip_row is None else _flipping(tape.chunks(), flip_row), size):
        backtest.feed(chunk)
    backtest.feed(np.zeros(0, EVENT), final=True)
    return answer_of(backtest)


def play_stretch(tape: "Tape", snapshot: Path, stop: int | None, *, size: int = 65_536, end: bool = False) -> Any:
    """Go on from a snapshot up to a row; `new` counts what was written on the way. `end` closes the run."""
    import numpy as np

    from infra.snapshots import load_snapshot
    from state.events import EVENT

    backtest = load_snapshot(snapshot)
    before = {name: sum(map(len, backtest.kept[name])) for name in DECISIONS}
    play_to(backtest, tape, stop, size)
    if end:
        backtest.feed(np.zeros(0, EVENT), final=True)
    told = answer_of(backtest)
    return told | {"new": {name: told["counts"][name] - before[name] for name in DECISIONS}}


def answer_of(backtest: "Backtest") -> dict[str, Any]:
    """Say a run as plain values: its hash, each ledger's hash and count, and padding bytes that are not zero."""
    import hashlib

    ledgers = backtest.ledgers()
    hashed = [ledgers.world, ledgers.exchange, *(getattr(ledgers, name) for name in DECISIONS)]
    hashes = {name: hashlib.sha256(getattr(ledgers, name).tobytes()).hexdigest() for name in DECISIONS}
    return {
        "run_hash": ledgers.run_hash,
        "events": ledgers.events_count,
        "counts": {name: len(getattr(ledgers, name)) for name in DECISIONS},
        "hashes": hashes,
        "padding_set_count": sum(map(padding_set, hashed)),
    }


def padding_set(value: Any) -> int:
    """Count the bytes between a record's fields (or those of its rows) that are not zero: a hash would see them."""
    import numpy as np

    between = ~_covered(value.dtype)
    data = np.frombuffer(value.tobytes(), np.uint8).reshape(-1, value.dtype.itemsize)
    return int(np.count_nonzero(data[:, between]))


def _covered(dtype: "np.dtype[Any]") -> "NDArray[np.bool_]":
    """Mark the bytes of a record that belong to some field."""
    import numpy as np

    if dtype.subdtype is not None:
        inner, shape = dtype.subdtype
        return np.tile(_covered(inner), int(np.prod(shape)))
    if dtype.names is None or dtype.fields is None:
        return np.ones(dtype.itemsize, np.bool_)
    found = np.zeros(dtype.itemsize, np.bool_)
    for name in dtype.names:
        kind, at = dtype.fields[name][:2]
        found[at : at + kind.itemsize] = _covered(kind)
    return found


def _resized(chunks: "Iterator[NDArray[Any]]", size: int | None) -> "Iterator[NDArray[Any]]":
    """Give the same rows in chunks of one size; the last may be shorter."""
    import numpy as np

    if size is None:
        yield from chunks
        return
    held: list[NDArray[Any]] = []
    count = 0
    for chunk in chunks:
        held.append(chunk)
        count += len(chunk)
        if count >= size:
            whole = np.concatenate(held)
            stop = count - count % size
            for at in range(0, stop, size):
                yield whole[at : at + size]
            held, count = [whole[stop:]], count - stop
    if count:
        yield np.concatenate(held)


def _flipping(chunks: "Iterator[NDArray[Any]]", row: int) -> "Iterator[NDArray[Any]]":
    """Flip one bit of one row: of its price, where it carries one, else of its size."""
    import numpy as np

    at = 0
    for chunk in chunks:
        if at <= row < at + len(chunk):
            one = chunk[row - at : row - at + 1]
            if one["value_usd"][0] != 0.0:
                one["value_usd"] = (one["value_usd"].view(np.int64) ^ (1 << 30)).view(np.float64)
            else:
                one["amount_micros"] ^= 1 << 20
        at += len(chunk)
        yield chunk


def play_to(backtest: "Backtest", tape: "Tape", stop: int | None, size: int | None = None) -> None:
    """Feed a run on from where it is, up to a row; None for all."""
    for chunk in _resized(tape.chunks(backtest.events_count), size):
        left = len(chunk) if stop is None else stop - backtest.events_count
        if left <= 0:
            return
        backtest.feed(chunk[:left])


def main(words: list[str]) -> dict[str, Any]:
    """Play a journal or a stretch of it as the words say; give what came as plain values."""
    read = argparse.ArgumentParser(prog="python -m infra.proofs.played", description=__doc__)
    read.add_argument("journal", type=Path)
    read.add_argument("--chunk", type=int, default=65_536, help="rows fed at once")
    read.add_argument("--until", type=int, help="stop before this row")
    read.add_argument("--load", type=Path, help="go on from this snapshot")
    read.add_argument("--save", type=Path, help="save a snapshot at the end, before the run is closed")
    read.add_argument("--unflushed", action="store_true", help="do not play out what is on its way at the end")
    asked = read.parse_args(words)

    from infra.compile_cache import prepare

    prepare(show=False)
    import numpy as np

    from evals.backtest import Backtest, Terms
    from infra.recordings.tape import open_tape
    from infra.snapshots import save_snapshot
    from state.events import EVENT
    from state.params import default_params

    tape = open_tape([asked.journal])
    if asked.load:
        return dict(play_stretch(tape, asked.load, asked.until, size=asked.chunk, end=not asked.unflushed))
    backtest = Backtest(default_params(), Terms())
    play_to(backtest, tape, asked.until, asked.chunk)
    if asked.save:
        save_snapshot(asked.save, backtest)
    else:
        backtest.feed(np.zeros(0, EVENT), final=True)
    return answer_of(backtest)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1:])) + "\n")
