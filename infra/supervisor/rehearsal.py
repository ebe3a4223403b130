"""Rehearsals: champion against challenger on frozen windows, played by a process of its own, each run only once.

Walk-forward: the windows are split in time. A proposer may ask how parameters would have done before the cut
(`fitted`), and for nothing after it; the ruling rests on what opened after the cut (`rehearse`). Scores are kept under
the rows' digest, the parameters' hash, the seeds and the digest of the compiled core, so that the same question costs
nothing, and no answer outlives the code that gave it.
"""

import asyncio
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np

from evals.rehearsal import Rehearsed, WindowScore, rehearsed
from infra.compile_cache import ROOT, cache_folder
from infra.private_files import write_private
from infra.supervisor.frozen import Frozen
from state.params import Params, default_params, params_hash
from state.records import as_dict

SEEDS: Final = (1, 2, 3)
FIT_RATIO: Final = 0.4
"""Share of the windows before the cut: they are fitted on and fix the scale of the bets; the others judge."""
DEADLINE_S: Final = 120.0
LINE_BYTES: Final = 1 << 26
KEPT_ROWS: Final = 4
"""Files of frozen rows that are kept; they can be frozen again."""
END_S: Final = 5.0

Progress = Callable[[int, int], None]


class RehearsalFailed(Exception):
    """A rehearsal did not come to its end: too late, refused, or its process died. No result stands for it."""


def _quiet(_done: int, _total: int) -> None:
    """Hear no progress."""


class Rehearsal:
    """Frozen windows and a champion, ready to be challenged; use it as an asynchronous context."""

    def __init__(
        self,
        frozen: Sequence[Frozen],
        folder: Path,
        *,
        champion: Params | None = None,
        seeds: Sequence[int] = SEEDS,
        fit_ratio: float = FIT_RATIO,
        cut_s: int | None = None,
        deadline_s: float = DEADLINE_S,
        progress: Progress = _quiet,
    ) -> None:
        """Take the windows and the parameters in force.

        Args:
            frozen: stretches of time that do not overlap, in order.
            folder: where rows and scores are kept; the supervisor's own.
            champion: parameters in force; those that the last stretch began with when None.
            seeds: of the exchange's draws; a window's score is the mean over them.
            fit_ratio: share of the windows before the cut.
            cut_s: the cut itself, Unix seconds: a proposal that waits keeps the cut it was made at, and its evidence
                grows with every window that settles after it. None: by `fit_ratio`.
            deadline_s: a run that takes longer is given up.
            progress: told rows played, of how many.
        """
        assert frozen and seeds and 0.0 < fit_ratio < 1.0, "a rehearsal needs windows, seeds and a cut"
        self.champion = champion if champion is not None else frozen[-1].params
        self.seeds = tuple(int(seed) for seed in seeds)
        self.folder = folder.resolve()  # the player runs in a folder of its own
        self.deadline_s = deadline_s
        self.progress = progress
        self.played_count = 0
        """Runs that were played, not remembered: what a search is charged for."""
        opens = sorted({open_s for each in frozen for open_s in each.opens_s})
        self.cut_s = opens[min(round(len(opens) * fit_ratio), len(opens) - 1)] if cut_s is None else cut_s
        self._whole = tuple(frozen)
        self._before = tuple(each.until(self.cut_s) for each in frozen if each.opens_s[0] < self.cut_s)
        self._child: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> "Rehearsal":
        """Begin; the process starts with the first run."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        await self.close()

    @property
    def digest(self) -> str:
        """Name the frozen windows."""
        return _digest_of(self._whole)

    @property
    def last_open_s(self) -> int:
        """Give the start of the last settled window, Unix seconds."""
        return self._whole[-1].opens_s[-1]

    def changed(self, changes: Mapping[str, float]) -> Params:
        """Give the champion's parameters with some changed.

        Raises:
            UnknownParameter, OutOfBounds: see `state.params.checked`.
        """
        values: dict[str, Any] = {**as_dict(self.champion), **changes}
        return default_params(values)

    async def rehearse(self, changes: Mapping[str, float]) -> Rehearsed:
        """Hold the champion with some parameters changed against the champion as it is.

        Raises:
            UnknownParameter, OutOfBounds: the changes cannot stand.
            RehearsalFailed: it did not come to its end.
        """
        challenger = self.changed(changes)
        old = await self._scores(self._whole, self.champion)
        new = await self._scores(self._whole, challenger)
        return rehearsed(
            old,
            new,
            cut_s=self.cut_s,
            seeds=self.seeds,
            frozen_digest=self.digest,
            champion_hash=params_hash(self.champion),
            challenger_hash=params_hash(challenger),
        )

    async def fitted(self, changes: Mapping[str, float]) -> tuple[WindowScore, ...]:
        """Say how the champion with some parameters changed did before the cut: rows after it are not even played.

        Raises:
            UnknownParameter, OutOfBounds, RehearsalFailed: as `rehearse`.
        """
        return await self._scores(self._before, self.changed(changes))

    async def replayed(self) -> tuple[WindowScore, ...]:
        """Say what the champion makes of all windows, those included that judge: for reports, never to fit on.

        Raises:
            RehearsalFailed: it did not come to its end.
        """
        return await self._scores(self._whole, self.champion)

    async def _scores(self, stretches: Sequence[Frozen], params: Params) -> tuple[WindowScore, ...]:
        async with self._turn:
            found: list[WindowScore] = []
            for each in stretches:
                counted = frozenset(each.opens_s)
                found += [score for score in await self._score(each, params) if score.open_s in counted]
        return tuple(sorted(found, key=lambda score: (score.open_s, score.slot_id)))

    async def _score(self, frozen: Frozen, params: Params) -> list[WindowScore]:
        told = [frozen.digest, params_hash(params), str(self.seeds), cache_folder().name]
        kept = self.folder / "scores" / f"{hashlib.sha256(' '.join(told).encode()).hexdigest()[:32]}.json"
        if kept.is_file():
            try:
                return _scores_of(json.loads(kept.read_text(encoding="utf-8")))
            except (ValueError, TypeError, KeyError):
                kept.unlink()  # damaged: it is reckoned again
        request = {
            "rows": str(self._rows_file(frozen)),
            "params": as_dict(params),
            "seeds": list(self.seeds),
            "cash_micros": frozen.cash_micros,
            "trades_known": frozen.trades_known,
        }
        plain: list[dict[str, Any]] | None = None
        try:
            async with asyncio.timeout(self.deadline_s):
                plain = await self._ask(request)
        except TimeoutError as error:
            raise RehearsalFailed(f"a run took longer than {self.deadline_s:g} s and was given up") from error
        finally:
            if plain is None:
                await self.close()  # what it still says belongs to nobody
        self.played_count += 1
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_private(kept, json.dumps(plain).encode())
        return _scores_of(plain)

    async def _ask(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        child = self._child
        if child is None:
            child = self._child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "infra.supervisor.player", cwd=ROOT, limit=LINE_BYTES, start_new_session=True,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        assert child.stdin is not None and child.stdout is not None and child.stderr is not None
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            await child.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            pass  # what it died of is read below
        while line := await child.stdout.readline():
            told = json.loads(line)
            if "done" in told:
                self.progress(*told["done"])
            elif "scores" in told:
                scores: list[dict[str, Any]] = told["scores"]
                return scores
            else:
                raise RehearsalFailed(str(told["refused"]))
        said = (await child.stderr.read()).decode(errors="replace").strip().splitlines()
        raise RehearsalFailed(f"the rehearsal's process ended: {said[-1] if said else 'no message'}")

    def _rows_file(self, frozen: Frozen) -> Path:
        file = self.folder / "rows" / f"{frozen.digest[:32]}.npy"
        if file.is_file():
            file.touch()
            return file
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = file.with_suffix(".part")
        with part.open("wb") as out:
            np.save(out, frozen.rows, allow_pickle=False)
        part.replace(file)
        held = {f"{each.digest[:32]}.npy" for each in (*self._whole, *self._before)}
        free = [old for old in file.parent.glob("*.npy") if old.name not in held]
        for old in sorted(free, key=lambda path: path.stat().st_mtime)[:-KEPT_ROWS]:
            old.unlink(missing_ok=True)
        return file

    async def close(self) -> None:
        """End the process; the next run starts another."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:
            child.kill()
        # What is left in its pipes is read away, or the wait for its end could last for ever.
        await asyncio.wait_for(child.communicate(), END_S)


def _scores_of(plain: list[dict[str, Any]]) -> list[WindowScore]:
    return [WindowScore(**{**each, "p_up": tuple(each["p_up"])}) for each in plain]


def _digest_of(stretches: Sequence[Frozen]) -> str:
    if len(stretches) == 1:
        return stretches[0].digest
    return hashlib.sha256(" ".join(each.digest for each in stretches).encode()).hexdigest()
