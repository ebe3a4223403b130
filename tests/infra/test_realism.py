import json
from pathlib import Path

import numpy as np
import pytest
from recordings import recordings
from typer.testing import CliRunner, Result

from evals.realism_bands import BANDS
from infra.cli.app import app
from infra.realism import bands_of, recorded_figures
from infra.recordings.tables import SourceRefused


def updown(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="updown")


def test_stored_bands_are_those_that_the_recordings_give() -> None:
    data = recordings("pm_btc5m_l2_2026-04").parent
    bands = {band.name: band for band in bands_of(recorded_figures(data).figures, 24)}
    assert set(bands) == {band.name for band in BANDS}
    for stored in BANDS:
        band = bands[stored.name]
        assert (stored.low, stored.high) == pytest.approx((band.low, band.high), rel=2e-3)
        assert stored.real == pytest.approx(band.real, rel=2e-3, nan_ok=True)


def test_one_recording_alone_gives_its_own_figures() -> None:
    found = recorded_figures(recordings("chainlink_btcusd_1hz"))
    assert found.left_out == ()
    assert {source for _, source in found.figures.values()} == {"chainlink_btcusd_1hz"}
    assert np.median(found.figures["stream delay, p50 ms"][0]) == pytest.approx(1_320, abs=5)


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="name a folder of recordings"):
        recorded_figures(tmp_path)
    with pytest.raises(SourceRefused, match="name a folder of recordings"):
        recorded_figures(tmp_path / "nowhere")


def test_the_command_says_figure_by_figure_what_is_outside_and_ends_with_one() -> None:
    done = updown("realism", "--market", "efficient", "--windows", 2, "--json")
    assert done.exit_code == 1, done.stderr
    told = json.loads(done.stdout)
    assert (told["market"], told["windows"], told["all_inside"]) == ("efficient", 2, False)
    figures = {figure["figure"]: figure for figure in told["figures"]}
    assert set(figures) == {band.name for band in BANDS}
    assert not figures["changes a second"]["inside"]
    shown = updown("realism", "--market", "efficient", "--windows", 2)
    assert shown.exit_code == 1
    assert "Outside: " in shown.stdout and "changes a second" in shown.stdout


def test_a_market_that_is_none_is_refused_with_those_there_are() -> None:
    done = updown("realism", "--market", "sleepy")
    assert done.exit_code == 2
    assert "no market is called sleepy; there are efficient, late-makers" in done.stderr
