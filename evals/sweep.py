"""A sweep: which sets of parameters are tried on which stretches with which seeds, and how each run is named.

A cell is one backtest: one set over one stretch of windows with one seed of the exchange's draws. Its name is a hash of
all that its outcome follows from, so a cell that is done stays done however the sweep is split, stopped or begun again,
and no outcome outlives the parameters, the rows or the code that gave it.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from state.params import BOUNDS, OutOfBounds, Params, UnknownParameter, checked, default_params, params_hash
from state.records import as_dict
from state.units import MICROS

SECTIONS: Final = ("seeds", "cash_usd", "baseline", "grid", "blocks", "generated")
MARKETS: Final = ("demo", "efficient")
SETS_MOST: Final = 20_000
SEEDS_MOST: Final = 1_000
STEPS_MOST: Final = 10_000
DIGITS: Final = 12
"""A step of a range is rounded to so many significant digits, so that 0.1 + 0.2 is named 0.3."""

EXAMPLE: Final = """\
seeds = [1, 2]              # of the exchange's draws; a window counts as the mean over them
cash_usd = 100000.0

[baseline]                  # what every set is held against: the defaults, with these changed
take_edge_bps = 120

[grid]                      # every combination is tried
take_edge_bps = [80, 120, 200]
kelly_ratio = { from = 0.1, to = 0.3, step = 0.1 }

[blocks]                    # recordings are cut into stretches that are played apart
windows = 12
train = 2                   # walk-forward: choose on the two blocks before, judge on the next; 0: no such split

[generated]                 # made-up markets, beside the recordings or instead of them
market = "demo"
windows = 24
seeds = [4, 5]
"""


class GridRefused(ValueError):
    """A grid that cannot be swept; one line: where, what, and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamSet:
    """One set of parameters that is tried."""

    changes: Mapping[str, float]
    """What it changes of the baseline, by name; empty for the baseline."""
    params: Params
    digest: str
    """`params_hash` of all its values."""

    @property
    def words(self) -> str:
        """Name it for people: what it changes."""
        return " ".join(f"{name}={value:.12g}" for name, value in self.changes.items()) or "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A made-up market to sweep over."""

    name: str
    windows: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """All that a grid file says."""

    sets: tuple[ParamSet, ...]
    """The baseline first, then every other combination once, in the order of the file."""
    seeds: tuple[int, ...]
    cash_micros: int
    block_windows: int
    """Windows in a stretch that is played by itself; 0: a recording is one stretch."""
    train_blocks: int
    """Stretches that walk-forward chooses on; 0: no such split."""
    markets: tuple[Market, ...]

    @property
    def tried_count(self) -> int:
        """Count the sets that are held against the baseline: what every correction must know."""
        return len(self.sets) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Windows that are played in one run, and what names their rows."""

    recording: str
    digest: str
    opens_s: tuple[int, ...]
    """Starts of its windows, in order, Unix seconds; windows before them in the rows only teach."""
    trades_known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One backtest of a sweep."""

    name: str
    set_id: int
    stretch_id: int
    seed: int


def grid_of(told: Mapping[str, Any], where: str) -> Grid:
    """Read a grid from plain values, as TOML gives them; `EXAMPLE` shows all that can be said.

    Args:
        told: the file's content.
        where: the file's name, for the refusal.

    Raises:
        GridRefused: something is missing, odd or too large.
        UnknownParameter, OutOfBounds: a name or a value that cannot be; the line begins with where it stands.
    """
    odd = sorted(set(told) - set(SECTIONS))
    if odd:
        raise GridRefused(f"{where}: unknown key {odd[0]!r}; there are {', '.join(SECTIONS)}")
    values = _section(told, "grid", where)
    if not values:
        raise GridRefused(f"{where}: nothing to try; name parameters under [grid], as in take_edge_bps = [80, 120]")
    axes = {name: _axis(f"{where} [grid]", name, each) for name, each in values.items()}
    count = 1
    for axis in axes.values():
        count *= len(axis)
    if count > SETS_MOST:
        raise GridRefused(f"{where}: {count:,} sets are too many; at most {SETS_MOST:,}, for the correction eats them")
    base = {
        name: _checked(f"{where} [baseline]", name, value) for name, value in _section(told, "baseline", where).items()
    }
    blocks = _section(told, "blocks", where, ("windows", "train"))
    cash_usd = told.get("cash_usd", 100_000.0)
    if not _is_number(cash_usd) or not 0.0 < cash_usd <= 1e9:
        raise GridRefused(f"{where}: cash_usd = {cash_usd!r} must be dollars above 0 and up to 1e9")
    return Grid(
        sets=_sets(base, axes),
        seeds=_seeds(told.get("seeds", [1]), f"{where}: seeds"),
        cash_micros=round(cash_usd * MICROS),
        block_windows=_count(blocks.get("windows", 0), f"{where} [blocks]: windows", 100_000),
        train_blocks=_count(blocks.get("train", 0), f"{where} [blocks]: train", 1_000),
        markets=_markets(told, where),
    )


def cells_of(grid: Grid, stretches: Sequence[Stretch], code: str) -> tuple[Cell, ...]:
    """List every cell, stretch by stretch, so that few rows are held at once.

    Args:
        grid: sets and seeds.
        stretches: what they are played over.
        code: digest of the code that plays them.
    """
    return tuple(
        Cell(
            name=cell_name(grid.sets[set_id].digest, stretches[stretch_id].digest, seed, code),
            set_id=set_id,
            stretch_id=stretch_id,
            seed=seed,
        )
        for stretch_id, set_id, seed in itertools.product(range(len(stretches)), range(len(grid.sets)), grid.seeds)
    )


def cell_name(params_digest: str, rows_digest: str, seed: int, code: str) -> str:
    """Name a cell by all that its outcome follows from.

    >>> cell_name("a", "b", 1, "c") == cell_name("a", "b", 1, "c") != cell_name("a", "b", 2, "c")
    True
    """
    told = json.dumps([params_digest, rows_digest, seed, code])
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def cut(opens_s: Sequence[int], windows: int) -> Iterator[tuple[int, ...]]:
    """Cut windows into stretches of so many, in order; a rest of less than half joins the stretch before it.

    >>> list(cut([1, 2, 3, 4, 5, 6, 7], 3)), list(cut([1, 2, 3], 0))
    ([(1, 2, 3), (4, 5, 6, 7)], [(1, 2, 3)])
    """
    if not opens_s:
        return
    size = windows or len(opens_s)
    starts = list(range(0, len(opens_s), size))
    if len(starts) > 1 and (len(opens_s) - starts[-1]) * 2 < size:
        starts.pop()
    for start, end in itertools.zip_longest(starts, starts[1:], fillvalue=len(opens_s)):
        yield tuple(opens_s[start:end])


def _sets(base: Mapping[str, float], axes: Mapping[str, tuple[float, ...]]) -> tuple[ParamSet, ...]:
    """Give the baseline and every other combination; two that come to the same values are one."""
    baseline = default_params(base)
    found = {params_hash(baseline): ParamSet(changes={}, params=baseline, digest=params_hash(baseline))}
    before = as_dict(baseline)
    for values in itertools.product(*axes.values()):
        told = dict(zip(axes, values, strict=True))
        params = default_params({**base, **told})
        digest = params_hash(params)
        changes = {name: value for name, value in told.items() if value != before[name]}
        found.setdefault(digest, ParamSet(changes=changes, params=params, digest=digest))
    return tuple(found.values())


def _axis(where: str, name: str, told: Any) -> tuple[float, ...]:
    if isinstance(told, Mapping):
        told = _range(where, name, told)
    values = told if isinstance(told, list) else [told]
    if not values:
        raise GridRefused(f"{where}: {name} has no value")
    return tuple(dict.fromkeys(_checked(where, name, value) for value in values))


def _range(where: str, name: str, told: Mapping[str, Any]) -> list[float]:
    if set(told) != {"from", "to", "step"} or not all(_is_number(each) for each in told.values()):
        raise GridRefused(f"{where}: {name} is a list of numbers or {{ from = 1, to = 3, step = 1 }}")
    low, high, step = told["from"], told["to"], told["step"]
    if not (step > 0 and low <= high and (high - low) / step < STEPS_MOST):
        raise GridRefused(f"{where}: {name} goes from {low} to {high} by {step}; say from <= to and a step above 0")
    count = int((high - low) / step + 1e-9) + 1
    return [float(f"{low + k * step:.{DIGITS}g}") for k in range(count)]


def _markets(told: Mapping[str, Any], where: str) -> tuple[Market, ...]:
    if "generated" not in told:
        return ()
    section = _section(told, "generated", where, ("market", "windows", "seeds"))
    name = section.get("market", "demo")
    if name not in MARKETS:
        raise GridRefused(f"{where} [generated]: no market {name!r}; there are {', '.join(MARKETS)}")
    windows = _count(section.get("windows", 12), f"{where} [generated]: windows", 2016)
    if not windows:
        raise GridRefused(f"{where} [generated]: a market has at least one window")
    seeds = _seeds(section.get("seeds", [4]), f"{where} [generated]: seeds")
    return tuple(Market(name=name, windows=windows, seed=seed) for seed in seeds)


def _section(told: Mapping[str, Any], name: str, where: str, known: Sequence[str] = ()) -> Mapping[str, Any]:
    section = told.get(name, {})
    if not isinstance(section, Mapping):
        raise GridRefused(f"{where}: {name} is no section; begin it with a line [{name}]")
    odd = sorted(set(section) - set(known)) if known else []
    if odd:
        raise GridRefused(f"{where} [{name}]: unknown key {odd[0]!r}; there are {', '.join(known)}")
    return section


def _seeds(told: Any, where: str) -> tuple[int, ...]:
    values = told if isinstance(told, list) else [told]
    whole = all(isinstance(each, int) and not isinstance(each, bool) and 0 <= each <= 2**62 for each in values)
    if not values or not whole or len(values) > SEEDS_MOST:
        raise GridRefused(f"{where}: name 1 to {SEEDS_MOST} whole numbers from 0, as in [1, 2]")
    return tuple(dict.fromkeys(values))


def _count(told: Any, where: str, most: int) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told <= most:
        raise GridRefused(f"{where} = {told!r} must be a whole number from 0 to {most:,}")
    return told


def _checked(where: str, name: str, value: Any) -> float:
    if name in BOUNDS and not _is_number(value):
        raise GridRefused(f"{where}: {name} = {value!r} is no number")
    try:
        return checked(name, value)
    except (UnknownParameter, OutOfBounds) as error:
        raise type(error)(f"{where}: {error}") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
