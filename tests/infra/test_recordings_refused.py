"""A folder that cannot be imported is refused in one line that says what, where and how to mend it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from small_recordings import save, small_l2

from infra.recordings.importer import import_folder, import_folders
from infra.recordings.tables import SourceRefused
from infra.recordings.tape import open_tape


def _rewrite(name: str, query: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        shutil.move(folder / f"{name}.parquet", folder.parent / "was.parquet")
        save(folder, name, query.replace("FROM was", f"FROM '{folder.parent / 'was.parquet'}'"))

    return change


def _cut(folder: Path) -> None:
    path = folder / "l2_changes.parquet"
    path.write_bytes(path.read_bytes()[:-20])


def _remove(folder: Path) -> None:
    (folder / "tob.parquet").unlink()


BAD = {
    "a missing file": (_remove, r"tob\.parquet is missing; fetch the folder again"),
    "a missing column": (_rewrite("tob", "SELECT * EXCLUDE (bid) FROM was"), r"not the columns that were expected"),
    "an empty table": (
        _rewrite("windows", "SELECT * FROM was WHERE false"),
        r"the table is empty; fetch the file again",
    ),
    "a cut file": (_cut, r"cannot be read as Parquet .*; fetch the file again"),
    "a price off the grid": (
        _rewrite("l2_changes", "SELECT * REPLACE (1200::SMALLINT AS price_mills) FROM was"),
        "no price on",
    ),
    "a negative size": (_rewrite("l2_changes", "SELECT * REPLACE (-1.0 AS size) FROM was"), "is no size"),
    "a change without frame": (
        _rewrite("l2_changes", "SELECT * REPLACE (seq + 9 AS seq) FROM was"),
        "belongs to no row",
    ),
    "windows that differ": (
        _rewrite("l2_changes", "SELECT * FROM was WHERE window_start < 1776081900"),
        "its windows are not",
    ),
    "a key without value": (
        _rewrite("l2_changes", "SELECT * REPLACE (NULL::INT AS seq) FROM was"),
        "rows without a value",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_folder_is_one_clear_line_and_leaves_nothing_behind(tmp_path: Path, case: str) -> None:
    change, expected = BAD[case]
    change(small_l2(tmp_path / "l2"))
    (tmp_path / "out").mkdir()
    with pytest.raises(SourceRefused, match=expected) as refused:
        import_folder(tmp_path / "l2", tmp_path / "out" / "j")
    assert "\n" not in str(refused.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_folders_that_are_missing_unknown_or_in_the_way_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="no such folder; name a folder of recordings"):
        import_folder(tmp_path / "nowhere", tmp_path / "j")
    with pytest.raises(SourceRefused, match="no such folder"):
        open_tape([tmp_path / "nowhere"], tmp_path)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "holiday.jpg").write_bytes(b"")
    with pytest.raises(
        SourceRefused, match=r"no recording that we can import \(it holds holiday\.jpg\); we know full-depth"
    ):
        import_folder(tmp_path / "odd", tmp_path / "j")
    with pytest.raises(SourceRefused, match="no recording named"):
        open_tape([], tmp_path)
    small_l2(tmp_path / "l2")
    import_folder(tmp_path / "l2", tmp_path / "j")
    with pytest.raises(SourceRefused, match="already there; name a new folder"):
        import_folder(tmp_path / "l2", tmp_path / "j")
    with pytest.raises(SourceRefused, match="a journal is read alone"):
        open_tape([tmp_path / "j", tmp_path / "l2"], tmp_path)
    with pytest.raises(SourceRefused, match="import this folder by itself"):
        (tmp_path / "raw").mkdir()
        (tmp_path / "raw" / "okx.jsonl.zst").write_bytes(zstandard.compress(b"{}"))
        import_folders([tmp_path / "l2", tmp_path / "raw"], tmp_path / "k")
    with pytest.raises(SourceRefused, match="line 1 has no text in `raw`"):
        import_folder(tmp_path / "raw", tmp_path / "k")
    (tmp_path / "raw" / "okx.jsonl.zst").write_bytes(b"no zstd at all")
    with pytest.raises(SourceRefused, match="cannot be read"):
        import_folder(tmp_path / "raw", tmp_path / "k")
    (tmp_path / "raw" / "kraken.jsonl.zst").write_bytes(b"")
    with pytest.raises(SourceRefused, match="no source begins like that"):
        import_folder(tmp_path / "raw", tmp_path / "k")
