"""The proof of live's refusals: a desk that must not start does not, says why in one line, and no order goes out."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from evals.proof import Figure, Proof
from infra.proofs.rehearsals import Progress, RehearsalFailed, end, orders_at, venue
from infra.shell.arming import LIVE_FILE
from infra.venue_next_door.fault_script import FaultRefused
from infra.venue_next_door.faults import Fault
from infra.venue_next_door.files import VenueFile
from infra.venues.credentials import KEY_VARIABLE, WALLET_VARIABLE, throwaway_key
from infra.venues.secrets import TYPE_VARIABLE
from infra.version import ROOT

NAME: Final = "live-refusals"
CLAIM: Final = "live refuses to start when it must not trade, says why in one line, and no order reaches the venue"
SPEED: Final = 2.0
WINDOWS: Final = 40
STRANGER: Final = "0x" + "5a" * 20
"""An address at which nobody has put a wallet."""
PATIENCE_S: Final = 240.0
UP_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class Case:
    """One reason not to start, and how it is brought about."""

    name: str
    says: str
    """What the line must hold."""
    code: int
    faults: tuple[tuple[Fault, float], ...] = ()
    changed: dict[str, str] = field(default_factory=dict)
    """Environment for the desk; an empty value takes the variable away."""
    words: tuple[str, ...] = ()
    """Further words of `updown live`."""
    beside: bool = False
    """Another engine with the same key observes meanwhile."""
    arms: tuple[str, ...] | None = None
    """Not None: it is `updown arm` that must refuse, said to that engine with these words."""


CASES: Final[tuple[Case, ...]] = (
    Case("no key", "no key to sign with", 2, changed={KEY_VARIABLE: ""}),
    Case("a key that is none", "is no key: it must be 64 hex digits", 2, changed={KEY_VARIABLE: "not-a-key"}),
    Case("wrong wallet type", "spends the key's own account", 2,
         changed={WALLET_VARIABLE: STRANGER, TYPE_VARIABLE: "0"}),
    Case("a wallet that is none", "is no deposit wallet (type 3)", 1, changed={WALLET_VARIABLE: STRANGER}),
    Case("wallet not deployed", "nothing stands at that address", 1, faults=((Fault.NOT_DEPLOYED, 1.0),)),
    Case("skewed clock", "the venue's clock is", 1, faults=((Fault.CLOCK_SKEW, 9_000.0),)),
    Case("unknown order version", "speaks version 3", 1, faults=((Fault.VERSION_MISMATCH, 3.0),)),
    Case("unknown market version", "ORDER_VERSION = something that makes no sense", 1,
         faults=((Fault.MARKET_VERSION, 9.0),)),
    Case("unknown fee", "FEE_RATE_PPM = 90,000", 1, faults=((Fault.UNKNOWN_FEE, 0.09),)),
    Case("unknown look-back", "an average of 45 s, not 60 s", 1, faults=((Fault.UNKNOWN_LOOKBACK, 45.0),)),
    Case("missing approval", "allowances: missing: to buy", 1, faults=((Fault.NO_ALLOWANCE, 1.0),)),
    Case("trading is not allowed here", "trading is not allowed from US", 1, faults=((Fault.GEOBLOCKED, 1.0),)),
    Case("account may only close", "may only close positions", 1, faults=((Fault.CLOSED_ONLY, 1.0),)),
    Case("credentials are not taken", "credentials", 1, faults=((Fault.UNAUTHORIZED, 1.0),)),
    Case("no funds", "less than the smallest order costs", 1, faults=((Fault.PHANTOM_LOCK, 1e8),)),
    Case("limit below the venue's minimum", "below the venue's smallest order", 1,
         words=("--set", "order_micros=1000000")),
    Case("second engine", "an engine runs with this key already", 1, beside=True),
    Case("armed limit missing", "missing option '--limit-usd'", 2, beside=True, arms=()),
    Case("armed limit below the venue's minimum", "below the venue's smallest order", 2, beside=True,
         arms=("--limit-usd", "1")),
)  # fmt: skip


OBSERVES: Final = Case("not armed at all", "arm with: updown arm --limit-usd", 0)
"""What the engine beside them says as it begins; it ends in order, and has sent nothing."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A live session that nobody arms."""

    folder: Path
    child: "subprocess.Popen[bytes]"
    errors: Path


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a case."""

    case: Case
    line: str
    code: int
    orders: int
    """Orders that the venue has ever had from anybody."""
    lines: int
    """Lines of refusal that were said."""

    @property
    def holds(self) -> bool:
        """Say whether it refused as it should."""
        return self.code == self.case.code and self.case.says in self.line and self.orders == 0 and self.lines == 1

    def row(self) -> dict[str, Any]:
        """Give it as a row of the proof's table."""
        return {
            "why not": self.case.name, "the line": self.line, "exit": self.code, "lines": self.lines,
            "orders at the venue": self.orders, "holds": "yes" if self.holds else "NO",
        }  # fmt: skip


def prove_live_refusals(_: Path | None, progress: Progress) -> Proof:
    """Bring every reason about at a venue next door, in processes of their own, and hold what is said."""
    with tempfile.TemporaryDirectory(prefix="updown-refusals-") as home:
        told = tell_all(Path(home), progress)
    return judged(told)


def tell_all(scratch: Path, progress: Progress, cases: Sequence[Case] = CASES) -> list[Told]:
    """Tell every case at one venue; those with an engine beside them share that engine."""
    found: list[Told] = []
    key = throwaway_key().reveal()
    with ExitStack() as stack:
        file, place = stack.enter_context(venue(scratch, market="demo", speed=SPEED, windows=WINDOWS))
        leases = {"UPDOWN_LEASES": str(scratch / "leases"), KEY_VARIABLE: key}
        ordered = sorted(cases, key=lambda case: case.beside)
        engine: Engine | None = None
        for number, case in enumerate(ordered):
            progress(number, len(ordered))
            if case.beside and engine is None:
                engine = stack.enter_context(observing(scratch, file, leases))
            with switched(place, case.faults):
                done = _run(
                    _words(case, file, scratch / f"case-{number}", engine.folder if engine else None),
                    leases | case.changed,
                )
            found.append(_told(case, done, place))
        if engine is not None:
            found.append(_watched(engine, place))
    return found


def _words(case: Case, file: Path, journal: Path, engine: Path | None) -> list[str]:
    if case.arms is not None:
        return ["arm", "--journal", str(engine), *case.arms]
    return ["live", "--venue", str(file), "--journal", str(journal), "--plain", *case.words]


def _told(case: Case, done: "subprocess.CompletedProcess[str]", place: VenueFile) -> Told:
    said = [line for line in done.stderr.splitlines() if line.startswith("updown: ")]
    last = said[-1].removeprefix("updown: ") if said else "it said nothing"
    return Told(case, last, done.returncode, orders_at(place), len(said))


def _watched(engine: "Engine", place: VenueFile) -> Told:
    """End the engine that observed all the while: what it said of itself, how it ended, and that it sent nothing."""
    lived = engine.child.poll() is None
    said = [line.removeprefix("updown: ") for line in engine.errors.read_text(errors="replace").splitlines()]
    observing = [line for line in said if line.startswith("observing ")]
    engine.child.terminate()  # an end in order takes its time: it looks at the venue once more
    engine.child.wait(UP_S)
    line = observing[0] if observing and lived else (said or ["it said nothing"])[-1]
    return Told(OBSERVES, line, engine.child.returncode, orders_at(place), len(observing))


def _environment(changed: dict[str, str]) -> dict[str, str]:
    """Give the desk's environment: no key and no wallet but those of the case."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("UPDOWN_")}
    return kept | {"PYTHONPATH": str(ROOT)} | {name: text for name, text in changed.items() if text}


def _run(words: Sequence[str], changed: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "infra", *words]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=_environment(changed)
        )
    except subprocess.TimeoutExpired as error:
        raise RehearsalFailed(f"`updown {' '.join(words[:1])}` did not refuse: it still runs") from error


@contextmanager
def switched(place: VenueFile, faults: Sequence[tuple[Fault, float]]) -> Iterator[None]:
    """Switch faults on at a venue for as long as the block lasts."""
    for fault, value in faults:
        ask_admin(place, "POST", {"name": fault.value, "value": value})
    try:
        yield
    finally:
        for fault, _ in faults:
            ask_admin(place, "DELETE", None, f"?name={fault.value}")


def ask_admin(place: VenueFile, method: str, told: dict[str, Any] | None, query: str = "") -> None:
    """Ask a venue's admin to change its board of faults.

    Raises:
        FaultRefused: it will not.
    """
    asked = urllib.request.Request(
        f"{place.admin}/faults{query}", data=json.dumps(told).encode() if told is not None else None, method=method,
        headers={"Authorization": f"Bearer {place.token}"},
    )  # fmt: skip
    try:
        urllib.request.urlopen(asked, timeout=10.0).close()
    except urllib.error.HTTPError as error:
        raise FaultRefused(error.read().decode("utf-8", "replace")) from None


@contextmanager
def observing(scratch: Path, file: Path, changed: dict[str, str]) -> Iterator[Engine]:
    """Run a live session that nobody arms, for as long as the block lasts.

    Raises:
        RehearsalFailed: it did not come up.
    """
    folder = scratch / "engine"
    words = ["live", "--venue", str(file), "--journal", str(folder), "--plain"]
    with (scratch / "engine.out").open("wb") as out, (scratch / "engine.err").open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "infra", *words], stdin=subprocess.PIPE, stdout=out, stderr=errors,
            env=_environment(changed), start_new_session=True,
        )  # fmt: skip
    try:
        _wait(lambda: (folder / LIVE_FILE).exists(), child, scratch / "engine.err")
        yield Engine(folder, child, scratch / "engine.err")
    finally:
        end(child)


def _wait(come: Callable[[], bool], child: "subprocess.Popen[bytes]", errors: Path) -> None:
    until = time.monotonic() + UP_S
    while not come():
        if child.poll() is not None or time.monotonic() > until:
            last = (errors.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            raise RehearsalFailed(f"a live session that should observe did not come up: {last}")
        time.sleep(0.1)


def judged(told: Sequence[Told]) -> Proof:
    """Lay the cases out as a proof."""
    held = sum(each.holds for each in told)
    orders = max((each.orders for each in told), default=0)
    figures = (
        Figure(name="refused as it should be", measured=f"{held} of {len(told)}", bar="all", holds=held == len(told)),
        Figure(name="orders at the venue", measured=orders, bar="0", holds=orders == 0),
    )
    return Proof(
        name=NAME, claim=CLAIM, figures=figures, tables={"refusals": [each.row() for each in told]},
        notes=(
            "exit 1: a check does not hold; exit 2: the operator's words or key cannot be used",
            "the venue next door stands for the real one: the same code, other addresses",
        ),
    )  # fmt: skip
