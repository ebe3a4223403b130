from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.sweep.tables import TableDamaged, read_table, write_table


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(-(2**60), 2**60), st.floats(allow_nan=True), st.text(max_size=8)), max_size=50))
def test_a_table_reads_back_as_it_was_written(rows: list[tuple[int, float, str]]) -> None:
    columns = {
        "whole": np.array([row[0] for row in rows], np.int64),
        "part": np.array([row[1] for row in rows], float),
        "words": np.array([row[2].replace("\0", "") for row in rows], object),
    }
    with TemporaryDirectory() as home:
        write_table(Path(home) / "t.parquet", columns)
        told = read_table(Path(home) / "t.parquet")
    assert list(told) == list(columns)
    assert told["whole"].tolist() == columns["whole"].tolist()
    assert np.array_equal(told["part"], columns["part"], equal_nan=True)
    assert told["words"].tolist() == columns["words"].tolist()


def test_the_same_columns_give_the_same_bytes(tmp_path: Path) -> None:
    columns = {"at": np.arange(300_000), "p": np.random.default_rng(1).random(300_000)}
    for name in ("one", "two"):
        write_table(tmp_path / name, columns)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["one", "two"]


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "t", {"at": np.arange(10)})
    (tmp_path / "t").write_bytes((tmp_path / "t").read_bytes()[:-20])
    with pytest.raises(TableDamaged, match="cannot be read"):
        read_table(tmp_path / "t")
    with pytest.raises(TableDamaged):
        read_table(tmp_path / "absent")
