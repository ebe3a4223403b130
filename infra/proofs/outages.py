"""The proof of outages: broker, database and Redis away under load, killed and hung; the desk trades on.

Each is away for half a minute while the desk trades, then all three at once. What is told of each: what its user said,
how much was buffered (in the journal, which is the buffer), how long it took to make up, and what the desk did
meanwhile. At the end everything is counted by sequence, as after the kills of [multi-process].
"""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from evals.proof import Figure, Proof
from infra.bus.cluster import Cluster, partitions_of
from infra.bus.dedupe import Dedupe, Doubled, Missing
from infra.bus.kafka_reading import KafkaSubscription, held
from infra.bus.messages import TITLE, Foreign, Topic
from infra.bus.port import BusRefused
from infra.bus.restoring import journals_held, restore
from infra.journal.naming import journal_end, journal_id
from infra.journal.reader import read_notes
from infra.proofs.demo_latency import EAGER
from infra.proofs.multi_process import open_scratch
from infra.proofs.rehearsals import Progress, RehearsalFailed, orders_at, replayed
from infra.proofs.stack_counts import bus_figures, database_figures, told_figures
from infra.stack.local import LocalStack, StackPlan, local_stack
from infra.stack.outage import Shape, give_back, take_away
from infra.store.port import StoreAway
from infra.store.postgres_store import PostgresSeries
from infra.venue_next_door.files import read_venue_file

NAME: Final = "outages"
CLAIM: Final = "broker, database or Redis may be away for 30 s under load: the desk trades on, nothing is lost"
PLAN: Final = StackPlan(market="rushed", speed=2.0, windows=40, changes=EAGER, apart=False)
"""The desk has sockets of its own: one that is fed by the bus stands still while that is away, and says so."""
AWAY_S: Final = 30.0
FIRST_S: Final = 40.0
MADE_UP_S: Final = 90.0
"""Longest that a user of a server may take to make up for its outage."""
SERVERS: Final = ("kafka", "postgres", "redis")
SPEAKS: Final = {"kafka": "tee", "postgres": "archive", "redis": "desk"}
"""Whose words tell of a server's outage."""
ALL: Final = "all three"


@dataclass(slots=True)
class _BusReader:
    """Counts what a group is given of the bus, all the while."""

    cluster: Cluster
    items_count: int = 0
    missing: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Read until told to end."""
        subscription, dedupe = KafkaSubscription(self.cluster, "outages", list(Topic)), Dedupe()
        while not self.over.is_set():
            try:
                batch = subscription.batch(500, 0.2)
            except BusRefused:
                self.over.wait(0.5)
                continue
            for message in batch:
                told = message if isinstance(message, Foreign) else dedupe.take(message)
                if isinstance(told, Foreign | Missing):
                    self.missing.append(str(told))
                elif not isinstance(told, Doubled) and told.kind != TITLE:
                    self.items_count += len(told.numbers)
        subscription.close()


@dataclass(slots=True)
class _Outages:
    """The outages of one stack, one after the other."""

    stack: LocalStack
    reader: _BusReader
    away_s: float
    progress: Progress
    steps: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)

    def wait(self, span_s: float) -> None:
        """Let the stack live on."""
        until = time.monotonic() + span_s
        while time.monotonic() < until:
            if self.stack.desk.is_over:
                raise RehearsalFailed(f"the desk ended: {self.stack.desk.last_words}")
            time.sleep(0.1)
            self.progress(min(int(time.monotonic() - self.began_s), self.steps), self.steps)

    def have(self, names: tuple[str, ...], shape: Shape) -> None:
        """Let servers be away for a while, and write down what came of it."""
        said_before = {name: len(self._said(name)) for name in names}
        orders, written = self._orders(), self._written()
        held_back = {name: take_away(self._server(name), shape) for name in names}
        self.wait(self.away_s)
        buffered = self._written() - written
        placed = self._orders() - orders
        for name in names:
            give_back(self._server(name), shape, held_back[name])
        mark, back_s = self._written(), time.monotonic()
        made_up = {name: self._made_up(name, mark, back_s) for name in names}
        said = {name: self._said(name)[said_before[name] :] for name in names}
        self.rows.append(
            {
                "away": ALL if len(names) > 1 else names[0], "how": shape.value, "away_s": self.away_s,
                "said": "; ".join(dict.fromkeys(each[0] for each in said.values() if each)) or "nothing",
                "buffered_items": buffered, "orders_meanwhile": placed,
                "made_up_s": round(max(made_up.values()), 1),
            }
        )  # fmt: skip

    def _server(self, name: str) -> Any:
        return getattr(self.stack, name)

    def _written(self) -> int:
        return journal_end(self.stack.journal).next_seq

    def _orders(self) -> int:
        return orders_at(read_venue_file(self.stack.folder / "venue.json"))

    def _said(self, name: str) -> list[str]:
        """Give what the user of a server has said of its absence so far."""
        if name == "redis":
            notes = read_notes(self.stack.journal, torn_ok=True)
            return [str(note["why"]) for note in notes if note.get("fast_state") == "degraded"]
        lines = self.stack.processes[SPEAKS[name]].errors.read_text(errors="replace").splitlines()
        return [line for line in lines if "answer" in line or "away" in line or "reach" in line]

    def _made_up(self, name: str, mark: int, back_s: float) -> float:
        """Wait until the user of a server has made up for its outage; gives how long that took."""
        while not self._has(name, mark):
            if time.monotonic() - back_s > MADE_UP_S:
                return float("inf")
            self.wait(0.25)
        return time.monotonic() - back_s

    def _has(self, name: str, mark: int) -> bool:
        if name == "kafka":
            return self.reader.items_count >= mark
        if name == "redis":
            told = [note["fast_state"] for note in read_notes(self.stack.journal, torn_ok=True) if "fast_state" in note]
            return not told or told[-1] == "well"
        try:
            store = PostgresSeries(self.stack.postgres.dsn())
        except StoreAway:
            return False
        try:
            return store.watermark(journal_id(self.stack.journal)) >= mark
        except StoreAway:
            return False
        finally:
            store.close()


def prove_outages(_: Path | None, progress: Progress, *, away_s: float = AWAY_S) -> Proof:
    """Run the stack, let its servers be away one after the other and together, and count what is left."""
    with open_scratch() as scratch, local_stack(scratch / "stack", PLAN) as stack:
        cluster = Cluster(stack.kafka.bootstrap)
        reader = _BusReader(cluster)
        reading = threading.Thread(target=reader.run, name="reader", daemon=True)
        reading.start()
        outages = _Outages(stack, reader, away_s, progress, steps=int(FIRST_S + 7 * (away_s + 15.0)))
        outages.wait(FIRST_S)
        for name in SERVERS:
            for shape in Shape:
                outages.have((name,), shape)
        outages.have(SERVERS, Shape.DEAD)
        stack.desk.stop()
        told = stack.desk.told()
        stack.finish()
        reader.over.set()
        reading.join()
        again = replayed(stack.journal)
        name = journals_held(held(cluster, partitions_of(cluster)))[0]
        restored = restore(held(cluster, partitions_of(cluster)), name, scratch / "restored")
        figures = [
            *_judged(outages.rows),
            *told_figures(told, again, len(outages.rows), "outages under load"),
            *bus_figures(restored, stack.processes["tee"].told(), replayed(scratch / "restored"), again),
            *database_figures(stack, scratch / "files"),
        ]
        dropped = [
            {"what": "items of the journal that the bus lacks",
             "dropped": stack.processes["tee"].told()["items_count"] - restored.items_count},
            {"what": "items of the journal that the database lacks",
             "dropped": stack.processes["archive"].told()["lag_items"]},
            {"what": "messages that a group on the bus was not given", "dropped": len(reader.missing)},
        ]  # fmt: skip
    notes = (
        "buffered: items that the journal took in meanwhile; tee and archive read on from there",
        "what may be dropped: last values that Redis carries for screens; each is told anew when it is back",
    )
    return Proof(
        name=NAME,
        claim=CLAIM,
        figures=tuple(figures),
        tables={"outages": outages.rows, "dropped": dropped},
        notes=notes,
    )


def _judged(rows: list[dict[str, Any]]) -> list[Figure]:
    silent = [f"{row['away']} {row['how']}" for row in rows if row["said"] == "nothing"]
    idle = [f"{row['away']} {row['how']}" for row in rows if not row["orders_meanwhile"]]
    late = max(float(row["made_up_s"]) for row in rows)
    return [
        Figure(name="outages that nobody told of", measured=", ".join(silent) or "none", bar="none", holds=not silent),
        Figure(name="outages in which the desk sent no order", measured=", ".join(idle) or "none", bar="none",
               holds=not idle),
        Figure(name="longest until all was made up", measured=f"{late:.1f} s", bar=f"<= {MADE_UP_S:g} s",
               holds=late <= MADE_UP_S),
    ]  # fmt: skip
