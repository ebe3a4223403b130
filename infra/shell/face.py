"""The face of a session: a live screen on a terminal, plain lines elsewhere, and what it all came to at the end."""

import asyncio
import resource
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from infra.clock import monotonic_ns
from infra.hedge.hedge_watch import HedgeWatch
from infra.journal.segments import SUFFIX
from infra.shell.arming import UNARMED
from infra.shell.frame_rates import FrameRates
from infra.shell.retuning import Retuning
from infra.shell.shell import Shell
from infra.streams.life import Health
from infra.streams.streams import Streams
from infra.terminal.decisions import shown_command, shown_mandate
from infra.terminal.glance import Counts, DecisionShown, FeedHealth, Glance, Mode, StageLatency, stages_of
from infra.terminal.plain import Said, told_command, told_mandate, told_row
from infra.terminal.readout import glance_of
from infra.terminal.screen import Screen
from infra.terminal.summary import summary_of
from infra.terminal.tally import Tally
from state.units import NS_PER_S

LOOK_S: Final = 0.2
KEPT: Final = 24

Rows = NDArray[Any]
Say = Callable[[str], None]


@dataclass(slots=True)
class Face:
    """Watches a session for people; `say` prints a line, and `screen` (if any) draws."""

    mode: Mode
    say: Say | None = None
    """Where lines go; None: nobody reads lines."""
    screen: Screen | None = None
    faults: Callable[[], Sequence[str]] = tuple
    """Names what is switched on at a rehearsal's venue."""
    tally: Tally = field(default_factory=Tally)
    shell: Shell | None = None
    streams: Streams | None = None
    hedge: HedgeWatch | None = None
    retuning: Retuning | None = None
    left: str = ""
    """What may still rest at the venue after a stop, in words; empty when all was seen gone."""
    _decisions: deque[DecisionShown] = field(default_factory=lambda: deque(maxlen=KEPT))
    _told: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT))
    _said: Said = field(default_factory=Said)
    _stages: tuple[StageLatency, ...] = ()
    _stages_ns: int = 0
    _rates: FrameRates = field(default_factory=FrameRates)
    _last_aside: dict[int, tuple[int, int]] = field(default_factory=dict)
    _began_ns: int = field(default_factory=monotonic_ns)
    _began_cpu_s: float = field(default_factory=lambda: _cpu_s())

    def begin(self, shell: Shell, hedge: HedgeWatch | None) -> None:
        """Take in whom to watch; a hedge tells by itself what it trades."""
        self.shell, self.hedge = shell, hedge
        if hedge is not None:
            hedge.tell = self.tell

    # What the shell tells.

    def rows(self, worlds: Any, events: Rows) -> None:
        """Hear rows that may matter to people."""
        self.tally.rows(worlds, events)
        for row in events:
            self.tell(told_row(row, self._slugs()))

    def commands(self, commands: Rows) -> None:
        """Hear commands that go to the venue."""
        self.tally.commands(commands)
        for command in commands:
            shown = shown_command(command, self._slugs().get(int(command["slot_id"]), ""))
            if shown is not None:
                self._decisions.append(shown)
            self.tell(told_command(command, self._slugs()))

    def mandates(self, mandates: Rows) -> None:
        """Hear a mandate; one that stands aside for the same reason as its market's last is not said again."""
        self.tally.mandates(mandates)
        slot, why = int(mandates["slot_id"][0]), (int(mandates["gate_code"][0]), int(mandates["reason_code"][0]))
        if self._last_aside.get(slot) == why:
            return
        self._last_aside[slot] = why
        self._decisions.append(shown_mandate(mandates, self._slugs().get(slot, "")))
        self.tell(told_mandate(mandates, self._slugs()))

    def tell(self, line: str | None) -> None:
        """Say a line, where there is one and somebody reads lines."""
        if not line:
            return
        self._told.append(line)
        if self.say is not None and self.screen is None:
            self.say(line)

    def _slugs(self) -> dict[int, str]:
        shell = self.shell
        return {slot: slug for slug, slot in shell.slots.taken.items()} if shell is not None else {}

    # What people see.

    async def look(self) -> None:
        """Show the session as it goes, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self.shell is None:
                continue
            glance = self.glance()
            if self.screen is not None and glance is not None:
                self.screen.show(glance)
            elif self.say is not None:
                line = self._said.line(glance) if glance is not None else self._record_line()
                if line:
                    self.say(line)

    def glance(self) -> Glance | None:
        """Give what a screen shows now; None where there is no core."""
        shell = self.shell
        if shell is None or shell.core is None:
            return None
        if monotonic_ns() - self._stages_ns > NS_PER_S:
            self._stages, self._stages_ns = stages_of(shell.latency.table()), monotonic_ns()
        return glance_of(
            shell.core.worlds, shell.clock.now_ns(), mode=self.mode, health=self.health(), latency=self._stages,
            decisions=tuple(self._decisions), counts=self.counts(), faults=tuple(self.faults()),
            told=tuple(self._told), slugs=self._slugs(),
        )  # fmt: skip

    def _record_line(self) -> str | None:
        now_ns = monotonic_ns()
        if now_ns - self._stages_ns < 5 * NS_PER_S or self.shell is None:
            return None
        self._stages_ns = now_ns
        counts = self.counts()
        up = [each.wire for each in self.health() if each.state == "up"]
        return f"{counts.frames:,} frames, {counts.rows:,} rows; up: {', '.join(up) or 'nothing yet'}"

    def health(self) -> tuple[FeedHealth, ...]:
        """Give how each connection does."""
        if self.streams is None or self.shell is None:
            return ()
        now_ns = self.shell.clock.now_ns()
        return tuple(
            _health(each, self._rates.rate(each.wire.name, each.frames, now_ns)) for each in self.streams.health()
        )

    def counts(self) -> Counts:
        """Give what was counted."""
        shell = self.shell
        assert shell is not None, "counts of a session that has begun"
        counts, intake, desk = shell.counts, shell.intake, shell.desk
        cpu_s = _cpu_s() - self._began_cpu_s + (desk.cpu_s if desk is not None else 0.0)
        return Counts(
            frames=counts.frames, rows=counts.rows, commands=sum(counts.commands.values()) - counts.commands["ask"],
            asks=counts.commands["ask"], mandates=counts.mandates,
            coalesced=desk.coalesced_count if desk is not None else 0,
            conflated=sum(intake.conflated.values()), lost=sum(intake.lost.values()),
            refused=shell.decoder.refusals.total, journal_rows=shell.session.journal.next_row,
            journal_bytes=_bytes_of(shell.session.journal.folder),
            cpu_ratio=cpu_s / max((monotonic_ns() - self._began_ns) / NS_PER_S, 1e-9),
            rss_bytes=resident_bytes(),
        )  # fmt: skip

    def summary(self, notes: Sequence[str] = ()) -> dict[str, Any]:
        """Give what the session came to, as plain values."""
        shell = self.shell
        assert shell is not None
        folder = shell.session.journal.folder
        if shell.core is None:
            counts = self.counts()
            return {
                "session": {"mode": self.mode.name, "journal": str(folder)},
                "frames": counts.frames,
                "rows": counts.rows,
                "health": [asdict(each) for each in self.health()],
                "refused": shell.decoder.refusals.rows("wire", "type", "reason"),
                "notes": list(notes),
            }
        told = summary_of(
            self.tally, shell.core.worlds, shell.clock.now_ns(), mode=self.mode, health=self.health(),
            latency=stages_of(shell.latency.table()), counts=self.counts(), digest=shell.core.digest(),
            replay=f"updown replay {folder}", notes=notes,
        )  # fmt: skip
        if self.hedge is not None:
            told["hedge"] = self.hedge.told()
        told["session"]["params_hash"] = shell.core.params_hash
        told["session"]["params_changes"] = self.retuning.changes_count if self.retuning is not None else 0
        if self.left:
            told["left"] = self.left
        if shell.halted_why not in ("", *UNARMED):
            told["halted"] = shell.halted_why
        return told


def _bytes_of(journal: Path) -> int:
    return sum(segment.stat().st_size for segment in journal.glob(f"*{SUFFIX}"))


def _health(each: Health, per_s: float | None) -> FeedHealth:
    age_ms = each.age_s * 1e3 if each.age_s >= 0.0 else None
    return FeedHealth(
        wire=each.wire.name.lower(), state=str(each.state), generation=each.generation, age_ms=age_ms,
        frames=each.frames, per_s=per_s, reconnects=each.reconnects, lost=each.lost, reason=each.why or each.complaint,
    )  # fmt: skip


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_bytes() -> int:
    """Give the memory that this process has in use now (its peak, where the system does not say)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
