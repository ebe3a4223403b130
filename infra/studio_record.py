"""The record that Studio's three graphs speak of: that of UPDOWN_STUDIO_RECORD, or one made up for the purpose.

It is opened when it is first asked for, in a thread: a server that only shows the desk starts without it.
"""

import os
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra.record.answers import Answers
from infra.record.opening import open_record
from infra.record.record import Missing, Record
from state.records import as_dict

VARIABLE: Final = "UPDOWN_STUDIO_RECORD"


class NotRecorded(ValueError):
    """The record has no such decision; the message says which it has."""


@dataclass(slots=True)
class StudioRecord:
    """A record that is opened once, whoever asks first; safe from several threads."""

    folder: Path | None
    _record: Record | None = None
    _scratch: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def named(cls, environment: Mapping[str, str]) -> "StudioRecord":
        """Take the folder that the environment names."""
        told = environment.get(VARIABLE, "").strip()
        return cls(Path(told) if told else None)

    def place(self) -> Path:
        """Give the record's folder; made up now where none was named."""
        if self.folder is None:
            from infra.agent_evals.evidence import save_evidence

            self._scratch = tempfile.TemporaryDirectory(prefix="updown-studio-")
            home = Path(self._scratch.name) / "var" / "generated" / "studio"
            save_evidence(home)
            self.folder = home
        return self.folder

    def open(self) -> Record:
        """Give the record.

        Raises:
            NothingRecorded: the folder has none.
        """
        with self._lock:
            if self._record is None:
                self._record = open_record(self.place())
            return self._record

    def answer(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question, as `infra.record.answers` does."""
        record = self.open()
        with self._lock:
            return Answers(record).answer(name, arguments)

    def decision(self, number: int) -> dict[str, Any]:
        """Give a decision's view and the parameters in force, as plain values.

        Raises:
            NotRecorded: there is none of that number.
            NothingRecorded: there is no record.
        """
        record = self.open()
        with self._lock:
            whole, line = record.decision(number), record.line(number)
            if isinstance(whole, Missing) or isinstance(line, Missing):
                raise NotRecorded(whole.words if isinstance(whole, Missing) else line.words)
            params = record.params_at(int(line["at_ns"]))
            return {"market": as_dict(whole["market"]), "params": as_dict(params)}


STUDIO_RECORD: Final = StudioRecord.named(os.environ)
