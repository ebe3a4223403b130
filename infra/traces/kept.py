"""Traces as a sink keeps them: one JSON object a line, and the trees that the lines come to."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

FILE: Final = "traces.jsonl"
PARTS: Final = ("inputs", "outputs", "extra", "events", "error", "serialized")


@dataclass(slots=True)
class KeptRun:
    """One run as it came, with the runs below it and the feedback upon it."""

    told: dict[str, Any]
    below: list["KeptRun"] = field(default_factory=list)
    feedback: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Give its name."""
        return str(self.told.get("name", "?"))

    @property
    def metadata(self) -> dict[str, Any]:
        """Give its metadata."""
        found: dict[str, Any] = (self.told.get("extra") or {}).get("metadata") or {}
        return found

    @property
    def tags(self) -> list[str]:
        """Give its tags."""
        return [str(tag) for tag in self.told.get("tags") or ()]

    @property
    def outputs(self) -> dict[str, Any]:
        """Give what came out."""
        return self.told.get("outputs") or {}

    def walk(self) -> Iterator["KeptRun"]:
        """Give it and all below, in order."""
        yield self
        for each in self.below:
            yield from each.walk()


def kept_lines(file: Path) -> Iterator[dict[str, Any]]:
    """Give what a sink wrote down, line by line; a last line cut short is left out."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                return


def trees_of(lines: Iterable[dict[str, Any]]) -> list[KeptRun]:
    """Put runs together to trees, oldest first; what came twice counts once, the later word on top of the earlier."""
    runs: dict[str, KeptRun] = {}
    feedback: dict[str, dict[str, Any]] = {}
    for line in lines:
        told = line["told"]
        if line["kind"] in ("post", "patch"):
            said = {name: value for name, value in told.items() if value is not None}
            runs.setdefault(str(told["id"]), KeptRun({})).told.update(said)
        elif line["kind"] == "feedback":
            feedback[str(told["id"])] = told
    for each in feedback.values():
        if (run := runs.get(str(each.get("run_id")))) is not None:
            run.feedback.append(each)
    roots: list[KeptRun] = []
    for run in sorted(runs.values(), key=lambda run: str(run.told.get("dotted_order", ""))):
        above = runs.get(str(run.told.get("parent_run_id")))
        (above.below if above is not None else roots).append(run)
    return roots
