"""Our commands as processes of their own: started, killed and started again, and ended by the end of their input."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra.version import ROOT

END_S: Final = 120.0


class ProcessFailed(Exception):
    """A command ended otherwise than it should; says which, and its last words."""


@dataclass(slots=True)
class Process:
    """One `updown` command.

    Args:
        name: In words, for people; its output is kept under it.
        words: The command and its options.
        folder: Where its output goes.
        environment: More variables than ours.
    """

    name: str
    words: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    starts_count: int = 0
    child: "subprocess.Popen[bytes] | None" = None

    @property
    def said(self) -> Path:
        """Give the file that its last run wrote its answer to."""
        return self.folder / f"{self.name}.out"

    @property
    def errors(self) -> Path:
        """Give the file that keeps what all its runs said to people."""
        return self.folder / f"{self.name}.err"

    @property
    def is_over(self) -> bool:
        """Say whether it has ended, or was never started."""
        return self.child is None or self.child.poll() is not None

    def start(self) -> None:
        """Start it."""
        assert self.is_over, f"{self.name} runs already"
        self.starts_count += 1
        with self.said.open("wb") as out, self.errors.open("ab") as errors:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "infra", *self.words], stdin=subprocess.PIPE, stdout=out, stderr=errors,
                cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment},
                start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """Kill it and what it began, as a power cut would."""
        if self.child is not None and self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()
        self._let_go()

    def end(self) -> None:
        """End its input, as a parent's end does, and kill it if it does not end by that."""
        if self.child is None:
            return
        self._let_go()
        try:
            self.child.wait(END_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def stop(self) -> None:
        """Interrupt it, as Ctrl-C does."""
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        self.end()

    def told(self) -> dict[str, Any]:
        """Give its answer.

        Raises:
            ProcessFailed: it gave none.
        """
        try:
            told: dict[str, Any] = json.loads(self.said.read_text())
        except ValueError:
            raise ProcessFailed(f"{self.name}: {self.last_words}") from None
        return told

    @property
    def last_words(self) -> str:
        """Give the last line that it said to people."""
        lines = self.errors.read_text(errors="replace").strip().splitlines() if self.errors.exists() else []
        return lines[-1] if lines else "it said nothing"

    def _let_go(self) -> None:
        if self.child is not None and self.child.stdin is not None:
            self.child.stdin.close()
