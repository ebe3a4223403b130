"""Write small recordings in the schemas of the real ones, for tests that need to know every row."""

from pathlib import Path
from typing import Any

import duckdb


def save(folder: Path, name: str, query: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ask(f"COPY ({query}) TO '{folder / name}.parquet' (FORMAT parquet)")


def ask(query: str) -> list[tuple[Any, ...]]:
    return duckdb.execute(query).fetchall()


def small_l2(folder: Path) -> Path:
    """Write two windows in the schema of full-depth books; the first has a step back in time and a fine tick."""
    changes = [
        (0, 0, "B", 490, 10.5), (0, 0, "A", 500, 20.0), (0, 1, "A", 500, 0.0), (0, 1, "A", 510, 3.25),
        (0, 3, "B", 495, 1.0), (300, 0, "B", 20, 5.0),
    ]  # fmt: skip
    tops = [
        (0, 0, 1_000, 0.49, 0.5), (0, 1, 3_000, 0.49, 0.51), (0, 2, 2_990, 0.49, 0.51), (0, 3, 4_000, 0.495, 0.51),
        (300, 0, 301_000, 0.02, None),
    ]  # fmt: skip
    save(
        folder, "l2_changes",
        "SELECT (1776081600 + a)::BIGINT window_start, 'Down' AS token, b::INT seq, c side, d::SMALLINT price_mills, "
        f"e::DOUBLE size FROM (VALUES {', '.join(map(str, changes))}) t(a, b, c, d, e)",
    )  # fmt: skip
    values = ", ".join(str(row).replace("None", "NULL") for row in tops)
    sums = ", ".join(
        f"0::FLOAT {side}_sz_{reach}" for reach in ("1c", "2c", "4c", "9c", "all") for side in ("bid", "ask")
    )
    save(
        folder, "tob",
        "SELECT (1776081600 + a)::BIGINT window_start, 'Down' AS token, b::INT seq, "
        "(1776081600000 + c)::BIGINT ts_exch_ms, "
        f"0::BIGINT ts_recv_us, d::FLOAT bid, e::FLOAT ask, 0::FLOAT bid_sz, 0::FLOAT ask_sz, {sums}, 0 n_bid, 0 n_ask "
        f"FROM (VALUES {values}) t(a, b, c, d, e)",
    )  # fmt: skip
    save(
        folder, "windows",
        "SELECT * FROM (VALUES (1776081600::BIGINT, 'Up', 'official_position', true), (1776081900, NULL, NULL, false)) "
        "t(window_start, outcome, outcome_source, usable)",
    )  # fmt: skip
    return folder
