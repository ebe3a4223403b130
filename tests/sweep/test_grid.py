import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from evals.sweep import EXAMPLE, GridRefused, Stretch, cell_name, cells_of, cut, grid_of
from state.params import OutOfBounds, UnknownParameter, default_params, params_hash


def grid(text: str) -> object:
    return grid_of(tomllib.loads(text), "grid.toml")


def refused(text: str) -> str:
    with pytest.raises((GridRefused, UnknownParameter, OutOfBounds)) as error:
        grid(text)
    said = str(error.value)
    assert said.startswith("grid.toml") and "\n" not in said
    return said


def test_the_example_is_a_grid() -> None:
    told = grid_of(tomllib.loads(EXAMPLE), "example")
    assert [each.words for each in told.sets] == snapshot(
        [
            "baseline",
            "take_edge_bps=80 kelly_ratio=0.1",
            "take_edge_bps=80",
            "take_edge_bps=80 kelly_ratio=0.3",
            "kelly_ratio=0.1",
            "kelly_ratio=0.3",
            "take_edge_bps=200 kelly_ratio=0.1",
            "take_edge_bps=200",
            "take_edge_bps=200 kelly_ratio=0.3",
        ]
    )
    assert (told.seeds, told.block_windows, told.train_blocks) == ((1, 2), 12, 2)
    assert [(each.name, each.windows, each.seed) for each in told.markets] == [("demo", 24, 4), ("demo", 24, 5)]


def test_the_baseline_comes_first_and_a_combination_that_equals_it_is_not_tried_twice() -> None:
    told = grid_of({"grid": {"take_edge_bps": [100, 150, 150.0]}}, "grid.toml")
    assert [each.words for each in told.sets] == ["baseline", "take_edge_bps=150"]
    assert told.tried_count == 1
    assert told.sets[0].digest == params_hash(default_params())


def test_a_baseline_of_ones_own_stands_under_every_set() -> None:
    told = grid_of({"baseline": {"kelly_ratio": 0.1}, "grid": {"take_edge_bps": [150]}}, "grid.toml")
    assert [float(each.params["kelly_ratio"]) for each in told.sets] == [0.1, 0.1]  # type: ignore[index]


def test_a_range_names_its_steps_as_people_do() -> None:
    told = grid_of({"grid": {"kelly_ratio": {"from": 0.1, "to": 0.4, "step": 0.1}}}, "grid.toml")
    assert [each.words for each in told.sets[1:]] == ["kelly_ratio=0.1", "kelly_ratio=0.3", "kelly_ratio=0.4"]


def test_what_cannot_be_swept_is_refused_in_one_line_that_says_where() -> None:
    said = [
        refused(text)
        for text in (
            "",
            "grids = 1",
            "[grid]\ntake_edge = [100]",
            "[grid]\ntake_edge_bps = [100, 5000]",
            "[grid]\narm_bps = [1.5]",
            '[grid]\ntake_edge_bps = ["100"]',
            "[grid]\ntake_edge_bps = []",
            "[grid]\ntake_edge_bps = { from = 1 }",
            "[grid]\ntake_edge_bps = { from = 200, to = 100, step = 1 }",
            "[grid]\ntake_edge_bps = { from = 100, to = inf, step = 1 }",
            "[grid]\ntake_edge_bps = [nan]",
            "[grid]\ntake_edge_bps = { from = 10, to = 2000, step = 1 }\nkelly_ratio = { from = 0, to = 1, step = 0.1}",
            "seeds = [-1]\n[grid]\ntake_edge_bps = [150]",
            "cash_usd = 0\n[grid]\ntake_edge_bps = [150]",
            "[grid]\ntake_edge_bps = [150]\n[baseline]\nkelly_ratio = 7",
            "[grid]\ntake_edge_bps = [150]\n[blocks]\nsize = 12",
            "[grid]\ntake_edge_bps = [150]\n[blocks]\nwindows = -1",
            '[grid]\ntake_edge_bps = [150]\n[generated]\nmarket = "real"',
            "grid = 3",
        )
    ]
    assert said == snapshot(
        [
            "grid.toml: nothing to try; name parameters under [grid], as in take_edge_bps = [80, 120]",
            "grid.toml: unknown key 'grids'; there are seeds, cash_usd, baseline, grid, blocks, generated",
            "grid.toml [grid]: unknown parameter 'take_edge'; the nearest are take_edge_bps, "
            "keep_edge_bps, exit_edge_bps (see `updown rules --params`)",
            "grid.toml [grid]: take_edge_bps = 5000 is outside 10 .. 2000 (least edge after costs to "
            "take, at the worse end)",
            "grid.toml [grid]: arm_bps = 1.5 must be a whole number",
            "grid.toml [grid]: take_edge_bps = '100' is no number",
            "grid.toml [grid]: take_edge_bps has no value",
            "grid.toml [grid]: take_edge_bps is a list of numbers or { from = 1, to = 3, step = 1 }",
            "grid.toml [grid]: take_edge_bps goes from 200 to 100 by 1; say from <= to and a step above 0",
            "grid.toml [grid]: take_edge_bps goes from 100 to inf by 1; say from <= to and a step above 0",
            "grid.toml [grid]: take_edge_bps = nan must be a finite number",
            "grid.toml: 21,901 sets are too many; at most 20,000, for the correction eats them",
            "grid.toml: seeds: name 1 to 1000 whole numbers from 0, as in [1, 2]",
            "grid.toml: cash_usd = 0 must be dollars above 0 and up to 1e9",
            "grid.toml [baseline]: kelly_ratio = 7 is outside 0 .. 1 (share of the full Kelly stake)",
            "grid.toml [blocks]: unknown key 'size'; there are windows, train",
            "grid.toml [blocks]: windows = -1 must be a whole number from 0 to 100,000",
            "grid.toml [generated]: no market 'real'; there are demo, efficient",
            "grid.toml: grid is no section; begin it with a line [grid]",
        ]
    )


def test_cells_go_stretch_by_stretch_and_each_has_a_name_of_its_own() -> None:
    told = grid_of({"seeds": [1, 2], "grid": {"take_edge_bps": [150, 200]}}, "grid.toml")
    stretches = [Stretch(recording="r", digest=d, opens_s=(0,), trades_known=True) for d in ("a", "b")]
    cells = cells_of(told, stretches, "code")
    assert len(cells) == len({cell.name for cell in cells}) == 12
    assert [cell.stretch_id for cell in cells] == sorted(cell.stretch_id for cell in cells)
    assert not {cell.name for cell in cells} & {cell.name for cell in cells_of(told, stretches, "other code")}


@given(st.lists(st.tuples(st.text(), st.text(), st.integers(0, 99), st.text()), unique=True, max_size=20))
def test_cells_that_differ_in_anything_have_other_names(told: list[tuple[str, str, int, str]]) -> None:
    assert len({cell_name(*each) for each in told}) == len(told)


@given(st.lists(st.integers(0, 10_000), unique=True, max_size=60), st.integers(0, 20))
def test_a_cut_keeps_every_window_once_and_in_order(opens_s: list[int], windows: int) -> None:
    parts = list(cut(sorted(opens_s), windows))
    assert [open_s for part in parts for open_s in part] == sorted(opens_s)
    if windows and len(parts) > 1:
        assert all(len(part) * 2 >= windows for part in parts)
