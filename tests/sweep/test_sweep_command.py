import json
from pathlib import Path
from typing import Any

import pytest
from sweep_stage import GRID
from typer.testing import CliRunner, Result

from infra.cli.app import app
from infra.generated import write_market
from infra.lock_file import take_lock


def updown(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="updown")


def refusal(*words: object) -> str:
    done = updown("sweep", *words)
    assert done.exit_code == 2, done.output
    assert done.stderr.count("\n") == 1
    return done.stderr.strip()


def test_the_example_can_be_swept(tmp_path: Path) -> None:
    from infra.sweep.grid_file import read_grid

    (tmp_path / "grid.toml").write_text(updown("sweep", "--example").stdout)
    assert read_grid(tmp_path / "grid.toml").tried_count == 8  # nine, of which one is the baseline


def test_whatever_cannot_be_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.toml").write_text("")
    Path("broken.toml").write_text("grid")
    Path("good.toml").write_text("[grid]\ntake_edge_bps = [150]\n")
    Path("market.toml").write_text(GRID)
    Path("taken").mkdir()
    Path("taken/file").touch()
    Path("busy").mkdir()
    take_lock(Path("busy/sweep.lock"))
    assert "name a grid file" in refusal()
    assert "absent.toml: no such file" in refusal("absent.toml")
    assert "not TOML" in refusal("broken.toml")
    assert "nothing to try" in refusal("empty.toml")
    assert "nothing to sweep over" in refusal("good.toml")
    assert "nowhere: no such folder" in refusal("good.toml", "--over", "nowhere")
    assert "taken: already there, and no sweep" in refusal("market.toml", "--out", "taken")
    assert "sweeps there" in refusal("market.toml", "--out", "busy")
    assert "plain tcp" in refusal("market.toml", "--cluster", "tcp://10.0.0.7:1")


@pytest.mark.rehearsal
def test_recordings_that_are_named_one_after_the_other_are_swept_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_market(Path("one/journal"), name="demo", windows=2, seed=4)
    Path("grid.toml").write_text("[grid]\ntake_edge_bps = [400]\n[blocks]\nwindows = 1\ntrain = 1\n")
    words: tuple[Any, ...] = ("grid.toml", "--over", "one/journal", "--out", "out")
    done = updown("sweep", *words, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["sets_tried"], told["windows"], told["cells"], told["cells_kept"]) == (1, 2, 4, 0)
    assert told["standing"] == "too_few" and "expect regression to the mean" in told["headline"]
    assert told["walk_forward"]["folds"] == 1
    again = updown("sweep", *words)
    assert again.exit_code == 0 and "best of 1 sets: corrected p = " in again.stdout
    assert "4, of which 4 were done before" in again.stdout
    write_market(Path("two/journal"), name="demo", windows=1, seed=5)
    assert "would count twice" in refusal(*words[:3], "two/journal", "--out", "other")
