"""One cycle of the supervisor: the graph's doors opened to a session, its record, rehearsals, a model, and receipts.

Whatever fails on the way ends in a receipt that says so. What is applied is written down before; a crash between that
and the end is found at the next cycle, and the session's own journal says what became of it. A promotion is watched
from cycle to cycle by what stands in the receipts, so that no process has to live for hours to roll it back.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from agents.proposal import Context, Proposal, braked_names
from agents.supervisor import SYSTEM, digest_words
from evals.promotion import Context as Judging
from evals.promotion import Verdict, promise_of, promote
from evals.rehearsal import Rehearsed
from infra.clock import now_ns
from infra.journal.errors import JournalDamaged, JournalForeign, JournalMissing
from infra.journal.folder import writer_of
from infra.journal.segments import is_journal
from infra.language_model.client import LanguageModel, Unanswered, Usage
from infra.lock_file import take_lock
from infra.private_files import is_running
from infra.runs import RunDamaged, RunMissing
from infra.shell.kill import leave_kill_file
from infra.shell.params_request import NO_ANSWER, ChangeRefused, ask_change
from infra.supervisor.frozen import NothingToRehearse, freeze_all
from infra.supervisor.marks import begun, begun_names, mark, unmark
from infra.supervisor.observe import STALE_S, digest_of
from infra.supervisor.receipts import Receipt, append_receipt, plain, read_receipts
from infra.supervisor.rehearsal import Rehearsal, RehearsalFailed
from infra.supervisor.replayed import drift_of
from infra.supervisor.search import TUNABLES, search
from infra.supervisor.watch import end_the_dead, follow_promotions, name_of, news_in, settle_half_done
from infra.traces.aside import Step, aside_tree, trace_of
from infra.traces.runs import Tree
from state.params import Change, default_params, params_hash
from state.records import as_dict
from state.units import NS_PER_S

Plain = dict[str, Any]
Progress = Callable[[int, int], None]

RECEIPTS: Final = "receipts.jsonl"
CYCLES: Final = "cycles.sqlite"
LOCK: Final = "lock"
DAMAGE: Final = (JournalMissing, JournalForeign, JournalDamaged, RunMissing, RunDamaged)
TREE: Final = "supervisor cycle"
WINDOW_S: Final = 300
REHEARSALS: Final = 12
SHARES: Final = ("proposed", "checked", "rehearsed", "verdict", "approval", "applied", "watched", "rolled_back")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A cycle that waits for a person: `updown proposals approve`, Studio, or the page."""

    cycle: str
    asked: Plain


@dataclass(frozen=True, slots=True)
class Ended:
    """A cycle that came to its end, with its receipt."""

    cycle: str
    receipt: Receipt


class _Broken(Exception):
    """A door could not be gone through; the words stand on the receipt."""


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """A supervisor of one session (or, with none that runs, of the journals of one)."""

    journal: Path
    """Of the session: observed, and asked to change its parameters."""
    frozen: tuple[Path, ...] = ()
    """Further journals to rehearse on."""
    folder: Path
    """Its own: receipts, rehearsals, cycles that wait."""
    model: LanguageModel | None = None
    asking: str = "riskier"
    """always, riskier or never: when a person is asked."""
    rehearsals: int = REHEARSALS
    seed: int = 1
    progress: Progress = lambda _done, _total: None
    trees: list[Tree] = field(default_factory=list)
    _record: Any = None
    _usage: Usage | None = None
    _figures: Rehearsed | None = None
    _stretches: Any = None
    _steps: list[Step] = field(default_factory=list)
    _began_ns: int = 0
    """When the run of a cycle began that is under way; 0: none of ours is, Studio runs the graph by itself."""

    @property
    def receipts(self) -> tuple[Receipt, ...]:
        """Give all receipts.

        Raises:
            ReceiptsDamaged: their chain is broken.
        """
        return read_receipts(self.folder / RECEIPTS)

    async def cycle(self) -> Ended | Waiting:
        """Run one cycle: see what became of earlier ones, then observe, propose, check, rehearse, decide, apply.

        Raises:
            ReceiptsDamaged: nothing is done without receipts that hold.
            LockTaken: another supervisor is at work in this folder.
        """
        with self._alone():
            settle_half_done(self.folder / RECEIPTS, self.journal)
            await follow_promotions(self.folder / RECEIPTS, self.journal)
            waiting = await self.waiting()
            if waiting is not None:
                return waiting
            end_the_dead(self.folder / RECEIPTS)
            return await self._run(self._next_name(), {})

    async def answer(self, cycle: str, *, approve: bool, by: str, why: str) -> Ended | Waiting:
        """Give a waiting cycle a person's answer.

        Raises:
            LockTaken: another supervisor is at work in this folder.
        """
        from langgraph.types import Command

        with self._alone():
            if approve and (old := await self._too_old(cycle)):
                approve, by, why = False, "the rule of age", old
            return await self._run(cycle, Command(resume={"approve": approve, "by": by, "why": why}))

    async def _too_old(self, cycle: str) -> str:
        """Say why a cycle's evidence cannot be approved any more; empty where it can."""
        asked_ns = begun(self.folder, cycle).get("asked_ns")
        try:
            await self._opened()
        except _Broken as error:
            return str(error)
        age_s = (self._market_ns() - asked_ns) / NS_PER_S if isinstance(asked_ns, int) else 0.0
        return f"asked {age_s / 3600:.1f} h ago, most {STALE_S // 3600} h: run another cycle" if age_s > STALE_S else ""

    async def waiting(self) -> Waiting | None:
        """Give the cycle that waits for a person, if one does."""
        for name in begun_names(self.folder):
            async with self._graph() as graph:
                state = await graph.aget_state(_thread(name))
            asked = [each.value for task in state.tasks for each in task.interrupts]
            if asked:
                return Waiting(name, dict(asked[0]))
        return None

    # One run of the graph.

    async def _run(self, name: str, given: Any) -> Ended | Waiting:
        self._began_ns, self._usage, self._figures, self._steps = now_ns(), self._kept_usage(name), None, []
        self._mark(name)  # before anything: a name is never used for two cycles, whoever dies in between
        async with self._graph(name) as graph:
            try:
                end = await graph.ainvoke(given, _thread(name) | {"callbacks": []})
            except (_Broken, OSError, *DAMAGE) as error:
                state = await graph.aget_state(_thread(name))
                end = dict(state.values) | {"failed": str(error)}
                end["receipt"] = await self._receipt(name, end)
        if "__interrupt__" in end:
            self._mark(name, asked_ns=self._market_ns())
            return Waiting(name, dict(end["__interrupt__"][0].value))
        unmark(self.folder, name)
        receipt = Receipt(**end["receipt"])
        seen = {"digest": _digest(end.get("digest", {}))}
        whole = Step(name=name, start_ns=self._began_ns, end_ns=now_ns(), inputs=seen,
                     outputs={key: end.get(key) for key in SHARES}, error=str(end.get("failed", "")))  # fmt: skip
        ruling = str((end.get("verdict") or {}).get("ruling", "none"))
        named = {"cycle": name, "receipt": receipt.number, "receipt_hash": receipt.hash}
        tree = aside_tree(
            TREE, str(self.journal), receipt.number, whole, self._steps, tags=(f"ruling:{ruling}",),
            metadata=named,
        )  # fmt: skip
        self.trees.append(tree)
        return Ended(name, receipt)

    def _graph(self, name: str = "") -> Any:
        from contextlib import asynccontextmanager

        from graph.supervisor import build

        @asynccontextmanager
        async def opened() -> Any:
            from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            async with AsyncSqliteSaver.from_conn_string(str(self.folder / CYCLES)) as saver:
                yield build(self.doors(name)).compile(checkpointer=saver, name="supervisor")

        return opened()

    def doors(self, name: str) -> Any:
        """Give the graph's doors for the cycle of that name."""
        from graph.supervisor import Doors

        return Doors(
            observe=self._observe, model=self._propose if self.model is not None else None, search=self._search,
            rehearse=self._rehearse, rule=self._rule, intend=lambda state: self._intend(name, state),
            apply=lambda checked: self._apply(name, checked), watch=self._watch, roll_back=self._roll_back,
            receipt=lambda state: self._receipt(name, state), asking=self.asking,  # type: ignore[arg-type]
        )  # fmt: skip

    # The doors.

    async def _observe(self) -> Plain:
        record = await self._opened()
        left = self.model is None or self.model.budget.left()
        drift = await self._drift(record)
        digest = await asyncio.to_thread(
            digest_of, record, self.receipts, drift, budget_left=left, now_ns=self._market_ns()
        )  # fmt: skip
        kept: Plain = json.loads(json.dumps(digest, default=str))
        return kept

    async def _drift(self, record: Any) -> Plain:
        """Hold the session against its replay; what fails on the way is no reason to end the cycle."""
        try:
            async with await self._rehearsal({"params": as_dict(record.params[-1].params)}) as rehearsal:
                return await drift_of(record, rehearsal)
        except (_Broken, RehearsalFailed) as error:
            return {"cannot": str(error)}

    async def _opened(self) -> Any:
        from infra.record.opening import NothingRecorded, open_record

        if self._record is None:
            try:
                self._record = await asyncio.to_thread(open_record, self.journal)
            except NothingRecorded as error:
                raise _Broken(str(error)) from error
        return self._record

    def _market_ns(self) -> int:
        """Give the market's time as the record knows it: a session at twenty times has a clock of its own."""
        return int(self._record.now_ns)

    async def _propose(self, digest: Plain) -> Plain:
        from graph.supervisor import ProposerFailed

        assert self.model is not None, "the graph asks a model only where there is one"
        began_ns = now_ns()
        try:
            said, self._usage = await self.model.structured(SYSTEM, digest_words(digest), Proposal)
        except Unanswered as why:
            self._steps.append(Step(name="model", start_ns=began_ns, end_ns=now_ns(), run_type="llm", error=why.words))
            raise ProposerFailed(why.words) from None
        self._steps.append(
            Step(name="model", start_ns=began_ns, end_ns=now_ns(), run_type="llm", outputs=asdict(self._usage))
        )
        return said

    async def _search(self, digest: Plain) -> Plain:
        began_ns = now_ns()
        async with await self._rehearsal(digest) as rehearsal:
            try:
                found = await search(
                    rehearsal.fitted, rehearsal.champion, seed=self.seed + len(self.receipts),
                    rehearsals=self.rehearsals, braked=braked_names(Context(**digest["context"])),
                    progress=self.progress,
                )  # fmt: skip
            except RehearsalFailed as error:
                raise _Broken(str(error)) from error
        told = found.proposal()
        changes = told["changes"] or {TUNABLES[0].name: digest["params"][TUNABLES[0].name]}
        self._steps.append(
            Step(name="search", start_ns=began_ns, end_ns=now_ns(), outputs={"tried": found.tried_count, **told})
        )
        return {
            "halt": False,
            "changes": [{"name": name, "value": float(value)} for name, value in changes.items()],
            "hypothesis": str(told["hypothesis"])[:400],
            "metric": "pnl_usd",
        }

    async def _rehearse(self, changes: Mapping[str, Any]) -> Plain:
        began_ns = now_ns()
        record = await self._opened()
        digest = {"params": as_dict(record.params[-1].params)}
        async with await self._rehearsal(digest) as rehearsal:
            try:
                self._figures = await rehearsal.rehearse({name: after for name, (_, after) in changes.items()})
            except RehearsalFailed as error:
                raise _Broken(str(error)) from error
        told: Plain = plain(asdict(self._figures)) | {"promise": plain(asdict(promise_of(self._figures)))}
        self._steps.append(Step(name="rehearsal", start_ns=began_ns, end_ns=now_ns(), outputs=told))
        return told

    async def _rehearsal(self, digest: Plain) -> Rehearsal:
        if self._stretches is None:
            try:
                self._stretches = await asyncio.to_thread(freeze_all, (*self.frozen, self.journal))
            except NothingToRehearse as error:
                raise _Broken(str(error)) from error
        champion = default_params(digest["params"])
        return Rehearsal(
            self._stretches, self.folder / "rehearsals", champion=champion, progress=self.progress
        )  # fmt: skip

    def _rule(self, changes: Plain, _figures: Plain) -> Plain:
        if self._figures is None:
            raise _Broken("the rehearsal was made in another life of this process; run the cycle again")
        steps = [Change(name, before, after) for name, (before, after) in changes.items()]
        number = 1 + sum(bool(receipt.told.get("rehearsed")) for receipt in self.receipts if receipt.kind == "done")
        closed_s = self._figures.last_open_s + WINDOW_S
        age_s = max(self._market_ns() / NS_PER_S - closed_s, 0.0)
        verdict: Verdict = promote(self._figures, steps, Judging(number=number, age_s=age_s))
        said: Plain = plain(asdict(verdict))
        return said | {"number": number}

    async def _intend(self, name: str, state: Plain) -> None:
        told = {key: state[key] for key in SHARES if key in state}
        append_receipt(self.folder / RECEIPTS, name, "intended", told | {"journal": name_of(self.journal)})

    async def _apply(self, name: str, checked: Plain) -> Plain:
        if not is_journal(self.journal):
            return {"taken": False, "words": f"{self.journal}: a backtest's run, and no session runs here to change"}
        if checked["halt"]:
            file = leave_kill_file(self.journal, f"the supervisor asked for a halt ({name})")
            pid = writer_of(self.journal)
            runs = pid is not None and is_running(pid)
            words = "the session stops" if runs else "no session runs here now, and none will start"
            return {"taken": runs, "words": f"left {file}: {words}; `updown kill --lift` undoes it"}
        try:
            told = await ask_change(
                self.journal, receipt=name, before=checked["params_hash"], why="promoted after a rehearsal",
                changes={step: after for step, (_, after) in checked["changes"].items()},
            )  # fmt: skip
        except ChangeRefused as error:
            heard = error.code == NO_ANSWER and any(each.receipt == name for each in news_in(self.journal))
            words = f"{error}; it tells of the request" if heard else str(error)
            return {"taken": heard, "words": words, "code": error.code}
        return {"taken": True, "words": told.words, "due_ns": told.due_ns, "after": told.after}

    async def _watch(self, _: Plain) -> Plain:
        return {"ruling": "keep", "because": "no window has been traded with it yet; later cycles watch it"}

    async def _roll_back(self, _: Plain) -> Plain:
        return {"taken": False, "words": "rolled back by a later cycle's watch alone"}

    async def _receipt(self, name: str, state: Plain) -> Plain:
        told: Plain = {key: state[key] for key in SHARES if key in state}
        told["journal"] = name_of(self.journal)
        told["digest_sha256"] = _digest(state.get("digest", {}))
        told["params_hash"] = params_hash(default_params(state["digest"]["params"])) if "digest" in state else ""
        told["model"] = asdict(self._usage) if self._usage is not None else None
        told["failed"] = str(state.get("failed", ""))
        number = len(self.receipts) + 1
        told["trace_id"] = trace_of(TREE, str(self.journal), number, self._began_ns) if self._began_ns else ""
        return asdict(append_receipt(self.folder / RECEIPTS, name, "done", told))

    # Names and marks.

    def _next_name(self) -> str:
        """Name a cycle: counted over all that were begun, by their receipts and by those that wait."""
        names = {receipt.cycle for receipt in self.receipts} | set(begun_names(self.folder))
        numbers = [int(name.rpartition("-")[2]) for name in names if name.rpartition("-")[2].isdecimal()]
        return f"cycle-{max(numbers, default=0) + 1}"

    def _mark(self, name: str, asked_ns: int | None = None) -> None:
        usage = asdict(self._usage) if self._usage is not None else None
        mark(self.folder, name, name_of(self.journal), usage, asked_ns)

    def _kept_usage(self, name: str) -> Usage | None:
        told = begun(self.folder, name).get("usage")
        return Usage(**told) if told else None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = take_lock(self.folder / LOCK)
        try:
            yield
        finally:
            os.close(handle)


def _thread(name: str) -> Any:
    return {"configurable": {"thread_id": name}}


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
