"""The proof of several processes: a demo over real Kafka, PostgreSQL and Redis, each part killed in turn, nothing lost.

What the bus holds is made into a journal again and replayed; what the database holds is read row by row and held
against the same journal archived in files, in this process, with no server at all.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from evals.proof import Proof
from infra.bus.cluster import Cluster, partitions_of
from infra.bus.kafka_reading import held
from infra.bus.restoring import journals_held, restore
from infra.journal.naming import journal_end
from infra.proofs.demo_latency import EAGER
from infra.proofs.rehearsals import Progress, RehearsalFailed, replayed
from infra.proofs.stack_counts import bus_figures, database_figures, feeds_figures, told_figures
from infra.stack.local import LocalStack, StackPlan, local_stack

NAME: Final = "multi-process"
CLAIM: Final = "over real Kafka, PostgreSQL and Redis, with each process killed in turn, nothing is lost or doubled"
PLAN: Final = StackPlan(market="rushed", speed=4.0, windows=40, changes=EAGER)
FIRST_S: Final = 40.0
"""Until the first is killed: everything has come up and the desk trades."""
AWAY_S: Final = 4.0
BETWEEN_S: Final = 12.0
ORDER: Final = ("ingest", "tee", "archive", "kafka", "postgres", "redis", "metrics", "desk")


def prove_multi_process(_: Path | None, progress: Progress) -> Proof:
    """Run the stack, kill each part in turn, and hold what bus and database have against the journal."""
    with open_scratch() as scratch, local_stack(scratch / "stack", PLAN) as stack:
        rows = _kill_in_turn(stack, progress)
        stack.desk.stop()
        told = stack.desk.told()
        stack.finish()
        again = replayed(stack.journal)
        cluster = Cluster(stack.kafka.bootstrap)
        name = journals_held(held(cluster, partitions_of(cluster)))[0]
        restored = restore(held(cluster, partitions_of(cluster)), name, scratch / "restored")
        figures = [
            *told_figures(told, again, len(ORDER), "parts killed with -9 and started again"),
            *bus_figures(restored, stack.processes["tee"].told(), replayed(scratch / "restored"), again),
            *feeds_figures(stack, scratch / "feeds"),
            *database_figures(stack, scratch / "files"),
        ]
    return Proof(name=NAME, claim=CLAIM, figures=tuple(figures), tables={"killed": rows})


@contextmanager
def open_scratch() -> Iterator[Path]:
    """Give a folder for a while that PostgreSQL's own user may pass through, where we are root."""
    with tempfile.TemporaryDirectory(prefix="updown-stack-") as home:
        Path(home).chmod(0o711)
        yield Path(home)


def _kill_in_turn(stack: LocalStack, progress: Progress) -> list[dict[str, Any]]:
    steps = int(FIRST_S + len(ORDER) * (AWAY_S + BETWEEN_S))
    began, rows = time.monotonic(), []

    def wait(span_s: float) -> None:
        until = time.monotonic() + span_s
        while time.monotonic() < until:
            if stack.desk.is_over:
                raise RehearsalFailed(f"the desk ended: {stack.desk.last_words}")
            time.sleep(0.25)
            progress(int(time.monotonic() - began), steps)

    wait(FIRST_S)
    for name in ORDER:
        part = stack.parts[name]
        part.kill()
        rows.append({"part": name, "killed_after_s": round(time.monotonic() - began, 1), "away_s": AWAY_S})
        time.sleep(AWAY_S)
        written = journal_end(stack.journal).next_seq
        part.start()
        while name == "desk" and journal_end(stack.journal).next_seq <= written:
            wait(1.0)
        wait(BETWEEN_S)
    return rows
