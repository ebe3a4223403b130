"""The record that Studio's three graphs speak of: that of UPDOWN_STUDIO_RECORD, or one made up for the purpose.

It is opened when it is first asked for, in a thread: a server that only shows the desk starts without it.
"""

import logging
import os
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra.chat.conversation import open_model
from infra.journal.errors import JournalDamaged, JournalForeign, JournalMissing
from infra.language_model.client import LanguageModel
from infra.language_model.settings import read_model
from infra.record.answers import Answers
from infra.record.opening import NothingRecorded, open_record
from infra.record.record import Missing, Record
from infra.runs import RunDamaged, RunMissing
from infra.settings import SettingsRefused
from state.records import as_dict

VARIABLE: Final = "UPDOWN_STUDIO_RECORD"
TROUBLE: Final = (NothingRecorded, JournalMissing, JournalForeign, JournalDamaged, RunMissing, RunDamaged)


class NotRecorded(ValueError):
    """There is no such decision, or no record that can be read; the message says which there is, or what is wrong."""


@dataclass(slots=True)
class StudioRecord:
    """A record that is opened once, whoever asks first; safe from several threads."""

    folder: Path | None
    _record: Record | None = None
    _scratch: Any = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def named(cls, environment: Mapping[str, str]) -> "StudioRecord":
        """Take the folder that the environment names."""
        told = environment.get(VARIABLE, "").strip()
        return cls(Path(told) if told else None)

    def place(self) -> Path:
        """Give the record's folder; made up now where none was named."""
        with self._lock:
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
            NotRecorded: the folder has none, or one that cannot be read.
        """
        with self._lock:
            if self._record is None:
                try:
                    self._record = open_record(self.place())
                except TROUBLE as error:
                    raise NotRecorded(str(error)) from error
            return self._record

    def answer(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question, as `infra.record.answers` does; where there is no record, that is the answer."""
        try:
            record = self.open()
        except NotRecorded as error:
            return {"cannot": str(error)}
        with self._lock:
            return Answers(record).answer(name, arguments)

    def decision(self, number: int) -> dict[str, Any]:
        """Give a decision's view and the parameters in force, as plain values.

        Raises:
            NotRecorded: there is none of that number, or no record.
        """
        record = self.open()
        with self._lock:
            record.refresh()
            whole, line = record.decision(number), record.line(number)
            if isinstance(whole, Missing) or isinstance(line, Missing):
                raise NotRecorded(whole.words if isinstance(whole, Missing) else line.words)
            params = record.params_at(int(line["at_ns"]))
            return {"market": as_dict(whole["market"]), "params": as_dict(params)}


def studio_model(environment: Mapping[str, str]) -> LanguageModel | None:
    """Give the model that the environment names; a setting that cannot be is said, and the graphs go on without."""
    try:
        return open_model(read_model(environment))
    except SettingsRefused as error:
        logging.getLogger("updown").warning("no model: %s", error)
        return None


STUDIO_RECORD: Final = StudioRecord.named(os.environ)
