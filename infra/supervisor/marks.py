"""Marks of cycles that were begun: a file each, so that no name is used twice and any process may go on with one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from infra.private_files import write_private

SUFFIX: Final = ".waits"

Plain = dict[str, Any]


def mark(folder: Path, name: str, journal: str, usage: Mapping[str, Any] | None, asked_ns: int | None = None) -> None:
    """Note that a cycle has begun, for which session, its model's usage, and when a person was asked (market time)."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(
        folder / f"{name}{SUFFIX}", json.dumps({"journal": journal, "usage": usage, "asked_ns": asked_ns}).encode()
    )


def begun(folder: Path, name: str) -> Plain:
    """Give what was noted: `journal`, `usage` and `asked_ns`; empty when nothing was."""
    try:
        told = json.loads((folder / f"{name}{SUFFIX}").read_bytes())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def unmark(folder: Path, name: str) -> None:
    """Take the mark away: the cycle has its receipt."""
    (folder / f"{name}{SUFFIX}").unlink(missing_ok=True)


def begun_names(folder: Path) -> list[str]:
    """Name the cycles that were begun and have no end."""
    return sorted(file.stem for file in folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
